"""The interface of those who teach: courses, who is in them, what is asked there, and by which rubric."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from sqlalchemy import Connection

from grader import filling, roster
from grader.rubric import Rubric
from grader.service import desk, shapes
from grader.service.answers import plain_name
from grader.service.forms import filled
from grader.service.identity import (
    PERSONAL,
    Asker,
    Asks,
    Reads,
    Writes,
    assignment_for,
    base_of,
    course_for,
    needs,
    now,
)
from grader.service.problems import Problem, nothing
from grader.service.students import assignment_of
from grader.service.wording import on_a_page
from grader.store import courses, people
from grader.store.people import Member, Person
from grader.values import LARGEST_FILE

router = APIRouter()
LINK_LASTS, LINK_LABEL = timedelta(days=200), "personal link"


@router.post("/courses", status_code=201)
def new_course(asks: Asks, db: Writes, new: shapes.NewCourse) -> shapes.Course:
    """Begin a course, for who teaches one already; they are its instructor."""
    needs(asks, "grade")
    if not any(
        people.may(people.membership(db, one.id, asks.person), "instructor") for one in courses.of(db, asks.person)
    ):
        raise Problem(403, "a course: it takes an instructor's rights in another; ask an instructor to begin it")
    course = courses.create(db, new.name, now())
    people.enrol(db, course.id, asks.person, "instructor", now())
    return shapes.Course(id=course.public, name=course.name, role="instructor")


@router.get("/courses/{course}/members")
def members(asks: Asks, db: Reads, course: str) -> list[shapes.Member]:
    """Everybody in a course, by name."""
    needs(asks, "read")
    found, _ = course_for(db, asks, course, "grader")
    return [_member(one) for one in people.members(db, found.id)]


@router.put("/courses/{course}/members")
def enrol(asks: Asks, db: Writes, course: str, roster: list[shapes.NewMember]) -> list[shapes.Member]:
    """Make these members, or what they are from now on; who is not named stays as they are.

    People are known by their address, or in their course by their key.
    """
    needs(asks, "grade")
    return [_member(one) for one in _enrolled(db, asks, course, roster)]


@router.post("/courses/{course}/roster")
def enrol_all(
    asks: Asks, db: Writes, course: str, file: Annotated[UploadFile, File(description="A CSV file, with a header")],
    platform: Annotated[str, Form(max_length=40, description="Where it is a platform's gradebook: which one")] = "",
) -> list[shapes.Member]:  # fmt: skip
    """Make everybody of a roster a member: a student, where they are nothing yet. Who is not on it stays.

    Its columns are some of id, name, email and section; or it is the gradebook of a platform, which knows students by
    the keys its downloads have.
    """
    needs(asks, "grade")
    content = file.file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Problem(413, "the roster: it is larger than 1 MB; expected a line a student; take the rest out")
    name = plain_name(file.filename, "roster.csv")
    students = _in_gradebook(platform, content) if platform else list(roster.parsed(content, name))
    if students and not any(one.name or one.email for one in students):
        raise Problem(
            422, f"roster {name}: it has ids alone; expected a column name or email too; a gradebook is no roster"
        )
    rows = [_new_member(one) for one in students]
    return [_member(one) for one in _enrolled(db, asks, course, rows, keep_roles=True)]


def _in_gradebook(platform: str, content: bytes) -> list[roster.Student]:
    with TemporaryDirectory(prefix="grader-roster-") as scratch:
        path = Path(scratch) / "gradebook"
        path.write_bytes(content)
        with on_a_page({path: "the gradebook"}):
            found = list(filling.students(platform, path))
    return [
        roster.Student(
            one.key, id=one.key, name=one.name, email=next((text for text in one.logins if "@" in text), None)
        )
        for one in found
    ]


def _new_member(one: roster.Student) -> shapes.NewMember:
    try:
        return filled(shapes.NewMember, name=one.name or one.key, email=one.email, key=one.key, section=one.section)
    except Problem as problem:
        raise Problem(422, f"roster: {one.key}: {problem.detail}") from None


def _enrolled(
    db: Connection, asks: Asker, course: str, roster: list[shapes.NewMember], *, keep_roles: bool = False
) -> list[Member]:
    found, me = course_for(db, asks, course, "instructor")
    members = {one.person.id: one for one in people.members(db, found.id)}
    enrolled, changed = [], []
    for one, person in zip(roster, _people_of(db, found.id, roster), strict=True):
        before = members.get(person.id)
        role = before.role if before and keep_roles else one.role
        if before is None or before.role != role:
            _refuse_role(me, one.name, before, role)
        key, section = one.key or (before and before.key), one.section or (before and before.section)
        after = members[person.id] = Member(person, found.id, role, key or None, section or None)
        enrolled.append(after)
        if after != before:
            changed.append(after)
    people.enrol_all(db, changed, now())
    return enrolled


def _people_of(db: Connection, course_id: int, roster: list[shapes.NewMember]) -> list[Person]:
    """Whom the rows of a roster mean: by their key in the course, though they left it, or their address, or a new one.

    Who has no address is the course's alone: a row with their key says what they are called, and may give them one.
    """
    emails = {email for one in roster if (email := people.address(one.email))}
    keys, taken = people.keyed(db, course_id), set(people.by_addresses(db, emails))
    known: list[Person | None] = []
    for one in roster:
        person, email = keys.get(one.key or ""), people.address(one.email)
        if person and person.email is None and email not in taken:
            taken |= {email} if email else set()
            name = person.name if one.name == one.key else one.name  # a roster of ids alone has no names
            if (name, email) != (person.name, person.email):
                person = keys[one.key or ""] = people.change(db, person, name, email)
        elif email:
            person = None
        known.append(person)
    wanted = [(one.name, one.email) for one, person in zip(roster, known, strict=True) if person is None]
    others = iter(people.add_all(db, wanted, now()))
    return [person or next(others) for person in known]


def _refuse_role(me: Member, name: str, before: Member | None, role: str) -> None:
    """Raise Problem where I may not make them this: more than I am, myself, or who is more than I am."""
    if not people.may(me, role):
        raise Problem(403, f"{name}: you cannot make somebody {role}; expected your own role or less")
    if before and (before.person == me.person or not people.may(me, before.role)):
        raise Problem(403, f"{name}: you cannot make {before.role} {role}; ask one with more rights")


def _member(one: Member) -> shapes.Member:
    person = one.person
    return shapes.Member(
        id=person.public, name=person.name, email=person.email, role=one.role, key=one.key, section=one.section,  # type: ignore[arg-type] # the table allows these alone
    )  # fmt: skip


@router.post("/courses/{course}/members/{person}/invitation", status_code=201)
def invite(request: Request, asks: Asks, db: Writes, course: str, person: str) -> shapes.Invitation:
    """A member's personal link, which signs them in until it is made anew or its time is over; for nobody else."""
    needs(asks, "grade")
    found, me = course_for(db, asks, course, "instructor")
    member = of_course(db, found.id, person)
    if refusal := _uninvitable(db, asks, me, member):
        raise Problem(403, f"{member.person.name}: {refusal}")
    return _invited(request, db, member.person)


@router.post("/courses/{course}/invitations", status_code=201)
def invite_all(request: Request, asks: Asks, db: Writes, course: str) -> list[shapes.SentInvitation]:
    """A personal link for every student; none for who is in a course besides that the asker does not teach."""
    needs(asks, "grade")
    found, me = course_for(db, asks, course, "instructor")
    sent = []
    for member in list(people.members(db, found.id, "student")):
        person, refused = member.person, _uninvitable(db, asks, me, member)
        link = None if refused else _invited(request, db, person).link
        sent.append(shapes.SentInvitation(name=person.name, email=person.email, key=member.key, link=link))
    return sent


def _uninvitable(db: Connection, asks: Asker, me: Member, member: Member) -> str:
    """Why the asker may not have somebody's link: whoever has it is them, everywhere. Nothing where they may."""
    if not people.may(me, member.role):
        return "they have more rights than you; ask one of them"
    for theirs in people.memberships(db, member.person):
        mine = me if theirs.course_id == me.course_id else people.membership(db, theirs.course_id, asks.person)
        if not (people.may(mine, "instructor") and people.may(mine, theirs.role)):
            return "they are in a course you do not teach; they enter by its link"
    return ""


def _invited(request: Request, db: Connection, person: Person) -> shapes.Invitation:
    expires = now() + LINK_LASTS
    people.revoke_all(db, person, LINK_LABEL, now())
    token = people.issue(db, person, LINK_LABEL, [PERSONAL], now(), expires)
    return shapes.Invitation(link=f"{base_of(request)}enter?token={token}", expires=expires)


def of_course(db: Connection, course_id: int, public: str) -> Member:
    for one in people.members(db, course_id):
        if one.person.public == public:
            return one
    raise nothing(f"member {public}")


@router.post("/courses/{course}/assignments", status_code=201)
def new_assignment(asks: Asks, db: Writes, course: str, new: shapes.NewAssignment) -> shapes.Assignment:
    """Ask something. The rubric is held against its assignment first, and every mistake in it is told."""
    needs(asks, "grade")
    found, _ = course_for(db, asks, course, "instructor")
    rubric, _ = desk.loaded(new.rubric)
    refuse_without_zone(new.due)
    _refuse_two_deadlines(new.due, rubric)
    counts = new.counts or rubric.attempts.counts
    made = courses.add_assignment(
        db, found, new.title, now(), counts=counts, due=new.due, most_attempts=new.most_attempts
    )
    courses.add_rubric(db, made, new.rubric, asks.person, now())
    return assignment_of(db, asks, made)


def refuse_without_zone(time: datetime | None) -> None:
    if time is not None and not 2000 <= time.year <= 2200:
        raise Problem(422, f"due: it is in the year {time.year}; expected a time of this century; correct it")
    if time is not None and time.tzinfo is None:
        raise Problem(422, "due: it has no zone; expected such as 2026-10-11T23:59:00+09:00; add it")


def _refuse_two_deadlines(due: datetime | None, rubric: Rubric) -> None:
    if due and rubric.late and rubric.late.deadline != due:
        raise Problem(
            422, f"due: the rubric's deadline is {rubric.late.deadline.isoformat()}; expected one of both; leave one"
        )


@router.put("/assignments/{assignment}")
def change_assignment(asks: Asks, db: Writes, assignment: str, new: shapes.ChangedAssignment) -> shapes.Assignment:
    """What it is called, until when it is due, how often one may hand in, and which attempt counts, for everybody.

    What is graded stays as it is until it is graded again.
    """
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    rubric, _ = desk.loaded(courses.rubric(db, found).text)
    refuse_without_zone(new.due)
    _refuse_two_deadlines(new.due, rubric)
    changed = courses.change(db, found, **new.model_dump())
    return assignment_of(db, asks, changed)


@router.put("/assignments/{assignment}/rubric")
def new_rubric(asks: Asks, db: Writes, assignment: str, new: shapes.NewRubric) -> shapes.RubricVersion:
    """The next version of the rubric; what was graded stays as it was until it is graded again."""
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    desk.loaded(new.rubric)
    return shapes.RubricVersion(version=courses.add_rubric(db, found, new.rubric, asks.person, now()).version)


@router.delete("/courses/{course}/members/{person}", status_code=204)
def remove(asks: Asks, db: Writes, course: str, person: str) -> Response:
    """They are in the course no more, and signed out where it was their last; what they did stays."""
    needs(asks, "grade")
    found, me = course_for(db, asks, course, "instructor")
    member = of_course(db, found.id, person)
    if member.person == asks.person or not people.may(me, member.role):
        raise Problem(403, f"{member.person.name}: you cannot remove them; ask one with more rights")
    people.leave(db, found.id, member.person, now())
    if not people.memberships(db, member.person):  # else what they sign in with is another course's too
        people.revoke_all(db, member.person, None, now())
    return Response(status_code=204)


@router.get("/assignments/{assignment}/rubrics")
def rubrics(asks: Asks, db: Reads, assignment: str) -> list[shapes.RubricText]:
    """Every version of the rubric, the latest first."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment, "grader")
    return [
        shapes.RubricText(version=one.version, rubric=one.text, by=by, created=created)
        for one, by, created in courses.rubrics(db, found)
    ]
