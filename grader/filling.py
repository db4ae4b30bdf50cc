"""A gradebook that was downloaded: one column filled, everything else as it was, byte for byte.

It knows files; neither formats (`lms`) nor what is to stand in them (`comparing`).
"""

from __future__ import annotations

import hashlib
import re
from itertools import islice
from typing import TYPE_CHECKING

from grader import delimited, lms, pushes
from grader.errors import UsageError, nearest
from grader.pushes import Pushed
from grader.target import refuse_to_write, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from grader.comparing import Comparison
    from grader.delimited import Record
    from grader.lms import Column, Gradebook, Person, Row


class Template:
    """The gradebook to fill, and the column that was chosen. Raises UsageError for what is none, or has none such."""

    def __init__(self, platform: str, path: Path, column: str | None = None, *, any_column: bool = False) -> None:
        self.path, self._gradebook = path, gradebook_of(platform)
        try:
            with path.open("rb") as file:
                self.version = hashlib.file_digest(file, "sha256").hexdigest()
                self._form = delimited.form_of(file, str(path))
                head = [record.cells for record in islice(delimited.records(file, self._form, str(path)), lms.HEAD)]
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise UsageError(
                f"{path}: it cannot be read ({why}); expected a gradebook of {self._gradebook.TITLE}'s; download it"
            ) from None
        self.column = _column(path, self._gradebook, head, column, any_column=any_column)
        if self.column.told and not (self.column.maximum and self.column.maximum > 0):
            raise UsageError(
                f"{path}: {self.column.title} is of {self.column.told!r} points; expected a number above 0, without a "
                "mark between thousands; mend it in the platform and download it again"
            )
        self._marks = set(re.findall(r"[.,]", self.column.told))

    def rows(self) -> Iterator[Row]:
        """Every student's row. Raises UsageError for one that does not fit the header."""
        for header, record, row in self._records():
            if row is None:
                continue
            cells = record.cells
            if not self.column.place < len(cells) <= len(header):
                whose = row.person.name or row.person.key
                raise UsageError(
                    f"{self.path}: the row of {whose} has {len(cells)} cells; expected {len(header)}, as the first "
                    "line has; download it again"
                )
            if row.standing.points is not None:
                self._marks |= set(re.findall(r"[.,]", lms.cell(cells, self.column.place)))
            yield row

    def filled(self, values: Iterator[tuple[int, str]]) -> Iterator[bytes]:
        """The whole file, with these values in these rows, which are counted from 1; after `rows`."""
        line, value = next(values, (0, ""))
        number = 0
        yield self._form.mark
        for _, record, row in self._records():
            filled = record
            number += row is not None
            if row is not None and number == line:
                text = value.replace(".", ",") if self._marks == {","} else value
                filled = record.with_cell(self.column.place, text, self._form.delimiter)
                line, value = next(values, (0, ""))
            yield self._form.encoded(filled.text(self._form.delimiter))

    def _records(self) -> Iterator[tuple[Sequence[str], Record, Row | None]]:
        """The header's cells, and each record with the row it is, if it is one; the header itself first."""
        with self.path.open("rb") as file:
            records = delimited.records(file, self._form, str(self.path))
            first = next(records)
            header = tuple(first.cells)
            yield header, first, None
            for record in records:
                yield header, record, self._gradebook.row(header, record.cells, self.column)


def students(platform: str, path: Path) -> Iterator[Person]:
    """Everybody in a gradebook, of whatever it has columns. Raises UsageError for what is none of this platform's."""
    return (row.person for row in Template(platform, path, any_column=True).rows())


def fill(template: Template, comparison: Comparison, out: Path) -> int:
    """Write the filled gradebook, and note what was pushed; gives the number of cells that were changed.

    Raises UsageError where something is blocked; then nothing is written.
    """
    order = comparison.order
    comparison.refuse_blocked(str(out))
    refuse_to_write(out, order.folder, template.path, order.matches)
    with pushes.held(order.folder):
        changed = sorted((line, change) for line, change in comparison.settled if change.written and line is not None)
        with written(out) as file:
            file.writelines(template.filled((line, change.after or "") for line, change in changed))
        pushed = [
            Pushed(change.student, change.row, change.after or "", change.before, template.version)
            for _, change in changed
        ]
        pushes.append(order.folder, order.platform, comparison.column.key, pushed)
    return len(pushed)


def gradebook_of(platform: str, besides: Iterable[str] = ()) -> Gradebook:
    """The platform of this name whose gradebook is filled. Raises UsageError, which names what there is `besides`."""
    known = lms.gradebooks()
    if platform not in known:
        if platform in lms.lives():
            raise UsageError(f"--to {platform}: it takes no file; expected the address that grades go to, with --at")
        names = sorted({*known, *besides})
        near = nearest(platform, names)
        raise UsageError(
            f"--to {platform}: there is no such platform; expected one of: {', '.join(names)}"
            + (f"; did you mean {near}?" if near else "")
        )
    return known[platform]


def _column(path: Path, gradebook: Gradebook, head: list[list[str]], asked: str | None, *, any_column: bool) -> Column:
    """The column that was named, by its title, its name, or whole words at its beginning; or the only one there is."""
    known = gradebook.columns(head)
    if not known:
        raise UsageError(
            f"{path}: it has no column of grades of {gradebook.TITLE}'s; found {', '.join(head[0])[:300]}; "
            "expected a gradebook as it is downloaded, in English; download it again"
        )
    if any_column:
        return known[0]
    named = [column for column in known if asked is None or column.title == asked]
    named = named or [column for column in known if column.name == asked]
    named = named or [column for column in known if asked and re.match(re.escape(asked) + r"(?!\w)", column.title)]
    if len(named) != 1:
        found = f"found {asked!r}" if asked else f"it has {len(known)}"
        raise UsageError(
            f"{path}: the column to fill: {found}; expected one of: "
            f"{'; '.join(column.title for column in known)}; name it with --column"
        )
    return named[0]
