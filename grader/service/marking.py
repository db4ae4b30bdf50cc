"""The interface of those who grade: what everybody has, what is said of it, and what is graded again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, BackgroundTasks, Request, Response
from sqlalchemy import Connection

from grader.service import classes, shapes
from grader.service.identity import Asker, Asks, Reads, Writes, assignment_for, needs, now, submission_for
from grader.service.problems import Problem, nothing
from grader.service.students import due_of, submission_of
from grader.service.teaching import of_course, refuse_without_zone
from grader.store import courses, grades, people, queue, submissions, trials
from grader.store.courses import Assignment
from grader.store.people import Member, Person

router = APIRouter()


@router.get("/assignments/{assignment}/grades")
def all_grades(asks: Asks, db: Reads, assignment: str) -> list[shapes.Grade]:
    """Every student of the course, with or without a grade."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment, "grader")
    return [_grade(member, grade) for member, grade in classes.graded(db, found)]


def _grade(member: Member, grade: grades.Grade | None) -> shapes.Grade:
    person = member.person
    return shapes.Grade(
        person=person.public, name=person.name, key=member.key, points=grade and grade.points,
        graded=grade and grade.graded, max_points=grade and grade.maximum,
        overridden=bool(grade and grade.is_overridden), submission=grade and grade.submission,
    )  # fmt: skip


def _student(db: Connection, asks: Asks, assignment: str, person: str, role: str) -> tuple[Assignment, Person]:
    found, _ = assignment_for(db, asks, assignment, role)
    return found, of_course(db, found.course_id, person).person


@router.put("/assignments/{assignment}/grades/{person}/override")
def override(asks: Asks, db: Writes, assignment: str, person: str, new: shapes.Override) -> list[shapes.Happening]:
    """These are the points from now on, for this reason."""
    found, student = _marked(db, asks, assignment, person)
    grades.override(db, found, student, new.points, new.reason, asks.person, now())
    return _history(db, found, student)


@router.post("/assignments/{assignment}/grades/{person}/release")
def release(asks: Asks, db: Writes, assignment: str, person: str, why: shapes.Words) -> list[shapes.Happening]:
    """The attempts count again."""
    found, student = _marked(db, asks, assignment, person)
    grades.release(db, found, student, why.text, asks.person, now())
    return _history(db, found, student)


@router.post("/assignments/{assignment}/grades/{person}/comments", status_code=201)
def comment(asks: Asks, db: Writes, assignment: str, person: str, said: shapes.Words) -> list[shapes.Happening]:
    """Something the student reads, and that changes no points."""
    found, student = _marked(db, asks, assignment, person)
    grades.comment(db, found, student, said.text, asks.person, now())
    return _history(db, found, student)


def _marked(db: Connection, asks: Asker, assignment: str, person: str) -> tuple[Assignment, Person]:
    """The student of whom a grader says something."""
    needs(asks, "grade")
    return _student(db, asks, assignment, person, "grader")


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
    refuse_without_zone(new.due)
    before = due_of(db, found, student)
    if new.due < now():
        raise Problem(422, "due: it is past; expected a time to come; correct it")
    if before and new.due < before:
        raise Problem(422, f"due: it is before {before:%Y-%m-%d %H:%M} UTC, until when they have; expected more time")
    courses.extend(db, found, student, new.due, new.reason, asks.person, now())
    for one in submissions.of_person(db, found, student):
        if before and one.received > before:
            queue.grade_again(db, one, f"extension: {new.reason}")
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
    queue.grade_again(db, found, f"regrade by {asks.person.name}: {why.text}")
    tasks.add_task(request.app.state.wake)
    return shapes.Regrade(submissions=1)


@router.post("/assignments/{assignment}/regrade", status_code=202)
def regrade_all(
    request: Request, tasks: BackgroundTasks, asks: Asks, db: Writes, assignment: str, why: shapes.Words
) -> shapes.Regrade:
    """Grade every attempt again, by the rubric of now."""
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    count = queue.grade_all_again(db, found, f"regrade by {asks.person.name}: {why.text}")
    tasks.add_task(request.app.state.wake)
    return shapes.Regrade(submissions=count)


@router.post("/assignments/{assignment}/trials", status_code=202)
def try_regrade(
    request: Request, tasks: BackgroundTasks, asks: Asks, db: Writes, assignment: str, new: shapes.NewTrial
) -> shapes.Trial:
    """Grade everybody's attempts again, or some people's, by the rubric of now; it counts when it is applied."""
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    chosen = None if new.people is None else _chosen(db, found, new.people)
    trial = trials.begin(db, found, chosen, new.text, asks.person, now())
    tasks.add_task(request.app.state.wake)
    return _trial(db, found, trial)


@router.get("/assignments/{assignment}/trials/{trial}")
def a_trial(asks: Asks, db: Reads, assignment: str, trial: str) -> shapes.Trial:
    """How far a trial is, and every attempt whose points would be others."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    return _trial(db, found, trial_of(db, found, trial))


@router.post("/assignments/{assignment}/trials/{trial}/apply")
def apply_trial(asks: Asks, db: Writes, assignment: str, trial: str) -> shapes.Trial:
    """What the trial came to counts from now on, for all at once."""
    return _settled(trials.apply, asks, db, assignment, trial)


@router.post("/assignments/{assignment}/trials/{trial}/drop")
def drop_trial(asks: Asks, db: Writes, assignment: str, trial: str) -> shapes.Trial:
    """Everything stays as it is."""
    return _settled(trials.drop, asks, db, assignment, trial)


def _settled(
    settle: Callable[[Connection, trials.Trial, Person, datetime], None], asks: Asker, db: Connection, assignment: str,
    trial: str,
) -> shapes.Trial:  # fmt: skip
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    settle(db, trial_of(db, found, trial), asks.person, now())
    return _trial(db, found, trial_of(db, found, trial))


def _chosen(db: Connection, assignment: Assignment, publics: list[str]) -> list[Person]:
    members = {one.person.public: one.person for one in people.members(db, assignment.course_id)}
    for one in publics:
        if one not in members:
            raise nothing(f"member {one}")
    return [members[one] for one in publics]


def trial_of(db: Connection, assignment: Assignment, public: str) -> trials.Trial:
    if trial := trials.find(db, assignment, public):
        return trial
    raise nothing(f"trial {public}")


def _trial(db: Connection, assignment: Assignment, trial: trials.Trial) -> shapes.Trial:
    members = {one.person.id: one for one in people.members(db, assignment.course_id)}

    def told(one: trials.Difference) -> shapes.Difference:
        member = members.get(one.person_id)
        person = member.person if member else people.find(db, one.person_id)  # who has left has a grade still
        return shapes.Difference(
            person=person.public, name=person.name, key=member and member.key, submission=one.submission,
            attempt=one.attempt, before=one.before, before_of=one.before_of, after=one.after, after_of=one.after_of,
            counts=one.counts, overridden=one.is_overridden,
        )  # fmt: skip

    changes = [told(one) for one in trials.differences(db, trial)]
    return shapes.Trial(
        id=trial.public, text=trial.reason, state=trial.outcome or "open", differences=changes,  # type: ignore[arg-type] # the table allows these alone
        **trials.progress(db, trial)._asdict(),
    )  # fmt: skip


@router.get("/assignments/{assignment}/grades/{person}/submissions")
def attempts(asks: Asks, db: Reads, assignment: str, person: str) -> list[shapes.Submission]:
    """Every attempt of a student's, the latest first."""
    needs(asks, "read")
    found, student = _student(db, asks, assignment, person, "grader")
    return [submission_of(db, one) for one in submissions.of_person(db, found, student)]


@router.get("/assignments/{assignment}/faults")
def faults(asks: Asks, db: Reads, assignment: str) -> list[shapes.Fault]:
    """What could not be graded, by a fault of ours: to be looked at, and graded again."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment, "grader")
    return [
        shapes.Fault(submission=one.public, person=people.find(db, one.person_id).public, fault=one.fault or "")
        for one in submissions.faults(db, found)
    ]
