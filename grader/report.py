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
CARRIED_FORWARD = (
    "error_carried_forward"  # the credit's slug where a part only follows from the student's other answers
)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RubricRef(_Record):
    id: str
    sha256: str


class SubmissionRef(_Record):
    """The file. `sketch` tells files that are alike from others; it is None where there is none."""

    name: str
    sha256: str
    bytes: int
    submitted: datetime | None
    sketch: str | None = None


class OriginReport(_Record):
    """Where a submission of a batch came from: the platform, the path in its download, and whose it is.

    `attempt` is the number of this one of the student's `attempts`. `marked_late` is the platform's own word, without
    a time. `group` has the keys of all who handed it in together. `note` says how the file was chosen.
    """

    platform: str | None = None
    path: str
    key: str
    name: str | None = None
    email: str | None = None
    section: str | None = None
    attempt: int = 1
    attempts: int = 1
    marked_late: bool = False
    group: tuple[str, ...] = ()
    note: str | None = None


class LateReport(_Record):
    by_seconds: int
    percent_lost: Points


class CreditReport(_Record):
    """The fraction of a criterion given though it is not right, and what earned it."""

    slug: str
    fraction: Points


class Counterexample(_Record):
    """The smallest problem on which a part is wrong: its arguments, and both answers.

    `yours` is None where the function failed; `failure` then says how. What is not finite, or too large to be shown,
    stands as a string. `note` says what else is to be known of it.
    """

    model_config = ConfigDict(extra="allow", frozen=True)  # the arguments are the assignment's

    l: int
    yours: Any
    right: Any
    failure: str | None = None
    note: str | None = None


class Difference(_Record):
    """Yours minus right, entry by entry, on the counterexample, and which of the entries are wrong."""

    entries: tuple[tuple[float | str, ...], ...]
    wrong: tuple[tuple[bool, ...], ...]


class CriterionReport(_Record):
    """One criterion: its verdict and points, and why.

    `misconception`, `question` and `step` are for whoever made the mistake; `reason` says why there are so many points.
    """

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
    counterexample: Counterexample | None = None
    difference: Difference | None = None
    flags: tuple[str, ...] = ()
    reason: str = ""


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
    packages: dict[str, str] = {}

    @property
    def packages_in_words(self) -> str:
        return ", ".join(f"{name} {version}" for name, version in self.packages.items())


class OverrideReport(_Record):
    """Points that a person has given in place of those of the grading, and why."""

    graded: Points
    by: str
    reason: str


class Report(_Record):
    """One graded submission. The status `unreadable` is graded too: the file could not be loaded, and has 0 points.

    `unreadable` then says why. `hints` is whether a student may see which mistakes were made. `override` is there where
    a person has said otherwise: then `points` are theirs, and not the sum of the criteria's.
    """

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
    unreadable: str | None = None
    hints: bool = True
    sandbox: SandboxReport
    grader_version: str
    seconds: float
    origin: OriginReport | None = None
    override: OverrideReport | None = None

    def seen_by(self, audience: Audience) -> Report:
        """The report as this audience may see it.

        A student sees no hidden criterion, nor its points in a total, nor what was printed while it was graded; and
        where the rubric keeps hints for itself, none of them.
        """
        if audience == "instructor":
            return self
        hidden = {criterion.id for criterion in self.criteria if not criterion.visible}
        printed = tuple(piece for piece in self.printed if piece.criterion not in hidden)
        visible = tuple(criterion for criterion in self.criteria if criterion.visible)
        return self.model_copy(
            update={
                "criteria": tuple(_shown(criterion, hints=self.hints, all_visible=not hidden) for criterion in visible),
                **self._total(visible),
                "audience": audience,
                "printed": printed,
                "stdout": "".join(piece.text for piece in printed),
            }
        )

    def _total(self, visible: tuple[CriterionReport, ...]) -> dict[str, Any]:
        """The points of these; those that a person has given are of the whole, and tell nothing of what is hidden."""
        points = sum((criterion.points for criterion in visible), Decimal(0))
        if self.override:
            return {"override": self.override.model_copy(update={"graded": points})}
        return {"points": points, "max_points": sum((criterion.max_points for criterion in visible), Decimal(0))}


def _shown(criterion: CriterionReport, *, hints: bool, all_visible: bool) -> CriterionReport:
    """A criterion without the hints that are withheld, or with nothing that tells of a hidden one."""
    if not hints:
        withheld = {"misconception": None, "question": None, "step": None, **_without_name(criterion)}
        return criterion.model_copy(update=withheld)
    if not all_visible and criterion.credit and criterion.credit.slug == CARRIED_FORWARD:
        return criterion.model_copy(update=_without_name(criterion))  # what it rests on may be hidden
    return criterion


def _without_name(criterion: CriterionReport) -> dict[str, Any]:
    """Credit and reason without the mistake that earned it."""
    reason, less, lateness = criterion.reason.partition("; less ")
    credit = criterion.credit and criterion.credit.model_copy(update={"slug": "partial"})
    return {"credit": credit, "reason": reason.partition(":")[0] + less + lateness}
