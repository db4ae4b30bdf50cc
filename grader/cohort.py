"""A class in numbers: reports in, one after another, and what they have in common out. Pure.

It keeps counts, and names of a few students for each, so that it is as large for a course as for a class.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from grader.report import CARRIED_FORWARD

if TYPE_CHECKING:
    from grader.report import CriterionReport, Report
    from grader.rubric import Rubric

BARS = 10  # of the distribution
NAMED = 30  # students for each mistake


class Bar(NamedTuple):
    """How many have so many points: from `low`, up to `high`; the last one includes it."""

    low: Decimal
    high: Decimal
    students: int


class CriterionCount(NamedTuple):
    """One criterion over a class: how many were right, and the points that were earned of all there were."""

    id: str
    title: str
    right: int
    students: int
    points: Decimal
    max_points: Decimal


class MistakeCount(NamedTuple):
    """A mistake by its name: in which criteria it was made, by how many students, and the keys of some of them."""

    slug: str
    question: str | None
    criteria: tuple[str, ...]
    students: int
    some: tuple[str, ...]


class Part(NamedTuple):
    """What is counted of a criterion: `mistake` is the name of the one that was made, if it has one."""

    id: str
    points: Decimal
    verdict: str
    mistake: str | None
    question: str | None


class Gist(NamedTuple):
    """What is counted of a report."""

    status: str
    points: Decimal
    is_late: bool
    is_marked_late: bool
    parts: tuple[Part, ...]


def gist(report: Report) -> Gist:
    parts = tuple(Part(one.id, one.points, one.verdict, _mistake(one), one.question) for one in report.criteria)
    marked_late = bool(report.origin and report.origin.marked_late)
    return Gist(report.status, report.points, report.late is not None, marked_late, parts)


def _mistake(criterion: CriterionReport) -> str | None:
    carried = criterion.credit and criterion.credit.slug == CARRIED_FORWARD
    return criterion.misconception or (CARRIED_FORWARD if carried else None)


class Cohort:
    """Takes in the report that counts of each student."""

    def __init__(self, rubric: Rubric) -> None:
        self.max_points = sum((criterion.points for criterion in rubric.criteria), Decimal(0))
        self.statuses: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.late = self.marked_late = 0
        self._points: Counter[Decimal] = Counter()
        self._titles = {criterion.id: criterion.title for criterion in rubric.criteria}
        self._maxima = {criterion.id: criterion.points for criterion in rubric.criteria}
        self._right: Counter[str] = Counter()
        self._earned: dict[str, Decimal] = dict.fromkeys(self._titles, Decimal(0))
        self._mistakes: dict[str, _Mistake] = {}

    def add(self, report: Report) -> dict[str, Any]:
        """Take a report in; gives what the list of grades says of it."""
        self.count(gist(report), report.student or "")
        return _grade(report)

    def count(self, one: Gist, student: str) -> None:
        """Take in what is counted of a student's report."""
        self.statuses[one.status] += 1
        self._points[one.points] += 1
        self.late += one.is_late
        self.marked_late += one.is_marked_late
        for part in one.parts:
            if part.id not in self._titles:  # an earlier version of the rubric had it
                continue
            self._right[part.id] += part.verdict == "right"
            self._earned[part.id] += part.points
            self.verdicts[part.verdict] += 1
            if part.mistake:
                self._mistakes.setdefault(part.mistake, _Mistake()).add(part, student)

    @property
    def graded(self) -> int:
        """How many have points, be they none."""
        return self.statuses.total()

    def distribution(self) -> tuple[Bar, ...]:
        """The points in bars of equal width."""
        width = self.max_points / BARS or Decimal(1)
        heights: Counter[int] = Counter()
        for points, count in self._points.items():
            heights[min(BARS - 1, int(points / width))] += count
        return tuple(Bar(n * width, (n + 1) * width, heights[n]) for n in range(BARS))

    def quantiles(self) -> tuple[Decimal, Decimal, Decimal]:
        """The lower quartile, the median and the upper quartile of the points; for a class that has some."""
        ordered = sorted(self._points.items())
        return tuple(_at(ordered, share * (self.graded - 1) / 4) for share in (1, 2, 3))  # type: ignore[return-value]  # three

    @property
    def mean(self) -> Decimal:
        return sum((points * count for points, count in self._points.items()), Decimal(0)) / max(1, self.graded)

    def criteria(self) -> tuple[CriterionCount, ...]:
        """In the rubric's order."""
        return tuple(
            CriterionCount(
                id_, title, self._right[id_], self.graded, self._earned[id_], self._maxima[id_] * self.graded
            )
            for id_, title in self._titles.items()
        )

    def failures(self) -> list[tuple[str, int]]:
        """Verdicts but "right", and of how many criteria; the most frequent first."""
        return [(verdict, count) for verdict, count in self.verdicts.most_common() if verdict != "right"]

    def mistakes(self) -> tuple[MistakeCount, ...]:
        """The most frequent first."""
        counts = (mistake.count(slug) for slug, mistake in self._mistakes.items())
        return tuple(sorted(counts, key=lambda mistake: (-mistake.students, mistake.slug)))


class _Mistake:
    def __init__(self) -> None:
        self._question: str | None = None
        self._criteria: Counter[str] = Counter()
        self._students: list[str] = []
        self._count = 0
        self._last: str | None = None

    def add(self, part: Part, student: str) -> None:
        self._question = self._question or part.question
        self._criteria[part.id] += 1
        if student != self._last:  # once for all its criteria
            self._last, self._count = student, self._count + 1
            if len(self._students) < NAMED:
                self._students.append(student)

    def count(self, slug: str) -> MistakeCount:
        return MistakeCount(slug, self._question, tuple(sorted(self._criteria)), self._count, tuple(self._students))


def _at(ordered: list[tuple[Decimal, int]], rank: float) -> Decimal:
    """The value at a rank, counted from 0, between two of them in the middle."""
    below = _nth(ordered, int(rank))
    return below + (_nth(ordered, min(int(rank) + 1, sum(n for _, n in ordered) - 1)) - below) * Decimal(rank % 1)


def _nth(ordered: list[tuple[Decimal, int]], n: int) -> Decimal:
    for value, count in ordered:
        n -= count
        if n < 0:
            return value
    return Decimal(0)


def _grade(report: Report) -> dict[str, Any]:
    """As JSON has it."""
    origin = report.origin
    return {
        "status": report.status,
        "points": str(report.points),
        "max_points": str(report.max_points),
        "criteria": {criterion.id: str(criterion.points) for criterion in report.criteria},
        "late": report.late.by_seconds if report.late else None,
        "marked_late": bool(origin and origin.marked_late),
        "attempt": origin.attempt if origin else 1,
        "note": origin.note if origin else None,
        "flags": sorted({flag for criterion in report.criteria for flag in criterion.flags}),
    }
