"""The comparison rule, clause by clause."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from grader import judge
from grader.errors import GraderFault
from grader.values import Call, Judged, Outcome, Part, Submission, Verdict

PART = Part("a4", "dy_dyprev", "title", "∂y_l/∂y_{l-1}", "n_l × n_{l-1}")
OTHER = Part("a2", "dy_dyprev", "title", "∂y_L/∂y_{L-1}", "1 × n_{L-1}")
CALL = Call(PART, (), "l = 2, widths 2-3-2-1", "a layer of 2 units after one of 3", sites=np.array([0.5, -1.0, 2.0]))
OUTPUT_CALL = Call(OTHER, (), "l = 3, widths 2-3-2-1", "a layer of 1 unit after one of 2")
REFERENCE = np.array([[1.0, -2.0, 3.0], [0.5, 0.25, -4.0]])
TOLERANCE = 1e-5


def value(array, **visited):
    array = np.asarray(array)
    points = {4: np.asarray(visited["visited"], complex)} if visited else {}
    return Outcome("value", value=array, shape=array.shape, visited=points)


def verdict(array, reference=REFERENCE):
    return judge.judge(CALL, value(array), reference, TOLERANCE)


# Many at once: as each by itself.

ANSWERS = st.one_of(
    numpy_strategies.arrays(np.float64, (2, 3)),
    numpy_strategies.arrays(np.float64, (2, 3), elements=st.floats(-1e-6, 1e-6)).map(
        lambda noise: REFERENCE * (1 + noise)
    ),
    numpy_strategies.arrays(np.complex128, (2, 3)),
    numpy_strategies.arrays(np.float64, st.sampled_from([(3, 2), (6,), (), (0, 3)])),
    st.just(REFERENCE),
)
OUTCOMES = st.one_of(
    ANSWERS.map(value), st.just(Outcome("raised", "ValueError: no")), st.just(Outcome("missing", "none"))
)
REFERENCES = st.sampled_from([REFERENCE, np.zeros((2, 3)), REFERENCE * 1e300, REFERENCE * 1e-300, np.ones((0, 3))])


@given(st.lists(st.tuples(OUTCOMES, REFERENCES), max_size=8))
def test_many_are_judged_as_each_would_be(made):
    made = [(outcome, reference) for outcome, reference in made if reference.size or outcome.value is None]
    calls = [CALL] * len(made)
    outcomes, references = [outcome for outcome, _ in made], [reference for _, reference in made]
    with np.errstate(all="ignore"):
        expected = [judge.judge(CALL, outcome, reference, TOLERANCE) for outcome, reference in made]
        assert judge.judge_all(calls, outcomes, references, TOLERANCE) == expected


# Shapes.


@pytest.mark.parametrize(
    ("shape", "asked"),
    [
        ((2, 3), (2, 3)),
        ((1, 1), (1, 1)),
        ((), (1, 1)),
        ((1,), (1, 1)),
        ((3,), (1, 3)),
        ((3,), (3, 1)),
        ((3, 1), (3, 1)),
    ],
)
def test_shapes_that_fit(shape, asked):
    assert judge.fits(shape, asked)
    assert judge.judge(CALL, value(np.ones(shape)), np.ones(asked), TOLERANCE).kind == "right"


@pytest.mark.parametrize(
    ("shape", "asked"),
    [
        ((3, 1), (1, 3)), ((1, 3), (3, 1)), ((3, 2), (2, 3)), ((6,), (2, 3)), ((), (1, 3)), ((1,), (3, 1)),
        ((1, 1, 1), (1, 1)), ((1, 2, 3), (2, 3)), ((0, 1, 1), (1, 1)), ((0,), (1, 1)), ((2,), (1, 1)), ((0, 3), (1, 3)),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(shape, asked):
    assert not judge.fits(shape, asked)
    found = judge.judge(CALL, value(np.ones(shape)), np.ones(asked), TOLERANCE)
    assert found.kind == "wrong_shape"
    assert "∂y_l/∂y_{l-1} must be n_l × n_{l-1}: yours was (" in found.message
    assert "for a layer of 2 units after one of 3 (l = 2, widths 2-3-2-1)" in found.message


def test_the_shape_comes_before_everything_else():
    assert verdict(np.full((3, 2), np.nan)).kind == "wrong_shape"
    assert judge.judge(CALL, Outcome("wrong_type", "str", shape=(3, 2)), REFERENCE, TOLERANCE).kind == "wrong_shape"


def test_an_answer_too_large_to_be_sent_has_the_wrong_shape():
    assert judge.judge(CALL, Outcome("value", shape=(1000, 1000)), REFERENCE, TOLERANCE).kind == "wrong_shape"


def test_a_scalar_is_called_one():
    assert "() (a single number)" in judge.judge(CALL, value(1.0), REFERENCE, TOLERANCE).message


# Types.


def test_complex_numbers_are_right_where_they_are_real():
    assert verdict(REFERENCE.astype(complex)).kind == "right"
    found = verdict(REFERENCE + 1e-30j)
    assert (found.kind, found.message) == (
        "wrong_type", "∂y_l/∂y_{l-1} must be real: yours has an imaginary part (l = 2, widths 2-3-2-1)",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("None", "yours was None; does every path through the function end in a return?"),
        ("str", "must be an array of numbers: yours was str"),
    ],
)
def test_what_is_no_array_of_numbers(text, said):
    found = judge.judge(CALL, Outcome("wrong_type", text), REFERENCE, TOLERANCE)
    assert found.kind == "wrong_type"
    assert said in found.message


def test_an_array_of_objects_is_told_what_to_become():
    outcome = Outcome("wrong_type", "an array of dtype object", shape=(2, 3))
    assert judge.judge(CALL, outcome, REFERENCE, TOLERANCE).message.endswith("of dtype object; give it dtype float")


def test_objects_are_told_what_to_become():
    outcome = Outcome("wrong_type", "an array of Fraction objects", shape=(2, 3))
    found = judge.judge(CALL, outcome, REFERENCE, TOLERANCE)
    assert found.message.endswith("yours was an array of Fraction objects; make each of its entries a float")


def test_a_right_answer_too_large_for_the_walls_is_our_fault():
    too_large = np.ones((100, 100))
    with pytest.raises(GraderFault, match="larger than the walls let through"):
        judge.judge(CALL, Outcome("value", shape=too_large.shape), too_large, TOLERANCE)


def test_an_answer_said_to_be_too_large_that_cannot_be_is_the_student_s():
    found = judge.judge(CALL, Outcome("value", shape=(2, 3)), REFERENCE, TOLERANCE)
    assert (found.kind, "no numbers came" in found.message) == ("protocol", True)


@given(st.binary(max_size=400))
def test_any_answer_is_judged_without_a_word_from_numpy(payload):
    """Whatever numbers come back, the judge warns of nothing: warnings are errors here."""
    answer = np.frombuffer(payload[: len(payload) // 8 * 8])
    for shape in ((len(answer),), (1, len(answer))):
        outcome = Outcome("value", value=answer.reshape(shape), shape=shape, visited={4: answer.astype(complex)})
        for reference in (REFERENCE, np.ones((1, max(1, len(answer))))):
            found = judge.judge(CALL, outcome, reference, TOLERANCE)
            judge.used_finite_differences([Judged(CALL, outcome, REFERENCE, found)])
            judge.differs(outcome, Outcome("value", value=answer[::-1].reshape(shape), shape=shape))


def test_a_type_is_wrong_even_where_its_shape_fits():
    outcome = Outcome("wrong_type", "an ndarray of dtype object", shape=(2, 3))
    assert judge.judge(CALL, outcome, REFERENCE, TOLERANCE).kind == "wrong_type"


# Finiteness and the error.


@pytest.mark.parametrize(("bad", "name"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_one_entry_that_is_not_finite_is_enough(bad, name):
    answer = REFERENCE.copy()
    answer[1, 2] = bad
    found = verdict(answer)
    assert (found.kind, found.error) == ("not_finite", None)
    assert name in found.message


@given(numpy_strategies.arrays(float, (2, 3), elements=st.floats(-1, 1)), st.floats(1e-9, 1e9))
def test_the_error_is_relative_to_the_largest_entry_whatever_the_scale(noise, scale):
    size = np.abs(REFERENCE).max()
    within = REFERENCE + 0.99 * TOLERANCE * size * noise
    beyond = REFERENCE + np.where(REFERENCE == REFERENCE.max(), 1.01 * TOLERANCE * size, 0)
    assert verdict(within * scale, REFERENCE * scale).kind == "right"
    assert verdict(beyond * scale, REFERENCE * scale).kind == "wrong"


def test_a_vanishing_gradient_is_not_excused():
    assert verdict(np.zeros((2, 3)), REFERENCE * 1e-12).kind == "wrong"


def test_a_reference_of_zeros_asks_for_zeros():
    zeros = np.zeros((2, 3))
    assert verdict(zeros, zeros).kind == "right"
    assert verdict(zeros + 1e-300, zeros).kind == "wrong"


def test_an_overflowing_difference_is_wrong():
    assert verdict(np.full((2, 3), -1.7e308), np.full((2, 3), 1.7e308)).kind == "wrong"


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (2, "off by 100% of its largest"),
        (43, "off by 42 times its"),
        (1e9, "off by 1e+09 times"),
        (1.001, "off by 0.001 of its"),
    ],
)
def test_the_size_of_an_error_is_told(factor, said):
    found = verdict(REFERENCE * factor)
    assert found.message.startswith("∂y_l/∂y_{l-1} is wrong at l = 2, widths 2-3-2-1: ")
    assert said in found.message
    assert found.error == pytest.approx(factor - 1)


@given(st.floats(-1e300, 1e300).filter(lambda x: abs(x) > 1e-300))
def test_the_right_answer_is_right(x):
    assert verdict(np.full((2, 3), x), np.full((2, 3), x)).kind == "right"


# What is no value.


def test_an_exception_keeps_its_traceback():
    found = judge.judge(CALL, Outcome("raised", "ZeroDivisionError: x", traceback="T"), REFERENCE, TOLERANCE)
    assert found == Verdict("exception", "ZeroDivisionError: x (l = 2, widths 2-3-2-1)", traceback="T")


def test_writing_into_inputs_is_explained():
    outcome = Outcome("raised", "ValueError: assignment destination is read-only", mutates_inputs=True)
    own = Outcome("raised", "ValueError: assignment destination is read-only")
    advice = "inputs may not be changed in place: change a copy"
    assert advice in judge.judge(CALL, outcome, REFERENCE, TOLERANCE).message
    assert advice not in judge.judge(CALL, own, REFERENCE, TOLERANCE).message


@pytest.mark.parametrize("kind", ["timeout", "memory", "crash", "exit", "forbidden", "output", "protocol"])
def test_a_death_is_its_own_verdict(kind):
    found = judge.judge(CALL, Outcome(kind, "why"), REFERENCE, TOLERANCE)
    assert (found.kind, found.message) == (kind, "why (l = 2, widths 2-3-2-1)")


def test_a_missing_function_is_missing_everywhere():
    assert judge.judge(CALL, Outcome("missing", "no dy_db"), REFERENCE, TOLERANCE) == Verdict("missing", "no dy_db")


# A criterion.


def test_a_criterion_is_right_where_every_call_is():
    found = judge.decide([Verdict("right", "right", 1e-16), Verdict("right", "right", 3e-16)], 2)
    assert (found.kind, found.message, found.error) == ("right", "right in all 2 calls", 3e-16)


def test_a_criterion_fails_by_its_first_failing_call():
    right, wrong = Verdict("right", "right", 0.0), Verdict("wrong", "off", 0.5)
    found = judge.decide([right, Verdict("wrong_shape", "shape"), wrong, right], 4)
    assert (found.kind, found.message) == ("wrong_shape", "shape; 2 of 4 calls right")


def test_a_call_made_again_is_not_counted():
    right, wrong = Verdict("right", "right", 0.0), Verdict("wrong", "off", 0.5)
    assert judge.decide([right, right, wrong], 2).message == "off; 1 of 2 calls right"


def test_what_kills_a_call_counts_no_others():
    assert judge.decide([Verdict("right", "right", 0.0), Verdict("timeout", "too slow")], 9).message == "too slow"


# A file that cannot be loaded.


@pytest.mark.parametrize(
    ("source", "text", "said"),
    [
        (
            b"x = (",
            "SyntaxError: '(' was never closed",
            "the file could not be loaded: SyntaxError: '(' was never closed",
        ),
        (b"x\0", "SyntaxError: source code string cannot contain null bytes", "; it has NUL bytes"),
        (b"a = 1\nb = '\xe9'", "SyntaxError: (unicode error)", "; line 2 is not UTF-8"),
        (b"x = y", "NameError: name 'y' is not defined", "the file could not be loaded: NameError"),
    ],
)
def test_why_a_file_is_unreadable(source, text, said):
    found = judge.unreadable(Submission("a.py", source), Outcome("raised", text, traceback="T"))
    assert (found.kind, found.traceback) == ("exception", "T")
    assert said in found.message


def test_a_file_that_ends_the_interpreter_is_unreadable_as_that():
    assert judge.unreadable(Submission("a.py", b"x"), Outcome("exit", "it ended itself")).kind == "exit"


# Flags.


def answered(errors, visited, call=CALL):
    return [Judged(call, value([1.0], visited=visited), REFERENCE, Verdict("right", "right", e)) for e in errors]


STEPPED = [0.5, 0.5 + 1e-6, -1.0 + 1e-6, -1.0 - 1e-6]


def test_differences_show_by_their_error_and_by_where_they_call():
    assert judge.used_finite_differences(answered([1e-9, 1e-9, 0], STEPPED))
    assert not judge.used_finite_differences(answered([1e-9], [0.5, -1.0]))  # honest single precision
    assert not judge.used_finite_differences(answered([1e-9], [0.5 + 1e-8, -1.0 + 1e-8]))  # honest mixed precision
    assert not judge.used_finite_differences(answered([1e-9], [0.5, -1.0, -1.0 + 1e-3, 2.0]))  # one curious call
    assert not judge.used_finite_differences(answered([1e-15], STEPPED))  # a complex step, or a curious student
    assert not judge.used_finite_differences(answered([0.5], STEPPED))  # wrong anyway
    assert not judge.used_finite_differences(answered([1e-9], STEPPED, OUTPUT_CALL))  # nothing to call there
    assert not judge.used_finite_differences(
        [Judged(CALL, Outcome("raised", "x"), REFERENCE, Verdict("exception", "x"))]
    )


def test_errors_of_any_size_are_no_matter():
    assert not judge.used_finite_differences(answered([1.7e308, 1.7e308], STEPPED))


@pytest.mark.parametrize(
    ("points", "counted"),
    [
        ([], (0, 0)),
        ([np.nan, np.inf], (0, 0)),
        ([0.5], (0, 1)),
        ([0.5, -1.0, 2.0], (0, 3)),
        ([0.5, 0.5 + 1e-15], (0, 1)),
        ([0.5, 0.5 + 1e-8], (1, 1)),
        ([0.5 - 1e-3, 0.5 + 1e-3], (1, 1)),
        ([0.5, 0.5 + 1e-30j], (0, 1)),
        ([0.5, float(np.float32(0.5000001))], (0, 1)),
        ([0.5, float(np.float32(0.51))], (1, 1)),
        ([1e300], (0, 1)),
    ],
)
def test_sites_stepped_around_and_visited(points, counted):
    assert judge.steps(np.array(points, complex), CALL.sites) == counted


@pytest.mark.parametrize(
    ("first", "second", "differing"),
    [
        (value([1.0, 2.0]), value([1.0, 2.0]), False),
        (value([1.0, 2.0]), value([1.0, 2.0 + 1e-15]), False),
        (value([1.0, 2.0]), value([1.0, 2.1]), True),
        (value([1.0, 2.0]), value([[1.0, 2.0]]), True),
        (value([np.nan]), value([np.nan]), False),
        (value([1.0]), value([np.nan]), True),
        (value([]), value([]), False),
        (Outcome("raised", "a"), Outcome("raised", "b"), False),
        (value([1.0]), Outcome("raised", "b"), True),
        (value([1.0]), Outcome("timeout", "b"), False),
        (Outcome("crash"), value([1.0]), False),
        (value([1e308]), value([-1e308]), True),
    ],
)
def test_the_same_call_twice(first, second, differing):
    assert judge.differs(first, second) is differing
