"""What was handed in, and its way to a grade: received, grading, graded, or a fault of ours.

The table is the queue, and the truth of it: whoever grades takes a row for a while, and a row that is not given back in
time is taken again. It knows nothing of how it is graded.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from grader.errors import UsageError
from grader.store import notices, schema
from grader.store.people import unguessable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection

    from grader.store.courses import Assignment, RubricVersion
    from grader.store.people import Person

MOST_TRIES = 3  # that may lose their worker
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


_FIELDS = tuple(schema.submission.c[field] for field in Submission._fields)
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
            "timed": timed, "priority": priority,
        }  # fmt: skip
        try:
            with db.begin_nested():
                taken = Submission(*db.execute(insert(_table).values(values).returning(*_FIELDS)).one())
        except IntegrityError:  # another of theirs came at the same moment, perhaps the very same one
            continue
        notices.tell(db)
        return taken


def _refuse_without_attempts(db: Connection, assignment: Assignment, person: Person) -> None:
    used = used_up(db, assignment, person)
    if assignment.most_attempts is not None and used >= assignment.most_attempts:
        raise UsageError(
            f"{assignment.title}: {used} of {assignment.most_attempts} attempts are used up; expected one that "
            "is left; ask for another"
        )


def used_up(db: Connection, assignment: Assignment, person: Person) -> int:
    """How many attempts somebody has made, without those that failed by a fault of ours."""
    mine = (_table.c.assignment_id == assignment.id, _table.c.person_id == person.id, _table.c.state != "fault")
    return int(db.execute(select(func.count()).where(*mine)).scalar_one())


def last(db: Connection, assignment: Assignment, person: Person) -> int:
    """The number of somebody's last attempt, 0 where there is none."""
    mine = (_table.c.assignment_id == assignment.id, _table.c.person_id == person.id)
    return int(db.execute(select(func.coalesce(func.max(_table.c.attempt), 0)).where(*mine)).scalar_one())


def _one(db: Connection, *conditions: ColumnElement[bool]) -> Submission | None:
    row = db.execute(select(*_FIELDS).where(*conditions)).one_or_none()
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
    query = select(*_FIELDS, _table.c.key).where(_table.c.person_id.in_(people), _table.c.key.in_(texts))
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
    whole = [{"public": unguessable(), "priority": BATCH, **row} for row in rows]
    added = db.execute(insert(_table).returning(*_FIELDS, _table.c.key, sort_by_parameter_order=True), whole)
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
    return (Submission(*row) for row in db.execute(select(*_FIELDS).where(*mine).order_by(_table.c.attempt.desc())))


# The queue.


def claim(db: Connection, worker: str, now: datetime) -> Submission | None:
    """The next one to be graded, which is this worker's for now; None where there is none."""
    nearest = select(_table.c.id).where(_table.c.state == "received").order_by(_table.c.priority, _table.c.id).limit(1)
    if db.dialect.name == "postgresql":
        nearest = nearest.with_for_update(skip_locked=True)
    taken = {"state": "grading", "worker": worker, "claimed": now, "tries": _table.c.tries + 1}
    query = update(_table).where(_table.c.id == nearest.scalar_subquery()).values(taken).returning(*_FIELDS)
    row = db.execute(query).one_or_none()
    return Submission(*row) if row else None


def finish(db: Connection, submission: Submission, worker: str, rubric: RubricVersion, run: Run, now: datetime) -> bool:
    """Add what came of it; False, and nothing is added, where it is not this worker's any more."""
    if not _give_back(db, submission, worker, {"state": "graded", "tries": 0, "fault": None, "trial_id": None}):
        return False
    values = {
        "submission_id": submission.id, "rubric_id": rubric.id, "trial_id": submission.trial_id,
        "why": submission.why, "finished": now,
    }  # fmt: skip
    db.execute(insert(schema.grading_run).values(**values, **run._asdict()))
    return True


def fail(db: Connection, submission: Submission, worker: str, fault: str) -> None:
    """It could not be graded, by our fault: to be tried again, and after so many tries for a person to look at."""
    state = "received" if submission.tries < MOST_TRIES else "fault"
    _give_back(db, submission, worker, {"state": state, "fault": fault})


def _give_back(db: Connection, submission: Submission, worker: str, values: dict[str, object]) -> bool:
    """Whether it was this worker's still. What was to be graded once more meanwhile waits again."""
    mine = (_table.c.id == submission.id, _table.c.state == "grading", _table.c.worker == worker)
    done = db.execute(update(_table).where(*mine).values(worker=None, claimed=None, **values)).rowcount == 1
    wished = (_table.c.id == submission.id, _table.c.again.is_not(None), _table.c.state == "graded")
    db.execute(update(_table).where(*wished).values(state="received", why=_table.c.again, again=None, priority=BATCH))
    return done


def renew(db: Connection, worker: str, now: datetime) -> None:
    """This worker is at it still."""
    mine = (_table.c.state == "grading", _table.c.worker == worker)
    db.execute(update(_table).where(*mine).values(claimed=now))


def put_back(db: Connection, worker: str) -> None:
    """What this worker has waits again, and is none the worse for it: it was kept from giving it back."""
    mine = (_table.c.state == "grading", _table.c.worker == worker)
    values = {"state": "received", "worker": None, "claimed": None, "tries": _table.c.tries - 1}
    db.execute(update(_table).where(*mine).values(values))


def reclaim(db: Connection, before: datetime) -> int:
    """Take from workers what they have had since before this time: they are gone. Gives how many there were."""
    return _take(db, _table.c.claimed < before)


def take_from(db: Connection, worker: str) -> int:
    """Take what this worker has: it is gone."""
    return _take(db, _table.c.worker == worker)


def _take(db: Connection, theirs: ColumnElement[bool]) -> int:
    lost = (_table.c.state == "grading", theirs)
    free = {"worker": None, "claimed": None}
    gone = {"state": "fault", "fault": "its workers were lost, one after another", **free}
    count = db.execute(update(_table).where(*lost, _table.c.tries >= MOST_TRIES).values(gone)).rowcount
    return count + db.execute(update(_table).where(*lost).values({"state": "received", **free})).rowcount


def grade_again(db: Connection, submission: Submission, why: str) -> None:
    """Put it into the queue once more, behind whoever waits; or when it is graded, where it is just being."""
    _again(db, _table.c.id == submission.id, why)


def grade_all_again(db: Connection, assignment: Assignment, why: str) -> int:
    """Put every attempt at an assignment into the queue once more; gives how many there are."""
    return _again(db, _table.c.assignment_id == assignment.id, why)


def _again(db: Connection, which: ColumnElement[bool], why: str) -> int:
    """What still waits is graded by the rubric of then as it is, and counts, also where it was a trial."""
    notices.tell(db)
    values = {"state": "received", "priority": BATCH, "tries": 0, "why": why, "fault": None, "trial_id": None}
    idle = _table.c.state.in_(("graded", "fault")) | ((_table.c.state == "received") & _table.c.trial_id.is_not(None))
    done = db.execute(update(_table).where(which, idle).values(values)).rowcount
    return done + db.execute(update(_table).where(which, _table.c.state == "grading").values(again=why)).rowcount


def faults(db: Connection, assignment: Assignment) -> Iterator[Submission]:
    """What could not be graded, by a fault of ours."""
    mine = (_table.c.assignment_id == assignment.id, _table.c.state == "fault")
    return (Submission(*row) for row in db.execute(select(*_FIELDS).where(*mine).order_by(_table.c.id)))


def publics(db: Connection, assignment: Assignment) -> dict[int, str]:
    """What the attempts at an assignment are called, by their numbers."""
    rows = db.execute(select(_table.c.id, _table.c.public).where(_table.c.assignment_id == assignment.id))
    return {row.id: row.public for row in rows}


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
