"""Batches: a class's files that somebody has uploaded together, what became of them, and what is no student's.

A file that was handed in before is of the batch too, and is kept once. It knows nothing of how files are placed.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from grader.store import schema
from grader.store.people import unguessable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from grader.store.courses import Assignment
    from grader.store.people import Person
    from grader.store.submissions import Submission

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


def add(db: Connection, batch: Batch, submission: Submission) -> None:
    """This one is of the batch, also where it is already."""
    link = schema.batch_submission
    known = select(link.c.batch_id).where(link.c.batch_id == batch.id, link.c.submission_id == submission.id)
    if db.execute(known).first() is None:
        db.execute(insert(link).values(batch_id=batch.id, submission_id=submission.id))


def count(db: Connection, batch: Batch, added: int) -> None:
    """So many more had not been handed in before."""
    db.execute(update(_table).where(_table.c.id == batch.id).values(added=_table.c.added + added))


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
    state = schema.submission.c.state
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
