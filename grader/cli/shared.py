"""What the commands share: how the rubric is named and loaded, consoles and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader import assignments, grading
from grader import rubric as rubrics
from grader.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from grader.assignments import Assignment
    from grader.rubric import Rubric

RubricOption = Annotated[str, typer.Option("--rubric", metavar="R", help="A rubric's name, or the path of its file.")]
RubricArgument = Annotated[str, typer.Argument(metavar="[R]", help="A rubric's name, or the path of its file.")]


def load(name: str) -> tuple[Rubric, Assignment]:
    """A rubric and its assignment, found to fit each other. Raises UsageError where they are not, or do not."""
    rubric = rubrics.read(rubrics.find(name))
    if rubric.assignment.endswith(".py") and rubric.path != Path(name):
        raise UsageError(
            f"{rubric.place('assignment')}: found a Python file, which would be run without walls; expected the name "
            "of an assignment in a rubric that is found where you stand; if you trust it, give its path: "
            f"--rubric {rubric.path}"
        )
    try:
        assignment = assignments.load(rubric.assignment, beside=rubric.path.parent)
    except UsageError as error:
        raise UsageError(f"{rubric.place('assignment')}: {error}") from None
    grading.check(rubric, assignment)
    return rubric, assignment


def console() -> Console:
    from rich.console import Console  # here and below: rich is slow to import, and --json has no use for it

    return Console(highlight=False, markup=False, emoji=False)  # a text is shown as it is written


def table(*columns: str) -> Table:
    from rich.table import Table

    return Table(*columns, box=None, pad_edge=False)
