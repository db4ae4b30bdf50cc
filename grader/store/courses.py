"""Courses, their assignments, the versions of an assignment's rubric, and who has more time.

A rubric is kept as the text its author wrote. It knows nothing of what is handed in.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, insert, select, update

from grader.errors import UsageError
from grader.store import schema
from grader.store.people import unguessable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from grader.store.people import Person


class Course(NamedTuple):
    id: int
    public: str
    name: str


class Assignment(NamedTuple):
    """`counts` is which attempt does, latest or best; `most_attempts` None where there is no such number."""

    id: int
    public: str
    course_id: int
    title: str
    counts: str
    due: datetime | None
    most_attempts: int | None


class RubricVersion(NamedTuple):
    """One version of a rubric, from 1."""

    id: int
    assignment_id: int
    version: int
    sha256: str
    text: str


_COURSE = (schema.course.c.id, schema.course.c.public, schema.course.c.name)
_ASSIGNMENT = tuple(schema.assignment.c[field] for field in Assignment._fields)
_RUBRIC = tuple(schema.rubric.c[field] for field in RubricVersion._fields)


def create(db: Connection, name: str, now: datetime) -> Course:
    values = {"public": unguessable(), "name": name, "created": now}
    return Course(*db.execute(insert(schema.course).values(values).returning(*_COURSE)).one())


def of(db: Connection, person: Person) -> Iterator[Course]:
    """The courses somebody is in, the latest first."""
    member = schema.member.c
    query = select(*_COURSE).join(schema.member).where(member.person_id == person.id, member.gone.is_(None))
    return (Course(*row) for row in db.execute(query.order_by(schema.course.c.id.desc())))


def find(db: Connection, public: str) -> Course | None:
    row = db.execute(select(*_COURSE).where(schema.course.c.public == public)).one_or_none()
    return Course(*row) if row else None


def add_assignment(
    db: Connection, course: Course, title: str, now: datetime, *, counts: str = "latest", due: datetime | None = None,
    most_attempts: int | None = None,
) -> Assignment:  # fmt: skip
    values = {
        "public": unguessable(), "course_id": course.id, "title": title, "counts": counts, "due": due,
        "most_attempts": most_attempts, "created": now,
    }  # fmt: skip
    return Assignment(*db.execute(insert(schema.assignment).values(values).returning(*_ASSIGNMENT)).one())


def change(
    db: Connection, assignment: Assignment, *, title: str, counts: str, due: datetime | None, most_attempts: int | None
) -> Assignment:
    """From now on it is so."""
    table = schema.assignment
    values = {"title": title, "counts": counts, "due": due, "most_attempts": most_attempts}
    row = db.execute(update(table).where(table.c.id == assignment.id).values(values).returning(*_ASSIGNMENT)).one()
    return Assignment(*row)


def assignments(db: Connection, course: Course) -> Iterator[Assignment]:
    """Those of a course, in the order they were made."""
    table = schema.assignment.c
    query = select(*_ASSIGNMENT).where(table.course_id == course.id).order_by(table.id)
    return (Assignment(*row) for row in db.execute(query))


def find_assignment(db: Connection, public: str) -> Assignment | None:
    row = db.execute(select(*_ASSIGNMENT).where(schema.assignment.c.public == public)).one_or_none()
    return Assignment(*row) if row else None


def course_of(db: Connection, number: int) -> Course:
    """The one of this number, which there has to be."""
    return Course(*db.execute(select(*_COURSE).where(schema.course.c.id == number)).one())


def assignment_of(db: Connection, number: int) -> Assignment:
    """The one of this number, which there has to be."""
    return Assignment(*db.execute(select(*_ASSIGNMENT).where(schema.assignment.c.id == number)).one())


def add_rubric(db: Connection, assignment: Assignment, text: str, by: Person | None, now: datetime) -> RubricVersion:
    """The next version; or the last one again, where its text is the same."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    db.execute(select(schema.assignment.c.id).where(schema.assignment.c.id == assignment.id).with_for_update())
    last = _last_rubric(db, assignment)
    if last and last.sha256 == digest:
        return last
    values = {
        "assignment_id": assignment.id, "version": last.version + 1 if last else 1, "sha256": digest, "text": text,
        "by_id": by and by.id, "created": now,
    }  # fmt: skip
    return RubricVersion(*db.execute(insert(schema.rubric).values(values).returning(*_RUBRIC)).one())


def rubric(db: Connection, assignment: Assignment) -> RubricVersion:
    """The version that counts. Raises UsageError for an assignment without one."""
    if (last := _last_rubric(db, assignment)) is None:
        raise UsageError(f"{assignment.title}: it has no rubric; expected one, by which to grade; upload it")
    return last


def rubric_version(db: Connection, number: int) -> RubricVersion:
    """The one of this number, which there has to be."""
    return RubricVersion(*db.execute(select(*_RUBRIC).where(schema.rubric.c.id == number)).one())


def _last_rubric(db: Connection, assignment: Assignment) -> RubricVersion | None:
    table = schema.rubric.c
    query = select(*_RUBRIC).where(table.assignment_id == assignment.id).order_by(table.version.desc()).limit(1)
    row = db.execute(query).one_or_none()
    return RubricVersion(*row) if row else None


def rubrics(db: Connection, assignment: Assignment) -> list[tuple[RubricVersion, str | None, datetime]]:
    """Every version, the latest first, by whom and when."""
    rubric, by = schema.rubric.c, schema.person.c
    rows = db.execute(
        select(*_RUBRIC, by.name, rubric.created)
        .outerjoin(schema.person, by.id == rubric.by_id)
        .where(rubric.assignment_id == assignment.id)
        .order_by(rubric.version.desc())
    )
    return [(RubricVersion(*row[:-2]), row[-2], row[-1]) for row in rows]


def extend(
    db: Connection, assignment: Assignment, person: Person, due: datetime, reason: str, by: Person, now: datetime
) -> None:
    """Give somebody until then."""
    values = {
        "assignment_id": assignment.id, "person_id": person.id, "due": due, "reason": reason, "by_id": by.id,
        "created": now,
    }  # fmt: skip
    db.execute(insert(schema.extension).values(values))


def due(db: Connection, assignment: Assignment, person: Person) -> datetime | None:
    """Until when somebody may hand in without being late."""
    table = schema.extension.c
    mine = (table.assignment_id == assignment.id, table.person_id == person.id)
    last = select(func.max(table.id)).where(*mine).scalar_subquery()
    extended: datetime | None = db.execute(select(table.due).where(table.id == last)).scalar_one_or_none()
    return extended or assignment.due
