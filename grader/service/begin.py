"""What there is when the service is started for the first time, and how its instructor comes in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from grader import rubric as rubrics
from grader.service import desk
from grader.service.identity import LINK
from grader.store import courses, people, schema
from grader.store.people import Person

if TYPE_CHECKING:
    from sqlalchemy import Connection

LASTS, LABEL = timedelta(hours=24), "link"


def first(db: Connection, now: datetime) -> bool:
    """Whether it is the first time: then a course is made, with an instructor and the homework that comes with us."""
    if db.execute(select(schema.person.c.id).limit(1)).first():
        return False
    teacher = people.add(db, "Instructor", None, now)
    course = courses.create(db, "Machine Learning", now)
    people.enrol(db, course.id, teacher, "admin", now)
    text = rubrics.find("backprop").read_text(encoding="utf-8")
    rubric, _ = desk.loaded(text)
    assignment = courses.add_assignment(db, course, rubric.title, now, counts=rubric.attempts.counts)
    courses.add_rubric(db, assignment, text, teacher, now)
    return True


def token_for_instructor(db: Connection, now: datetime) -> str | None:
    """What signs in the first who has all rights somewhere, once; None where there is nobody such.

    An earlier one is good no more: whoever asks for another has lost it.
    """
    member, person = schema.member.c, schema.person.c
    query = select(person.id, person.public, person.name, person.email).join(schema.member)
    row = db.execute(
        query.where(member.role == "admin", member.gone.is_(None)).order_by(person.id).limit(1)
    ).one_or_none()
    if row is None:
        return None
    people.revoke_all(db, Person(*row), LABEL, now)
    return people.issue(db, Person(*row), LABEL, [LINK], now, now + LASTS)
