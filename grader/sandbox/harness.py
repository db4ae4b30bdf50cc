"""The child's program: it loads one submission, makes the calls it is asked for, and sends what came of each.

It runs in a process of its own that holds inputs and never an answer, a rubric or a seed. The student
shares this process and may wreck all of it, so the other side trusts nothing that comes from here.
"""

from __future__ import annotations

import builtins
import io
import linecache
import marshal
import os
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib.util import decode_source
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from grader.formula import Formula
from grader.sandbox import answers, packing, sketch
from grader.sandbox.packing import LONGEST_TEXT, Cursor
from grader.sandbox.wire import LIMITS, Kind, encode, read_frame, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Plan = list[tuple[str, list[Callable[[], Any]]]]
    Points = dict[complex, None]  # in the order of their first visit

MOST_VISITS = 256  # points kept of each callable argument of a call


def serve(request: int, response: int, confine: Callable[[int, float], None]) -> None:
    """Read what is asked, confine this process, load the source, and answer every call; then whatever else is asked."""
    bounds, source, first, nonce = _read(request)
    confine(*LIMITS.unpack(bounds))
    try:
        for sequence, (kind, payload) in enumerate(_answers(Cursor(source), _plans(request, first))):
            _flush()
            write_all(response, encode(kind, sequence, nonce, payload, _Counted.bytes_written))
    except EOFError:  # nothing more is asked
        os._exit(0)
    except BaseException as error:  # a student can wreck this very code, or close the pipe it answers through
        os.write(2, f"(the process that ran this file broke: {type(error).__name__})\n".encode())
        os._exit(1)
    os._exit(0)


class _Asked(NamedTuple):
    bounds: bytes
    source: bytes
    plans: list[Plan]
    nonce: int


def _read(request: int) -> _Asked:
    """All frames up to the next END; their requests share one table of arguments. Raises EOFError."""
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
            return _Asked(bounds, source, plans, nonce)


def _plans(request: int, first: list[Plan]) -> Iterator[list[Plan]]:
    yield first
    while True:
        yield _read(request).plans


def rehearse(times: int) -> None:
    """Answer a sample of calls, so that what is made, specialised or copied on first use is there before."""
    arguments = 1, [None, ((2, 2), np.eye(2).tobytes())], ("z*c", {"c": 2.0})
    payload = marshal.dumps((arguments, [("f", [0, 1, 2]), ("g", [0, 1, 2])]))
    source = "def f(l, A, s):\n    print(l)\n    return s(A[1]) @ A[1]\ndef g(*a): 1/0\n"
    with redirect_stdout(io.StringIO()):
        for _ in range(times):
            packed = Cursor(packing.text("rehearsal.py") + source.encode())
            for kind, answer in _answers(packed, iter([[_plan(payload, [])]])):
                encode(kind, 0, 0, answer)
    del sys.modules["__submission__"]
    linecache.clearcache()


def _flush() -> None:
    with suppress(BaseException):  # the student may have closed, replaced or deleted them
        sys.stdout.flush()
        sys.stderr.flush()


def _answers(packed: Cursor, asked: Iterator[list[Plan]]) -> Iterator[tuple[Kind, bytes]]:
    yield Kind.READY, b""
    name, source = packed.text(), packed.rest()
    module = type(sys)("__submission__")
    namespace = module.__dict__
    module.__file__ = name
    sys.modules["__submission__"] = module
    plans = next(asked)
    try:
        code = _compile(source, name)
        likeness = sketch.of(code, dict.fromkeys(function for plan in plans for function, _ in plan))
        exec(code, namespace)  # noqa: S102 this is the child's purpose
    except BaseException as error:
        yield Kind.RAISED, answers.raised(error, name)
        return
    yield Kind.LOADED, _names(namespace) + likeness
    for plan in chain(plans, chain.from_iterable(asked)):
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
    visited: dict[int, Points] = {}
    try:
        values = [make() for make in arguments]
        for position, value in enumerate(values):
            if type(value) is Formula:
                values[position] = _recorded(value, visited.setdefault(position, {}))
        kind, payload = answers.numeric(function(*values))
    except BaseException as error:
        return Kind.RAISED, answers.raised(error, name, _on_copies(error, function, arguments))
    return kind, payload + _visits(visited) if kind is Kind.VALUE else payload


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


def _recorded(formula: Formula, points: Points) -> Callable[[Any], Any]:
    """The formula as the plain function a student expects, which remembers the different points it is called at."""

    def function(z: Any) -> Any:
        if len(points) < MOST_VISITS:
            try:  # noqa: SIM105 suppress() would take as long as all the rest
                points.update(dict.fromkeys(np.array(z, np.complex128).reshape(-1)[:MOST_VISITS].tolist()))
            except (TypeError, ValueError):  # not numbers: the formula will say so
                pass
        return formula(z)

    return function


def _visits(visited: dict[int, Points]) -> bytes:
    called = {position: list(points)[:MOST_VISITS] for position, points in visited.items() if points}
    packed = bytes([len(called)])
    for position, points in called.items():
        packed += bytes([position]) + packing.array(1, (len(points),), np.array(points, packing.DTYPES[1]).tobytes())
    return packed


# What the calls are, as `engine` packed them: it comes from the grader, which is trusted here.


def _plan(payload: bytes, table: list[Callable[[], Any]]) -> Plan:
    """The calls of one request; the arguments it brings join those that earlier ones brought."""
    arguments, calls = marshal.loads(payload)  # noqa: S302 it comes from the grader
    table += map(_argument, arguments)
    return [(function, [table[n] for n in positions]) for function, positions in calls]


def _argument(value: Any) -> Callable[[], Any]:
    """How to make this argument: anew for each call, so that nothing a call does to it reaches another."""
    if isinstance(value, list):
        items = list(map(_argument, value))
        return lambda: [make() for make in items]
    if not isinstance(value, tuple):
        return lambda: value
    what, given = value
    if isinstance(what, str):
        formula = Formula(what, given)
        return lambda: formula
    # on immutable bytes: an array that owns its memory can be made writable again
    return np.frombuffer(given, packing.DTYPES[0]).reshape(what).view


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

    def seekable(self) -> bool:
        return False  # it was opened on another file than the pipe that is there now

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
