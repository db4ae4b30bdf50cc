"""The grades of a class as CSV: a line a student, for scripts and spreadsheets."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grader import delimited
from grader.render.numbers import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from grader.ledger import Row

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")


def lines(rows: Iterable[Row], criteria: Sequence[str]) -> Iterator[str]:
    """The header, then student, status, points, max_points, the criteria, and what is known besides.

    Who has no points has blanks: a missing submission is not one with 0 points.
    """
    yield _line(["student", "status", "points", "max_points", *criteria, "late", "attempt", "name", "email", "section"])
    for row in rows:
        yield _line(
            [row.key, status(row), *_grade(row.grade, criteria), *map(inert, (row.name, row.email, row.section))]
        )


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Any table as CSV."""
    yield _line(header)
    yield from map(_line, rows)


def status(row: Row) -> str:
    """graded, unreadable, missing or fault."""
    if row.grade:
        return str(row.grade["status"])
    return "fault" if row.fault else "missing"


def _grade(grade: dict[str, Any] | None, criteria: Sequence[str]) -> list[str]:
    if grade is None:
        return [""] * (len(criteria) + 4)
    told = (grade["points"], grade["max_points"], *map(grade["criteria"].get, criteria))
    points = ["" if text is None else plain(Decimal(text)) for text in told]  # an earlier rubric had other criteria
    return [*points, "late" if grade["late"] or grade["marked_late"] else "", str(grade["attempt"])]


def inert(text: str | None) -> str:
    """A text that no spreadsheet takes for a formula; keys stay as they are, for others look them up."""
    return f"'{text}" if text and text.startswith(FORMULA_STARTS) else text or ""


def _line(cells: Sequence[Any]) -> str:
    return delimited.line(cells).replace("\r", " ")  # unquoted it would end a line for whoever reads it
