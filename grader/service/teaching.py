"""The interface of those who teach: courses, members, assignments, grades, and what they say of them."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import APIRouter, BackgroundTasks, Request, Response
from sqlalchemy import Connection

from grader.service import desk, shapes
from grader.service.identity import (
    PERSONAL,
    Asks,
    Reads,
    Writes,
    assignment_for,
    course_for,
    needs,
    now,
    submission_for,
)
from grader.service.problems import Problem, nothing
from grader.service.students import assignment_of, due_of, submission_of
from grader.store import courses, grades, people, submissions
from grader.store.courses import Assignment
from grader.store.people import Member, Person

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
    found, me = course_for(db, asks, course, "instructor")
    known = {one.key: one.person for one in people.members(db, found.id) if one.key}
    enrolled = []
    for one in roster:
        if not people.may(me, one.role):
            raise Problem(403, f"{one.name}: you cannot make somebody {one.role}; expected your own role or less")
        person = known.get(one.key) if one.key and not one.email else None
        person = person or people.add(db, one.name, one.email, now())
        before = people.membership(db, found.id, person)
        if before and before.role != one.role and (person == asks.person or not people.may(me, before.role)):
            raise Problem(403, f"{one.name}: you cannot make {before.role} {one.role}; ask one with more rights")
        key, section = one.key or (before and before.key), one.section or (before and before.section)
        enrolled.append(people.enrol(db, found.id, person, one.role, now(), key or None, section or None))
    return [_member(one) for one in enrolled]


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
    member = _of_course(db, found.id, person)
    if not people.may(me, member.role):
        raise Problem(403, f"{member.person.name}: they have more rights than you; ask one of them")
    for theirs in people.memberships(db, member.person):  # whoever has the link is them, everywhere
        mine = people.membership(db, theirs.course_id, asks.person)
        if not (people.may(mine, "instructor") and people.may(mine, theirs.role)):
            raise Problem(403, f"{member.person.name}: they are in a course you do not teach; they enter by its link")
    expires = now() + LINK_LASTS
    people.revoke_all(db, member.person, LINK_LABEL, now())
    token = people.issue(db, member.person, LINK_LABEL, [PERSONAL], now(), expires)
    return shapes.Invitation(link=f"{request.base_url}enter?token={token}", expires=expires)


def _of_course(db: Connection, course_id: int, public: str) -> Member:
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
    _refuse_without_zone(new.due)
    if new.due and rubric.late and rubric.late.deadline != new.due:
        raise Problem(
            422, f"due: the rubric's deadline is {rubric.late.deadline.isoformat()}; expected one of both; leave one"
        )
    counts = new.counts or rubric.attempts.counts
    made = courses.add_assignment(
        db, found, new.title, now(), counts=counts, due=new.due, most_attempts=new.most_attempts
    )
    courses.add_rubric(db, made, new.rubric, asks.person, now())
    return assignment_of(db, asks, made)


def _refuse_without_zone(time: datetime | None) -> None:
    if time is not None and not 2000 <= time.year <= 2200:
        raise Problem(422, f"due: it is in the year {time.year}; expected a time of this century; correct it")
    if time is not None and time.tzinfo is None:
        raise Problem(422, "due: it has no zone; expected such as 2026-10-11T23:59:00+09:00; add it")


@router.put("/assignments/{assignment}/rubric")
def new_rubric(asks: Asks, db: Writes, assignment: str, new: shapes.NewRubric) -> shapes.RubricVersion:
    """The next version of the rubric; what was graded stays as it was until it is graded again."""
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    desk.loaded(new.rubric)
    return shapes.RubricVersion(version=courses.add_rubric(db, found, new.rubric, asks.person, now()).version)


@router.get("/assignments/{assignment}/grades")
def all_grades(asks: Asks, db: Reads, assignment: str) -> list[shapes.Grade]:
    """Every student of the course, with or without a grade."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment, "grader")
    had = {one.person_id: one for one in grades.current(db, found)}
    publics = submissions.publics(db, found)
    return [_grade(one, had.get(one.person.id), publics) for one in people.members(db, found.course_id, "student")]


def _grade(member: Member, grade: grades.Grade | None, publics: dict[int, str]) -> shapes.Grade:
    person = member.person
    return shapes.Grade(
        person=person.public, name=person.name, key=member.key, points=grade and grade.points,
        graded=grade and grade.graded, max_points=grade and grade.maximum,
        overridden=bool(grade and grade.event_id), submission=publics.get(grade.submission_id or 0) if grade else None,
    )  # fmt: skip


def _student(db: Connection, asks: Asks, assignment: str, person: str, role: str) -> tuple[Assignment, Person]:
    found, _ = assignment_for(db, asks, assignment, role)
    return found, _of_course(db, found.course_id, person).person


@router.put("/assignments/{assignment}/grades/{person}/override")
def override(asks: Asks, db: Writes, assignment: str, person: str, new: shapes.Override) -> list[shapes.Happening]:
    """These are the points from now on, for this reason."""
    needs(asks, "grade")
    found, student = _student(db, asks, assignment, person, "grader")
    grades.override(db, found, student, new.points, new.reason, asks.person, now())
    return _history(db, found, student)


@router.post("/assignments/{assignment}/grades/{person}/release")
def release(asks: Asks, db: Writes, assignment: str, person: str, why: shapes.Words) -> list[shapes.Happening]:
    """The attempts count again."""
    needs(asks, "grade")
    found, student = _student(db, asks, assignment, person, "grader")
    grades.release(db, found, student, why.text, asks.person, now())
    return _history(db, found, student)


@router.post("/assignments/{assignment}/grades/{person}/comments", status_code=201)
def comment(asks: Asks, db: Writes, assignment: str, person: str, said: shapes.Words) -> list[shapes.Happening]:
    needs(asks, "grade")
    found, student = _student(db, asks, assignment, person, "grader")
    grades.comment(db, found, student, said.text, asks.person, now())
    return _history(db, found, student)


@router.get("/assignments/{assignment}/grades/{person}/history")
def history(asks: Asks, db: Reads, assignment: str, person: str) -> list[shapes.Happening]:
    """Why the grade is what it is; a student's own is theirs to read."""
    needs(asks, "read")
    found, student = _student(db, asks, assignment, person, "student" if person == asks.person.public else "grader")
    return _history(db, found, student)


def _history(db: Connection, assignment: Assignment, person: Person) -> list[shapes.Happening]:
    return [shapes.Happening.model_validate(one._asdict()) for one in grades.history(db, assignment, person)]


@router.put("/assignments/{assignment}/grades/{person}/extension", status_code=204)
def extend(
    request: Request,
    tasks: BackgroundTasks,
    db: Writes,
    asks: Asks,
    assignment: str,
    person: str,
    new: shapes.Extension,
) -> Response:
    """Give a student until then; what they handed in after their time is graded again."""
    needs(asks, "grade")
    found, student = _student(db, asks, assignment, person, "instructor")
    _refuse_without_zone(new.due)
    before = due_of(db, found, student)
    if before and new.due < before:
        raise Problem(422, f"due: it is before {before:%Y-%m-%d %H:%M} UTC, until when they have; expected more time")
    courses.extend(db, found, student, new.due, new.reason, asks.person, now())
    for one in submissions.of_person(db, found, student):
        if before and one.received > before:
            submissions.grade_again(db, one, f"extension: {new.reason}")
    tasks.add_task(request.app.state.wake)
    return Response(status_code=204)


@router.post("/submissions/{submission}/regrade", status_code=202)
def regrade_one(
    request: Request, tasks: BackgroundTasks, asks: Asks, db: Writes, submission: str, why: shapes.Words
) -> shapes.Regrade:
    """Grade an attempt again, by the rubric of now."""
    needs(asks, "grade")
    found, member = submission_for(db, asks, submission, "grader")
    if not people.may(member, "grader"):
        raise Problem(403, "a regrade: it takes the rights of grader; ask one")
    submissions.grade_again(db, found, f"regrade: {why.text}")
    tasks.add_task(request.app.state.wake)
    return shapes.Regrade(submissions=1)


@router.post("/assignments/{assignment}/regrade", status_code=202)
def regrade_all(
    request: Request, tasks: BackgroundTasks, asks: Asks, db: Writes, assignment: str, why: shapes.Words
) -> shapes.Regrade:
    """Grade every attempt again, by the rubric of now."""
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    count = submissions.grade_all_again(db, found, f"regrade: {why.text}")
    tasks.add_task(request.app.state.wake)
    return shapes.Regrade(submissions=count)


@router.get("/assignments/{assignment}/grades/{person}/submissions")
def attempts(asks: Asks, db: Reads, assignment: str, person: str) -> list[shapes.Submission]:
    """Every attempt of a student's, the latest first."""
    needs(asks, "read")
    found, student = _student(db, asks, assignment, person, "grader")
    return [submission_of(db, one) for one in submissions.of_person(db, found, student)]


@router.delete("/courses/{course}/members/{person}", status_code=204)
def remove(asks: Asks, db: Writes, course: str, person: str) -> Response:
    """They are in the course no more, and signed out everywhere; what they did stays."""
    needs(asks, "grade")
    found, me = course_for(db, asks, course, "instructor")
    member = _of_course(db, found.id, person)
    if member.person == asks.person or not people.may(me, member.role):
        raise Problem(403, f"{member.person.name}: you cannot remove them; ask one with more rights")
    people.leave(db, found.id, member.person, now())
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


@router.get("/assignments/{assignment}/faults")
def faults(asks: Asks, db: Reads, assignment: str) -> list[shapes.Fault]:
    """What could not be graded, by a fault of ours: to be looked at, and graded again."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment, "grader")
    return [
        shapes.Fault(submission=one.public, person=people.find(db, one.person_id).public, fault=one.fault or "")
        for one in submissions.faults(db, found)
    ]
