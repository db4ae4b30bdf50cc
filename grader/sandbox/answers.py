"""What a student's function gave back, packed for the grader: an array, why it is none, or an exception.

It runs in the child, where the student may wreck it. It knows nothing of frames, or of what is right.
"""

from __future__ import annotations

import inspect
import traceback
from typing import Any

import numpy as np

from grader.sandbox import packing
from grader.sandbox.packing import LARGEST_ANSWER_BYTES, LONGEST_TEXT
from grader.sandbox.wire import Kind

FLOAT64 = np.dtype(packing.DTYPES[0])
LONGEST_NAME = 200


def numeric(result: Any) -> tuple[Kind, bytes]:
    """A result as an array of float64 or complex128; lists, matrices, sparse matrices and ints are welcome."""
    if type(result) is np.ndarray and result.dtype is FLOAT64 and result.nbytes <= LARGEST_ANSWER_BYTES:
        return Kind.VALUE, packing.array(0, result.shape, result.tobytes())  # as nearly always
    if result is None:
        return Kind.BAD_TYPE, packing.text("None") + b"\0"
    if inspect.iscoroutine(result):  # closed, lest Python warn about it in our name
        result.close()
    if isinstance(result, np.ma.MaskedArray):  # an entry that is masked was not answered
        result = np.ma.asarray(result, np.float64).filled(np.nan) if result.dtype.kind in "biuf" else result
    if callable(dense := getattr(result, "toarray", None)):  # scipy.sparse and its like
        result = dense()
    try:
        array = np.asarray(result)
    except ValueError:  # lists of unequal length
        return Kind.BAD_TYPE, packing.text(f"a ragged {type_name(result)}") + b"\0"
    if array.dtype.kind not in "biufc":
        return Kind.BAD_TYPE, packing.text(_described(result, array)) + _shape(array)
    code = int(array.dtype.kind == "c")
    if array.size * (8 << code) > LARGEST_ANSWER_BYTES:
        return Kind.TOO_LARGE, packing.dimensions(array.shape)
    with np.errstate(all="ignore"):
        raw = array.astype(packing.DTYPES[code]).tobytes()
    return Kind.VALUE, packing.array(code, array.shape, raw)


def _described(result: Any, array: Any) -> str:
    if not array.ndim:
        return type_name(result)
    if array.dtype.kind != "O" or not array.size or isinstance(array.flat[0], float | int):
        return f"an array of dtype {array.dtype}"
    return f"an array of {type_name(array.flat[0])} objects"


def _shape(array: Any) -> bytes:
    return b"\1" + packing.dimensions(array.shape) if array.ndim else b"\0"


def type_name(value: Any) -> str:
    return str(type(value).__name__)[:LONGEST_NAME]


def raised(error: BaseException, name: str, on_copies: bytes | None = None) -> bytes:
    """Type, message, traceback, family, a sign of a call that did not fit, and what copies of its inputs gave.

    `on_copies` is None where the call did not fail for writing into its inputs.
    """
    try:
        message = str(error)[:LONGEST_TEXT]
        trace = traceback.TracebackException.from_exception(error)
        frames = _cut(trace, name)
        told = "".join(trace.format() if frames else trace.format_exception_only())[-LONGEST_TEXT:]
    except BaseException:
        message, frames, told = "(its message could not be printed)", 1, ""
    misfit = frames == 0 and isinstance(error, TypeError) and "argument" in message
    texts = b"".join(map(packing.text, (type_name(error), message, told)))
    writes = packing.WRITES_NOTHING if on_copies is None else packing.WRITES_INPUTS + bool(on_copies)
    return texts + bytes([_family(error), misfit, writes]) + (on_copies or b"")


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
