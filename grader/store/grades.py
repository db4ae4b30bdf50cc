"""Grades: what the attempts came to, what people have said of it, and why the grade is what it is.

Runs and events are only ever added; the current grade is worked out from them by the database. It knows nothing of how
points come about.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import BigInteger, column, exists, func, insert, or_, select, table

from grader.store import schema
from grader.store.schema import Hundredths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection

    from grader.store.courses import Assignment
    from grader.store.people import Person
    from grader.store.submissions import Submission


class RunKey(NamedTuple):
    """A run, by its number and its moment: where a backup was restored, another one may have had the number."""

    id: int
    finished: datetime


class Grade(NamedTuple):
    """Somebody's grade now. `graded` is what the attempt that counts came to; a person may have said otherwise.

    `submission` is what that attempt is called, `run` its grading that counts.
    """

    person_id: int
    points: Decimal
    graded: Decimal | None
    maximum: Decimal | None
    is_overridden: bool
    submission: str | None
    run: RunKey | None


class Happening(NamedTuple):
    """Something that made a grade what it is; `by` is the name of who did it, or None for the grader."""

    at: datetime
    kind: str
    points: Decimal | None
    text: str
    by: str | None


class Counting(NamedTuple):
    """A grade and what it rests on: which attempt of how many counts, and what was said instead."""

    grade: Grade
    attempt: int | None
    attempts: int | None
    override: Happening | None


current_grade = table(
    "current_grade", column("assignment_id", BigInteger), column("person_id", BigInteger),
    column("points", Hundredths), column("graded_points", Hundredths), column("max_points", Hundredths),
    column("submission_id", BigInteger), column("run_id", BigInteger), column("event_id", BigInteger),
)  # fmt: skip
_submission, _run = schema.submission.c, schema.grading_run.c
_FIELDS = (
    current_grade.c.person_id, current_grade.c.points, current_grade.c.graded_points, current_grade.c.max_points,
    current_grade.c.event_id, _submission.public, _run.id, _run.finished,
)  # fmt: skip
_FROM = current_grade.outerjoin(schema.submission, _submission.id == current_grade.c.submission_id).outerjoin(
    schema.grading_run, _run.id == current_grade.c.run_id
)
READ_AT_ONCE = 200  # reports


def current(db: Connection, assignment: Assignment) -> Iterator[Grade]:
    """Everybody's grade, of those who have one."""
    query = select(*_FIELDS).select_from(_FROM).where(current_grade.c.assignment_id == assignment.id)
    return (_grade(*row) for row in db.execute(query.order_by(current_grade.c.person_id)))


def of_person(db: Connection, assignment: Assignment, person: Person) -> Grade | None:
    mine = (current_grade.c.assignment_id == assignment.id, current_grade.c.person_id == person.id)
    row = db.execute(select(*_FIELDS).select_from(_FROM).where(*mine)).one_or_none()
    return _grade(*row) if row else None


def _grade(
    person_id: int, points: Decimal, graded: Decimal | None, maximum: Decimal | None, event_id: int | None,
    submission: str | None, run_id: int | None, finished: datetime | None,
) -> Grade:  # fmt: skip
    run = RunKey(run_id, finished) if run_id is not None and finished else None
    return Grade(person_id, points, graded, maximum, event_id is not None, submission, run)


def counting(db: Connection, assignment: Assignment) -> Iterator[Counting]:
    """Everybody's grade, of those who have one, and what it rests on."""
    event, by = schema.grade_event.c, schema.person.c
    others = schema.submission.alias()
    attempts = (
        select(func.max(others.c.attempt))
        .where(others.c.assignment_id == _submission.assignment_id, others.c.person_id == _submission.person_id)
        .scalar_subquery()
    )
    said = (event.created, event.kind, event.points, event.text, by.name)
    query = (
        select(*_FIELDS, _submission.attempt, attempts, *said)
        .select_from(
            _FROM.outerjoin(schema.grade_event, event.id == current_grade.c.event_id).outerjoin(
                schema.person, by.id == event.by_id
            )
        )
        .where(current_grade.c.assignment_id == assignment.id)
        .order_by(current_grade.c.person_id)
    )
    n = len(_FIELDS)
    for row in db.execute(query):
        attempt, of, *word = row[n:]
        yield Counting(_grade(*row[:n]), attempt, of, Happening(*word) if word[0] else None)


def reports(db: Connection, runs: Iterable[RunKey]) -> Iterator[str]:
    """The reports of these runs, in order, as JSON; some are read at a time, for those of a course are long."""
    left = iter(runs)
    while some := [run.id for run in islice(left, READ_AT_ONCE)]:
        texts = {row.id: row.report for row in db.execute(select(_run.id, _run.report).where(_run.id.in_(some)))}
        yield from (texts[number] for number in some)


def counts() -> ColumnElement[bool]:
    """Whether a run counts: one of a trial does when that has been applied."""
    trial = schema.trial.c
    applied = select(trial.id).where(trial.outcome == "applied")
    return or_(schema.grading_run.c.trial_id.is_(None), schema.grading_run.c.trial_id.in_(applied))


def last_run(db: Connection, submission: Submission) -> RunKey | None:
    """Its last grading that counts."""
    mine = (_run.submission_id == submission.id, counts())
    row = db.execute(select(_run.id, _run.finished).where(*mine).order_by(_run.id.desc()).limit(1)).one_or_none()
    return RunKey(*row) if row else None


def report(db: Connection, submission: Submission) -> str | None:
    """The report of its last grading that counts, as JSON."""
    run = last_run(db, submission)
    return next(reports(db, [run])) if run else None


def override(
    db: Connection, assignment: Assignment, person: Person, points: Decimal, reason: str, by: Person, now: datetime
) -> None:
    """These are the points from now on, whatever the attempts come to."""
    _add(db, assignment, person, by, now, kind="override", points=points, text=reason)


def release(db: Connection, assignment: Assignment, person: Person, reason: str, by: Person, now: datetime) -> None:
    """The attempts count again."""
    _add(db, assignment, person, by, now, kind="release", text=reason)


def comment(db: Connection, assignment: Assignment, person: Person, text: str, by: Person, now: datetime) -> None:
    _add(db, assignment, person, by, now, kind="comment", text=text)


def _add(db: Connection, assignment: Assignment, person: Person, by: Person, now: datetime, **values: object) -> None:
    who = {"assignment_id": assignment.id, "person_id": person.id, "by_id": by.id, "created": now}
    db.execute(insert(schema.grade_event).values(**who, **values))


def history(db: Connection, assignment: Assignment, person: Person) -> list[Happening]:
    """Why the grade is what it is: every grading and every word of a person's, in order."""
    run, submission, event, by = schema.grading_run.c, schema.submission.c, schema.grade_event.c, schema.person.c
    rubric, extension = schema.rubric.c, schema.extension.c
    runs = db.execute(
        select(run.finished, run.points, run.max_points, run.why, submission.attempt, rubric.version)
        .join(schema.submission)
        .join(schema.rubric)
        .where(submission.assignment_id == assignment.id, submission.person_id == person.id, counts())
    )
    extended = db.execute(
        select(extension.created, extension.due, extension.reason, by.name)
        .join(schema.person, by.id == extension.by_id)
        .where(extension.assignment_id == assignment.id, extension.person_id == person.id)
    )
    events = db.execute(
        select(event.created, event.kind, event.points, event.text, by.name)
        .join(schema.person, by.id == event.by_id)
        .where(event.assignment_id == assignment.id, event.person_id == person.id)
    )
    happened = [
        Happening(at, "graded", points, f"attempt {n}, of {of:g}, by version {version} of the rubric: {why}", None)
        for at, points, of, why, n, version in runs
    ]
    happened += [
        Happening(at, "extension", None, f"until {due:%Y-%m-%d %H:%M} UTC: {reason}", name)
        for at, due, reason, name in extended
    ]
    happened += [Happening(*row) for row in events]
    happened += _applied(db, assignment, person)
    return sorted(happened, key=lambda one: one.at)


def _applied(db: Connection, assignment: Assignment, person: Person) -> Iterator[Happening]:
    """The trials that have changed what somebody's attempts count."""
    trial, submission, run, by = schema.trial.c, schema.submission.c, schema.grading_run.c, schema.person.c
    theirs = exists().where(
        run.trial_id == trial.id, run.submission_id == submission.id, submission.person_id == person.id
    )
    rows = db.execute(
        select(trial.settled, trial.reason, by.name)
        .join(schema.person, by.id == trial.settled_by_id)
        .where(trial.assignment_id == assignment.id, trial.outcome == "applied", theirs)
    )
    return (Happening(at, "applied", None, f"the regrade counts: {reason}", name) for at, reason, name in rows)
