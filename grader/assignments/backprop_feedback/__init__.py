"""What helps to understand a wrong answer to the homework `backprop`; see `grader.assignments.Feedback`.

catalogue    the mistakes by name: a question, a step, a credit
formulas     what each of them computes, made of `pieces`
recognition  where they show, what they call, what is carried forward
examples     small networks to explain them on
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from grader.assignments.backprop import SIGNATURE, layer_of
from grader.assignments.backprop_feedback import formulas, recognition
from grader.assignments.backprop_feedback.catalogue import CATALOGUE as MISCONCEPTIONS
from grader.assignments.backprop_feedback.catalogue import HINTS
from grader.assignments.backprop_feedback.examples import examples, shown
from grader.assignments.backprop_feedback.recognition import RESTS_ON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from grader.assignments.backprop import Network
    from grader.values import Array, Call

__all__ = [
    "HINTS", "MISCONCEPTIONS", "RESTS_ON", "carried", "examples", "patterns", "shown", "suspects", "wrong_answers",
]  # fmt: skip

_CALLABLES = [SIGNATURE.split(", ").index(name) for name in ("sigma", "dsigma")]


@cache
def wrong_answers(part: str) -> tuple[tuple[str, Callable[[Call], Any]], ...]:
    return tuple((slug, partial(_applied, formula)) for slug, formula in formulas.WRONG[part])


def _applied(formula: Callable[[int, Network], Any], call: Call) -> Any:
    return formula(*layer_of(call))


def patterns(call: Call) -> Iterator[tuple[str, str, bool]]:
    l, net = layer_of(call)
    return recognition.patterns(l, net.widths)


def suspects(call: Call, visited: Mapping[int, Any]) -> set[str]:
    l, net = layer_of(call)
    of_sigma, of_dsigma = (visited.get(position, ()) for position in _CALLABLES)
    return recognition.suspects(l, net, of_sigma, of_dsigma) if l < net.L else set()


def carried(call: Call, answers: Sequence[tuple[Call, Array]]) -> Any:
    own = {
        (other.part.id, other.arguments[0]): answer
        for other, answer in answers
        if other.arguments[1] is call.arguments[1]  # of the same network
    }
    return recognition.carried(*layer_of(call), own)
