"""The report: what is stored, served and exported of a grading. Its JSON keys are a contract.

Keys may be added and never renamed. It does not know how its content came about.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer

from grader.values import VerdictKind


def _as_float(value: Decimal) -> float:
    return float(value)


Points = Annotated[Decimal, PlainSerializer(_as_float, when_used="json")]
Audience = Literal["instructor", "student"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RubricRef(_Record):
    id: str
    sha256: str


class SubmissionRef(_Record):
    name: str
    sha256: str
    bytes: int
    submitted: datetime | None


class LateReport(_Record):
    by_seconds: int
    percent_lost: Points


class CreditReport(_Record):
    """The fraction of a criterion given though it is not right, and what earned it."""

    slug: str
    fraction: Points


class CriterionReport(_Record):
    """One criterion: its verdict and points, and why."""

    id: str
    title: str
    function: str
    points: Points
    max_points: Points
    verdict: VerdictKind
    message: str
    misconception: str | None = None
    question: str | None = None
    step: str | None = None
    credit: CreditReport | None = None
    visible: bool = True
    traceback: str | None = None
    counterexample: dict[str, Any] | None = None
    difference: dict[str, Any] | None = None
    flags: tuple[str, ...] = ()


class PrintedReport(_Record):
    """What was printed during one call; both names are None for what was printed outside of all calls."""

    criterion: str | None
    place: str | None
    text: str


class SandboxReport(_Record):
    """The walls that stood, and those this backend has elsewhere and had not on this machine."""

    backend: str
    layers: tuple[str, ...]
    missing: tuple[str, ...] = ()


class Report(_Record):
    """One graded submission. `unreadable` is graded too: the file could not be loaded, and has 0 points."""

    schema_version: Literal[1] = 1
    assignment: str
    assignment_version: str
    rubric: RubricRef
    student: str | None
    submission: SubmissionRef
    seed: int
    points: Points
    max_points: Points
    status: Literal["graded", "unreadable"]
    late: LateReport | None
    audience: Audience
    criteria: tuple[CriterionReport, ...]
    stdout: str
    printed: tuple[PrintedReport, ...] = ()
    sandbox: SandboxReport
    grader_version: str
    seconds: float

    def seen_by(self, audience: Audience) -> Report:
        """The report as this audience may see it.

        A student sees no hidden criterion, nor its points in a total, nor what was printed while it was graded.
        """
        if audience == "instructor":
            return self
        hidden = {criterion.id for criterion in self.criteria if not criterion.visible}
        printed = tuple(piece for piece in self.printed if piece.criterion not in hidden)
        visible = tuple(criterion for criterion in self.criteria if criterion.visible)
        points = sum((criterion.points for criterion in visible), Decimal(0))
        maximum = sum((criterion.max_points for criterion in visible), Decimal(0))
        return self.model_copy(
            update={
                "criteria": visible,
                "points": points,
                "max_points": maximum,
                "audience": audience,
                "printed": printed,
                "stdout": "".join(piece.text for piece in printed),
            }
        )
