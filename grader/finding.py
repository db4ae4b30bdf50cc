"""What was found of one criterion -> its part of the report: points, and everything that is said of them.

It words and rounds nothing twice: points come from `scoring`, verdicts from `judge`, names from the assignment.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from grader import scoring
from grader.diagnosis import STALE_STATE
from grader.explanation import Explanation
from grader.report import CARRIED_FORWARD, Counterexample, CreditReport, CriterionReport, Difference
from grader.scoring import Credit

if TYPE_CHECKING:
    from grader.assignments import Feedback, Misconception
    from grader.rubric import Criterion, Rubric
    from grader.scoring import Lateness
    from grader.values import Judged, Verdict


LESS = "; less "
MOST_ENTRIES = 100  # of an answer that is shown whole


class Finding(NamedTuple):
    """What was found of one criterion: its verdict and flags, and where it is wrong, why."""

    verdict: Verdict
    flags: tuple[str, ...] = ()
    explanation: Explanation = Explanation()
    carried: bool = False  # it is what the student's own other answers give


def credit(finding: Finding, feedback: Feedback | None, rubric: Rubric) -> Credit | None:
    """The partial credit of a criterion that is not right; the largest where several are due."""
    if feedback is None or finding.verdict.kind == "right":
        return None
    slugs = (finding.explanation.diagnosis.mistake, CARRIED_FORWARD if finding.carried else None)
    return scoring.best((Credit(s, Decimal(feedback.MISCONCEPTIONS[s].credit)) for s in slugs if s), rubric)


def report(
    criterion: Criterion, finding: Finding, feedback: Feedback | None, rubric: Rubric, lateness: Lateness | None
) -> CriterionReport:
    """The report of one criterion, for an instructor's eyes."""
    earned = credit(finding, feedback, rubric)
    told = _told(finding, feedback)
    example = finding.explanation.example
    return CriterionReport(
        id=criterion.id,
        title=criterion.title,
        function=criterion.function,
        points=scoring.criterion_points(
            criterion.points, finding.verdict.kind, rubric, flags=finding.flags, credit=earned, lateness=lateness
        ),
        max_points=criterion.points,
        verdict=finding.verdict.kind,
        message=finding.verdict.message,
        misconception=finding.explanation.diagnosis.mistake,
        question=told and told.question,
        step=told and told.step,
        credit=CreditReport(slug=earned.slug, fraction=earned.fraction) if earned else None,
        visible=criterion.visible,
        traceback=finding.verdict.traceback,
        counterexample=_counterexample(example, finding, feedback) if example and feedback else None,
        difference=_difference(example) if example else None,
        flags=finding.flags,
        reason=_reason(finding, earned, rubric, lateness),
    )


def _told(finding: Finding, feedback: Feedback | None) -> Misconception | None:
    if feedback is None:
        return None
    mistake, hint, _ = finding.explanation.diagnosis
    if mistake is None and finding.carried:
        return feedback.MISCONCEPTIONS[CARRIED_FORWARD]
    known = {**feedback.HINTS, **feedback.MISCONCEPTIONS}
    return known.get(mistake or hint or "")


def _reason(finding: Finding, earned: Credit | None, rubric: Rubric, lateness: Lateness | None) -> str:
    """Why the points are what they are, in the order in which they were taken or given."""
    if finding.verdict.kind == "right":
        lost = rubric.comparison.finite_differences_lose if "finite_differences" in finding.flags else Decimal(0)
        reason = f"right, less {lost:.0%}: found by finite differences" if lost else "right"
    elif earned:
        reason = f"{_percent(earned.fraction)} in spite of the mistake: {_why(earned)}"
    elif mistake := finding.explanation.diagnosis.mistake:
        reason = f"none: {mistake} is worth nothing here"
    else:
        reason = "none: it is not right, and no mistake that is worth something explains it"
    return reason + _for_being_late(lateness)


def _for_being_late(lateness: Lateness | None) -> str:
    return f"{LESS}{lateness.percent_lost.normalize():f}% for being late" if lateness else ""


def at_another_time(report: CriterionReport, rubric: Rubric, lateness: Lateness | None) -> CriterionReport:
    """The same finding for who handed the same file in at another time."""
    earned = Credit(report.credit.slug, report.credit.fraction) if report.credit else None
    points = scoring.criterion_points(
        report.max_points, report.verdict, rubric, flags=report.flags, credit=earned, lateness=lateness
    )
    reason = report.reason.partition(LESS)[0] + _for_being_late(lateness)
    return report.model_copy(update={"points": points, "reason": reason})


def _why(earned: Credit) -> str:
    if earned.slug == CARRIED_FORWARD:
        return "it follows from your own other answers, and only carries their error forward"
    return earned.slug


def _percent(fraction: Decimal) -> str:
    return f"{(100 * fraction).normalize():f}%"


# The smallest example.


def _counterexample(example: Judged, finding: Finding, feedback: Feedback) -> Counterexample:
    failure = None if example.outcome.value is not None else example.outcome.text
    stale = finding.explanation.diagnosis.mistake == STALE_STATE
    return Counterexample(
        **feedback.shown(example.call),
        yours=_plain(example.outcome.value),
        right=_plain(example.reference),
        failure=failure,
        note="called after other networks: called first, the function may be right" if stale else None,
    )


def _difference(example: Judged) -> Difference | None:
    """None where the two answers have no entries in common: another shape, or none."""
    answer = example.outcome.value
    if answer is None or answer.shape != example.reference.shape:
        return None
    with np.errstate(all="ignore"):
        entries = answer.real - example.reference
    wrong = ~(np.abs(entries) <= 1e-9 * np.abs(example.reference).max())  # NaN is wrong
    return Difference(entries=_plain(entries), wrong=wrong.tolist())


def _plain(value: Any) -> Any:
    """An answer as JSON has it: integers as such, seven digits of others, NaN and infinity as strings."""
    if value is None:
        return None
    if isinstance(value, np.ndarray) and value.size > MOST_ENTRIES:
        return f"an array of shape {value.shape}"
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value] if value.ndim else _plain(value.item())
    number = complex(value)
    if number.imag:
        return str(number)
    real = number.real
    if not math.isfinite(real):
        return str(real)
    return int(real) if real == int(real) and abs(real) < 1e15 else float(f"{real:.7g}")
