"""A report as a comment in a gradebook: a few lines of plain text, what every criterion has and what to ask oneself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.render.numbers import plain
from grader.render.words import late

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.report import CriterionReport, Report


def text(report: Report) -> str:
    """What its audience may see, without anything that differs from one grading of the same file to the next."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.submission.name}: {plain(report.points)} of {plain(report.max_points)} points"
    if report.late:
        yield late(report.late)
    if report.unreadable:
        yield report.unreadable
        return
    for criterion in report.criteria:
        yield from _said(criterion)


def _said(criterion: CriterionReport) -> Iterator[str]:
    said = "right" if criterion.verdict == "right" else criterion.message
    yield f"{criterion.id} ({plain(criterion.points)} of {plain(criterion.max_points)}): {said}"
    if criterion.question:
        yield f"Ask yourself: {criterion.question}"
