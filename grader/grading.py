"""The one use case: a submission, an assignment and a rubric in, a report out.

It draws the cases, has the calls made, judges, scores and reports. Which sandbox makes the calls is
not its business.
"""

from __future__ import annotations

from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING

from grader import __version__, assignments, engine, judge, scoring
from grader.errors import UsageError, nearest
from grader.outcomes import clean
from grader.report import CriterionReport, LateReport, PrintedReport, Report, RubricRef, SandboxReport, SubmissionRef
from grader.values import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from grader.assignments import Assignment
    from grader.rubric import Criterion, Rubric
    from grader.sandbox import Sandbox
    from grader.values import Call, Submission

    Judged = tuple[Call, Outcome, Verdict]  # one call, what became of it, and what that is worth
    Judgement = tuple[Verdict, tuple[str, ...]]  # of a criterion, with its flags


def grade(submission: Submission, assignment: Assignment, rubric: Rubric, *, seed: int, sandbox: Sandbox) -> Report:
    """Grade one submission, for an instructor's eyes.

    The rubric must have passed `check`. Raises GraderFault when the sandbox fails; whatever the
    submission does is in the report.
    """
    started = monotonic()
    calls = plan(assignment, rubric, seed)
    again = repeated(calls)
    run = _run(submission, assignment, (*calls, *again), rubric, sandbox)
    judged: dict[str, Judgement]
    if run.unloaded:
        refusal = judge.unreadable(submission, run.unloaded)
        judged = {criterion.id: (refusal, ()) for criterion in rubric.criteria}
    else:
        judged = _judge(assignment, calls, again, run.outcomes, rubric)
    lateness = scoring.lateness(submission.submitted, rubric.late)
    criteria = tuple(_report(criterion, *judged[criterion.id], rubric, lateness) for criterion in rubric.criteria)
    return Report(
        assignment=assignment.ID,
        assignment_version=assignments.version(assignment),
        rubric=RubricRef(id=rubric.id, sha256=rubric.sha256),
        student=submission.student and clean(submission.student).replace("\n", " "),
        submission=_reference(submission),
        seed=seed,
        points=sum((criterion.points for criterion in criteria), Decimal(0)),
        max_points=sum((criterion.max_points for criterion in criteria), Decimal(0)),
        status="unreadable" if run.unloaded else "graded",
        late=LateReport(**lateness._asdict()) if lateness else None,
        audience="instructor",
        criteria=criteria,
        stdout=run.output,
        printed=tuple(_printed(run.printed, calls, again)),
        sandbox=SandboxReport(backend=sandbox.name, layers=sandbox.layers, missing=sandbox.missing),
        grader_version=__version__,
        seconds=round(monotonic() - started, 4),
    )


def check(rubric: Rubric, assignment: Assignment) -> None:
    """Whether the rubric fits its assignment. Raises UsageError that names the first thing that does not."""
    parts = {part.id: part for part in assignment.PARTS}
    functions = list(dict.fromkeys(part.function for part in assignment.PARTS))
    for n, criterion in enumerate(rubric.criteria):
        part = parts.get(criterion.id)
        if part is None:
            _refuse(rubric, ("criteria", n, "id"), criterion.id, list(parts))
        elif criterion.function != part.function:
            known = [part.function] if criterion.function in functions else functions
            _refuse(rubric, ("criteria", n, "function"), criterion.function, known)
    for slug in rubric.partial_credit.overrides:
        if slug not in assignment.MISCONCEPTIONS:
            _refuse(rubric, ("partial_credit", "overrides", slug), slug, sorted(assignment.MISCONCEPTIONS))


def _refuse(rubric: Rubric, keys: tuple[str | int, ...], found: str, known: list[str]) -> None:
    near = nearest(found, known)
    raise UsageError(
        f"{rubric.place(*keys)}: found {found!r}; expected {'one of: ' if known[1:] else ''}{', '.join(known)}; "
        + (f"did you mean {near}?" if near and known[1:] else f"assignment {rubric.assignment!r} has no other")
    )


def plan(assignment: Assignment, rubric: Rubric, seed: int) -> tuple[Call, ...]:
    """Every call that the rubric's criteria need, smallest problem first."""
    wanted = {criterion.id for criterion in rubric.criteria}
    return tuple(call for call in assignment.draw(seed) if call.part.id in wanted)


def repeated(calls: Sequence[Call]) -> tuple[Call, ...]:
    """The calls to make once more at the end: the first and the last of each part."""
    firsts = {call.part.id: call for call in reversed(calls)}
    lasts = {call.part.id: call for call in calls}
    return (*firsts.values(), *lasts.values())


def _run(
    submission: Submission, assignment: Assignment, calls: Sequence[Call], rubric: Rubric, sandbox: Sandbox
) -> engine.Run:
    if not submission.source.strip():
        return engine.Run({}, Outcome("missing", "it is empty"), ())
    if submission.source.lstrip().startswith(b"{") and b'"nbformat"' in submission.source:
        return engine.Run({}, Outcome("missing", "it is a notebook, not Python: export it as a .py file"), ())
    return engine.run(sandbox, submission, calls, assignment.SIGNATURE, rubric.execution_limits())


def _judge(
    assignment: Assignment,
    calls: Sequence[Call],
    again: Sequence[Call],
    outcomes: Mapping[int, Outcome],
    rubric: Rubric,
) -> dict[str, Judgement]:
    """The verdict and the flags of each criterion."""
    tolerance = float(rubric.comparison.relative_tolerance)
    judged = [
        (call, outcomes[n], judge.judge(call, outcomes[n], assignment.reference(call), tolerance))
        for n, call in enumerate((*calls, *again))
        if n in outcomes and (n < len(calls) or outcomes[n].kind in judge.ANSWERED)  # a repeat that dies is no mistake
    ]
    differences = {
        function: judge.used_finite_differences([entry for entry in judged if entry[0].part.function == function])
        for function in {criterion.function for criterion in rubric.criteria}
    }
    result = {}
    for criterion in rubric.criteria:
        mine = [entry for entry in judged if entry[0].part.id == criterion.id]
        count = sum(call.part.id == criterion.id for call in calls)
        verdict = judge.decide([verdict for _, _, verdict in mine], count)
        result[criterion.id] = verdict, tuple(_flags(mine, differences[criterion.function]))
    return result


def _flags(of_criterion: Sequence[Judged], used_differences: bool) -> Iterator[str]:
    if used_differences:
        yield "finite_differences"
    first: dict[int, Outcome] = {}
    if any(judge.differs(first.setdefault(id(call), outcome), outcome) for call, outcome, _ in of_criterion):
        yield "nondeterministic"
    if any(outcome.mutates_inputs for _, outcome, _ in of_criterion):
        yield "mutates_inputs"


def _report(
    criterion: Criterion,
    verdict: Verdict,
    flags: tuple[str, ...],
    rubric: Rubric,
    lateness: scoring.Lateness | None,
) -> CriterionReport:
    return CriterionReport(
        id=criterion.id,
        title=criterion.title,
        function=criterion.function,
        points=scoring.criterion_points(criterion.points, verdict.kind, rubric, flags=flags, lateness=lateness),
        max_points=criterion.points,
        verdict=verdict.kind,
        message=verdict.message,
        visible=criterion.visible,
        traceback=verdict.traceback,
        flags=flags,
    )


def _printed(
    printed: Sequence[engine.Printed], calls: Sequence[Call], again: Sequence[Call]
) -> Iterator[PrintedReport]:
    made = [(call, call.place) for call in calls] + [(call, f"{call.place}, once more") for call in again]
    for position, text in printed:
        call, place = (None, None) if position is None else made[position]
        yield PrintedReport(criterion=call and call.part.id, place=place, text=text)


def _reference(submission: Submission) -> SubmissionRef:
    return SubmissionRef(
        name=clean(submission.name),
        sha256=submission.sha256,
        bytes=len(submission.source),
        submitted=submission.submitted,
    )
