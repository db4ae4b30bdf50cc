"""Grades into a gradebook that was downloaded: one column filled, everything else as it was; compared, then written.

What would do damage is not written unless it is asked for by name. It knows neither formats (`lms`) nor who is who
(`matching`).
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from itertools import islice
from typing import IO, TYPE_CHECKING, NamedTuple

from grader import delimited, grades, lms, pushes
from grader.errors import UsageError, nearest
from grader.journal import replacing
from grader.matching import Matching
from grader.pushes import Pushed
from grader.render.numbers import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from grader.delimited import Form
    from grader.lms import Column, Gradebook, Row
    from grader.matching import Found, Suggestion

CENTS = Decimal("0.01")  # what platforms compare
BLOCKING = {
    "lowered": "a grade there is higher",
    "edited": "what stands there is no number, or not what was pushed last: somebody has changed it",
    "ambiguous": "it is not certain whose the grade is; --matches lets you say",
    "unmatched": "the gradebook has no such student; --matches finds some by name",
    "locked": "the platform will not take it",
    "fault": "it was not graded, by a fault of the grader's",
}
LEFT_OUT = ("ambiguous", "unmatched", "locked", "fault")  # when they are forced: there is nothing to write
AS_ZERO = "missing, as 0"
WRITTEN = ("new", "raised", "lowered", "edited")


class Order(NamedTuple):
    """What is to be exported: a batch's folder, into a column of a platform's gradebook."""

    folder: Path
    platform: str
    template: Path
    column: str | None = None
    matches: Path | None = None
    forced: frozenset[str] = frozenset()
    missing_zero: bool = False


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


class Comparison:
    """Grades and gradebook side by side. It is good while `compared` is open."""

    def __init__(self, order: Order, digest: str, form: Form, column: Column, matching: Matching) -> None:
        """`digest` is that of the template."""
        self.order, self.form, self.column = order, form, column
        self._gradebook, self._digest, self._matching = _gradebook(order.platform), digest, matching
        self._comma = False

    def changes(self) -> Iterator[Change]:
        """Every student of the batch, in order."""
        return (change for _, change in self._settled)

    @cached_property
    def _settled(self) -> list[tuple[int | None, Change]]:
        """Every change with the row it is for: worked out once, for all who ask what it comes to."""
        return [(found.line, _change(self.order, found)) for found in self._matching.found()]

    def rows_of_nobody(self) -> Iterator[tuple[str, str]]:
        """The gradebook's students who are not in the batch: what they are found by, and their names."""
        return self._matching.rows_of_nobody()

    def suggestions(self) -> Iterator[Suggestion]:
        return self._matching.suggestions()

    def blocked(self) -> list[str]:
        """The kinds of change that are there, would do damage, and were not asked for."""
        found: set[str] = set()
        zeros = False
        for change in self.changes():
            found |= _dangers(change)
            zeros = zeros or change.note == AS_ZERO
        # who is missing may be one of those whose row is not known: nobody is given 0 who has handed in
        forced = self.order.forced - {"ambiguous", "unmatched"} if zeros else self.order.forced
        return [kind for kind in BLOCKING if kind in found - forced]

    def write(self, out: Path) -> int:
        """Write the filled gradebook, and note what was pushed; gives the number of cells that were changed.

        Raises UsageError where something is blocked; then nothing is written.
        """
        refuse_blocked(str(out), self.blocked())
        refuse_to_write(out, self.order.folder, self.order.template, self.order.matches)
        pushes.check(self.order.folder)
        pushed = []
        for line, change in self._settled:
            if change.written and line is not None:
                self._matching.fill(line, change.after or "")
                pushed.append(Pushed(change.student, change.row, change.after or "", change.before, self._digest))
        with written(out) as file:
            file.write(self.form.mark)
            file.writelines(self._filled())
        pushes.append(self.order.folder, self.order.platform, self.column.key, pushed)
        return len(pushed)

    def take_rows(self) -> None:
        """Read the gradebook's students. Raises UsageError for a row that does not fit the header."""
        marks = set(re.findall(r"[.,]", self.column.told))
        with self.order.template.open("rb") as file:
            records = delimited.records(file, self.form, str(self.order.template))
            header = next(records).cells
            for record in records:
                cells = record.cells
                if row := self._gradebook.row(header, cells, self.column):
                    if not self.column.place < len(cells) <= len(header):
                        whose = row.person.name or row.person.key
                        raise UsageError(
                            f"{self.order.template}: the row of {whose} has {len(cells)} cells; expected "
                            f"{len(header)}, as the first line has; download it again"
                        )
                    self._matching.take_row(row)
                    marks |= set(
                        re.findall(r"[.,]", lms.cell(cells, self.column.place))
                        if row.standing.points is not None
                        else ()
                    )
        self._comma = marks == {","}

    def _filled(self) -> Iterator[bytes]:
        fillings = self._matching.fillings()
        line, value = next(fillings, (0, ""))
        number = 0
        with self.order.template.open("rb") as file:
            records = delimited.records(file, self.form, str(self.order.template))
            first = next(records)
            yield self.form.encoded(first.text(self.form.delimiter))
            header = first.cells
            for record in records:
                changed = record
                if self._gradebook.row(header, record.cells, self.column):
                    number += 1
                    if number == line:
                        text = value.replace(".", ",") if self._comma else value
                        changed = record.with_cell(self.column.place, text, self.form.delimiter)
                        line, value = next(fillings, (0, ""))
                yield self.form.encoded(changed.text(self.form.delimiter))


@contextmanager
def compared(order: Order) -> Iterator[Comparison]:
    """Compare a batch with a gradebook. Raises UsageError for what cannot be read, or has no such column."""
    gradebook = _gradebook(order.platform)
    try:
        with order.template.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            form = delimited.form_of(file, str(order.template))
            head = [record.cells for record in islice(delimited.records(file, form, str(order.template)), lms.HEAD)]
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(
            f"{order.template}: it cannot be read ({why}); expected a gradebook of {gradebook.TITLE}'s; download it"
        ) from None
    column = _column(order, gradebook, head)
    if column.told and not (column.maximum and column.maximum > 0):
        raise UsageError(
            f"{order.template}: {column.title} is of {column.told!r} points; expected a number above 0, without a mark "
            "between thousands; mend it in the platform and download it again"
        )
    with Matching(order.platform) as matching:
        for grade, origin in grades.read(order.folder):
            matching.take_grade(grade, origin)
        matching.take_pushed(pushes.read(order.folder, order.platform, column.key), digest)
        comparison = Comparison(order, digest, form, column, matching)
        comparison.take_rows()
        _confirm(order, matching)
        matching.match()
        yield comparison


def _gradebook(platform: str) -> Gradebook:
    known = lms.gradebooks()
    if platform not in known:
        near = nearest(platform, list(known))
        raise UsageError(
            f"--to {platform}: there is no platform of this name whose gradebook is filled; expected one of: "
            f"{', '.join(known)}" + (f"; did you mean {near}?" if near else "")
        )
    return known[platform]


def _column(order: Order, gradebook: Gradebook, head: list[list[str]]) -> Column:
    """The column that was named, by its title, its name, or whole words at its beginning; or the only one there is."""
    known = gradebook.columns(head)
    if not known:
        raise UsageError(
            f"{order.template}: it has no column of grades of {gradebook.TITLE}'s; found {', '.join(head[0])[:300]}; "
            "expected a gradebook as it is downloaded, in English; download it again"
        )
    asked = order.column
    named = [column for column in known if asked is None or column.title == asked]
    named = named or [column for column in known if column.name == asked]
    named = named or [column for column in known if asked and re.match(re.escape(asked) + r"(?!\w)", column.title)]
    if len(named) != 1:
        found = f"found {asked!r}" if asked else f"it has {len(known)}"
        raise UsageError(
            f"{order.template}: the column to fill: {found}; expected one of: "
            f"{'; '.join(column.title for column in known)}; name it with --column"
        )
    return named[0]


def _confirm(order: Order, matching: Matching) -> None:
    from grader import confirmations

    if order.matches and order.matches.exists():
        for number, student, ref, same in confirmations.read(order.matches):
            if wrong := matching.decide(student, ref, same=same):
                raise UsageError(f"{order.matches}:{number}: {wrong}; expected one of each; mend or remove the line")


# One grade.


def _change(order: Order, found: Found) -> Change:
    kind, after, note = _becomes(order, found)
    row = found.row
    maximum = row.maximum if row and row.maximum is not None else found.maximum
    ref, before = (row.person.key, _stands(row)) if row else (None, None)
    standing = row.standing.points if row else None
    lowers = kind in WRITTEN and after is not None and standing is not None and Decimal(after) < standing
    change = Change(found.student, found.name, kind, ref, before, after, maximum, kind in WRITTEN, note, lowers)
    return change._replace(written=change.written and not _dangers(change) - order.forced)


def _dangers(change: Change) -> set[str]:
    """What has to be allowed before this is written: both, where somebody's own grade would be lowered."""
    return {kind for kind in (change.kind, "lowered" if change.lowers else "") if kind in BLOCKING}


def _becomes(order: Order, found: Found) -> tuple[str, str | None, str]:
    """What kind of change it is, what is to stand there, and a word on that."""
    row = found.row
    if found.state == "fault" or (found.state == "missing" and not order.missing_zero):
        return found.state, row and _stands(row), ""
    if row is None:
        return ("ambiguous", None, "several fit, or the name is another") if found.in_doubt else ("unmatched", None, "")
    if row.standing.state in ("excused", "unassigned"):
        return row.standing.state, _stands(row), ""
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
    if found.pushed not in (None, _stands(row)) or standing.state == "other":
        return "edited"
    if standing.points is None:
        return "new"
    return "raised" if value > standing.points else "lowered"


def _stands(row: Row) -> str:
    standing = row.standing
    return (
        plain(standing.points) if standing.points is not None else "" if standing.state == "blank" else standing.state
    )


# Where it is written.


def refuse_blocked(what: str, blocked: list[str]) -> None:
    """Raise UsageError where something is blocked: what is not written then, and how it may be allowed."""
    if blocked:
        told = "; ".join(f"{kind} ({BLOCKING[kind]})" for kind in blocked)
        raise UsageError(
            f"{what}: not written, for some grades are {told}; look at them with --dry-run, and allow what you want "
            f"with --force {' --force '.join(blocked)}"
        )


def refuse_to_write(out: Path, folder: Path, *read: Path | None) -> None:
    """Raise UsageError where the file to write is one that is read, or the batch's own."""
    own = out.resolve()
    if own in {path.resolve() for path in read if path} or own.is_relative_to(folder.resolve()):
        raise UsageError(f"{out}: it is what is read, or the batch's; expected another file; name one with --out")


@contextmanager
def written(out: Path) -> Iterator[IO[bytes]]:
    """The file to write, whole or not at all. Raises UsageError where it cannot be."""
    try:
        with replacing(out) as file:
            yield file
    except (OSError, ValueError) as error:
        why = str(getattr(error, "strerror", None) or error).lower()
        raise UsageError(
            f"{out}: it cannot be written ({why}); expected a file in a folder that is there; name one"
        ) from None
