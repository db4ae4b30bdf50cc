"""Calls through the walls: what is asked of a child, what came back, and what a dead call costs.

One exchange carries all calls, one request a function, so that each function has its own share of
the submission's time. A call that dies costs the part it belongs to; the rest is put to a fresh
child. It knows neither answers nor points, and trusts nothing that comes back.
"""

from __future__ import annotations

import marshal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from grader import outcomes
from grader.formula import Formula
from grader.outcomes import clean
from grader.sandbox import packing
from grader.sandbox.exchange import Fate, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from grader.sandbox import Sandbox
    from grader.sandbox.exchange import Exchange
    from grader.sandbox.session import Session
    from grader.values import Call, Limits, Outcome, Submission

    Table = dict[int, int]  # position by identity; the calls keep the arguments alive
    Piece = tuple[int | None, bytes, int]  # the call it came from, what was kept of it, how long it was

LONGEST_NAME = 100
MOST_TIMES = 3  # of a submission's seconds, for one that is slow to load and has to be loaded again and again


class Run(NamedTuple):
    """What became of a submission's calls.

    `outcomes` has the position of each call that was made, or died. `unloaded` is set where the
    file could not be loaded at all, and says why. `printed` is what it printed, cleaned and capped, each
    text with the position of the call it came from (None for what loading the file printed). `sketch` is what the file
    is like, as the child tells it.
    """

    outcomes: Mapping[int, Outcome]
    unloaded: Outcome | None
    printed: tuple[Printed, ...]
    sketch: str | None = None

    @property
    def output(self) -> str:
        """All that was printed."""
        return "".join(piece.text for piece in self.printed)


class Printed(NamedTuple):
    """What was printed during one call, or, where `position` is None, outside of all calls."""

    position: int | None
    text: str


class Visit:
    """A submission behind the walls. Its child stays for what may be asked later, and remembers what was."""

    def __init__(self, sandbox: Sandbox, session: Session, signature: str) -> None:
        self.sandbox = sandbox
        self._session, self._signature = session, signature

    def make(self, questions: Questions, limits: Limits, *, afresh: bool = False) -> Run:
        """Make the calls in as few exchanges as the submission's deaths allow; `afresh` in a process that is new.

        Raises GraderFault when the sandbox fails.
        """
        if afresh:
            self._session.end()
        ledger = _Ledger(questions, self._signature, limits)
        exchanges: list[Exchange] = []
        pieces: list[Piece] = []
        while ledger.pending:
            exchanges.append(self._session.ask(ledger.requests(), limits))
            pieces += _pieces(exchanges[-1], ledger.pending, again=len(exchanges) > 1)
            ledger.enter(exchanges[-1])
        sketch = outcomes.sketch(exchanges[0]) if exchanges else None
        unloaded = ledger.unloaded if not any(exchange.answers for exchange in exchanges) else None
        return Run(ledger.outcomes, unloaded, tuple(_printed(pieces, limits)), sketch)


@contextmanager
def visit(sandbox: Sandbox, submission: Submission, signature: str) -> Iterator[Visit]:
    """Take a submission behind the walls.

    `signature` is how a function is called, for the message to one that cannot be called so.
    """
    with sandbox.session(packing.text(clean(submission.name)[:LONGEST_NAME]) + submission.source) as session:
        yield Visit(sandbox, session, signature)


def run(sandbox: Sandbox, submission: Submission, calls: Sequence[Call], signature: str, limits: Limits) -> Run:
    """Make these calls, and be done with the submission. Raises GraderFault when the sandbox fails."""
    with visit(sandbox, submission, signature) as there:
        return there.make(Questions(calls), limits)


class Questions:
    """Calls to be made, and the requests for all of them: packed once, however many submissions are asked."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = tuple(calls)
        self.functions = list(dict.fromkeys(call.part.function for call in calls))
        self.order = sorted(range(len(calls)), key=lambda n: self.functions.index(calls[n].part.function))
        self._all: list[tuple[str, bytes, int]] | None = None

    def packed(self, positions: Sequence[int]) -> list[tuple[str, bytes, int]]:
        """These of the calls: functions, each with its request and the number of calls in it."""
        if len(positions) < len(self.calls):
            return self._packed(positions)
        if self._all is None:
            self._all = self._packed(positions)
        return self._all

    def _packed(self, positions: Sequence[int]) -> list[tuple[str, bytes, int]]:
        sent: Table = {}
        asked = {f: [self.calls[n] for n in positions if self.calls[n].part.function == f] for f in self.functions}
        return [(function, pack(calls, sent), len(calls)) for function, calls in asked.items() if calls]


class _Ledger:
    """Which calls are still to be made, what the others came to, and the time each function has spent."""

    def __init__(self, questions: Questions, signature: str, limits: Limits) -> None:
        self._questions, self._calls = questions, questions.calls
        self._signature, self._limits = signature, limits
        self._functions = questions.functions
        self._share = limits.submission_seconds / max(1, len(self._functions))
        self._spent = dict.fromkeys(self._functions, 0.0)
        self._total = 0.0
        self._restarted_for: str | None = None
        self.pending: Sequence[int] = questions.order
        self.outcomes: dict[int, Outcome] = {}
        self.unloaded: Outcome | None = None

    def requests(self) -> list[Request]:
        """What is left to ask, a request a function, each with what is left of its share."""
        return [
            Request(payload, count, self._share - self._spent[function])
            for function, payload, count in self._questions.packed(self.pending)
        ]

    def enter(self, exchange: Exchange) -> None:
        """Take what came back; where a call died, settle what that costs."""
        if self._restarted_for and exchange.loaded:
            self._spent[self._restarted_for] += exchange.loaded.seconds
        self.unloaded = outcomes.of_loading(exchange, self._limits)
        names = outcomes.public_names(exchange, self._functions)
        for n, answer in zip(self.pending, exchange.answers, strict=False):
            self._spent[self._calls[n].part.function] += answer.seconds
            self.outcomes[n] = outcomes.of_call(answer.frame, self._calls[n], names, self._signature)
        self._total += exchange.total_seconds
        self.pending = self.pending[len(exchange.answers) :]
        if self.unloaded and not self.outcomes:
            self.pending = []  # a file that cannot be loaded is not tried again
        elif self.pending:
            self._bury(self.pending[0], exchange)
            if self._total >= MOST_TIMES * self._limits.submission_seconds:
                self._give_up_all(self.pending, outcomes.too_slow_to_go_on(self._total))

    def _bury(self, dead: int, exchange: Exchange) -> None:
        part = self._calls[dead].part
        self._restarted_for = part.function
        self._spent[part.function] += exchange.seconds
        self._give_up(part.id, self.unloaded or outcomes.of_death(exchange, self._limits))
        if self._spent[part.function] >= self._share:
            rest = [n for n in self.pending if self._calls[n].part.function == part.function]
            self._give_up_all(rest, outcomes.share_used(self._share))

    def _give_up_all(self, positions: Sequence[int], outcome: Outcome) -> None:
        for part_id in {self._calls[n].part.id for n in positions}:
            self._give_up(part_id, outcome)

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
    count = len(exchange.answers) + (exchange.fate is not Fate.DONE)  # the last of them died, and printed on its way
    for position, end in zip((*asked[:count], None), ends, strict=False):
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


# What a call is, packed: arguments for the child's table, each once, then the calls, by positions in that table.


def pack(calls: Sequence[Call], sent: Table | None = None) -> bytes:
    """One request, as `harness` reads it. `sent` is the table as earlier requests left it, and grows."""
    table = {} if sent is None else sent
    arguments, packed = [], []
    for call in calls:
        for argument in call.arguments:
            if id(argument) not in table:
                table[id(argument)] = len(table)
                arguments.append(_argument(argument))
        packed.append((call.part.function, [table[id(argument)] for argument in call.arguments]))
    return marshal.dumps((arguments, packed))


def _argument(value: Any) -> Any:
    """A number or None as it is, a list as one, a formula and an array as pairs."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Formula):
        return value.text, dict(value.constants)
    if isinstance(value, tuple):
        return [_argument(item) for item in value]
    return value.shape, value.astype("<f8", copy=False).tobytes()
