"""The one use case: a submission, an assignment and a rubric in, a report out.

It draws the cases, has the calls made, judges, scores and reports. Which sandbox makes the calls is
not its business.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, cast

from grader import __version__, assignments, diagnosis, engine, explanation, finding, judge, scoring
from grader import rubric as rubrics
from grader import sandbox as sandboxes
from grader.engine import Questions
from grader.errors import UsageError, nearest
from grader.explanation import Explanation, Task
from grader.finding import Finding
from grader.outcomes import clean
from grader.report import LateReport, PrintedReport, Report, RubricRef, SandboxReport, SubmissionRef
from grader.values import LARGEST_FILE, Judged, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
    from datetime import datetime

    from grader.assignments import Assignment
    from grader.rubric import Rubric
    from grader.sandbox import Sandbox
    from grader.values import Array, Call, Submission

MOST_ASKED = 64  # seeds that are kept ready
OTHER_KINDS = ((b"PK\3\4", "an archive"), (b"Rar!", "an archive"), (b"\x1f\x8b", "an archive"), (b"%PDF", "a PDF"))


def grade(submission: Submission, assignment: Assignment, rubric: Rubric, *, seed: int, sandbox: Sandbox) -> Report:
    """Grade one submission, for an instructor's eyes.

    The rubric must have passed `check`. Raises GraderFault when the sandbox fails; whatever the
    submission does is in the report.
    """
    started = monotonic()
    asked = _asked(cast("Hashable", assignment), tuple(criterion.id for criterion in rubric.criteria), seed)
    with engine.visit(sandbox, submission, assignment.SIGNATURE) as visit:
        task = Task(submission, assignment, rubric, visit)
        run = _run(task, asked)
        findings = _refuse_file(task, run.unloaded) if run.unloaded else _find(task, asked, run.outcomes)
    return _report(task, run, findings, tuple(_printed(run.printed, asked)), seed=seed, started=started)


class _Asked(NamedTuple):
    """What all submissions of a seed are asked: the plan, what of it is asked once more, and the right answers."""

    planned: int  # calls; those behind are made once more
    questions: Questions
    references: tuple[Array, ...]


@lru_cache(maxsize=MOST_ASKED)
def _asked(assignment: Hashable, parts: tuple[str, ...], seed: int) -> _Asked:
    module = cast("Assignment", assignment)
    calls = _plan(module, parts, seed)
    questions = Questions((*calls, *repeated(calls)))
    return _Asked(len(calls), questions, tuple(map(module.reference, questions.calls)))


def at_another_time(report: Report, submitted: datetime | None, rubric: Rubric) -> Report:
    """The report of the same file, with the same points, handed in at another time. It was graded with this rubric."""
    lateness = scoring.lateness(submitted, rubric.late)
    criteria = tuple(finding.at_another_time(criterion, rubric, lateness) for criterion in report.criteria)
    return report.model_copy(
        update={
            "submission": report.submission.model_copy(update={"submitted": submitted}),
            "criteria": criteria,
            "points": sum((criterion.points for criterion in criteria), Decimal(0)),
            "late": LateReport(**lateness._asdict()) if lateness else None,
        }
    )


def _report(
    task: Task,
    run: engine.Run,
    findings: Mapping[str, Finding],
    printed: tuple[PrintedReport, ...],
    *,
    seed: int,
    started: float,
) -> Report:
    submission, assignment, rubric, visit = task
    lateness = scoring.lateness(submission.submitted, rubric.late)
    feedback = assignment.feedback() if any(one.verdict.kind != "right" for one in findings.values()) else None
    criteria = tuple(finding.report(c, findings[c.id], feedback, rubric, lateness) for c in rubric.criteria)
    return Report(
        assignment=assignment.ID,
        assignment_version=assignments.version(assignment),
        rubric=RubricRef(id=rubric.id, sha256=rubric.sha256),
        student=submission.student and clean(submission.student).replace("\n", " "),
        submission=_reference(submission, run.sketch),
        seed=seed,
        points=sum((criterion.points for criterion in criteria), Decimal(0)),
        max_points=sum((criterion.max_points for criterion in criteria), Decimal(0)),
        status="unreadable" if run.unloaded else "graded",
        late=LateReport(**lateness._asdict()) if lateness else None,
        audience="instructor",
        criteria=criteria,
        stdout=run.output,
        printed=printed,
        unreadable=judge.unreadable(submission, run.unloaded).message if run.unloaded else None,
        hints=rubric.feedback.hints,
        sandbox=SandboxReport(
            backend=visit.sandbox.name,
            layers=visit.sandbox.layers,
            missing=visit.sandbox.missing,
            packages=sandboxes.packages(),
        ),
        grader_version=__version__,
        seconds=round(monotonic() - started, 4),
    )


def load(name: str) -> tuple[Rubric, Assignment]:
    """A rubric and its assignment, found to fit each other. Raises UsageError where they are not, or do not."""
    rubric = rubrics.read(rubrics.find(name))
    if rubric.assignment.endswith(".py") and rubric.path != Path(name):
        raise UsageError(
            f"{rubric.place('assignment')}: found a Python file, which would be run without walls; expected the name "
            "of an assignment in a rubric that is found where you stand; if you trust it, give its path: "
            f"--rubric {rubric.path}"
        )
    try:
        assignment = assignments.load(rubric.assignment, beside=rubric.path.parent)
    except UsageError as error:
        raise UsageError(f"{rubric.place('assignment')}: {error}") from None
    check(rubric, assignment)
    return rubric, assignment


def loaded(text: str) -> tuple[Rubric, Assignment]:
    """The rubric of this text, and its assignment. Raises UsageError, which names every mistake in it.

    An assignment is named, never a file: that would be code, run without walls, of whoever wrote the rubric.
    """
    rubric = rubrics.parsed(text, Path("rubric.toml"))
    if rubric.assignment not in assignments.names():
        raise UsageError(
            f"{rubric.place('assignment')}: found {rubric.assignment!r}; expected one of: "
            f"{', '.join(assignments.names())}; name one that comes with the grader"
        )
    assignment = assignments.load(rubric.assignment)
    check(rubric, assignment)
    return rubric, assignment


def check(rubric: Rubric, assignment: Assignment) -> None:
    """Whether the rubric fits its assignment. Raises UsageError that names the first thing that does not."""
    parts = {part.id: part for part in assignment.PARTS}
    functions = assignments.functions(assignment)
    for n, wanted in enumerate(rubric.criteria):
        part = parts.get(wanted.id)
        if part is None:
            _refuse(rubric, ("criteria", n, "id"), wanted.id, list(parts))
        elif wanted.function != part.function:
            known = [part.function] if wanted.function in functions else functions
            _refuse(rubric, ("criteria", n, "function"), wanted.function, known)
    feedback = assignment.feedback() if rubric.partial_credit.overrides else None
    known = sorted(feedback.MISCONCEPTIONS) if feedback else []
    for slug in rubric.partial_credit.overrides:
        if slug not in known:
            _refuse(rubric, ("partial_credit", "overrides", slug), slug, known)


def _refuse(rubric: Rubric, keys: tuple[str | int, ...], found: str, known: list[str]) -> None:
    near = nearest(found, known)
    raise UsageError(
        f"{rubric.place(*keys)}: found {found!r}; expected {'one of: ' if known[1:] else ''}{', '.join(known)}; "
        + (f"did you mean {near}?" if near and known[1:] else f"assignment {rubric.assignment!r} has no other")
    )


def plan(assignment: Assignment, rubric: Rubric, seed: int) -> tuple[Call, ...]:
    """Every call that the rubric's criteria need, smallest problem first."""
    return _plan(assignment, tuple(criterion.id for criterion in rubric.criteria), seed)


def _plan(assignment: Assignment, parts: Sequence[str], seed: int) -> tuple[Call, ...]:
    return tuple(call for call in assignment.draw(seed) if call.part.id in parts)


def repeated(calls: Sequence[Call]) -> tuple[Call, ...]:
    """The calls to make once more at the end: the first and the last of each part."""
    firsts = {call.part.id: call for call in reversed(calls)}
    lasts = {call.part.id: call for call in calls}
    return (*firsts.values(), *lasts.values())


def _run(task: Task, asked: _Asked) -> engine.Run:
    submission = task.submission
    if submission.refused:
        return engine.Run({}, Outcome("missing", submission.refused), ())
    if len(submission.source) > LARGEST_FILE:
        return engine.Run({}, Outcome("missing", "it is larger than 1 MB: take the data out of it"), ())
    if not submission.source.strip():
        return engine.Run({}, Outcome("missing", "it is empty"), ())
    if submission.source.lstrip().startswith(b"{") and (
        b'"nbformat"' in submission.source or b'"cells"' in submission.source
    ):
        return engine.Run({}, Outcome("missing", "it is a notebook, not Python: export it as a .py file"), ())
    if found := next((what for start, what in OTHER_KINDS if submission.source.startswith(start)), None):
        return engine.Run({}, Outcome("missing", f"it is {found}, not Python: hand in the .py file"), ())
    return task.visit.make(asked.questions, task.rubric.execution_limits())


def _refuse_file(task: Task, unloaded: Outcome) -> dict[str, Finding]:
    refusal = Finding(judge.unreadable(task.submission, unloaded))
    return {criterion.id: refusal for criterion in task.rubric.criteria}


def _find(task: Task, asked: _Asked, outcomes: Mapping[int, Outcome]) -> dict[str, Finding]:
    """The verdict and the flags of each criterion, and where it is wrong, why."""
    judged = _judge(task, asked, outcomes)
    explained = explanation.explain(task, judged)
    by_differences = _functions_by_differences(judged)
    made = Counter(call.part.id for call in asked.questions.calls[: asked.planned])
    findings = {}
    for part, entries in judged.items():
        verdict = judge.decide([entry.verdict for entry in entries], made[part])
        flags = tuple(_flags(entries, by_differences))
        findings[part] = Finding(verdict, flags, explained.get(part, Explanation()))
    return {part: one._replace(carried=_is_carried(part, findings, judged, task)) for part, one in findings.items()}


def _functions_by_differences(judged: Mapping[str, Sequence[Judged]]) -> set[str]:
    """The functions whose answers were found by finite differences."""
    by_function: dict[str, list[Judged]] = {}
    for entries in judged.values():
        for entry in entries:
            by_function.setdefault(entry.call.part.function, []).append(entry)
    return {function for function, entries in by_function.items() if judge.used_finite_differences(entries)}


def _judge(task: Task, asked: _Asked, outcomes: Mapping[int, Outcome]) -> dict[str, list[Judged]]:
    """Every call that was made, judged, by part. A repeat that dies is no mistake."""
    judged: dict[str, list[Judged]] = {criterion.id: [] for criterion in task.rubric.criteria}
    calls = asked.questions.calls
    made = [n for n in range(len(calls)) if n in outcomes and (n < asked.planned or outcomes[n].kind in judge.ANSWERED)]
    columns = [calls[n] for n in made], [outcomes[n] for n in made], [asked.references[n] for n in made]
    verdicts = judge.judge_all(*columns, task.tolerance)
    for entry in map(Judged, *columns, verdicts):
        judged[entry.call.part.id].append(entry)
    return judged


def _is_carried(part: str, findings: Mapping[str, Finding], judged: Mapping[str, Sequence[Judged]], task: Task) -> bool:
    """Whether the part is wrong only for what it rests on, and all of that is right or earns some credit."""
    feedback = task.assignment.feedback() if findings[part].verdict.kind in ("wrong", "exception") else None
    if feedback is None or part not in feedback.RESTS_ON:
        return False
    rests_on = [findings.get(other) for other in feedback.RESTS_ON[part]]
    sound = all(f and (f.verdict.kind == "right" or finding.credit(f, feedback, task.rubric)) for f in rests_on)
    return sound and diagnosis.is_carried_forward(feedback, part, judged, task.tolerance)


def _flags(of_criterion: Sequence[Judged], by_differences: Collection[str]) -> Iterator[str]:
    if any(entry.call.part.function in by_differences for entry in of_criterion[:1]):
        yield "finite_differences"
    first: dict[int, Outcome] = {}
    if any(judge.differs(first.setdefault(id(e.call), e.outcome), e.outcome) for e in of_criterion):
        yield "nondeterministic"
    if any(entry.outcome.mutates_inputs for entry in of_criterion):
        yield "mutates_inputs"


def _printed(printed: Sequence[engine.Printed], asked: _Asked) -> Iterator[PrintedReport]:
    made = [
        (call, call.place if n < asked.planned else f"{call.place}, once more")
        for n, call in enumerate(asked.questions.calls)
    ]
    for position, text in printed:
        call, place = (None, None) if position is None else made[position]
        yield PrintedReport(criterion=call and call.part.id, place=place, text=text)


def _reference(submission: Submission, sketch: str | None) -> SubmissionRef:
    return SubmissionRef(
        name=clean(submission.name),
        sha256=submission.sha256,
        bytes=len(submission.source),
        submitted=submission.submitted,
        sketch=sketch,
    )
