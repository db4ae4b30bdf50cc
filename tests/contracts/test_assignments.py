"""What every assignment promises: its cases, its references, its starter, and what it says to a student."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import numpy as np
import pytest

from grader import assignments, engine, grading, judge, proof
from grader import rubric as rubrics
from grader.errors import UsageError
from grader.formula import Formula
from grader.values import Limits, Outcome, Submission

NAMES = assignments.names()
SEEDS = range(20)


@pytest.fixture(params=NAMES)
def assignment(request):
    return assignments.load(request.param)


def flat(value):
    """An argument as bytes, for a comparison bit by bit."""
    if isinstance(value, tuple):
        return tuple(flat(item) for item in value)
    if isinstance(value, Formula):
        return value.text, tuple(value.constants.items())
    return value.tobytes() if isinstance(value, np.ndarray) else value


def test_the_assignments_are_found():
    assert NAMES == ["backprop"]


def test_it_is_the_same_bit_for_bit_for_the_same_seed(assignment):
    for seed in SEEDS:
        first, second = ([(call.part, flat(call.arguments)) for call in assignment.draw(seed)] for _ in range(2))
        assert first == second


def test_another_seed_gives_another_draw(assignment):
    assert len({flat(assignment.draw(seed)[0].arguments) for seed in range(100)}) == 100


def test_every_part_is_called_and_every_call_is_of_a_part(assignment):
    assert {call.part for call in assignment.draw(1)} == set(assignment.PARTS)


def test_references_are_finite_and_not_zero_and_right_by_the_rule(assignment):
    for call in assignment.draw(2):
        reference = assignment.reference(call)
        assert np.isfinite(reference).all()
        assert np.abs(reference).max() > 0
        answer = Outcome("value", value=reference, shape=reference.shape)
        assert judge.judge(call, answer, reference, 1e-5).kind == "right"


def test_a_rubric_comes_with_it(assignment):
    rubric = rubrics.read(rubrics.find(assignment.ID))
    grading.check(rubric, assignment)
    assert {criterion.id for criterion in rubric.criteria} == {part.id for part in assignment.PARTS}


def test_numeric_proofs_agree(assignment):
    for shape in assignment.SHAPES:
        problem = assignment.draw_problem(shape, Random(7))
        for derivative in assignment.derivatives(problem):
            for method in proof.NUMERIC:
                assert proof._compare(derivative, method, problem).agrees
        for name, reading in assignment.wrong_readings(problem):
            assert proof._refute(name, reading, problem).agrees


def test_credits_are_fractions(assignment):
    assert all(0 <= float(known.credit) <= 1 for known in assignment.feedback().MISCONCEPTIONS.values())


def test_hints_are_worth_nothing_and_have_names_of_their_own(assignment):
    feedback = assignment.feedback()
    assert {hint.credit for hint in feedback.HINTS.values()} <= {"0"}
    assert not set(feedback.HINTS) & set(feedback.MISCONCEPTIONS)


def test_every_wrong_formula_has_a_known_name_and_is_wrong_where_it_is_asked(assignment):
    feedback = assignment.feedback()
    for part in assignment.PARTS:
        calls = [call for call in assignment.draw(3) if call.part == part]
        for slug, formula in feedback.wrong_answers(part.id):
            assert slug in feedback.MISCONCEPTIONS
            assert not all(is_right(assignment, formula, call) for call in calls), (part.id, slug)


def is_right(assignment, formula, call):
    try:
        with np.errstate(all="ignore"):
            answer = formula(call)
    except Exception:
        return False
    outcome = Outcome("wrong_type") if answer is None else Outcome("value", value=answer, shape=answer.shape)
    return judge.judge(call, outcome, assignment.reference(call), 1e-5).kind == "right"


def test_patterns_and_hints_have_known_names(assignment):
    feedback = assignment.feedback()
    named = {slug for call in assignment.draw(3) for slug, _, _ in feedback.patterns(call)}
    assert named <= set(feedback.MISCONCEPTIONS) | set(feedback.HINTS)


def test_examples_are_small_fixed_and_never_graded_on(assignment):
    batches = assignment.feedback().examples()
    graded_on = {flat(call.arguments) for seed in SEEDS for call in assignment.draw(seed)}
    for call in (call for batch in batches for call in batch):
        assert flat(call.arguments) not in graded_on
        assert np.isfinite(assignment.reference(call)).all()
    assert {call.part for call in batches[0]} == set(assignment.PARTS)


def test_what_is_carried_forward_from_right_answers_is_right(assignment):
    feedback = assignment.feedback()
    calls = assignment.draw(4)
    answers = [(call, assignment.reference(call)) for call in calls]
    for call in (call for call in calls if call.part.id in feedback.RESTS_ON):
        assert judge.normwise_error(feedback.carried(call, answers), assignment.reference(call)) < 1e-12


def test_no_feedback_contains_the_answer(assignment):
    """Neither a reference's text nor a step's: labels and questions speak of the derivatives and never say them."""
    feedback = assignment.feedback()
    for known in (*feedback.MISCONCEPTIONS.values(), *feedback.HINTS.values()):
        for text in (known.question, known.step):
            assert not any(formula in text for formula in ("diag", "σ'(z", "s_i", "A_ij", "y_j e_i", "^T", "@", "·"))


# The starter.


def test_the_starter_runs_by_itself_and_answers_nothing(assignment, tmp_path):
    (tmp_path / "starter.py").write_text(assignment.STARTER)
    ran = subprocess.run([sys.executable, "starter.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "NotImplementedError" in ran.stdout
    assert "looks right" not in ran.stdout
    assert not ran.stderr


def test_the_starter_scores_nothing_and_is_told_so(assignment, walls):
    submission = Submission("starter.py", assignment.STARTER.encode())
    rubric = rubrics.read(rubrics.find(assignment.ID))
    report = grading.grade(submission, assignment, rubric, seed=1, sandbox=walls)
    assert (report.status, report.points) == ("graded", 0)
    assert {criterion.verdict for criterion in report.criteria} == {"exception"}


def test_the_starter_names_the_functions_and_their_parameters(assignment):
    for function in {part.function for part in assignment.PARTS}:
        assert f"def {function}({assignment.SIGNATURE}):" in assignment.STARTER


def test_nothing_of_the_reference_crosses_the_walls(assignment, walls):
    """A submission that looks through its whole process finds its inputs, and no module of answers."""
    source = (
        "import gc, sys\n"
        "found = {getattr(o, '__module__', '') or '' for o in gc.get_objects()}\n"
        "print(sorted(m for m in found if isinstance(m, str) and m.startswith('grader')))\n"
    )
    calls = assignment.draw(1)
    run = engine.run(walls, Submission("a.py", source.encode()), calls, assignment.SIGNATURE, Limits())
    assert "grader.sandbox.harness" in run.output
    assert "assignments" not in run.output
    assert "grading" not in run.output


# Finding them.


def test_an_unknown_name_lists_the_known(tmp_path):
    with pytest.raises(
        UsageError, match=r"assignment 'backprob': there is none.*expected one of: backprop; did you mean 'backprop'"
    ):
        assignments.load("backprob")
    with pytest.raises(UsageError, match="or give the path of a file that ends in .py"):
        assignments.load("zzz")


def test_a_file_of_one_s_own_is_an_assignment(tmp_path, assignment):
    path = tmp_path / "mine.py"
    path.write_text(own_copy(assignment))
    mine = assignments.load("mine.py", beside=tmp_path)
    assert mine.PARTS == assignment.PARTS
    assert assignments.version(mine) != assignments.version(assignment)


def own_copy(assignment):
    """The assignment's file, for use from another folder."""
    from pathlib import Path

    text = Path(assignment.__file__).read_text()
    return text.replace(
        'Path(__file__).parent / "starters"', f"Path({str(Path(assignment.__file__).parent)!r}) / 'starters'"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file; expected a Python file"),
        ("x = 1", "it lacks ID, PARTS, SHAPES, .*; expected what grader.assignments.Assignment describes"),
        ("def", "it fails to load \\(SyntaxError: invalid syntax"),
    ],
)
def test_a_file_that_is_no_assignment(tmp_path, content, said):
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    with pytest.raises(UsageError, match=said):
        assignments.load(str(tmp_path / "mine.py"))
