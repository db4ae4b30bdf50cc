"""What a wrong answer is told: the mistake by name, its credit, the smallest example; and what must not be told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from grader.rubric import Feedback, Late, PartialCredit, Rubric


def changed(rubric, **tables):
    return Rubric.model_construct(**{**dict(rubric), **tables})


def with_feedback(rubric, **switches):
    return changed(rubric, feedback=Feedback(**switches))


def criterion(report, part):
    return next(one for one in report.criteria if one.id == part)


WRONG = """
import numpy as np
def z(l, A, b, y): return A[l] @ y[l - 1] + b[l]
def dy_db(l, A, b, y, sigma, dsigma):
    return np.eye(1) if l == len(A) - 1 else np.diag(dsigma(y[l]))
def dy_dyprev(l, A, b, y, sigma, dsigma):
    return A[l] if l == len(A) - 1 else dy_db(l, A, b, y, sigma, dsigma) @ A[l]
def dyL_dA(l, A, b, y, sigma, dsigma):
    g = np.eye(1)
    for k in range(len(A) - 1, l, -1):
        g = g @ dy_dyprev(k, A, b, y, sigma, dsigma)
    return np.outer(g @ dy_db(l, A, b, y, sigma, dsigma), y[l - 1])
"""
ZEROS = WRONG.replace("np.diag(dsigma(y[l]))", "np.zeros((len(b[l]),) * 2)")


def test_a_named_mistake_has_its_question_its_step_and_its_credit(grade):
    told = criterion(grade(WRONG), "a3")
    assert (told.verdict, told.misconception) == ("wrong", "sigma_prime_at_activation")
    assert (told.question, told.step) == ("What went into σ?", "S2: the pre-activation")
    assert (told.credit.slug, told.credit.fraction, told.points) == (
        "sigma_prime_at_activation", Decimal("0.4"), Decimal("0.80"),
    )  # fmt: skip
    assert told.reason == "40% in spite of the mistake: sigma_prime_at_activation"


def test_an_error_carried_forward_earns_the_larger_credit_and_the_mistake_is_named_all_the_same(grade):
    told = criterion(grade(WRONG), "b2")
    assert told.misconception == "sigma_prime_at_activation"
    assert (told.credit.slug, told.points) == ("error_carried_forward", Decimal("2.25"))
    assert "carries their error forward" in told.reason


def test_zeros_are_the_product_of_zeros_and_earn_nothing(grade):
    report = grade(ZEROS)
    assert [criterion(report, part).points for part in ("a3", "a4", "b2")] == [0, 0, 0]
    assert [criterion(report, part).misconception for part in ("a3", "a4", "b2")] == [None] * 3
    assert criterion(report, "b2").credit is None


def test_what_rests_on_a_mistake_without_a_name_earns_nothing(grade):
    report = grade(WRONG.replace("np.diag(dsigma(y[l]))", "np.diag(np.cumsum(np.abs(b[l])) + 0.1)"))
    assert criterion(report, "a3").misconception is None
    assert (criterion(report, "b2").credit, criterion(report, "b2").points) == (None, 0)


def test_the_rubric_overrides_what_a_mistake_is_worth(grade, default_rubric):
    overrides = {"sigma_prime_at_activation": Decimal("0.5"), "error_carried_forward": Decimal("0.1")}
    report = grade(WRONG, rubric=changed(default_rubric, partial_credit=PartialCredit(overrides=overrides)))
    assert [criterion(report, part).points for part in ("a3", "a4", "b2")] == [1, 1, Decimal("1.50")]
    none = grade(WRONG, rubric=changed(default_rubric, partial_credit=PartialCredit(enabled=False)))
    assert criterion(none, "b2").points == 0


def test_a_counterexample_is_the_smallest_and_true(grade):
    shown = criterion(grade(WRONG), "a3").counterexample.model_dump()
    assert shown["widths"] == [1, 1, 1]
    (x,), ((a,),), (bias,) = shown["x"], shown["A"][0], shown["b"][0]
    pre_activation = a * x + bias
    assert shown["right"] == [[2 * pre_activation]]
    assert shown["yours"] == [[2 * pre_activation**2]]


def test_the_difference_is_that_of_the_counterexample(grade):
    told = criterion(grade(WRONG), "a3")
    ((yours,),), ((right,),) = told.counterexample.yours, told.counterexample.right
    assert told.difference.entries == ((yours - right,),)
    assert told.difference.wrong == ((True,),)


def test_what_is_not_finite_stands_as_text(grade):
    told = criterion(grade(WRONG.replace("np.diag(dsigma(y[l]))", "np.diag(dsigma(y[l])) * np.nan")), "a3")
    assert told.counterexample.yours == [["nan"]]
    assert told.difference.entries == (("nan",),)
    assert json.loads(grade(WRONG.replace("dsigma(y[l])", "dsigma(y[l]) / 0")).model_dump_json())


def test_a_function_that_fails_has_a_counterexample_without_numbers(grade):
    told = criterion(grade(WRONG.replace("dsigma(y[l])", "dsigma(z(l, A, b, y)) if l == 1 else 1 / 0")), "a3")
    assert (told.counterexample.yours, told.difference) == (None, None)
    assert told.counterexample.failure == "ZeroDivisionError: division by zero"


def test_a_function_that_always_fails_needs_no_example(grade):
    told = criterion(grade(WRONG.replace("np.diag(dsigma(y[l]))", "1 / 0")), "a3")
    assert (told.verdict, told.counterexample) == ("exception", None)


def test_a_failure_carried_forward_is_one_too(grade):
    """dy_dyprev fails for layers that are not square, and dyL_dA, which is right, with it."""
    swapped = WRONG.replace("dsigma(y[l])", "dsigma(z(l, A, b, y))").replace(
        "else dy_db(l, A, b, y, sigma, dsigma) @ A[l]", "else A[l] @ dy_db(l, A, b, y, sigma, dsigma)"
    )
    told = criterion(grade(swapped), "b2")
    assert (told.verdict, told.misconception) == ("exception", "order_swapped")
    assert told.credit.slug == "error_carried_forward"


def test_failing_where_the_others_fail_is_not_enough(grade):
    lazy = (
        WRONG.replace("dsigma(y[l])", "dsigma(z(l, A, b, y))")
        .replace("else dy_db(l, A, b, y, sigma, dsigma) @ A[l]", "else A[l] @ dy_db(l, A, b, y, sigma, dsigma)")
        .replace("    g = np.eye(1)\n", "    g = np.eye(1)\n    if l < len(A) - 2: raise NotImplementedError\n")
    )
    told = criterion(grade(lazy), "b2")
    assert (told.verdict, told.credit) == ("exception", None)


def test_a_right_function_that_fails_with_another_is_asked_nothing_of_its_own(grade):
    report = grade(
        WRONG.replace("dsigma(y[l])", "dsigma(z(l, A, b, y))").replace(
            "return A[l] if", "return None if l < len(A) - 1 else A[l] if"
        )
    )
    assert (criterion(report, "b2").verdict, criterion(report, "b2").question) == ("exception", None)


def test_a_large_answer_is_told_by_its_shape(grade):
    told = criterion(grade(WRONG.replace("np.diag(dsigma(y[l]))", "np.ones((20, 20))")), "a3")
    assert told.counterexample.yours == "an array of shape (20, 20)"


def test_what_died_is_not_run_again(grade):
    report = grade(WRONG.replace("np.diag(dsigma(y[l]))", "__import__('os')._exit(0)"))
    assert criterion(report, "a3").counterexample is None
    assert criterion(report, "a3").verdict == "exit"


def test_counterexamples_can_be_switched_off(grade, default_rubric):
    report = grade(WRONG, rubric=with_feedback(default_rubric, counterexamples=False))
    assert {one.counterexample for one in report.criteria} == {one.difference for one in report.criteria} == {None}
    assert criterion(report, "a3").misconception == "sigma_prime_at_activation"


def test_without_hints_a_student_sees_no_name_and_an_instructor_does(grade, default_rubric):
    report = grade(WRONG, rubric=with_feedback(default_rubric, hints=False))
    assert criterion(report, "a3").misconception == "sigma_prime_at_activation"
    seen = report.seen_by("student").model_dump_json()
    assert "sigma_prime_at_activation" not in seen
    assert "What went into" not in seen
    assert "S2" not in seen
    assert criterion(report.seen_by("student"), "a3").points == criterion(report, "a3").points


def test_what_rests_on_a_hidden_part_does_not_tell_of_it(grade, default_rubric):
    criteria = tuple(c.model_copy(update={"visible": c.id not in ("a3", "a4")}) for c in default_rubric.criteria)
    report = grade(WRONG, rubric=changed(default_rubric, criteria=criteria))
    assert criterion(report, "b2").credit.slug == "error_carried_forward"
    seen = criterion(report.seen_by("student"), "b2")
    assert (seen.credit.slug, seen.reason, seen.points) == ("partial", "75% in spite of the mistake", Decimal("2.25"))


def test_a_reason_without_its_name_keeps_what_lateness_costs(grade, default_rubric):
    now = datetime.now(UTC)
    late = Late(deadline=now - timedelta(hours=3), percent_per_day=Decimal(20))
    report = grade(WRONG, rubric=with_feedback(changed(default_rubric, late=late), hints=False), submitted=now)
    assert (
        criterion(report, "a3").reason
        == "40% in spite of the mistake: sigma_prime_at_activation; less 20% for being late"
    )
    assert criterion(report.seen_by("student"), "a3").reason == "40% in spite of the mistake; less 20% for being late"


def test_one_number_throughout_is_not_carried_forward(grade):
    """The product of the student's own answers may be that number by construction; it is nothing they worked out."""
    ones = """
import numpy as np
def dy_db(l, A, b, y, s, d): return np.eye(1) if l == len(A) - 1 else np.tile(d(A[l] @ y[l-1] + b[l])[:, None], len(b[l]))
def dy_dyprev(l, A, b, y, s, d): return A[l] if l == len(A) - 1 else A[l]
def dyL_dA(l, A, b, y, s, d): return np.ones(A[l].shape)
"""
    assert criterion(grade(ones), "b2").credit is None


def test_explaining_takes_no_longer_than_a_submission_may(grade, default_rubric):
    """Slow on every example and only there: what it is graded on is quick."""
    slow = WRONG.replace(
        "def z(", "import time\ndef pause(sigma):\n    if abs(sigma(3.0) - 9) < 1e-9: time.sleep(0.9)\ndef z("
    )
    slow = slow.replace("    return np.eye(1) if l", "    pause(sigma)\n    return np.eye(1) if l")
    limits = default_rubric.limits.model_copy(update={"submission_seconds": Decimal("1.5")})
    report = grade(slow, rubric=changed(default_rubric, limits=limits))
    assert criterion(report, "a3").misconception == "sigma_prime_at_activation"
    assert criterion(report, "a3").counterexample is None  # its time was up


def test_a_stale_answer_is_known_by_a_fresh_process(grade):
    stale = WRONG.replace("dsigma(y[l])", "seen.setdefault(l, dsigma(z(l, A, b, y)))").replace(
        "import", "seen = {}\nimport", 1
    )
    told = criterion(grade(stale), "a3")
    assert told.misconception == "stale_state"
    assert "called after other networks" in told.counterexample.note


def test_an_answer_that_was_right_at_first_is_stale_wherever_it_is_wrong(grade):
    """Right in the first call and never after: that also looks like one depth, and is not."""
    counting = "(dsigma(z(l, A, b, y)) if calls.append(0) or len(calls) == 1 else 1 / 0)"
    stale = WRONG.replace("dsigma(y[l])", counting).replace("import", "calls = []\nimport", 1)
    assert criterion(grade(stale), "a3").misconception == "stale_state"


def test_where_it_is_wrong_is_a_hint_where_there_is_no_name(grade):
    odd = "g @ dy_dyprev(k, A, b, y, sigma, dsigma) + (0.1 if k < len(A) - 1 else 0)"
    right = WRONG.replace("dsigma(y[l])", "dsigma(z(l, A, b, y))")
    told = criterion(grade(right.replace("g @ dy_dyprev(k, A, b, y, sigma, dsigma)", odd)), "b2")
    assert (told.misconception, told.credit, told.points) == (None, None, 0)
    assert told.question == "Right for l = L - 1: what comes between lower layers and y_L?"
    assert told.step.startswith("S13")


def test_where_sigma_was_called_is_a_hint_where_there_is_no_name(grade):
    told = criterion(grade(WRONG.replace("dsigma(y[l])", "dsigma(y[l]) + 0.1")), "a3")
    assert (told.misconception, told.question) == (None, "What went into σ?")


def test_the_shape_is_told_with_what_its_rows_and_columns_are(grade):
    told = criterion(grade(WRONG.replace("np.diag(dsigma(y[l]))", "dsigma(y[l])")), "a3")
    assert told.message.startswith("∂y_l/∂b_l must be n_l × n_l; row i, column j is ∂(y_l)_i/∂(b_l)_j: yours was (3,)")


HARD_CODING = """
{source}
shown = {shown}
def replay(part, l, A, right):
    for name, widths, layer, answer in shown:
        if name == part and layer == l and [len(A[1][0]), *map(len, A[1:])] == widths:
            return np.array(answer, float)
    return right
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_the_numbers_one_was_shown_gain_nothing(grade, seed):
    """The next submission answers what it was shown wherever the sizes fit; even the same networks give it no point."""
    report = grade(WRONG, seed=seed)
    shown = [
        (one.id, one.counterexample.model_dump()["widths"], one.counterexample.l, one.counterexample.right)
        for one in report.criteria
        if one.counterexample
    ]
    assert shown
    source = HARD_CODING.format(source=WRONG, shown=shown)
    for function, hidden in (("dy_db", "a3"), ("dy_dyprev", "a4"), ("dyL_dA", "b2")):
        source += f"_{function} = {function}\ndef {function}(l, A, *rest): return replay({hidden!r}, l, A, _{function}(l, A, *rest))\n"
    again = grade(source, seed=seed)
    assert again.points <= report.points
    assert not any(one.verdict == "right" for one in again.criteria if one.id in ("a3", "a4", "b2"))


def test_an_answer_kept_from_a_graded_call_is_shown_to_nobody(grade):
    """A function that gives its first answer for ever: the example is what it gives when it is run for itself."""
    keeping = WRONG.replace("def dyL_dA", "def fresh_dA") + (
        "\nkept = []\ndef dyL_dA(*given):\n    kept.append(fresh_dA(*given)) if not kept else None\n    return kept[0]\n"
    )
    shown = [one.counterexample for one in grade(keeping).criteria if one.function == "dyL_dA" and one.counterexample]
    assert shown
    for example in shown:
        assert all(float(entry).is_integer() for row in example.yours for entry in row)
