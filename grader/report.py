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


class SandboxReport(_Record):
    backend: str
    layers: tuple[str, ...]


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
    sandbox: SandboxReport
    grader_version: str
    seconds: float

    def seen_by(self, audience: Audience) -> Report:
        """The report as this audience may see it: a student sees no hidden criterion, nor its points in a total."""
        if audience == "instructor":
            return self
        visible = tuple(criterion for criterion in self.criteria if criterion.visible)
        points = sum((criterion.points for criterion in visible), Decimal(0))
        maximum = sum((criterion.max_points for criterion in visible), Decimal(0))
        shown = {"criteria": visible, "points": points, "max_points": maximum, "audience": audience}
        return self.model_copy(update=shown)
