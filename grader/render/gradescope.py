"""A report as the results.json of Gradescope's autograders.

It is made of the whole report: a hidden criterion becomes a hidden test, which counts, and for which Gradescope hides
the total from students too. Everything else it says is what a student may see.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from grader.render.words import FLAGS, late, walls, with_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.report import CriterionReport, Report

COLUMNS = 88  # of the text of an example


def results(report: Report) -> str:
    """The file's content. `report` is for instructors; what students may not see stays hidden in it."""
    student = {criterion.id: criterion for criterion in report.seen_by("student").criteria}
    document = {
        "score": float(report.points),
        "execution_time": report.seconds,
        "output": "\n".join(_summary(report)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",  # of the autograder's own output; the file's is in "output"
        "tests": [_test(student.get(criterion.id, criterion)) for criterion in report.criteria],
        "extra_data": {
            "seed": report.seed,
            "grader_version": report.grader_version,
            "rubric": report.rubric.model_dump(),
            "misconceptions": {c.id: c.misconception for c in report.criteria if c.misconception and report.hints},
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _summary(report: Report) -> Iterator[str]:
    if report.unreadable:
        yield report.unreadable
    if report.late:
        yield late(report.late)
    printed = report.seen_by("student").printed
    if any(piece.text.strip() for piece in printed):
        yield f"What the file printed:\n{with_places(printed)}"
    yield f"seed {report.seed}, sandbox {walls(report.sandbox)}, grader {report.grader_version}"


def _test(criterion: CriterionReport) -> dict[str, Any]:
    return {
        "score": float(criterion.points),
        "max_score": float(criterion.max_points),
        "status": "passed" if criterion.verdict == "right" else "failed",
        "name": criterion.title,
        "number": criterion.id,
        "output": "\n".join(_said(criterion)),
        "visibility": "visible" if criterion.visible else "hidden",
    }


def _said(criterion: CriterionReport) -> Iterator[str]:
    yield (
        criterion.message
        if criterion.verdict == "right"
        else f"{criterion.verdict.replace('_', ' ')}: {criterion.message}"
    )
    if criterion.question:
        yield f"Ask yourself: {criterion.question}" + (f" ({criterion.step})" if criterion.step else "")
    if criterion.verdict != "right":
        yield f"Points: {criterion.reason}"
    yield from (f"Note: {FLAGS[flag]}" for flag in criterion.flags)
    if criterion.counterexample:
        yield _example(criterion)
    if criterion.traceback:
        yield criterion.traceback


def _example(criterion: CriterionReport) -> str:
    from rich.console import Console

    from grader.render import example

    text = io.StringIO()
    Console(file=text, width=COLUMNS, color_system=None, highlight=False).print(example.smallest(criterion))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
