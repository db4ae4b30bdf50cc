"""Calls through the walls: what is asked of a child, what came back, and what a dead call costs.

One exchange carries all calls, one request a function, so that each function has its own share of
the submission's time. A call that dies costs the part it belongs to; the rest is put to a fresh
child. It knows neither answers nor points, and trusts nothing that comes back.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from grader.errors import nearest
from grader.formula import Formula
from grader.sandbox import packing
from grader.sandbox.exchange import Fate, Request
from grader.sandbox.packing import Cursor, Malformed
from grader.sandbox.wire import Kind
from grader.values import Call, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from grader.sandbox import Sandbox
    from grader.sandbox.exchange import Exchange
    from grader.sandbox.wire import Frame
    from grader.values import Limits, Submission

    Table = dict[int, int]  # position by identity; the calls keep the arguments alive
    Piece = tuple[int | None, bytes, int]  # the call it came from, what was kept of it, how long it was

LONGEST_NAME = 100
_NO_FILES = (errno.EFBIG, errno.EACCES)  # the two ways in which the walls keep files away


class Run(NamedTuple):
    """What became of a submission's calls.

    `outcomes` has the position of each call that was made, or died. `unloaded` is set where the
    file could not be loaded at all, and says why. `printed` is what it printed, cleaned and capped, each
    text with the position of the call it came from (None for what loading the file printed).
    """

    outcomes: Mapping[int, Outcome]
    unloaded: Outcome | None
    printed: tuple[Printed, ...]

    @property
    def output(self) -> str:
        """All that was printed."""
        return "".join(piece.text for piece in self.printed)


class Printed(NamedTuple):
    """What was printed during one call, or, where `position` is None, outside of all calls."""

    position: int | None
    text: str


def run(sandbox: Sandbox, submission: Submission, calls: Sequence[Call], signature: str, limits: Limits) -> Run:
    """Make the calls behind the walls, in as few exchanges as the submission's deaths allow.

    `signature` is how a function is called, for the message to one that cannot be called so.
    Raises GraderFault when the sandbox fails.
    """
    source = packing.text(clean(submission.name)[:LONGEST_NAME]) + submission.source
    ledger = _Ledger(calls, signature, limits)
    exchanges: list[Exchange] = []
    pieces: list[Piece] = []
    while ledger.pending:
        exchanges.append(sandbox.run(source, ledger.requests(), limits))
        pieces += _pieces(exchanges[-1], ledger.pending, again=len(exchanges) > 1)
        ledger.enter(exchanges[-1])
    unloaded = ledger.unloaded if not any(exchange.answers for exchange in exchanges) else None
    return Run(ledger.outcomes, unloaded, tuple(_printed(pieces, limits)))


class _Ledger:
    """Which calls are still to be made, what the others came to, and the time each function has spent."""

    def __init__(self, calls: Sequence[Call], signature: str, limits: Limits) -> None:
        self._calls, self._signature, self._limits = calls, signature, limits
        self._functions = list(dict.fromkeys(call.part.function for call in calls))
        self._share = limits.submission_seconds / max(1, len(self._functions))
        self._spent = dict.fromkeys(self._functions, 0.0)
        self._restarted_for: str | None = None
        self.pending = sorted(range(len(calls)), key=lambda n: self._functions.index(calls[n].part.function))
        self.outcomes: dict[int, Outcome] = {}
        self.unloaded: Outcome | None = None

    def requests(self) -> list[Request]:
        """What is left to ask, a request a function, each with what is left of its share."""
        asked = {
            f: [self._calls[n] for n in self.pending if self._calls[n].part.function == f] for f in self._functions
        }
        sent: Table = {}
        return [
            Request(pack(calls, sent), len(calls), self._share - self._spent[f]) for f, calls in asked.items() if calls
        ]

    def enter(self, exchange: Exchange) -> None:
        """Take what came back; where a call died, settle what that costs."""
        if self._restarted_for and exchange.loaded:
            self._spent[self._restarted_for] += exchange.loaded.seconds
        self.unloaded = _unloaded(exchange, self._limits)
        names = [name for name in _public_names(exchange) if name not in self._functions]
        for n, answer in zip(self.pending, exchange.answers, strict=False):
            self._spent[self._calls[n].part.function] += answer.seconds
            self.outcomes[n] = _outcome(answer.frame, self._calls[n], names, self._signature)
        self.pending = self.pending[len(exchange.answers) :]
        if self.unloaded and not self.outcomes:
            self.pending = []  # a file that cannot be loaded is not tried again
        elif self.pending:
            self._bury(self.pending[0], exchange)

    def _bury(self, dead: int, exchange: Exchange) -> None:
        part = self._calls[dead].part
        self._restarted_for = part.function
        self._spent[part.function] += exchange.seconds
        self._give_up(part.id, self.unloaded or _death(exchange, self._limits))
        if self._spent[part.function] >= self._share:
            rest = {self._calls[n].part.id for n in self.pending if self._calls[n].part.function == part.function}
            for other in rest:
                self._give_up(other, Outcome("timeout", _share_used(self._share)))

    def _give_up(self, part_id: str, outcome: Outcome) -> None:
        """The next call of the part ends so, and no other call of it is made."""
        mine = [n for n in self.pending if self._calls[n].part.id == part_id]
        self.outcomes[mine[0]] = outcome
        self.pending = [n for n in self.pending if n not in mine]


def _pieces(exchange: Exchange, asked: Sequence[int], *, again: bool) -> Iterator[Piece]:
    """What was printed, cut where the answers came. A fresh child loads the file again: that is not shown again."""
    start = exchange.loaded.printed if exchange.loaded else exchange.printed
    if not again:
        yield None, exchange.output[:start], start
    ends = [*(answer.printed for answer in exchange.answers), exchange.printed]
    for position, end in zip((*asked, None), ends, strict=False):
        yield position, exchange.output[start:end], end - start
        start = end


def _printed(pieces: Sequence[Piece], limits: Limits) -> Iterator[Printed]:
    left, lost = limits.output_kept_bytes, 0
    for position, kept, count in pieces:
        taken = kept[:left]
        left, lost = left - len(taken), lost + count - len(taken)
        if taken:
            yield Printed(position, clean(taken.decode("utf-8", "replace")))
    if lost:
        yield Printed(None, f"\n[{lost} more bytes were not kept]\n")


def clean(text: str) -> str:
    """A student's text without terminal codes and invisible characters; line ends and tabs stay."""
    text = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else " " if c.isspace() else "" for c in text)


# What a call is, packed: arguments for the child's table, each once, then the calls, by positions in that table.


def pack(calls: Sequence[Call], sent: Table | None = None) -> bytes:
    """One request. `sent` is the table as earlier requests of the exchange left it, and grows."""
    table = {} if sent is None else sent
    arguments, packed = [], []
    for call in calls:
        for argument in call.arguments:
            if id(argument) not in table:
                table[id(argument)] = len(table)
                arguments.append(_argument(argument))
        positions = [table[id(argument)] for argument in call.arguments]
        packed.append(
            packing.text(call.part.function) + bytes([len(positions)]) + b"".join(map(packing.u32, positions))
        )
    return b"".join((packing.u32(len(arguments)), *arguments, packing.u32(len(packed)), *packed))


def _argument(value: Any) -> bytes:
    if value is None:
        return b"N"
    if isinstance(value, int):
        return b"I" + packing.i64(value)
    if isinstance(value, Formula):
        constants = b"".join(packing.text(name) + packing.f64(number) for name, number in value.constants.items())
        return b"F" + packing.text(value.text) + bytes([len(value.constants)]) + constants
    if isinstance(value, tuple):
        return b"L" + packing.u32(len(value)) + b"".join(map(_argument, value))
    return b"A" + packing.array(0, value.shape, value.astype("<f8").tobytes())


# What came back, unpacked: untrusted, so whatever does not fit is the call's own `protocol`.


def _outcome(frame: Frame, call: Call, names: list[str], signature: str) -> Outcome:
    try:
        cursor = Cursor(frame.payload)
        match frame.kind:
            case Kind.VALUE:
                outcome = _value(cursor)
            case Kind.BAD_TYPE:
                found = clean(cursor.text())
                outcome = Outcome("wrong_type", found, shape=cursor.dimensions() if cursor.u8() else None)
            case Kind.TOO_LARGE:
                outcome = Outcome("value", shape=cursor.dimensions())
            case Kind.ABSENT:
                outcome = Outcome("missing", _absence(clean(cursor.text()), call.part.function, names))
            case _:
                outcome = _raised(cursor, f"{call.part.function}({signature})")
        cursor.end()
    except Malformed as error:
        return _unread(error)
    return outcome


def _unread(error: Malformed) -> Outcome:
    return Outcome("protocol", f"its answer could not be read: {error}")


def _value(cursor: Cursor) -> Outcome:
    value = _array(cursor)
    visited = {cursor.u8(): _array(cursor) for _ in range(cursor.u8())}
    points = {position: points.astype(np.complex128).reshape(-1) for position, points in visited.items()}
    return Outcome("value", value=value, shape=value.shape, visited=points)


def _array(cursor: Cursor) -> Any:
    code, shape, raw = cursor.array()
    return np.frombuffer(raw, packing.DTYPES[code]).reshape(shape)


def _raised(cursor: Cursor, called_as: str) -> Outcome:
    name, message, traceback = (clean(cursor.text()) for _ in range(3))
    family, misfit, mutates_inputs = cursor.u8(), cursor.u8(), bool(cursor.u8())
    text = f"{name}: {message}" if message else name
    if family == packing.RAISED_MEMORY:
        return Outcome("memory", f"it needed too much memory ({text})", traceback=traceback or None)
    if family == packing.RAISED_EXIT:
        return Outcome("exit", f"it ended itself ({text}): remove that", traceback=traceback or None)
    if misfit:
        text += f"; it is called as {called_as}: write its first line so"
    if "No usable temporary directory" in message or any(f"[Errno {n}]" in message for n in _NO_FILES):
        text += "; there are no files and no network here: keep it in memory"
    return Outcome("raised", text, traceback=traceback or None, mutates_inputs=mutates_inputs)


def _absence(found: str, function: str, names: list[str]) -> str:
    if found:
        return f"{function} is not a function but of type {found}"
    near = nearest(function, names)
    hint = f"; it has {near}: did you mean that?" if near else ""
    return f"the file has no function {function}{hint}"


def _public_names(exchange: Exchange) -> list[str]:
    if exchange.loaded is None or exchange.loaded.frame.kind is not Kind.LOADED:
        return []
    try:
        return clean(Cursor(exchange.loaded.frame.payload).text()).split("\n")
    except Malformed:
        return []


def _unloaded(exchange: Exchange, limits: Limits) -> Outcome | None:
    """Why the file could not be loaded; None when it was."""
    if exchange.loaded is None:
        return _death(exchange, limits)
    if exchange.loaded.frame.kind is Kind.LOADED:
        return None
    try:
        return _raised(Cursor(exchange.loaded.frame.payload), "")
    except Malformed as error:
        return _unread(error)


def _death(exchange: Exchange, limits: Limits) -> Outcome:
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


def _share_used(share: float) -> str:
    return f"not called: the function had used its share of the time ({share:.3g} s)"
