"""Why a part is wrong: its mistake by name, and the smallest example, found by running the student's code again.

It happens after the grading and cannot change a verdict. The examples are the same for everybody and never
those that grade. What a mistake is worth is said in `scoring`, and how it is told, by who reports it.
"""

from __future__ import annotations

from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, cast

from grader import diagnosis, engine, judge
from grader.diagnosis import Diagnosis
from grader.values import Judged

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from grader.assignments import Assignment
    from grader.engine import Visit
    from grader.rubric import Rubric
    from grader.values import Array, Call, Submission

    ByPart = Mapping[str, Sequence[Judged]]

PATIENCE = 1.0  # seconds for one call on an example: whose takes longer goes without
TRIES = 6  # of calls that failed, each the first of a process, before an answer is called stale


class Explanation(NamedTuple):
    """What is known of a wrong part. `example` is the smallest network on which it is wrong."""

    diagnosis: Diagnosis = Diagnosis()
    example: Judged | None = None


class Task(NamedTuple):
    """One submission, and with what it is graded."""

    submission: Submission
    assignment: Assignment
    rubric: Rubric
    visit: Visit

    @property
    def tolerance(self) -> float:
        return float(self.rubric.comparison.relative_tolerance)

    def called(
        self, until: float, calls: Sequence[Call], references: Sequence[Array], *, afresh: bool
    ) -> list[Judged | None]:
        """What became of these calls, made once more; None where one was not made in time."""
        limits = self.rubric.execution_limits()
        seconds = (until - monotonic()) / engine.MOST_TIMES  # however often it has to be loaded again
        if seconds <= 0:
            return [None] * len(calls)
        patience = limits._replace(call_seconds=min(limits.call_seconds, PATIENCE), submission_seconds=seconds)
        outcomes = self.visit.make(engine.Questions(calls), patience, afresh=afresh).outcomes
        return [
            Judged(call, outcomes[n], reference, judge.judge(call, outcomes[n], reference, self.tolerance))
            if n in outcomes
            else None
            for n, (call, reference) in enumerate(zip(calls, references, strict=True))
        ]


def explain(task: Task, judged: ByPart) -> dict[str, Explanation]:
    """Explain every wrong part that was answered at all; none where an assignment has no more than verdicts."""
    wrong = [part for part, entries in judged.items() if _is_wrong(entries)]
    if not wrong or (feedback := task.assignment.feedback()) is None:
        return {}
    written = [part for part in wrong if not diagnosis.answers_only_zeros(of_function(judged, part))]
    found = {part: diagnosis.diagnose(feedback, judged[part], task.tolerance) for part in written}
    suspected = {part: _failed(judged[part]) for part in written if not found[part].by_value}
    telling = [part for part in wrong if any(entry.outcome.kind != "raised" for entry in judged[part])]
    forgetful = all(found.get(part, Diagnosis()).mistake not in (None, diagnosis.HARD_CODED) for part in telling)
    asked = telling if task.rubric.feedback.counterexamples else []
    again, shown = _run_once_more(task, suspected, asked, afresh=not forgetful)
    found |= dict.fromkeys(again, Diagnosis(diagnosis.STALE_STATE))
    return {part: Explanation(found.get(part, Diagnosis()), shown.get(part)) for part in wrong}


def _is_wrong(entries: Sequence[Judged]) -> bool:
    """Whether it was answered in every call, and wrongly in some: what died has said all there is."""
    answered = all(entry.outcome.kind in judge.ANSWERED for entry in entries)
    return answered and any(entry.verdict.kind != "right" for entry in entries)


def of_function(judged: ByPart, part: str) -> list[Judged]:
    """Every judged call of the function that a part belongs to."""
    function = judged[part][0].call.part.function if judged[part] else None
    return [entry for entries in judged.values() for entry in entries if entry.call.part.function == function]


def _failed(entries: Sequence[Judged]) -> list[Judged]:
    """Some calls that failed, to be tried first in a process; none where a call gives now this number, now that."""
    first: dict[int, Judged] = {}
    twice = [(first.setdefault(id(entry.call), entry).outcome, entry.outcome) for entry in entries]
    if any(one.kind == other.kind == "value" and judge.differs(one, other) for one, other in twice):
        return []
    wrong = [entry for entry in first.values() if entry.verdict.kind != "right"]
    return wrong[:: max(1, len(wrong) // TRIES)][:TRIES]


def _run_once_more(
    task: Task, suspected: Mapping[str, Sequence[Judged]], wrong: Sequence[str], *, afresh: bool
) -> tuple[list[str], dict[str, Judged]]:
    """The parts whose calls are right when they are the first that a process makes, and the smallest wrong examples.

    One exchange for all, as a rule: only where the first call turns out right are others worth one each,
    and only who is right on all small examples is asked for larger ones. The child that was graded is asked, unless
    `afresh`: where what it remembers could be what it answers. All of it has the time of one submission.
    """
    until = monotonic() + task.rubric.execution_limits().submission_seconds
    first = [(entry.call, entry.reference) for entries in suspected.values() for entry in entries][:1]
    again: list[str] = []
    shown: dict[str, Judged] = {}
    for batch in _batches(cast("Hashable", task.assignment)):
        examples = [
            (call, reference) for call, reference in batch if call.part.id in wrong and call.part.id not in shown
        ]
        if not first and not examples:
            break
        results = task.called(until, *zip(*first, *examples, strict=True), afresh=afresh or bool(first))
        if first and _is_right(results[0]):
            again = [part for part, entries in suspected.items() if entries and _are_right_alone(task, entries, until)]
        shown |= _smallest([result for result in results[len(first) :] if result])
        first = []
    return again, shown


def _smallest(results: Sequence[Judged]) -> dict[str, Judged]:
    parts = {result.call.part.id for result in results}
    found = {part: diagnosis.smallest([result for result in results if result.call.part.id == part]) for part in parts}
    return {part: example for part, example in found.items() if example}


def _are_right_alone(task: Task, entries: Sequence[Judged], until: float) -> bool:
    return all(_is_right(task.called(until, [entry.call], [entry.reference], afresh=True)[0]) for entry in entries)


def _is_right(result: Judged | None) -> bool:
    return result is not None and result.verdict.kind == "right"


@cache
def _batches(assignment: Hashable) -> tuple[tuple[tuple[Call, Array], ...], ...]:
    """The examples with their right answers: the same for every submission, and so made once."""
    module = cast("Assignment", assignment)
    feedback = module.feedback()
    batches = feedback.examples() if feedback else ()
    return tuple(tuple((call, module.reference(call)) for call in batch) for batch in batches)
