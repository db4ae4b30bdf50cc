"""What was to be put into gradebooks: the one that was uploaded, if any, and what of it was written.

It knows no platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert, select, update

from grader.store import schema, submissions
from grader.store.people import unguessable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from grader.store.courses import Assignment
    from grader.store.people import Person


class Export(NamedTuple):
    """`blob` is the gradebook to fill, None where a file is made from nothing; `pushed` what was written of it."""

    id: int
    public: str
    assignment_id: int
    platform: str
    column: str | None
    blob: str | None
    name: str
    pushed: str | None


_EXPORT = tuple(schema.export.c[field] for field in Export._fields)


def begin(
    db: Connection, assignment: Assignment, platform: str, column: str | None, template: tuple[str, bytes] | None,
    by: Person, now: datetime,
) -> Export:  # fmt: skip
    """`template` is the gradebook's name and content."""
    name, content = template or ("", None)
    values = {
        "public": unguessable(), "assignment_id": assignment.id, "platform": platform, "column": column, "name": name,
        "blob": None if content is None else submissions.keep(db, content, now), "by_id": by.id, "created": now,
    }  # fmt: skip
    return Export(*db.execute(insert(schema.export).values(values).returning(*_EXPORT)).one())


def find(db: Connection, assignment: Assignment, public: str) -> Export | None:
    known = schema.export.c
    row = db.execute(select(*_EXPORT).where(known.assignment_id == assignment.id, known.public == public)).one_or_none()
    return Export(*row) if row else None


def template(db: Connection, export: Export) -> bytes:
    """The gradebook that was uploaded."""
    return bytes(db.execute(select(schema.blob.c.content).where(schema.blob.c.sha256 == export.blob)).scalar_one())


def pushed(db: Connection, assignment: Assignment) -> Iterator[str]:
    """What was written by earlier ones, in order."""
    known = schema.export.c
    query = select(known.pushed).where(known.assignment_id == assignment.id, known.pushed.is_not(None))
    return (str(text) for text in db.execute(query.order_by(known.id)).scalars())


def wrote(db: Connection, export: Export, told: str) -> None:
    """Note what was written of it; the same export may be written more than once."""
    known = schema.export.c
    earlier = db.execute(select(known.pushed).where(known.id == export.id).with_for_update()).scalar_one() or ""
    db.execute(update(schema.export).where(known.id == export.id).values(pushed=earlier + told))
