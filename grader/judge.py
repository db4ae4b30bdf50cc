"""Outcome and reference -> verdict: shape first, then type, then finiteness, then the error. Pure.

An answer S is right when it is finite, has the shape the homework asks for (or that shape with ones
left out) and max|S - R| <= tolerance * max|R|. Every comparison is written so that NaN fails it.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.errors import GraderFault
from grader.sandbox.packing import LARGEST_ANSWER_BYTES
from grader.values import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from grader.values import Array, Call, Judged, Outcome, Submission

FINITE_DIFFERENCE_ERRORS = (1e-12, 1e-5)  # above rounding in double precision, below a visible mistake
COUNTED = ("wrong", "wrong_shape", "wrong_type", "not_finite", "exception")  # the other calls were made all the same
ANSWERED = ("value", "raised", "wrong_type")  # outcomes that came from the student's function itself
SAME_ANSWER = 1e-12  # relative to the largest entry
SINGLE_PRECISION = 1e-5  # how far a point computed in float32 may lie from the exact one


def judge(call: Call, outcome: Outcome, reference: Array, tolerance: float) -> Verdict:
    """The verdict on one call. `reference` has the shape the homework asks for."""
    if outcome.shape is not None and not fits(outcome.shape, reference.shape):
        return Verdict("wrong_shape", _shape_message(call, outcome.shape))
    match outcome.kind:
        case "value":
            return _judge_value(call, outcome, reference, tolerance)
        case "wrong_type":
            return Verdict("wrong_type", f"{_asked(call)} must be an array of numbers: yours was {_found(outcome)}")
        case "raised":
            advice = "; inputs may not be changed in place: change a copy" if outcome.mutates_inputs else ""
            return Verdict("exception", f"{outcome.text}{advice} ({call.place})", traceback=outcome.traceback)
        case "missing":
            return Verdict("missing", outcome.text)
        case _:
            return Verdict(outcome.kind, f"{outcome.text} ({call.place})", traceback=outcome.traceback)


def judge_all(
    calls: Sequence[Call], outcomes: Sequence[Outcome], references: Sequence[Array], tolerance: float
) -> list[Verdict]:
    """The verdict on each of many calls: as `judge` has it, and those that are plainly right all at once."""
    plain = [
        n
        for n, (outcome, reference) in enumerate(zip(outcomes, references, strict=True))
        if reference.size and outcome.shape == reference.shape and _is_plain(outcome.value)
    ]
    errors = _errors([outcomes[n].value for n in plain], [references[n] for n in plain])
    right = {n: Verdict("right", "right", error) for n, error in zip(plain, errors, strict=True) if error <= tolerance}
    return [
        right.get(n) or judge(call, outcome, reference, tolerance)
        for n, (call, outcome, reference) in enumerate(zip(calls, outcomes, references, strict=True))
    ]


def _is_plain(value: Any) -> bool:
    return value is not None and value.dtype == np.float64


def _errors(answers: Sequence[Any], references: Sequence[Array]) -> list[float]:
    """`normwise_error` of each; NaN where that is not known: where an answer is not finite, or a reference zero."""
    if not answers:
        return []
    starts = np.cumsum([0, *(reference.size for reference in references[:-1])])
    with np.errstate(all="ignore"):
        S, R = np.concatenate([a.ravel() for a in answers]), np.concatenate([r.ravel() for r in references])
        errors: list[float] = (
            np.maximum.reduceat(np.abs(S - R), starts) / np.maximum.reduceat(np.abs(R), starts)
        ).tolist()
    return errors


def fits(shape: tuple[int, ...], asked: tuple[int, ...]) -> bool:
    """Whether a shape is the one asked for, or that one with ones left out; never n x 1 for 1 x n."""
    if len(shape) >= len(asked):
        return shape == asked
    return [n for n in shape if n != 1] == [n for n in asked if n != 1]


def _judge_unknown_value(call: Call, reference: Array) -> Verdict:
    """Of the right shape and too large to be sent: what is too large is decided by what was asked for."""
    if reference.nbytes > LARGEST_ANSWER_BYTES:
        raise GraderFault(
            f"{_asked(call)}: the answer is larger than the walls let through; expected a smaller layer; "
            "this assignment cannot be graded so"
        )
    return Verdict("protocol", f"its answer could not be read: no numbers came ({call.place})")


def _judge_value(call: Call, outcome: Outcome, reference: Array, tolerance: float) -> Verdict:
    if outcome.value is None:
        return _judge_unknown_value(call, reference)
    answer: Any = outcome.value.reshape(reference.shape)
    if np.iscomplexobj(answer):
        if not (answer.imag == 0).all():
            return Verdict("wrong_type", f"{_asked(call)} must be real: yours has an imaginary part ({call.place})")
        answer = answer.real
    if not np.isfinite(answer).all():
        return Verdict("not_finite", f"{_asked(call)} must be finite: yours has {_not_finite(answer)} ({call.place})")
    error = normwise_error(answer, reference)
    if error <= tolerance:
        return Verdict("right", "right", error)
    return Verdict("wrong", f"{_asked(call)} is wrong at {call.place}: off by {_size(error)}", error)


def normwise_error(answer: Array, reference: Array) -> float:
    """max|S - R| / max|R|; infinite where R is zero and S is not."""
    with np.errstate(over="ignore"):
        difference, size = np.abs(answer - reference).max(), np.abs(reference).max()
        if size == 0:
            return 0.0 if difference == 0 else float("inf")
        return float(difference / size)


def _asked(call: Call) -> str:
    return call.part.quantity


def _shape_message(call: Call, shape: tuple[int, ...]) -> str:
    entry = f"; {call.part.entry}" if call.part.entry else ""
    return (
        f"{_asked(call)} must be {call.part.shape}{entry}: yours was {in_words(shape)} for {call.scale} ({call.place})"
    )


def in_words(shape: tuple[int, ...]) -> str:
    """A shape as numpy prints it: (3,), (2, 3), () for a single number."""
    return str(shape) if shape else "() (a single number)"


def _found(outcome: Outcome) -> str:
    if outcome.text == "None":
        return "None; does every path through the function end in a return?"
    advice = {"object": "; give it dtype float", "objects": "; make each of its entries a float"}
    return outcome.text + advice.get(outcome.text.rpartition(" ")[2], "")


def _not_finite(answer: Array) -> str:
    kinds = [name for name, found in (("NaN", np.isnan(answer)), ("infinity", np.isinf(answer))) if found.any()]
    return " and ".join(kinds)


def _size(error: float) -> str:
    if error < 0.01:
        return f"{error:.1g} of its largest entry"
    if error < 10:
        return f"{error:.0%} of its largest entry"
    return f"{error:,.0f} times its largest entry" if error < 10**6 else f"{error:.1g} times its largest entry"


def unreadable(submission: Submission, outcome: Outcome) -> Verdict:
    """The verdict on every part of a file that could not be loaded."""
    kind = "exception" if outcome.kind == "raised" else outcome.kind
    text = f"the file could not be loaded: {outcome.text}{_encoding_hint(submission.source, outcome.text)}"
    return Verdict(kind, text, traceback=outcome.traceback)  # type: ignore[arg-type]  # no value comes from loading


def _encoding_hint(source: bytes, text: str) -> str:
    if not text.startswith(("SyntaxError", "ValueError")):
        return ""
    if b"\0" in source:
        return "; it has NUL bytes, so it is not a text file in UTF-8: save it as UTF-8"
    try:
        source.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        return f"; line {line} is not UTF-8: save the file as UTF-8, or name its encoding in its first line"
    return ""


# One criterion, over all its calls.


def decide(verdicts: Sequence[Verdict], calls: int) -> Verdict:
    """The verdict of a criterion of so many calls: right where all are, else that of the first that fails."""
    failed = [verdict for verdict in verdicts if verdict.kind != "right"]
    if not failed:
        return Verdict("right", f"right in all {calls} calls", max(verdict.error or 0 for verdict in verdicts))
    first = failed[0]
    if first.kind not in COUNTED:
        return first
    rights = min(calls - 1, len(verdicts) - len(failed))
    return Verdict(first.kind, f"{first.message}; {rights} of {calls} calls right", first.error, first.traceback)


# What an instructor should know besides.


def used_finite_differences(answered: Sequence[Judged]) -> bool:
    """Whether the calls of one function were answered by differences instead of a formula.

    Two signs together: the median error of some part is above rounding, and the callables were mostly
    called at several points around one site, where a formula calls once and there. Either alone would
    also tell of honest work in single precision, or miss a map that is linear.
    """
    low, high = FINITE_DIFFERENCE_ERRORS
    if not any(low < median(errors) < high for errors in _errors_by_part(answered)):
        return False
    counts = [
        steps(points, entry.call.sites)
        for entry in answered
        if entry.call.sites is not None
        for points in entry.outcome.visited.values()
    ]
    return sum(around for around, _ in counts) > sum(visited for _, visited in counts) / 2


def _errors_by_part(answered: Sequence[Judged]) -> Iterable[list[float]]:
    errors: dict[str, list[float]] = {}
    for entry in answered:
        if entry.verdict.error is not None:
            errors.setdefault(entry.call.part.id, []).append(entry.verdict.error)
    return errors.values()


def steps(points: Any, sites: Array) -> tuple[int, int]:
    """How many sites were stepped around, and how many were visited, by one callable in one call.

    A point belongs to the site nearest to it. A site is stepped around when two points or more are its,
    and one of them is not the site itself, as computed in double precision or, rounded so, in single.
    """
    points = points.real[np.isfinite(points.real)]
    if not points.size:
        return 0, 0
    distances = np.abs(points[:, None] - sites)
    nearest, distance = distances.argmin(axis=1), distances.min(axis=1)
    with np.errstate(over="ignore"):
        single = points == points.astype(np.float32)
    off = distance > np.where(single, SINGLE_PRECISION, SAME_ANSWER) * max(1.0, float(np.abs(sites).max()))
    visited = set(nearest.tolist())
    around = [site for site in visited if (nearest == site).sum() > 1 and off[nearest == site].any()]
    return len(around), len(visited)


def differs(first: Outcome, second: Outcome) -> bool:
    """Whether the same call, made twice, gave two answers; a call that was cut off gave none."""
    if first is second or first.kind not in ANSWERED or second.kind not in ANSWERED:
        return False
    if first.value is None or second.value is None:
        return first.kind != second.kind
    if first.value.shape != second.value.shape:
        return True
    if np.array_equal(first.value, second.value, equal_nan=True):
        return False
    with np.errstate(all="ignore"):
        return not bool(np.abs(first.value - second.value).max() <= SAME_ANSWER * np.abs(first.value).max())
