"""What came back of a call, unpacked, and in words where nothing came: frames and fates in, outcomes out. Pure.

All of it is untrusted: whatever does not fit is the call's own `protocol`, and every text is cleaned and cut.
It knows neither answers nor points.
"""

from __future__ import annotations

import errno
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.errors import nearest
from grader.sandbox import packing
from grader.sandbox.exchange import Fate
from grader.sandbox.packing import Cursor, Malformed
from grader.sandbox.sketch import SKETCH_BYTES
from grader.sandbox.wire import Kind
from grader.values import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.sandbox.exchange import Exchange
    from grader.sandbox.wire import Frame
    from grader.values import Call, Limits

_NO_FILES = "; there are no files and no network here: keep it in memory"
_NO_PROCESSES = "; there are no processes and no threads here: compute it in this one"
_ADVICE = (  # by what the walls make Python say
    (f"[Errno {errno.EFBIG}]", _NO_FILES),
    (f"[Errno {errno.EACCES}]", _NO_FILES),
    ("No usable temporary directory", _NO_FILES),
    (f"[Errno {errno.EPERM}]", _NO_PROCESSES),
    (f"[Errno {errno.EAGAIN}]", _NO_PROCESSES),
    ("can't start new thread", _NO_PROCESSES),
    (
        "ModuleNotFoundError",
        "; there is numpy here, scipy where it is installed, and what comes with Python: use those",
    ),
)


DTYPES = tuple(map(np.dtype, packing.DTYPES))


def clean(text: str) -> str:
    """A student's text without terminal codes and invisible characters; line ends and tabs stay."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    text = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else " " if c.isspace() else "" for c in text)


def of_call(frame: Frame, call: Call, names: tuple[str, ...], signature: str) -> Outcome:
    """The outcome of a call that was answered. `names` are for a hint where a function is missing."""
    try:
        cursor = Cursor(frame.payload)
        match frame.kind:
            case Kind.VALUE:
                outcome = _value(cursor)
            case Kind.BAD_TYPE:
                found = _text(cursor)
                outcome = Outcome("wrong_type", found, shape=cursor.dimensions() if cursor.u8() else None)
            case Kind.TOO_LARGE:
                outcome = Outcome("value", shape=cursor.dimensions())
            case Kind.ABSENT:
                outcome = Outcome("missing", _absence(_text(cursor), call.part.function, names))
            case _:
                outcome = _raised(cursor, f"{call.part.function}({signature})")
        cursor.end()
    except Malformed as error:
        return _unread(error)
    return outcome


def _unread(error: Malformed) -> Outcome:
    return Outcome("protocol", f"its answer could not be read: {error}")


def _text(cursor: Cursor) -> str:
    return clean(cursor.text()[: packing.LONGEST_TEXT])


def _value(cursor: Cursor) -> Outcome:
    value = _array(cursor)
    visited = {}
    for _ in range(cursor.u8()):
        position, (code, _, raw) = cursor.u8(), cursor.array()
        visited[position] = np.frombuffer(raw, DTYPES[code]).astype(np.complex128)
    return Outcome("value", value=value, shape=value.shape, visited=visited)


def _array(cursor: Cursor) -> Any:
    code, shape, raw = cursor.array()
    return np.frombuffer(raw, DTYPES[code]).reshape(shape)


def _raised(cursor: Cursor, called_as: str) -> Outcome:
    name, message, traceback = (_text(cursor) for _ in range(3))
    name, message = " ".join(name.split()), message.replace("\n", " ")  # one line each: they stand in a table
    family, misfit, writes = cursor.u8(), cursor.u8(), cursor.u8()
    on_copies = _array(cursor) if writes == packing.WRITES_INPUTS_AND_ANSWERS else None
    text = f"{name}: {message}" if message else name
    if family == packing.RAISED_MEMORY:
        return Outcome("memory", f"it needed too much memory ({text})", traceback=traceback or None)
    if family == packing.RAISED_EXIT:
        return Outcome("exit", f"it ended itself ({text}): remove that", traceback=traceback or None)
    if misfit:
        text += f"; it is called as {called_as}: write its first line so"
    text += next((advice for sign, advice in _ADVICE if sign in text), "")
    return Outcome(
        "raised",
        text,
        traceback=traceback or None,
        mutates_inputs=writes != packing.WRITES_NOTHING,
        on_copies=on_copies,
    )


def _absence(found: str, function: str, names: tuple[str, ...]) -> str:
    if found:
        return f"{function} is not a function but of type {found}"
    near = _nearest(function, names)
    hint = f"; it has {near}: did you mean that?" if near else ""
    return f"the file has no function {function}{hint}"


@lru_cache(maxsize=16)  # every call of a function that is missing asks again
def _nearest(function: str, names: tuple[str, ...]) -> str | None:
    return nearest(function, names)


def public_names(exchange: Exchange, asked: Sequence[str]) -> tuple[str, ...]:
    """The names the file has besides those that are asked for."""
    if exchange.loaded is None or exchange.loaded.frame.kind is not Kind.LOADED:
        return ()
    try:
        told = _text(Cursor(exchange.loaded.frame.payload))
    except Malformed:
        return ()
    return tuple(name for name in told.split("\n") if name not in asked)


def sketch(exchange: Exchange) -> str | None:
    """What the file is like, in hexadecimal, as the child tells it; None where it does not."""
    if exchange.loaded is None or exchange.loaded.frame.kind is not Kind.LOADED:
        return None
    try:
        cursor = Cursor(exchange.loaded.frame.payload)
        cursor.text()
        told = cursor.rest()
    except Malformed:
        return None
    return told.hex() if len(told) == SKETCH_BYTES else None


def of_loading(exchange: Exchange, limits: Limits) -> Outcome | None:
    """Why the file could not be loaded; None when it was."""
    if exchange.loaded is None:
        return of_death(exchange, limits)
    if exchange.loaded.frame.kind is Kind.LOADED:
        return None
    try:
        return _raised(Cursor(exchange.loaded.frame.payload), "")
    except Malformed as error:
        return _unread(error)


def of_death(exchange: Exchange, limits: Limits) -> Outcome:
    """The outcome of a call, or of loading, that ended its process."""
    texts = {
        Fate.TIMEOUT: _too_slow(exchange, limits),
        Fate.MEMORY: f"it was killed, most likely for needing more than {limits.memory_bytes / 2**20:g} MiB",
        Fate.FORBIDDEN: "it asked the system for something that is not allowed here",
    }
    return Outcome(exchange.fate.value, texts.get(exchange.fate, exchange.detail))  # type: ignore[arg-type]  # not DONE


def _too_slow(exchange: Exchange, limits: Limits) -> str:
    if exchange.loaded is None:
        return f"not loaded within {limits.submission_seconds:g} s"
    if exchange.seconds >= limits.call_seconds:
        return f"no answer within {limits.call_seconds:g} s"
    return "no answer before the function's share of the time was used up"


def share_used(share: float) -> Outcome:
    """The outcome of calls that are not made, for their function has had its time."""
    return Outcome("timeout", f"not called: the function had used its share of the time ({share:.3g} s)")


def too_slow_to_go_on(seconds: float) -> Outcome:
    """The outcome of calls that are not made, for loading the file again and again has taken so long."""
    return Outcome("timeout", f"not called: the file had been loaded again and again, for {seconds:.0f} s")
