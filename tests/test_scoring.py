"""Points: in Decimal, rounded once, never above the maximum, never below nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import scoring
from grader.rubric import Comparison, Late, PartialCredit, Rubric
from grader.scoring import Credit, Lateness

DEADLINE = datetime(2026, 10, 11, 23, 59, tzinfo=timezone(timedelta(hours=9)))
POLICY = Late(deadline=DEADLINE, percent_per_day=Decimal(10), floor_percent=Decimal(50), grace_minutes=Decimal(15))


@pytest.fixture(scope="session")
def rubric(default_rubric):
    return default_rubric


def with_tables(rubric, **tables):
    return Rubric.model_construct(**{**dict(rubric), **tables})


def points(rubric, maximum, verdict, **more):
    return scoring.criterion_points(Decimal(maximum), verdict, rubric, **more)


def test_right_is_all_and_anything_else_is_nothing(rubric):
    assert points(rubric, "2.5", "right") == Decimal("2.50")
    assert points(rubric, "2.5", "wrong") == 0


def test_finite_differences_cost_what_the_rubric_says(rubric):
    strict = with_tables(rubric, comparison=Comparison(finite_differences_lose=Decimal("0.25")))
    assert points(rubric, 2, "right", flags=["finite_differences"]) == 2
    assert points(strict, 2, "right", flags=["finite_differences"]) == Decimal("1.50")
    assert points(strict, 2, "right", flags=["nondeterministic"]) == 2


def test_partial_credit_is_the_misconceptions_unless_overridden_or_off(rubric):
    credit = Credit("sign", Decimal("0.6"))
    overridden = with_tables(rubric, partial_credit=PartialCredit(overrides={"sign": Decimal("0.1")}))
    off = with_tables(rubric, partial_credit=PartialCredit(enabled=False))
    assert points(rubric, 3, "wrong", credit=credit) == Decimal("1.80")
    assert points(overridden, 3, "wrong", credit=credit) == Decimal("0.30")
    assert points(off, 3, "wrong", credit=credit) == 0


def test_of_several_credits_the_largest_counts_as_the_rubric_has_it(rubric):
    small, large = Credit("sign", Decimal("0.2")), Credit("inverse", Decimal("0.6"))
    assert scoring.best([small, large], rubric) == large
    turned = with_tables(rubric, partial_credit=PartialCredit(overrides={"sign": Decimal("0.9")}))
    assert scoring.best([small, large], turned) == Credit("sign", Decimal("0.9"))
    assert scoring.best([], rubric) is None
    assert scoring.best([Credit("sign", Decimal(0))], rubric) is None
    assert scoring.best([large], with_tables(rubric, partial_credit=PartialCredit(enabled=False))) is None


def test_half_a_hundredth_goes_up(rubric):
    late = Lateness(1, Decimal(50))
    assert points(rubric, "0.05", "right", lateness=late) == Decimal("0.03")
    assert points(rubric, "0.15", "right", lateness=late) == Decimal("0.08")


@given(
    maximum=st.decimals(0, 100, places=2),
    fraction=st.decimals(0, 1, places=3),
    lost=st.decimals(0, 100, places=1),
    verdict=st.sampled_from(["right", "wrong", "timeout"]),
)
def test_points_stay_within_the_criterion(rubric, maximum, fraction, lost, verdict):
    given = points(rubric, maximum, verdict, credit=Credit("sign", fraction), lateness=Lateness(1, lost))
    assert 0 <= given <= maximum
    assert given == round(given, 2)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(seconds=-1), None),
        (timedelta(0), None),
        (timedelta(minutes=15), None),
        (timedelta(minutes=15, seconds=1), Lateness(901, Decimal(10))),
        (timedelta(days=1), Lateness(86_400, Decimal(10))),
        (timedelta(days=1, seconds=1), Lateness(86_401, Decimal(20))),
        (timedelta(days=30), Lateness(30 * 86_400, Decimal(50))),
    ],
)
def test_each_day_begun_costs_down_to_the_floor(after, expected):
    assert scoring.lateness(DEADLINE + after, POLICY) == expected


def test_lateness_is_the_same_in_every_time_zone():
    submitted = DEADLINE + timedelta(hours=2)
    assert scoring.lateness(submitted.astimezone(UTC), POLICY) == scoring.lateness(submitted, POLICY)


def test_no_deadline_or_no_time_is_not_late():
    assert scoring.lateness(None, POLICY) is None
    assert scoring.lateness(DEADLINE, None) is None
