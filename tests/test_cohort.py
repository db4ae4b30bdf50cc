"""A class in numbers: nothing is lost or counted twice, whatever the class."""

from __future__ import annotations

from decimal import Decimal
from statistics import mean, quantiles

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from grader import rubric
from grader.cohort import BARS, NAMED, Cohort
from grader.report import CARRIED_FORWARD, OriginReport

RUBRIC = rubric.read(ROOT / "rubrics" / "backprop.toml")


@pytest.fixture(scope="session")
def sample(backprop, walls):
    from grader import grading
    from grader.values import Submission

    source = (ROOT / "submissions" / "backprop" / "sigma_prime_at_activation.py").read_bytes()
    return grading.grade(Submission("hw.py", source, "ada"), backprop, RUBRIC, seed=1, sandbox=walls)


@given(points=st.lists(st.decimals(0, 10, places=2), min_size=1, max_size=60))
def test_points_are_counted_once_each(points, sample):
    cohort = Cohort(RUBRIC)
    for value in points:
        cohort.add(sample.model_copy(update={"points": value}))
    bars = cohort.distribution()
    assert len(bars) == BARS
    assert sum(bar.students for bar in bars) == cohort.graded == len(points)
    for n, bar in enumerate(bars):
        inside = [value for value in points if bar.low <= value < bar.high or (n == BARS - 1 and value == bar.high)]
        assert bar.students == len(inside)
    assert cohort.mean == pytest.approx(mean(points))
    if points[1:]:
        assert [float(q) for q in cohort.quantiles()] == pytest.approx(
            [float(q) for q in quantiles(points, n=4, method="inclusive")]
        )


def test_one_student_has_a_median():
    cohort = Cohort(RUBRIC)
    assert (cohort.graded, cohort.mean) == (0, 0)
    assert cohort.mistakes() == ()


def test_a_mistake_is_counted_once_a_student_and_names_some(sample):
    cohort = Cohort(RUBRIC)
    for n in range(NAMED + 5):
        cohort.add(sample.model_copy(update={"student": str(n)}))
    [mistake] = [m for m in cohort.mistakes() if m.slug == "sigma_prime_at_activation"]
    assert (mistake.students, len(mistake.some)) == (NAMED + 5, NAMED)
    assert mistake.criteria == ("a3", "a4", "b2")
    assert mistake.question == "What went into σ?"


def test_an_error_carried_forward_has_no_other_name(sample):
    carried = sample.criteria[-1].model_copy(update={"misconception": None})
    cohort = Cohort(RUBRIC)
    cohort.add(sample.model_copy(update={"criteria": (carried,)}))
    assert [mistake.slug for mistake in cohort.mistakes()] == [CARRIED_FORWARD]


def test_criteria_verdicts_and_lateness_are_counted(sample):
    cohort = Cohort(RUBRIC)
    cohort.add(sample)
    cohort.add(sample.model_copy(update={"origin": OriginReport(path="x", key="x", marked_late=True)}))
    by_id = {criterion.id: criterion for criterion in cohort.criteria()}
    assert (by_id["a1"].right, by_id["a3"].right, by_id["a3"].students) == (2, 0, 2)
    assert (by_id["a3"].points, by_id["a3"].max_points) == (Decimal("1.60"), 4)
    assert cohort.failures() == [("wrong", 6)]
    assert (cohort.late, cohort.marked_late) == (0, 1)
