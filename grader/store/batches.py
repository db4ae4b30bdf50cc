"""Batches: a class's files that somebody has uploaded together, what became of them, and what is no student's.

A file that was handed in before is of the batch too, and is kept once. It knows nothing of how files are placed.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from grader.store import schema, submissions
from grader.store.people import unguessable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from grader.store.courses import Assignment
    from grader.store.people import Person
    from grader.store.submissions import Submission

TRIES = 5  # where others hand in at the same moment
MOST_TOLD = 10_000  # of what is no student's: the rest is counted


class Batch(NamedTuple):
    """An upload. `by` is the name of who did it; `finished` is None while it is being read."""

    id: int
    public: str
    assignment_id: int
    by: str
    name: str
    sha256: str
    platform: str | None
    created: datetime
    finished: datetime | None
    added: int
    unplaced: int


class HandIn(NamedTuple):
    """A file of somebody's, and the key it is known by; `received` is when it was handed in, if it is `timed`."""

    person: Person
    name: str
    content: bytes
    key: str
    received: datetime
    timed: bool


class Unplaced(NamedTuple):
    """What is no student's, and why."""

    path: str
    why: str


_table = schema.batch
_FIELDS = tuple(schema.person.c.name if field == "by" else _table.c[field] for field in Batch._fields)


def begin(
    db: Connection, assignment: Assignment, by: Person, name: str, sha256: str, key: str | None, now: datetime
) -> Batch:
    """A new one; or that of the earlier request with this key."""
    values = {
        "public": unguessable(), "assignment_id": assignment.id, "by_id": by.id, "name": name, "sha256": sha256,
        "key": key, "created": now,
    }  # fmt: skip
    if key is not None and (known := _one(db, _table.c.by_id == by.id, _table.c.key == key)):
        return known
    try:
        with db.begin_nested():
            number = db.execute(insert(_table).values(values).returning(_table.c.id)).scalar_one()
    except IntegrityError:  # the same request has come at the same moment
        return begin(db, assignment, by, name, sha256, key, now)
    return _surely(_one(db, _table.c.id == number))


def receive(db: Connection, batch: Batch, hand_ins: Sequence[HandIn], now: datetime) -> list[Submission]:
    """Take some files of a batch, in order, and whatever the limit of attempts; what is known by its key is that."""
    for _ in range(TRIES - 1):
        try:
            with db.begin_nested():
                return _receive(db, batch, hand_ins, now)
        except IntegrityError:  # somebody else has handed in at the same moment
            continue
    return _receive(db, batch, hand_ins, now)


def _receive(db: Connection, batch: Batch, hand_ins: Sequence[HandIn], now: datetime) -> list[Submission]:
    known = submissions.by_keys(db, {(one.person.id, one.key) for one in hand_ins})
    new = {(one.person.id, one.key): one for one in hand_ins if (one.person.id, one.key) not in known}
    if new:
        digests = submissions.keep_all(db, [one.content for one in new.values()], now)
        last = Counter(submissions.last_of_all(db, batch.assignment_id, {person for person, _ in new}))
        rows = []
        for (person, key), digest in zip(new, digests, strict=True):
            last[person] += 1
            name, received, timed = new[person, key].name, new[person, key].received, new[person, key].timed
            rows.append({
                "assignment_id": batch.assignment_id, "person_id": person, "name": name, "key": key, "blob": digest,
                "attempt": last[person], "received": received, "timed": timed,
            })  # fmt: skip
        known |= submissions.add_all(db, rows)
        db.execute(update(_table).where(_table.c.id == batch.id).values(added=_table.c.added + len(new)))
    taken = [known[one.person.id, one.key] for one in hand_ins]
    _link(db, batch, {one.id for one in taken})
    return taken


def _link(db: Connection, batch: Batch, numbers: set[int]) -> None:
    """These submissions are of the batch, also where they are already."""
    link = schema.batch_submission
    known = select(link.c.submission_id).where(link.c.batch_id == batch.id, link.c.submission_id.in_(numbers))
    new = numbers - {row.submission_id for row in db.execute(known)}
    if new:
        db.execute(insert(link), [{"batch_id": batch.id, "submission_id": number} for number in sorted(new)])


def finish(
    db: Connection, batch: Batch, platform: str | None, unplaced: Iterator[tuple[str, str]], now: datetime
) -> Batch:
    """All of it has been read. What is told of it is told once, also where two requests have read the same."""
    told = [{"batch_id": batch.id, "path": path, "why": why} for path, why in islice(unplaced, MOST_TOLD)]
    count = len(told) + sum(1 for _ in unplaced)
    ending = update(_table).where(_table.c.id == batch.id, _table.c.finished.is_(None))
    if db.execute(ending.values(finished=now, platform=platform, unplaced=count)).rowcount and told:
        db.execute(insert(schema.unplaced), told)
    return _surely(_one(db, _table.c.id == batch.id))


def find(db: Connection, public: str) -> Batch | None:
    return _one(db, _table.c.public == public)


def of(db: Connection, assignment: Assignment) -> Iterator[Batch]:
    """Those of an assignment, the latest first."""
    return _rows(db, _table.c.assignment_id == assignment.id)


def states(db: Connection, batch: Batch) -> dict[str, int]:
    """How many of its submissions are received, grading, graded or a fault."""
    tried = schema.submission.c.trial_id.is_not(None)  # what is graded again to see what would change is graded
    state = case((tried, "graded"), else_=schema.submission.c.state)
    of_it = select(state, func.count()).join(schema.batch_submission)
    rows = db.execute(of_it.where(schema.batch_submission.c.batch_id == batch.id).group_by(state))
    return dict.fromkeys(schema.STATES, 0) | {row[0]: row[1] for row in rows}


def unplaced(db: Connection, batch: Batch) -> Iterator[Unplaced]:
    """The first of what is no student's."""
    table = schema.unplaced.c
    query = select(table.path, table.why).where(table.batch_id == batch.id).order_by(table.id)
    return (Unplaced(*row) for row in db.execute(query))


def _rows(db: Connection, *conditions: ColumnElement[bool]) -> Iterator[Batch]:
    query = select(*_FIELDS).join(schema.person, _table.c.by_id == schema.person.c.id)
    return (Batch(*row) for row in db.execute(query.where(*conditions).order_by(_table.c.id.desc())))


def _one(db: Connection, *conditions: ColumnElement[bool]) -> Batch | None:
    return next(_rows(db, *conditions), None)


def _surely(batch: Batch | None) -> Batch:
    assert batch is not None
    return batch
