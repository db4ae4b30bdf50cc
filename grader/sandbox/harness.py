"""The child's program: it loads one submission, makes the calls it is asked for, and sends what came of each.

It runs in a process of its own that holds inputs and never an answer, a rubric or a seed. The student
shares this process and may wreck all of it, so the other side trusts nothing that comes from here.
"""

from __future__ import annotations

import builtins
import io
import linecache
import os
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib.util import decode_source
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.formula import Formula
from grader.sandbox import answers, packing, sketch
from grader.sandbox.packing import LONGEST_TEXT, Cursor
from grader.sandbox.wire import LIMITS, Kind, encode, read_frame, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Plan = list[tuple[str, list[Callable[[], Any]]]]

MOST_VISITS = 256  # points kept of each callable argument of a call


def serve(request: int, response: int, confine: Callable[[int, float], None]) -> None:
    """Read everything, confine this process, load the source, answer every call, and end."""
    bounds, source, plans, nonce = _read(request)
    os.close(request)
    confine(*LIMITS.unpack(bounds))
    try:
        for sequence, (kind, payload) in enumerate(_answers(source, plans)):
            _flush()
            write_all(response, encode(kind, sequence, nonce, payload, _Counted.bytes_written))
    except BaseException as error:  # a student can wreck this very code, or close the pipe it answers through
        os.write(2, f"(the process that ran this file broke: {type(error).__name__})\n".encode())
        os._exit(1)
    os._exit(0)


def _read(request: int) -> tuple[bytes, Cursor, list[Plan], int]:
    bounds, source, plans = b"", b"", []
    table: list[Callable[[], Any]] = []
    while True:
        kind, nonce, payload = read_frame(request)
        if kind is Kind.LIMITS:
            bounds = payload
        elif kind is Kind.SOURCE:
            source = payload
        elif kind is Kind.REQUEST:
            plans.append(_plan(payload, table))
        else:
            return bounds, Cursor(source), plans, nonce


def rehearse(times: int) -> None:
    """Answer a sample of calls, so that what is made, specialised or copied on first use is there before."""
    argument = b"A" + packing.array(0, (2, 2), np.eye(2).tobytes())
    formula = b"F" + packing.text("z*c") + b"\1" + packing.text("c") + packing.f64(2.0)
    table = b"I" + packing.i64(1) + b"L" + packing.u32(2) + b"N" + argument + formula
    call = packing.text("f") + b"\3" + b"".join(map(packing.u32, range(3)))
    payload = packing.u32(3) + table + packing.u32(2) + call + call.replace(b"f", b"g")
    source = "def f(l, A, s):\n    print(l)\n    return s(A[1]) @ A[1]\ndef g(*a): 1/0\n"
    with redirect_stdout(io.StringIO()):
        for _ in range(times):
            packed = Cursor(packing.text("rehearsal.py") + source.encode())
            for kind, answer in _answers(packed, [_plan(payload, [])]):
                encode(kind, 0, 0, answer)
    del sys.modules["__submission__"]
    linecache.clearcache()


def _flush() -> None:
    with suppress(BaseException):  # the student may have closed, replaced or deleted them
        sys.stdout.flush()
        sys.stderr.flush()


def _answers(packed: Cursor, plans: list[Plan]) -> Iterator[tuple[Kind, bytes]]:
    yield Kind.READY, b""
    name, source = packed.text(), packed.rest()
    module = type(sys)("__submission__")
    namespace = module.__dict__
    module.__file__ = name
    sys.modules["__submission__"] = module
    likeness = sketch.of(source, dict.fromkeys(function for plan in plans for function, _ in plan))
    try:
        exec(_compile(source, name), namespace)  # noqa: S102 this is the child's purpose
    except BaseException as error:
        yield Kind.RAISED, answers.raised(error, name)
        return
    yield Kind.LOADED, _names(namespace) + likeness
    for plan in plans:
        for function, arguments in plan:
            yield _call(namespace.get(function), arguments, name)


def _compile(source: bytes, name: str) -> Any:
    try:
        lines = decode_source(source).splitlines(keepends=True)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        lines = []  # compile() will say what is wrong, and where
    linecache.cache[name] = (len(source), None, lines, name)
    return compile(source, name, "exec", dont_inherit=True)


def _names(namespace: dict[str, Any]) -> bytes:
    """The public names of the submission, for a hint where one is missing."""
    public = [name for name in namespace if isinstance(name, str) and not name.startswith("_")]
    return packing.text("\n".join(public)[:LONGEST_TEXT])


# One call.


def _call(function: Any, arguments: list[Callable[[], Any]], name: str) -> tuple[Kind, bytes]:
    if not callable(function):
        return Kind.ABSENT, packing.text("" if function is None else answers.type_name(function))
    recorders: dict[int, Recorder] = {}
    try:
        values = [make() for make in arguments]
        for position, value in enumerate(values):
            if isinstance(value, Formula):
                recorders[position] = Recorder(value)
                values[position] = _recorded(recorders[position])
        kind, payload = answers.numeric(function(*values))
    except BaseException as error:
        return Kind.RAISED, answers.raised(error, name, _on_copies(error, function, arguments))
    return kind, payload + _visits(recorders) if kind is Kind.VALUE else payload


def _on_copies(error: BaseException, function: Any, arguments: list[Callable[[], Any]]) -> bytes | None:
    """What a call that failed on a read-only input gives for copies of its inputs, where it does write into them.

    None where that was not its mistake; nothing where it gives no numbers then either.
    """
    if not isinstance(error, ValueError) or not any("read-only" in str(told) for told in error.args):
        return None
    given, packed = [_writable(make()) for make in arguments], b""
    with suppress(BaseException), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        kind, payload = answers.numeric(function(*given))
        packed = payload if kind is Kind.VALUE else b""
    return packed if any(_changed(value, make()) for value, make in zip(given, arguments, strict=True)) else None


def _writable(value: Any) -> Any:
    if isinstance(value, list):
        return [_writable(item) for item in value]
    return value.copy() if isinstance(value, np.ndarray) else value


def _changed(value: Any, original: Any) -> bool:
    if isinstance(original, list):
        return any(_changed(item, before) for item, before in zip(value, original, strict=False))
    return isinstance(original, np.ndarray) and not np.array_equal(value, original)


class Recorder:
    """Remembers the different points at which a formula is called."""

    def __init__(self, formula: Formula) -> None:
        self.formula = formula
        self._points: dict[complex, None] = {}  # in the order of their first visit

    def remember(self, z: Any) -> None:
        if len(self._points) < MOST_VISITS:
            with suppress(TypeError, ValueError):  # not numbers: the formula will say so
                self._points.update(dict.fromkeys(np.array(z, np.complex128).reshape(-1)[:MOST_VISITS].tolist()))

    def points(self) -> Any:
        """The different points, as complex numbers."""
        return np.array(list(self._points)[:MOST_VISITS], packing.DTYPES[1])


def _recorded(recorder: Recorder) -> Callable[[Any], Any]:
    """The formula as the plain function a student expects."""

    def function(z: Any) -> Any:
        recorder.remember(z)
        return recorder.formula(z)

    return function


def _visits(recorders: dict[int, Recorder]) -> bytes:
    packed = bytes([len(recorders)])
    for position, recorder in recorders.items():
        points = recorder.points()
        packed += bytes([position]) + packing.array(1, points.shape, points.tobytes())
    return packed


# What the calls are, as the grader packed them.


def _plan(payload: bytes, table: list[Callable[[], Any]]) -> Plan:
    """The calls of one request; the arguments it brings join those that earlier ones brought."""
    cursor = Cursor(payload)
    table += [_argument(cursor) for _ in range(cursor.u32())]
    calls = []
    for _ in range(cursor.u32()):
        function = cursor.text()
        calls.append((function, [table[n] for n in cursor.u32s(cursor.u8())]))
    cursor.end()
    return calls


def _argument(cursor: Cursor) -> Callable[[], Any]:
    """How to make this argument: anew for each call, so that nothing a call does to it reaches another."""
    tag = cursor.take(1)
    if tag == b"N":
        return lambda: None
    if tag == b"I":
        number = cursor.i64()
        return lambda: number
    if tag == b"A":
        code, shape, raw = cursor.array()
        # on immutable bytes: an array that owns its memory can be made writable again
        return np.frombuffer(raw, packing.DTYPES[code]).reshape(shape).view
    if tag == b"F":
        formula_text = cursor.text()
        constants = {cursor.text(): cursor.f64() for _ in range(cursor.u8())}
        formula = Formula(formula_text, constants)
        return lambda: formula
    items = [_argument(cursor) for _ in range(cursor.u32())]
    return lambda: [make() for make in items]


def open_output(descriptor: int) -> None:
    """Let print() and errors go to this descriptor, line by line, so that a sudden death loses little."""
    for name in ("stdout", "stderr"):
        raw = _Counted(descriptor, "w", closefd=False)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


class _Counted(io.FileIO):
    """Counts what is written, so that each answer can say how much was printed before it."""

    bytes_written = 0

    def write(self, data: Any) -> int:
        written = super().write(data)
        _Counted.bytes_written += written or 0
        return written


def forget_the_grader() -> None:
    """From now on no import statement reaches the grader, and the interpreter looks like any other."""
    sys.path[:] = [path for path in sys.path if path != sys.argv[1]]
    for name in [name for name in sys.modules if name.partition(".")[0] == "grader"]:
        del sys.modules[name]
    sys.modules["grader"] = None  # type: ignore[assignment]  # what makes an import fail
    sys.argv[:] = [""]
    for name in ("exit", "quit"):  # an interpreter without site has neither
        setattr(builtins, name, sys.exit)
