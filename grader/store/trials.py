"""Trials: what is graded already is graded again, to see what would change, and counts only when a person says so.

A trial's runs are kept like all others; the grades pass over them until it is applied, which changes all of them at
once. It knows nothing of how points come about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from grader.errors import UsageError
from grader.store import courses, grades, notices, schema
from grader.store.database import hold
from grader.store.people import unguessable
from grader.store.submissions import BATCH, waits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import Connection

    from grader.store.courses import Assignment
    from grader.store.people import Person


class Trial(NamedTuple):
    """`rubric_id` is the version by which all of it is graded; `outcome` applied or dropped, None while it is open."""

    id: int
    public: str
    assignment_id: int
    rubric_id: int
    reason: str
    by_id: int
    created: datetime
    outcome: str | None


class Progress(NamedTuple):
    """How many submissions wait still, are graded, and could not be, by a fault of ours."""

    waiting: int
    graded: int
    faults: int


class Difference(NamedTuple):
    """An attempt that would have other points; `before` is None for one that has none yet.

    It `counts` where it is the one that does, and no person has set other points: then it `is_overridden`.
    """

    person_id: int
    submission: str
    attempt: int
    before: Decimal | None
    before_of: Decimal | None
    after: Decimal
    after_of: Decimal
    counts: bool
    is_overridden: bool


_TRIAL = tuple(schema.trial.c[field] for field in Trial._fields)
_submission, _run = schema.submission, schema.grading_run


def begin(
    db: Connection, assignment: Assignment, of: Sequence[Person] | None, reason: str, by: Person, now: datetime
) -> Trial:
    """Put everybody's attempts, or these people's, into the queue, behind whoever waits.

    What has never been graded, for a fault of ours, has nothing to lose and is not for trials. Raises UsageError while
    another trial of the assignment is open, and where there is nothing to grade again.
    """
    values = {
        "public": unguessable(), "assignment_id": assignment.id, "rubric_id": courses.rubric(db, assignment).id,
        "reason": reason, "by_id": by.id, "created": now,
    }  # fmt: skip
    try:
        with db.begin_nested():
            trial = Trial(*db.execute(insert(schema.trial).values(values).returning(*_TRIAL)).one())
    except IntegrityError:
        raise UsageError(
            f"{assignment.title}: a trial of it is open; expected one at a time; apply that one or drop it first"
        ) from None
    theirs = [_submission.c.assignment_id == assignment.id]
    theirs += [] if of is None else [_submission.c.person_id.in_([one.id for one in of])]
    queued = {
        **waits(db), "priority": BATCH, "tries": 0, "why": f"regrade: {reason}", "fault": None, "trial_id": trial.id,
    }  # fmt: skip
    hold(db, _submission, *theirs)  # what is given back just now is of it too
    if not db.execute(update(_submission).where(*theirs, _submission.c.state == "graded").values(queued)).rowcount:
        raise UsageError(f"{assignment.title}: nothing of theirs is graded; expected some to grade again; wait for it")
    notices.tell(db)
    return trial


def find(db: Connection, assignment: Assignment, public: str) -> Trial | None:
    trial = schema.trial.c
    query = select(*_TRIAL).where(trial.assignment_id == assignment.id, trial.public == public)
    row = db.execute(query).one_or_none()
    return Trial(*row) if row else None


def open_of(db: Connection, assignment: Assignment) -> Trial | None:
    """The one that is to be applied or dropped."""
    trial = schema.trial.c
    query = select(*_TRIAL).where(trial.assignment_id == assignment.id, trial.outcome.is_(None))
    row = db.execute(query).one_or_none()
    return Trial(*row) if row else None


def rubric_id(db: Connection, number: int) -> int:
    """By which version the trial of this number is graded."""
    return int(db.execute(select(schema.trial.c.rubric_id).where(schema.trial.c.id == number)).scalar_one())


def progress(db: Connection, trial: Trial) -> Progress:
    mine = _submission.c.trial_id == trial.id
    waiting = select(func.count()).where(mine, _submission.c.state.in_(("received", "grading")))
    graded = select(func.count(_run.c.submission_id.distinct())).where(_run.c.trial_id == trial.id)
    faults = select(func.count()).where(mine, _submission.c.state == "fault")
    return Progress(*(int(db.execute(query).scalar_one()) for query in (waiting, graded, faults)))


def differences(db: Connection, trial: Trial) -> Iterator[Difference]:
    """Every attempt whose points would be others, in order; not one that was graded again since, and keeps that."""
    theirs, before = _run.alias("theirs"), _run.alias("before")
    since = exists().where(_run.c.submission_id == theirs.c.submission_id, _run.c.id > theirs.c.id, grades.counts())
    last = (
        select(func.max(_run.c.id))
        .where(_run.c.submission_id == theirs.c.submission_id, _run.c.id < theirs.c.id, grades.counts())
        .correlate(theirs)
        .scalar_subquery()
    )
    current = grades.current_grade
    query = (
        select(
            _submission.c.person_id, _submission.c.public, _submission.c.attempt, before.c.points,
            before.c.max_points, theirs.c.points.label("after"), theirs.c.max_points.label("after_of"),
            and_(current.c.submission_id.is_not(None), current.c.event_id.is_(None)),
            and_(current.c.submission_id.is_not(None), current.c.event_id.is_not(None)),
        )
        .select_from(theirs)
        .join(_submission, _submission.c.id == theirs.c.submission_id)
        .outerjoin(before, before.c.id == last)
        .outerjoin(current, current.c.submission_id == _submission.c.id)
        .where(theirs.c.trial_id == trial.id, ~since.correlate(theirs))
        .where(before.c.points.is_distinct_from(theirs.c.points))
        .order_by(_submission.c.person_id, _submission.c.attempt)
    )  # fmt: skip
    return (Difference(*row) for row in db.execute(query))


def apply(db: Connection, trial: Trial, by: Person, now: datetime) -> None:
    """From now on what it came to counts. Raises UsageError while something of it waits, and where it is settled.

    What could not be graded in it, for a fault of ours, keeps what it has.
    """
    if waiting := progress(db, trial).waiting:
        raise UsageError(
            f"the trial: {waiting} of it wait still to be graded; expected all to be seen first; wait, or drop it"
        )
    _settle(db, trial, "applied", by, now)


def drop(db: Connection, trial: Trial, by: Person, now: datetime) -> None:
    """Everything stays as it is. Raises UsageError where it is settled."""
    _settle(db, trial, "dropped", by, now)


def _settle(db: Connection, trial: Trial, outcome: str, by: Person, now: datetime) -> None:
    mine = _submission.c.trial_id == trial.id
    hold(db, _submission, mine)  # else what is given back just now is passed over
    which = (schema.trial.c.id == trial.id, schema.trial.c.outcome.is_(None))
    values = {"outcome": outcome, "settled_by_id": by.id, "settled": now}
    if not db.execute(update(schema.trial).where(*which).values(values)).rowcount:
        raise UsageError("the trial: it is settled; expected one that is open; look at the grades, and begin another")
    idle = _submission.c.state.in_(("received", "fault"))
    db.execute(update(_submission).where(mine, idle).values(state="graded", fault=None, trial_id=None))
