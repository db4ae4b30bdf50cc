"""Verdicts -> points: the only place where points are computed, and rounded. Pure.

Points are Decimal throughout; each criterion is rounded once, to 0.01, half up, after everything that
it may lose, and the total is the sum of the rounded ones.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from grader.rubric import Late, Rubric
    from grader.values import VerdictKind

HUNDREDTH = Decimal("0.01")
DAY_SECONDS = 86_400


class Credit(NamedTuple):
    """A fraction of a criterion given though it is not right, and the misconception that earned it."""

    slug: str
    fraction: Decimal


class Lateness(NamedTuple):
    """By how much a submission is late, and the percentage of its points that this costs."""

    by_seconds: int
    percent_lost: Decimal


def criterion_points(
    maximum: Decimal,
    verdict: VerdictKind,
    rubric: Rubric,
    *,
    flags: Sequence[str] = (),
    credit: Credit | None = None,
    lateness: Lateness | None = None,
) -> Decimal:
    """The points of one criterion, rounded."""
    fraction = _fraction(verdict, rubric, flags, credit)
    kept = 1 - (lateness.percent_lost / 100 if lateness else 0)
    return (maximum * fraction * kept).quantize(HUNDREDTH, ROUND_HALF_UP)


def _fraction(verdict: VerdictKind, rubric: Rubric, flags: Sequence[str], credit: Credit | None) -> Decimal:
    if verdict == "right":
        lost = rubric.comparison.finite_differences_lose if "finite_differences" in flags else Decimal(0)
        return 1 - lost
    return worth(credit, rubric) if credit else Decimal(0)


def worth(credit: Credit, rubric: Rubric) -> Decimal:
    """The fraction that a credit comes to in this rubric."""
    if not rubric.partial_credit.enabled:
        return Decimal(0)
    return rubric.partial_credit.overrides.get(credit.slug, credit.fraction)


def best(credits_: Iterable[Credit], rubric: Rubric) -> Credit | None:
    """The credit that counts where several are due, as this rubric has it; None where none is worth anything."""
    due = (Credit(credit.slug, worth(credit, rubric)) for credit in credits_)
    return max((credit for credit in due if credit.fraction), key=lambda credit: credit.fraction, default=None)


def lateness(submitted: datetime | None, policy: Late | None) -> Lateness | None:
    """How late a submission is; None when it is not, or when there is no deadline or no time to compare.

    Within the grace nothing is lost; after it, each day begun since the deadline costs its percentage,
    down to the floor.
    """
    if submitted is None or policy is None:
        return None
    by = (submitted - policy.deadline).total_seconds()
    if by <= policy.grace_minutes * 60:
        return None
    days = math.ceil(by / DAY_SECONDS)
    lost = min(days * policy.percent_per_day, 100 - policy.floor_percent)
    return Lateness(math.ceil(by), lost)
