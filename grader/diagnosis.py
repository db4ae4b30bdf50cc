"""A wrong answer -> the mistake behind it, and the smallest example of it. Pure.

A mistake is named only where it explains every answer to a part, and where it is the only one that does. What
the student's code says of itself (the points at which it called its arguments) is good for a question, and never
for a name or points. It knows nothing of rubrics, of the sandbox, or of how a diagnosis is worded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from grader import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from grader.assignments import Feedback
    from grader.values import Array, Call, Judged, Outcome

SAME_FACTOR = 1e-6  # relative, between the factors by which answers are off
MOST_WORKED_OUT = 30_000  # wrong answers: those to the calls of a batch
_FAILS: Any = object()  # what a formula gives that cannot be evaluated
_worked_out: dict[tuple[int, int], _Expected] = {}

# Mistakes that are none of a homework's formulas, recognised for every homework whose catalogue has them.
CONSTANT_FACTOR = "constant_factor"
HARD_CODED = "hard_coded"
STALE_STATE = "stale_state"
MUTATES_INPUTS = "mutates_inputs"


class Diagnosis(NamedTuple):
    """What is known of a wrong part: the name of its mistake, or else of a hint.

    `by_value` is whether the answers themselves tell the mistake, and not only the calls in which they are wrong.
    """

    mistake: str | None = None
    hint: str | None = None
    by_value: bool = False


class _Expected(NamedTuple):
    """What a formula gives for a call, and its largest entry; of both, so that none is found by another's number."""

    formula: Callable[[Call], Any]
    call: Call
    value: Any
    place: int = 0
    largest: complex = 0


def diagnose(feedback: Feedback, judged: Sequence[Judged], tolerance: float) -> Diagnosis:
    """The mistake that explains all answers to one part."""
    if _only_writes(judged, tolerance):
        return Diagnosis(MUTATES_INPUTS, by_value=True)
    if not all(entry.outcome.kind in judge.ANSWERED for entry in judged):
        return Diagnosis()
    places = _places(feedback, judged)
    for names in (_formulas(feedback, judged, tolerance), _laws(judged, tolerance), places):
        if known := names & set(feedback.MISCONCEPTIONS):
            return Diagnosis(known.pop(), by_value=names is not places) if len(known) == 1 else Diagnosis()
    by_value = all(
        entry.verdict.kind in ("right", "wrong") for entry in judged
    )  # what fails has a traceback for a hint
    hints = (places & set(feedback.HINTS) if by_value else set()) or _suspects(feedback, judged)
    return Diagnosis(hint=hints.pop()) if len(hints) == 1 else Diagnosis()


def answers_only_zeros(judged: Sequence[Judged]) -> bool:
    """Whether a function gave zeros and nothing else: it is not written yet, and nothing is to be read into that."""
    return all(entry.outcome.value is not None and not entry.outcome.value.any() for entry in judged)


def _only_writes(judged: Sequence[Judged], tolerance: float) -> bool:
    """Whether every call that is not right failed for writing into its inputs, and is right on copies of them."""
    wrong = [entry for entry in judged if entry.verdict.kind != "right"]
    for _, outcome, reference, _ in wrong:
        answer: Any = outcome.on_copies
        if answer is None or not judge.fits(answer.shape, reference.shape):
            return False
        if not judge.normwise_error(answer.reshape(reference.shape), reference) <= tolerance:
            return False
    return bool(wrong)


# By formula.


def _formulas(feedback: Feedback, judged: Sequence[Judged], tolerance: float) -> set[str]:
    """The mistakes one of whose formulas gives what the student gave, in every call.

    Where there is no wrong value at all, there is nothing to tell one formula that fails from another.
    """
    found: set[str] = set()
    if not any(entry.outcome.value is not None and entry.verdict.kind != "right" for entry in judged):
        return found
    largest_first = judged[::-1]  # there two formulas are least likely to agree
    for slug, formula in feedback.wrong_answers(judged[0].call.part.id):
        if slug not in found and all(_explains(formula, entry, tolerance) for entry in largest_first):
            found.add(slug)
    return found


def _explains(formula: Callable[[Call], Any], entry: Judged, tolerance: float) -> bool:
    expected = _expected(formula, entry.call)
    if expected.value is _FAILS:
        return entry.outcome.kind == "raised"
    if expected.value is None:  # an index that leads to what a network does not have
        return entry.outcome.kind == "wrong_type"
    answer = _fitted(entry.outcome, expected.value.shape)
    if answer is None or not _is_near(answer.item(expected.place), expected.largest, tolerance):
        return False  # nearly every formula parts from an answer at its largest entry
    return judge.normwise_error(answer, expected.value) <= tolerance


def _is_near(number: complex, expected: complex, tolerance: float) -> bool:
    try:
        return abs(number - expected) <= tolerance * abs(expected)
    except OverflowError:  # of a complex number
        return False


def _expected(formula: Callable[[Call], Any], call: Call) -> _Expected:
    """What a wrong formula gives for a call, worked out once for all who are asked it."""
    key = id(formula), id(call)
    if (found := _worked_out.get(key)) is None:
        if len(_worked_out) >= MOST_WORKED_OUT:
            _worked_out.clear()
        found = _worked_out[key] = _work_out(formula, call)
    return found


def _work_out(formula: Callable[[Call], Any], call: Call) -> _Expected:
    value = _applied(formula, call)
    if value is _FAILS or value is None:
        return _Expected(formula, call, value)
    with np.errstate(over="ignore"):
        place = int(np.abs(value).argmax())
    return _Expected(formula, call, value, place, value.item(place))


def _applied(formula: Callable[[Call], Any], call: Call) -> Any:
    try:
        with np.errstate(all="ignore"):
            return formula(call)
    except Exception:  # whatever numpy says of shapes that do not fit
        return _FAILS


def _fitted(outcome: Outcome, shape: tuple[int, ...]) -> Any:
    """The answer in this shape; None where it is none, or of another."""
    if outcome.value is None or not judge.fits(outcome.value.shape, shape):
        return None
    return outcome.value.reshape(shape)


# By a law between the student's answers and the right ones.


def _laws(judged: Sequence[Judged], tolerance: float) -> set[str]:
    with np.errstate(all="ignore"):
        laws = {CONSTANT_FACTOR: _is_a_multiple(judged, tolerance), HARD_CODED: _never_changes(judged)}
    return {name for name, holds in laws.items() if holds}


def _is_a_multiple(judged: Sequence[Judged], tolerance: float) -> bool:
    """Whether every answer is the right one times one factor; never where all right answers are the same."""
    if len({entry.reference.tobytes() for entry in judged}) == 1:
        return False
    factors = []
    for _, outcome, reference, _ in judged:
        answer = _fitted(outcome, reference.shape)
        if answer is None:
            return False
        factor = float((answer.real * reference).sum() / (reference * reference).sum())
        if not judge.normwise_error(answer, factor * reference) <= tolerance or not factor:
            return False
        factors.append(factor)
    return max(factors) - min(factors) <= SAME_FACTOR * max(map(abs, factors))


def _never_changes(judged: Sequence[Judged]) -> bool:
    """Whether answers of one shape are always the same numbers, though the right ones are not."""
    values = [entry.outcome.value for entry in judged if entry.outcome.value is not None]
    if len(values) < len(judged) or not all(value.any() and np.isfinite(value).all() for value in values):
        return False
    answers, shapes = {(value.shape, value.tobytes()) for value in values}, {value.shape for value in values}
    fitting = [entry for entry in judged if _fitted(entry.outcome, entry.reference.shape) is not None]
    return bool(fitting) and len(answers) == len(shapes) < len({entry.reference.tobytes() for entry in judged})


# By the calls in which it shows.


def _places(feedback: Feedback, judged: Sequence[Judged]) -> set[str]:
    """The mistakes and hints that show in just the calls that are not right, where there are others."""
    if all(entry.verdict.kind != "right" for entry in judged):
        return set()
    refuted: set[tuple[str, str]] = set()
    readings: set[tuple[str, str]] = set()
    for entry in judged:
        for slug, reading, shows in feedback.patterns(entry.call):
            readings.add((slug, reading))
            if shows != (entry.verdict.kind != "right"):
                refuted.add((slug, reading))
    return {slug for slug, _ in readings - refuted}


def _suspects(feedback: Feedback, judged: Sequence[Judged]) -> set[str]:
    """The mistakes that would have called the callables where the student did, in every call that tells."""
    told = [told for entry in judged if (told := feedback.suspects(entry.call, entry.outcome.visited))]
    return set.intersection(*told) if told else set()


# Errors carried forward.


def is_carried_forward(feedback: Feedback, part: str, judged: Mapping[str, Sequence[Judged]], tolerance: float) -> bool:
    """Whether all answers to a part are what the student's own answers to the parts it rests on give.

    Where these give nothing, for they failed, this one has to fail. Answers that are zero, of another shape, or the
    same number throughout, are not carried forward: zeros are the product of zeros.
    """
    rests_on = feedback.RESTS_ON[part]
    own = [(entry.call, answer) for name in rests_on for entry in judged[name] if (answer := _own(entry)) is not None]
    wrong = [answer for entry in judged[part] if entry.verdict.kind == "wrong" and (answer := _own(entry)) is not None]
    if not wrong or len(np.unique(np.concatenate([answer.ravel() for answer in wrong]))) == 1:
        return False
    return all(_is_what(feedback, own, entry, tolerance) for entry in judged[part])


def _own(entry: Judged) -> Any:
    answer = _fitted(entry.outcome, entry.reference.shape)
    return answer if answer is not None and answer.any() else None


def _is_what(feedback: Feedback, own: Sequence[tuple[Call, Array]], entry: Judged, tolerance: float) -> bool:
    try:
        expected = feedback.carried(entry.call, own)
    except LookupError:  # an answer it rests on is not there
        return entry.outcome.kind == "raised"
    answer = _own(entry)
    return answer is not None and judge.normwise_error(answer, expected) <= tolerance


# The smallest example.


def smallest(judged: Sequence[Judged]) -> Judged | None:
    """The first example that is answered wrongly, better by a value than by an exception; none that is all zeros."""
    wrong = [entry for entry in judged if entry.verdict.kind != "right" and entry.reference.any()]
    answered = [entry for entry in wrong if entry.outcome.value is not None]
    failed = [entry for entry in wrong if entry.outcome.kind == "raised"]
    return next(iter(answered or failed), None)
