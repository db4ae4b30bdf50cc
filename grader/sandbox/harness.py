"""The child's program: it loads one submission, makes the calls it is asked for, and sends what came of each.

It runs in a process of its own that holds inputs and never an answer, a rubric or a seed. The student
shares this process and may wreck all of it, so the other side trusts nothing that comes from here.
"""

from __future__ import annotations

import io
import linecache
import os
import sys
import traceback
from contextlib import suppress
from importlib.util import decode_source
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.formula import Formula
from grader.sandbox import packing
from grader.sandbox.packing import Cursor
from grader.sandbox.wire import LIMITS, Kind, encode, read_frame, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Plan = list[tuple[str, list[Callable[[], Any]]]]

LARGEST_ANSWER_BYTES = 64 * 2**10  # no homework asks for a larger array; beyond it the shape says enough
MOST_VISITS = 256  # points kept of each callable argument of a call
LONGEST_TEXT = 8 * 2**10


def serve(request: int, response: int, confine: Callable[[int, float], None]) -> None:
    """Read everything, confine this process, load the source, answer every call."""
    bounds, source, plans, nonce = _read(request)
    os.close(request)
    confine(*LIMITS.unpack(bounds))
    for sequence, (kind, payload) in enumerate(_answers(source, plans)):
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        write_all(response, encode(kind, sequence, nonce, payload))


def _read(request: int) -> tuple[bytes, Cursor, list[Plan], int]:
    bounds, source, plans = b"", b"", []
    while True:
        kind, nonce, payload = read_frame(request)
        if kind is Kind.LIMITS:
            bounds = payload
        elif kind is Kind.SOURCE:
            source = payload
        elif kind is Kind.REQUEST:
            plans.append(_plan(payload))
        else:
            return bounds, Cursor(source), plans, nonce


def _flush(stream: Any) -> None:
    with suppress(BaseException):  # the student may have closed or replaced it
        stream.flush()


def _answers(packed: Cursor, plans: list[Plan]) -> Iterator[tuple[Kind, bytes]]:
    yield Kind.READY, b""
    name, source = packed.text(), packed.rest()
    module = type(sys)("__submission__")
    namespace = module.__dict__
    module.__file__ = name
    sys.modules["__submission__"] = module
    try:
        exec(_compile(source, name), namespace)  # noqa: S102 this is the child's purpose
    except BaseException as error:
        yield Kind.RAISED, _raised(error, name)
        return
    yield Kind.LOADED, _names(namespace)
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
        return Kind.ABSENT, packing.text("" if function is None else _type_name(function))
    recorders: dict[int, Recorder] = {}
    try:
        values = [make() for make in arguments]
        for position, value in enumerate(values):
            if isinstance(value, Formula):
                values[position] = recorders[position] = Recorder(value)
        kind, payload = _numeric(function(*(_plain(value) for value in values)))
    except BaseException as error:
        return Kind.RAISED, _raised(error, name)
    return kind, payload + _visits(recorders) if kind is Kind.VALUE else payload


class Recorder:
    """Remembers the points at which a formula is called."""

    def __init__(self, formula: Formula) -> None:
        self.formula = formula
        self.points: list[Any] = []
        self.room = MOST_VISITS

    def __call__(self, z: Any) -> Any:
        if self.room > 0:
            self._remember(z)
        return self.formula(z)

    def _remember(self, z: Any) -> None:
        try:
            flat = np.array(z, np.complex128).reshape(-1)[: self.room]
        except (TypeError, ValueError):
            return  # not numbers: the formula will say so
        self.room -= flat.size
        self.points.append(flat)


def _plain(value: Any) -> Any:
    """A formula as the plain function a student expects."""
    return value.__call__ if isinstance(value, Recorder) else value


def _visits(recorders: dict[int, Recorder]) -> bytes:
    packed = bytes([len(recorders)])
    for position, recorder in recorders.items():
        points = np.concatenate([np.zeros(0, np.complex128), *recorder.points])
        packed += bytes([position]) + packing.array(1, points.shape, points.astype("<c16").tobytes())
    return packed


def _numeric(result: Any) -> tuple[Kind, bytes]:
    """A result as an array of float64 or complex128; lists, matrices, sparse matrices and ints are welcome."""
    if result is None:
        return Kind.BAD_TYPE, packing.text("None") + b"\0"
    if callable(dense := getattr(result, "toarray", None)):  # scipy.sparse and its like
        result = dense()
    try:
        array = np.asarray(result)
    except ValueError:  # lists of unequal length
        return Kind.BAD_TYPE, packing.text(f"a ragged {_type_name(result)}") + b"\0"
    if array.dtype.kind not in "biufc":
        described = f"an array of dtype {array.dtype}" if array.ndim else _type_name(result)
        return Kind.BAD_TYPE, packing.text(described) + _shape(array)
    code = int(array.dtype.kind == "c")
    if array.size * (8 << code) > LARGEST_ANSWER_BYTES:
        return Kind.TOO_LARGE, packing.dimensions(array.shape)
    with np.errstate(all="ignore"):
        raw = array.astype(packing.DTYPES[code]).tobytes()
    return Kind.VALUE, packing.array(code, array.shape, raw)


def _shape(array: Any) -> bytes:
    return b"\1" + packing.dimensions(array.shape) if array.ndim else b"\0"


def _type_name(value: Any) -> str:
    return str(type(value).__name__)


def _raised(error: BaseException, name: str) -> bytes:
    """Type, message, traceback, family, and whether it was the call itself that did not fit the function."""
    try:
        message = str(error)
    except BaseException:
        message = "(its message could not be printed)"
    try:
        trace = traceback.TracebackException.from_exception(error)
        frames = _cut(trace, name)
        told = "".join(trace.format() if frames else trace.format_exception_only())
    except BaseException:
        frames, told = 1, ""
    at_the_call = frames == 0 and isinstance(error, TypeError)
    texts = (type(error).__name__, message[:LONGEST_TEXT], told[-LONGEST_TEXT:])
    return b"".join(map(packing.text, texts)) + bytes([_family(error), at_the_call])


def _family(error: BaseException) -> int:
    if isinstance(error, MemoryError):
        return packing.RAISED_MEMORY
    return packing.RAISED_EXIT if isinstance(error, SystemExit) else packing.RAISED_OTHER


def _cut(trace: traceback.TracebackException, name: str) -> int:
    """Leave only the frames of the student's file, in the exception and in those it came from or holds."""
    trace.stack = traceback.StackSummary.from_list([frame for frame in trace.stack if frame.filename == name])
    for other in (trace.__cause__, trace.__context__, *(trace.exceptions or ())):
        if other is not None:
            _cut(other, name)
    return len(trace.stack)


# What the calls are, as the grader packed them.


def _plan(payload: bytes) -> Plan:
    cursor = Cursor(payload)
    table = [_argument(cursor) for _ in range(cursor.u32())]
    calls = []
    for _ in range(cursor.u32()):
        function = cursor.text()
        calls.append((function, [table[cursor.u32()] for _ in range(cursor.u8())]))
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
        return lambda: np.frombuffer(raw, packing.DTYPES[code]).reshape(shape)
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
        raw = io.FileIO(descriptor, "w", closefd=False)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
