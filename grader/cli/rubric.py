"""`grade rubric`: check a rubric, show it, or print the schema of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from grader import grading
from grader import rubric as rubrics
from grader.cli.shared import RubricArgument, console, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from grader.rubric import Rubric

app = typer.Typer(help="Check a rubric, show it, or print the schema of its file.", no_args_is_help=True)


@app.command("check")
def check(rubric: RubricArgument = "backprop") -> None:
    """Check a rubric, and that it fits its assignment."""
    loaded, assignment = grading.load(rubric)
    points = sum(criterion.points for criterion in loaded.criteria)
    print(f"{loaded.path}: good: {len(loaded.criteria)} criteria of assignment {assignment.ID}, {points} points")


@app.command("show")
def show(rubric: RubricArgument = "backprop") -> None:
    """Show a rubric as a student may read it."""
    loaded, _ = grading.load(rubric)
    console().print(_rubric_table(loaded))
    print("\n".join(_rubric_rules(loaded)))


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of a rubric file."""
    import json

    print(json.dumps(rubrics.schema(), indent=2, ensure_ascii=False))


def _rubric_table(rubric: Rubric) -> Table:
    rows = table("part", "what", "function", "points")
    rows.title, rows.title_justify = rubric.title, "left"
    for criterion in rubric.criteria:
        if criterion.visible:
            rows.add_row(criterion.id, criterion.title, criterion.function, str(criterion.points))
    return rows


def _rubric_rules(rubric: Rubric) -> Iterator[str]:
    points = sum(criterion.points for criterion in rubric.criteria if criterion.visible)
    limits, comparison = rubric.limits, rubric.comparison
    yield f"\n{points} points in all. A part has its points when every answer is right,"
    yield f"to {float(comparison.relative_tolerance):g} of its largest entry."
    yield f"A call may take {float(limits.call_seconds):g} s, all together {float(limits.submission_seconds):g} s."
    if lost := comparison.finite_differences_lose:
        yield f"An answer found by finite differences instead of a formula loses {lost:.0%} of its points."
    if late := rubric.late:
        yield f"Deadline: {late.deadline.isoformat(' ', 'minutes')}, with {float(late.grace_minutes):g} min of grace."
        yield f"Each day begun after it costs {float(late.percent_per_day):g}%,"
        yield f"and {float(late.floor_percent):g}% of the points stay at least."
