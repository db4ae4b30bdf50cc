"""`grade starter` and `grade verify`: an assignment's file for students, and the proof of its references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grader import assignments
from grader.cli.shared import console, table
from grader.errors import GraderFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.progress import Progress

    from grader import proof


def starter(
    assignment: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Its name.", show_default=False)],
) -> None:
    """Print the file a student fills in."""
    print(assignments.load(assignment).STARTER, end="")


def verify(
    assignment: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Its name, or its file.", show_default=False)],
) -> None:
    """Prove the references of an assignment, and refute the wrong readings of them."""
    from grader import proof

    checks = proof.checks(assignments.load(assignment))
    findings: list[proof.Finding] = []
    with _progress() as progress:
        task = progress.add_task("", total=len(checks))
        for check in checks:
            progress.update(task, description=check.title)
            findings.extend(check.run())
            progress.advance(task)
    rows = proof.table(findings)
    console().print(_proof_tables(rows))
    if wrong := [f"{row.subject} by {row.method}" for row in rows if not row.agrees]:
        raise GraderFault(
            f"assignment {assignment}: found {'; '.join(wrong)} to fail; expected every reference to agree and every "
            "wrong reading not to; grade nothing with it until it is mended"
        )


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), transient=True)


def _proof_tables(rows: Sequence[proof.Row]) -> RenderableType:
    """The references by method, then the wrong readings."""
    from rich.console import Group

    references = table("part", "method", "networks", "worst error", "seconds", "")
    readings = table("wrong reading", "networks", "least error", "seconds", "")
    for row in rows:
        error = "identically zero" if row.error is None else f"{row.error:.1e}"
        figures = (str(row.networks), error, f"{row.seconds:.2f}")
        if row.method == "wrong reading":
            readings.add_row(row.subject, *figures, "refuted" if row.agrees else "NOT REFUTED")
        else:
            references.add_row(row.subject, row.method, *figures, "agrees" if row.agrees else "DISAGREES")
    return Group(references, "", readings)
