"""A class as a workbook for people: its grades, criteria and mistakes. Texts are texts there, and never formulas."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from grader.grades import Grade
    from grader.report import CriterionReport, Report

MOST_NAMED = 12


def write(file: IO[bytes], reported: Iterable[tuple[Grade, Report | None]]) -> int:
    """Write the workbook; gives the number of students with points."""
    tally = _Tally()
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(file, options) as book:
        bold = book.add_format({"bold": True})
        _sheet(book.add_worksheet("Grades"), bold, _grades(reported, tally))
        _sheet(book.add_worksheet("Criteria"), bold, tally.criteria())
        _sheet(book.add_worksheet("Mistakes"), bold, tally.mistakes())
    return tally.graded


def _sheet(sheet: Any, bold: Any, rows: Iterator[Sequence[Any]]) -> None:
    sheet.freeze_panes(1, 1)
    for n, row in enumerate(rows):
        for column, value in enumerate(row):
            if value is not None and value != "":
                put = sheet.write_string if isinstance(value, str) else sheet.write_number
                put(n, column, value, *([] if n else [bold]))


def _grades(reported: Iterable[tuple[Grade, Report | None]], tally: _Tally) -> Iterator[Sequence[Any]]:
    """A line a student. Who has no points has a blank: that is not 0."""
    criteria: list[str] = []
    header = ["student", "name", "email", "section", "state", "points", "of"]
    rest = iter(reported)
    waiting = []
    for grade, report in rest:  # the criteria are known from the first report on
        waiting.append((grade, report))
        if report is not None:
            criteria = [criterion.id for criterion in report.criteria]
            break
    yield [*header, *criteria]
    for grade, report in chain(waiting, rest):
        yield _line(grade, report, tally)


def _line(grade: Grade, report: Report | None, tally: _Tally) -> Sequence[Any]:
    known = [grade.student, grade.name, grade.email, grade.section, report.status if report else grade.state]
    if report is None:
        return known
    tally.add(report)
    points = [float(criterion.points) for criterion in report.criteria]
    return [*known, float(report.points), float(report.max_points), *points]


class _Tally:
    """What the class has in common."""

    def __init__(self) -> None:
        self.graded = 0
        self._known: dict[str, CriterionReport] = {}
        self._right: Counter[str] = Counter()
        self._mistakes: Counter[str] = Counter()
        self._some: dict[str, list[str]] = {}
        self._questions: dict[str, str] = {}

    def add(self, report: Report) -> None:
        self.graded += 1
        for criterion in report.criteria:
            self._known.setdefault(criterion.id, criterion)
            self._right[criterion.id] += criterion.verdict == "right"
        for slug, question in {one.misconception: one.question for one in report.criteria if one.misconception}.items():
            self._mistakes[slug] += 1
            self._questions.setdefault(slug, question or "")
            if len(some := self._some.setdefault(slug, [])) < MOST_NAMED:
                some.append(report.student or "")

    def criteria(self) -> Iterator[Sequence[Any]]:
        yield ("criterion", "what it asks", "points", "right", "of", "share")
        for one in self._known.values():
            right = self._right[one.id]
            yield (one.id, one.title, float(one.max_points), right, self.graded, round(right / self.graded, 4))

    def mistakes(self) -> Iterator[Sequence[Any]]:
        yield ("mistake", "question", "students", "some of them")
        for slug, count in self._mistakes.most_common():
            yield (slug, self._questions[slug], count, ", ".join(self._some[slug]))
