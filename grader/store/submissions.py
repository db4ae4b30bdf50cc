"""What was handed in: received, grading, graded, or a fault of ours.

It knows nothing of how it comes there (`queue`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import exists, func, insert, select
from sqlalchemy.exc import IntegrityError

from grader.errors import UsageError
from grader.store import grades, notices, schema
from grader.store.database import clock
from grader.store.people import unguessable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection

    from grader.store.courses import Assignment
    from grader.store.people import Person

INTERACTIVE, BATCH = 0, 1  # priorities: somebody waits for it, or nobody does


class Submission(NamedTuple):
    """One attempt of somebody's. `why` is what its next grading is for, `fault` why it could not be graded.

    `trial_id` is the trial its next grading is a part of: until that is applied, its grade stands as it is.
    It was handed in when it was `received`, if it is `timed`; else nobody knows when.
    """

    id: int
    public: str
    assignment_id: int
    person_id: int
    blob: str
    name: str
    attempt: int
    received: datetime
    timed: bool
    state: str
    tries: int
    why: str
    fault: str | None
    trial_id: int | None


class Run(NamedTuple):
    """One grading of a submission, as it is added."""

    points: Decimal
    max_points: Decimal
    status: str
    report: str
    grader_version: str
    assignment_version: str


FIELDS = tuple(schema.submission.c[field] for field in Submission._fields)
_table = schema.submission


def receive(
    db: Connection, assignment: Assignment, person: Person, name: str, content: bytes, now: datetime, *,
    key: str | None = None, priority: int = INTERACTIVE, timed: bool = True, limited: bool = True,
) -> Submission:  # fmt: skip
    """Take what somebody hands in. With the key of an earlier request it is that one's submission.

    Raises UsageError where there are no attempts left and it is `limited` to them.
    """
    while True:
        if key is not None and (known := by_key(db, person, key)):
            return known
        if limited:
            _refuse_without_attempts(db, assignment, person)
        values = {
            "public": unguessable(), "assignment_id": assignment.id, "person_id": person.id, "name": name, "key": key,
            "blob": keep(db, content, now), "attempt": last(db, assignment, person) + 1, "received": now,
            "timed": timed, "priority": priority, **waits(db),
        }  # fmt: skip
        try:
            with db.begin_nested():
                taken = Submission(*db.execute(insert(_table).values(values).returning(*FIELDS)).one())
        except IntegrityError:  # another of theirs came at the same moment, perhaps the very same one
            continue
        notices.tell(db)
        return taken


def waits(db: Connection) -> dict[str, object]:
    """What makes a row one that is in the queue, from now on."""
    return {"state": "received", "queued": clock(db)}


def _refuse_without_attempts(db: Connection, assignment: Assignment, person: Person) -> None:
    used = used_up(db, assignment, person)
    if assignment.most_attempts is not None and used >= assignment.most_attempts:
        raise UsageError(
            f"{assignment.title}: {used} of {assignment.most_attempts} attempts are used up; expected one that "
            "is left; ask for another"
        )


def used_up(db: Connection, assignment: Assignment, person: Person) -> int:
    """How many attempts somebody has made, without those that have no grade by a fault of ours."""
    run = schema.grading_run.c
    graded = exists().where(run.submission_id == _table.c.id, grades.counts())
    mine = (_table.c.assignment_id == assignment.id, _table.c.person_id == person.id)
    return int(db.execute(select(func.count()).where(*mine, (_table.c.state != "fault") | graded)).scalar_one())


def last(db: Connection, assignment: Assignment, person: Person) -> int:
    """The number of somebody's last attempt, 0 where there is none."""
    return last_of_all(db, assignment.id, {person.id}).get(person.id, 0)


def _one(db: Connection, *conditions: ColumnElement[bool]) -> Submission | None:
    row = db.execute(select(*FIELDS).where(*conditions)).one_or_none()
    return Submission(*row) if row else None


def keep(db: Connection, content: bytes, now: datetime) -> str:
    """Keep a file once; gives what it is found by."""
    digest = hashlib.sha256(content).hexdigest()
    if db.execute(select(schema.blob.c.sha256).where(schema.blob.c.sha256 == digest)).first() is None:
        try:
            with db.begin_nested():
                db.execute(insert(schema.blob).values(sha256=digest, content=content, created=now))
        except IntegrityError:  # somebody else has just kept the same
            pass
    return digest


def by_key(db: Connection, person: Person, key: str) -> Submission | None:
    """What somebody's request of this key has become, if there was one."""
    return _one(db, _table.c.person_id == person.id, _table.c.key == key)


# Many at once: what takes one of them a question each.


def by_keys(db: Connection, keys: set[tuple[int, str]]) -> dict[tuple[int, str], Submission]:
    """What the requests of these people and keys have become, of those there were."""
    people, texts = {person for person, _ in keys}, {key for _, key in keys}
    query = select(*FIELDS, _table.c.key).where(_table.c.person_id.in_(people), _table.c.key.in_(texts))
    found = {(row.person_id, row.key): Submission(*row[:-1]) for row in db.execute(query)}
    return {key: one for key, one in found.items() if key in keys}


def keep_all(db: Connection, contents: Sequence[bytes], now: datetime) -> list[str]:
    """Keep these files once; gives what they are found by, in order."""
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    new = dict(zip(digests, contents, strict=True))
    for row in db.execute(select(schema.blob.c.sha256).where(schema.blob.c.sha256.in_(digests))):
        del new[row.sha256]
    if new:
        rows = [{"sha256": digest, "content": content, "created": now} for digest, content in sorted(new.items())]
        db.execute(insert(schema.blob), rows)
    return digests


def last_of_all(db: Connection, assignment_id: int, people: set[int]) -> dict[int, int]:
    """The number of everybody's last attempt, of those who have one."""
    mine = (_table.c.assignment_id == assignment_id, _table.c.person_id.in_(people))
    query = select(_table.c.person_id, func.max(_table.c.attempt)).where(*mine).group_by(_table.c.person_id)
    return {row[0]: row[1] for row in db.execute(query)}


def add_all(db: Connection, rows: Sequence[dict[str, object]]) -> dict[tuple[int, str], Submission]:
    """Put these attempts into the queue, behind whoever waits; by whose they are and their keys."""
    notices.tell(db)
    waiting = waits(db)
    whole = [{"public": unguessable(), "priority": BATCH, **waiting, **row} for row in rows]
    added = db.execute(insert(_table).returning(*FIELDS, _table.c.key, sort_by_parameter_order=True), whole)
    return {(row.person_id, row.key): Submission(*row[:-1]) for row in added}


def since(db: Connection, person: Person, time: datetime) -> int:
    """How often somebody has handed in since then, whatever it was for."""
    mine = (_table.c.person_id == person.id, _table.c.received >= time)
    return int(db.execute(select(func.count()).where(*mine)).scalar_one())


def content(db: Connection, submission: Submission) -> bytes:
    return bytes(db.execute(select(schema.blob.c.content).where(schema.blob.c.sha256 == submission.blob)).scalar_one())


def find(db: Connection, public: str) -> Submission | None:
    return _one(db, _table.c.public == public)


def of_person(db: Connection, assignment: Assignment, person: Person) -> Iterator[Submission]:
    """Somebody's attempts, the latest first."""
    mine = (_table.c.assignment_id == assignment.id, _table.c.person_id == person.id)
    return (Submission(*row) for row in db.execute(select(*FIELDS).where(*mine).order_by(_table.c.attempt.desc())))


def faults(db: Connection, assignment: Assignment) -> Iterator[Submission]:
    """What could not be graded, by a fault of ours."""
    mine = (_table.c.assignment_id == assignment.id, _table.c.state == "fault")
    return (Submission(*row) for row in db.execute(select(*FIELDS).where(*mine).order_by(_table.c.id)))


def ahead_of(db: Connection, submission: Submission) -> int:
    """How many are graded before this one."""
    mine = select(_table.c.priority).where(_table.c.id == submission.id).scalar_subquery()
    earlier = (_table.c.priority < mine) | ((_table.c.priority == mine) & (_table.c.id < submission.id))
    return int(db.execute(select(func.count()).where(_table.c.state == "received", earlier)).scalar_one())


def waiting_of(db: Connection, assignment: Assignment) -> int:
    """How many of an assignment are not graded yet, but for those of a trial."""
    theirs = (_table.c.assignment_id == assignment.id, _table.c.state.in_(("received", "grading")))
    return int(db.execute(select(func.count()).where(*theirs, _table.c.trial_id.is_(None))).scalar_one())


def count(db: Connection, state: str) -> int:
    return int(db.execute(select(func.count()).where(_table.c.state == state)).scalar_one())


def gradings(db: Connection) -> int:
    """How many there have ever been; they are never taken away."""
    return int(db.execute(select(func.coalesce(func.max(schema.grading_run.c.id), 0))).scalar_one())


def waiting(db: Connection, priority: int = BATCH) -> int:
    """How many nobody has begun to grade, of this priority or before it."""
    mine = (_table.c.state == "received", _table.c.priority <= priority)
    return int(db.execute(select(func.count()).where(*mine)).scalar_one())
