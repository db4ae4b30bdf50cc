"""Who is in the course: a CSV with some of the columns id, name, email and section.

The first of id, email and name that it has is a student's key; a submission may be found by any of them.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = ("id", "email", "name")
COLUMNS = (*KEYS, "section")


class Student(NamedTuple):
    """One row: the key, and what is known besides."""

    key: str
    id: str | None = None
    email: str | None = None
    name: str | None = None
    section: str | None = None

    def names(self) -> Iterator[tuple[str, str]]:
        """Every text that may stand for this student, as `folded` has it, with the column it is in."""
        for column in KEYS:
            if text := getattr(self, column):
                yield column, folded(text)


def folded(text: str) -> str:
    """A key as it is compared: Unicode's forms, case and blanks make no difference."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def read(path: Path) -> Iterator[Student]:
    """The students of a roster, in its order. Raises UsageError for what is none, and for a key that comes twice."""
    try:
        yield from parsed(path.read_bytes(), path)
    except OSError as error:
        raise _unreadable(path, error) from None


def parsed(content: bytes, path: object) -> Iterator[Student]:
    """`read`, of what is at hand already; `path` is what it is called where something is wrong with it."""
    try:
        yield from _students(path, csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: object, error: Exception) -> UsageError:
    why = " ".join(str(getattr(error, "strerror", None) or error).split())
    return UsageError(f"roster {path}: it cannot be read ({why}); expected a CSV file in UTF-8; save it as one")


def _students(path: object, rows: Iterator[list[str]]) -> Iterator[Student]:
    header = [" ".join(cell.split()).casefold() for cell in next(rows, [])]
    places = {column: header.index(column) for column in COLUMNS if column in header}
    key_column = next((column for column in KEYS if column in places), None)
    if key_column is None:
        raise UsageError(
            f"roster {path}: its first line has {', '.join(filter(None, header)) or 'nothing'}; expected some of the "
            f"columns {', '.join(COLUMNS)}, between commas, and one of the first three at least; name them so"
        )
    seen: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows, 2):
        cells = {column: row[n].strip() or None for column, n in places.items() if n < len(row)}
        if not any(cells.values()):
            continue
        key = cells.get(key_column)
        if not key:
            raise UsageError(f"roster {path}:{number}: the student has no {key_column}; expected one; add it")
        for column in {key_column, "id", "email"} & set(places):  # two may have one name
            text = cells[column]
            if text and (earlier := seen.setdefault((column, folded(text)), number)) != number:
                raise UsageError(
                    f"roster {path}:{number}: {column} {text!r} stands in line {earlier} already; expected each "
                    "student once; remove one of the lines"
                )
        yield Student(key, **cells)
