"""A batch's grades and a platform's gradebook side by side: what becomes of each grade, and what of it would do damage.

What would do damage is not written unless it is asked for by name. It knows neither where the gradebook is, in a file
(`filling`) or on a server (`pushing`), nor formats (`lms`), nor who is who (`matching`).
"""

from __future__ import annotations

from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from grader import confirmations, grades, pushes
from grader.errors import UsageError
from grader.matching import Matching
from grader.render.numbers import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from grader.lms import Column, Row
    from grader.matching import Found, Suggestion

CENTS = Decimal("0.01")  # what platforms compare
BLOCKING = {
    "lowered": "a grade there is higher",
    "above": "it is more than there are points for: somebody has set it, or mistyped it",
    "edited": "what stands there is no number, or not what was pushed last: somebody has changed it",
    "ambiguous": "it is not certain whose the grade is; --matches lets you say",
    "unmatched": "the gradebook has no such student; --matches finds some by name",
    "locked": "the platform will not take it",
    "fault": "it was not graded, by a fault of the grader's",
}
LEFT_OUT = ("ambiguous", "unmatched", "locked", "fault")  # when they are forced: there is nothing to write
AS_ZERO = "missing, as 0"
UNKNOWN = frozenset(("ambiguous", "unmatched"))
WRITTEN = ("new", "raised", "lowered", "edited")


class Order(NamedTuple):
    """What is to be exported: a batch's folder, to a platform; and which kinds of change are allowed, or left out."""

    folder: Path
    platform: str
    matches: Path | None = None
    forced: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    missing_zero: bool = False


class Gradebook(Protocol):
    """One column of a gradebook, wherever it is.

    `version` is the digest of a gradebook that is a file, by which the same one is known when it is filled again.
    """

    @property
    def column(self) -> Column: ...

    @property
    def version(self) -> str | None: ...

    def rows(self) -> Iterator[Row]:
        """Every student of it. Raises UsageError for what it cannot be read from."""


class Change(NamedTuple):
    """What becomes of one grade: what kind of change it is, and what stands in the gradebook before and after.

    `written` is whether the cell is changed. Where it is not, `after` is what stands there still, or what would have
    been written.
    """

    student: str
    name: str
    kind: str
    row: str | None
    before: str | None
    after: str | None
    maximum: Decimal | None
    written: bool
    note: str = ""
    lowers: bool = False
    locked: bool = False


class Comparison:
    """Grades and gradebook side by side. It is good while `compared` is open."""

    def __init__(self, order: Order, gradebook: Gradebook, matching: Matching) -> None:
        self.order, self.column, self.version = order, gradebook.column, gradebook.version
        self._matching = matching

    def changes(self) -> Iterator[Change]:
        """Every student of the batch, in order."""
        return (change for _, change in self.settled)

    @cached_property
    def settled(self) -> list[tuple[int | None, Change]]:
        """Every change with the row it is for, from 1: worked out once, for all who ask what it comes to."""
        return [(found.line, _change(self.order, found)) for found in self._matching.found()]

    def rows_of_nobody(self) -> Iterator[tuple[str, str]]:
        """The gradebook's students who are not in the batch: what they are found by, and their names."""
        return self._matching.rows_of_nobody()

    def suggestions(self) -> Iterator[Suggestion]:
        return self._matching.suggestions()

    def blocked(self) -> list[str]:
        """The kinds of change that are there, would do damage, and were neither allowed nor left out.

        Who is missing may be one of those whose row is not known: nobody is given 0 who has handed in.
        """
        zeros = any(change.note == AS_ZERO for change in self.changes())
        forced, kept = (kinds - UNKNOWN if zeros else kinds for kinds in (self.order.forced, self.order.kept))
        found = set().union(*(dangers for change in self.changes() if not (dangers := _dangers(change)) & kept))
        return [kind for kind in BLOCKING if kind in found - forced]

    def refuse_blocked(self, what: str) -> None:
        """Raise UsageError where something is blocked, which says how to go on."""
        blocked = self.blocked()
        if self.order.missing_zero and (unknown := UNKNOWN & set(blocked) & (self.order.forced | self.order.kept)):
            raise UsageError(
                f"{what}: nothing is written, for some grades are {' and '.join(sorted(unknown))}, and whoever is "
                "missing may be one of them; expected every row to be known with --missing zero; leave that out, or "
                "grade with a --roster that has the ids or addresses of the platform"
            )
        refuse_blocked(what, blocked)


@contextmanager
def compared(order: Order, gradebook: Gradebook) -> Iterator[Comparison]:
    """Compare a batch with a gradebook. Raises UsageError for what cannot be read."""
    with Matching(order.platform) as matching:
        for grade, origin in grades.read(order.folder):
            matching.take_grade(grade, origin)
        matching.take_pushed(pushes.read(order.folder, order.platform, gradebook.column.key), gradebook.version)
        for row in gradebook.rows():
            matching.take_row(row)
        _confirm(order, matching)
        matching.match()
        yield Comparison(order, gradebook, matching)


def refuse_blocked(what: str, blocked: list[str]) -> None:
    """Raise UsageError where something is blocked: what is not written then, and how it may be allowed."""
    if blocked:
        told = "; ".join(f"{kind} ({BLOCKING[kind]})" for kind in blocked)
        raise UsageError(
            f"{what}: nothing is written, for some grades are {told}; look at them with --dry-run, and leave them out "
            f"with --keep {' --keep '.join(blocked)}, or write them all the same with --force"
        )


def _confirm(order: Order, matching: Matching) -> None:
    if order.matches and order.matches.exists():
        for number, student, ref, same in confirmations.read(order.matches):
            if wrong := matching.decide(student, ref, same=same):
                raise UsageError(f"{order.matches}:{number}: {wrong}; expected one of each; mend or remove the line")


# One grade.


def _change(order: Order, found: Found) -> Change:
    kind, after, note = _becomes(order, found)
    row = found.row
    maximum = row.maximum if row and row.maximum is not None else found.maximum
    ref, before = (row.person.key, stands(row)) if row else (None, None)
    standing = row.standing.points if row else None
    lowers = kind in WRITTEN and after is not None and standing is not None and Decimal(after) < standing
    change = Change(
        found.student,
        found.name,
        kind,
        ref,
        before,
        after,
        maximum,
        kind in WRITTEN,
        note,
        lowers,
        bool(row and row.locked),
    )
    dangers = _dangers(change)
    return change._replace(written=change.written and not dangers - order.forced and not dangers & order.kept)


def _dangers(change: Change) -> set[str]:
    """What has to be allowed before this is written: both, where somebody's own grade would be lowered."""
    above = change.kind in WRITTEN and change.maximum is not None and Decimal(change.after or 0) > change.maximum
    kinds = (change.kind, "lowered" if change.lowers else "", "above" if above else "")
    return {kind for kind in kinds if kind in BLOCKING}


def _becomes(order: Order, found: Found) -> tuple[str, str | None, str]:
    """What kind of change it is, what is to stand there, and a word on that."""
    row = found.row
    if found.state == "fault" or (found.state == "missing" and not order.missing_zero):
        return found.state, row and stands(row), ""
    if row is None:
        return ("ambiguous", None, "several fit, or the name is another") if found.in_doubt else ("unmatched", None, "")
    if row.standing.state in ("excused", "unassigned"):
        return row.standing.state, stands(row), ""
    value, note = _scaled(found, row)
    kind = _kind(found, row, value)
    if kind != "unchanged" and row.locked:
        return "locked", None, row.locked
    return kind, plain(value), note


def _scaled(found: Found, row: Row) -> tuple[Decimal, str]:
    """The points as the column counts them, rounded once; and a word on it where that is not as the rubric does."""
    missing = AS_ZERO if found.state == "missing" else ""
    points, own = found.points or Decimal(0), found.maximum
    if row.maximum is None:
        return points.quantize(CENTS, ROUND_HALF_UP), missing or "the column does not tell of how many points it is"
    if own is None or row.maximum == own:
        return points.quantize(CENTS, ROUND_HALF_UP), missing
    scaled = (points * row.maximum / own).quantize(CENTS, ROUND_HALF_UP)
    return scaled, f"{plain(points)} of {plain(own)} is {plain(scaled)} of {plain(row.maximum)}"


def _kind(found: Found, row: Row, value: Decimal) -> str:
    standing = row.standing
    if standing.points is not None and standing.points.quantize(CENTS) == value:
        return "unchanged"
    if (found.ours and stands(row) not in found.ours) or standing.state == "other":
        return "edited"
    if standing.points is None:
        return "new"
    return "raised" if value > standing.points else "lowered"


def stands(row: Row) -> str:
    """What stands there, in one word or number; nothing for a blank."""
    standing = row.standing
    return (
        plain(standing.points) if standing.points is not None else "" if standing.state == "blank" else standing.state
    )
