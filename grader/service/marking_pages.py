"""The pages of those who grade: the class, a student, what is graded again, and the way into gradebooks.

What they do is the interface's (`marking`, `exporting`); here are its forms.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from grader.errors import UsageError
from grader.lms import gradebooks
from grader.service import batches, classes, exporting, marking, shapes
from grader.service.browser import Sender, Visitor, page, refuse_foreign, trouble
from grader.service.forms import NONE, Again, Line, Refusal, Words, done, filled
from grader.service.given_back import Route
from grader.service.identity import Asker, Reads, Writes, assignment_for, engine_of
from grader.service.problems import Problem
from grader.service.students import due_of
from grader.service.teaching import of_course
from grader.service.teaching_pages import in_utc
from grader.store import people, queue, submissions, trials
from grader.store.courses import Assignment

router = APIRouter(route_class=Route, include_in_schema=False, default_response_class=HTMLResponse)
Chosen = Annotated[list[str] | None, Form()]


@router.get("/assignments/{assignment}/class")
def the_class(who: Visitor, db: Reads, assignment: str) -> HTMLResponse:
    """How the class has done, and everybody's grade."""
    return _class(db, who, assignment)


@router.get("/assignments/{assignment}/class/standing")
def the_standing(who: Visitor, db: Reads, assignment: str) -> HTMLResponse:
    """The part of it that is looked at again and again while files wait."""
    found, _ = assignment_for(db, who, assignment, "grader")
    return page("class_standing.html", who, is_later=True, **_standing(db, found))


def _class(db: Reads, who: Asker, assignment: str, refusal: Refusal = NONE) -> HTMLResponse:
    found, me = assignment_for(db, who, assignment, "grader")
    return page(
        "class.html", who, refusal, is_later=False, **_standing(db, found), faults=list(submissions.faults(db, found)),
        trial=trials.open_of(db, found), instructs=people.may(me, "instructor"),
        uploads=batches.all_batches(who, db, assignment),
    )  # fmt: skip


def _standing(db: Reads, assignment: Assignment) -> dict[str, Any]:
    students = classes.graded(db, assignment)
    cohort = classes.cohort(db, assignment, students)
    graded = [(member, grade) for member, grade in students if grade]
    return {
        "assignment": assignment, "cohort": cohort, "waiting": submissions.waiting_of(db, assignment),
        "idle": queue.idle_for(db) // timedelta(minutes=1),
        "graded": graded, "nothing": [member for member, grade in students if not grade],
        "older": sum(grade.maximum not in (None, cohort.max_points) for _, grade in graded),
    }  # fmt: skip


# A class's files.


@router.post("/assignments/{assignment}/batches")
async def upload_class(request: Request, tasks: BackgroundTasks, who: Visitor, assignment: str) -> Response:
    """A platform's download: whoever may not upload is told before it is read."""
    await run_in_threadpool(batches.to_teach, engine_of(request), who, assignment)
    async with request.form(max_files=1, max_fields=1) as form:
        refuse_foreign(who, str(form.get("csrf") or ""))
        try:
            made = await batches.uploaded(request, who, assignment, form.get("file"), None)
        except (Problem, UsageError) as error:
            raise Again(error, lambda db, refusal: _class(db, who, assignment, refusal)) from None
    tasks.add_task(request.app.state.wake)
    return RedirectResponse(f"/assignments/{assignment}/batches/{made.id}", 303, background=tasks)


@router.get("/assignments/{assignment}/batches/{batch}")
def a_batch(who: Visitor, db: Reads, assignment: str, batch: str) -> HTMLResponse:
    """How far an upload is, and what of it is no student's."""
    found, _ = assignment_for(db, who, assignment, "grader")
    return page("batch.html", who, assignment=found, one=batches.a_batch(who, db, assignment, batch))


# A student.


@router.get("/assignments/{assignment}/students/{person}")
def a_student(who: Visitor, db: Reads, assignment: str, person: str) -> HTMLResponse:
    """All of a student's attempts, and why their grade is what it is."""
    return _student(db, who, assignment, person)


def _student(db: Reads, who: Asker, assignment: str, person: str, refusal: Refusal = NONE) -> HTMLResponse:
    found, me = assignment_for(db, who, assignment, "grader")
    student = of_course(db, found.course_id, person).person
    grade = next((one for one in marking.all_grades(who, db, assignment) if one.person == person), None)
    return page(
        "student.html", who, refusal, assignment=found, student=student, grade=grade,
        due=due_of(db, found, student), instructs=people.may(me, "instructor"),
        attempts=marking.attempts(who, db, assignment, person), history=marking.history(who, db, assignment, person),
    )  # fmt: skip


@router.post("/assignments/{assignment}/students/{person}/{what}")
def say(
    request: Request, tasks: BackgroundTasks, who: Sender, db: Writes, assignment: str, person: str,
    what: Literal["override", "release", "comment", "extension"], text: Words = "", points: Line = "", due: Line = "",
) -> Response:  # fmt: skip
    """What a grader says of a student's grade: override, release, comment; and extension."""

    def act() -> str:
        if what == "override":
            marking.override(who, db, assignment, person, filled(shapes.Override, points=points, reason=text))
        elif what == "release":
            marking.release(who, db, assignment, person, filled(shapes.Words, text=text))
        elif what == "extension":
            new = filled(shapes.Extension, due=in_utc(due), reason=text)
            marking.extend(request, tasks, db, who, assignment, person, new)
        else:
            marking.comment(who, db, assignment, person, filled(shapes.Words, text=text))
        return f"/assignments/{assignment}/students/{person}"

    response = done(act, lambda db, refusal: _student(db, who, assignment, person, refusal))
    response.background = tasks
    return response


@router.post("/submissions/{submission}/regrade")
def regrade(
    request: Request, tasks: BackgroundTasks, who: Sender, db: Writes, submission: str, text: Words = "again"
) -> Response:
    """One attempt, at once: what could not be graded, say."""

    def act() -> str:
        marking.regrade_one(request, tasks, who, db, submission, filled(shapes.Words, text=text))
        return f"/submissions/{submission}"

    response = done(act, lambda _, refusal: trouble(request.scope, refusal.status, refusal.why))
    response.background = tasks
    return response


# Trials.


@router.post("/assignments/{assignment}/trials")
def try_regrade(
    request: Request, tasks: BackgroundTasks, who: Sender, db: Writes, assignment: str, text: Words = "",
    people: Chosen = None,
) -> Response:  # fmt: skip
    """Those chosen, or all where nobody is."""

    def act() -> str:
        new = filled(shapes.NewTrial, text=text, people=people)
        return f"/assignments/{assignment}/trials/{marking.try_regrade(request, tasks, who, db, assignment, new).id}"

    response = done(act, lambda db, refusal: _class(db, who, assignment, refusal))
    response.background = tasks
    return response


@router.get("/assignments/{assignment}/trials/{trial}")
def a_trial(who: Visitor, db: Reads, assignment: str, trial: str) -> HTMLResponse:
    """What would change, before anything does."""
    return _trial(db, who, assignment, trial)


def _trial(db: Reads, who: Asker, assignment: str, trial: str, refusal: Refusal = NONE) -> HTMLResponse:
    found, _ = assignment_for(db, who, assignment, "instructor")
    return page("trial.html", who, refusal, assignment=found, one=marking.a_trial(who, db, assignment, trial))


@router.post("/assignments/{assignment}/trials/{trial}/{what}")
def settle(who: Sender, db: Writes, assignment: str, trial: str, what: Literal["apply", "drop"]) -> Response:
    """Apply it, or drop it."""

    def act() -> str:
        {"apply": marking.apply_trial, "drop": marking.drop_trial}[what](who, db, assignment, trial)
        return f"/assignments/{assignment}/trials/{trial}"

    return done(act, lambda db, refusal: _trial(db, who, assignment, trial, refusal))


# Into gradebooks.


@router.get("/assignments/{assignment}/export")
def about_exports(who: Visitor, db: Reads, assignment: str) -> HTMLResponse:
    """Where the grades may go."""
    return _export(db, who, assignment)


def _export(
    db: Reads, who: Asker, assignment: str, refusal: Refusal = NONE, one: shapes.Export | None = None
) -> HTMLResponse:
    found, _ = assignment_for(db, who, assignment, "instructor")
    return page(
        "export.html", who, refusal, assignment=found, one=one, filled=sorted(gradebooks()),
        made=exporting.MADE,
    )  # fmt: skip


@router.post("/assignments/{assignment}/export")
def new_export(
    request: Request, who: Sender, db: Reads, assignment: str, platform: Line = "", column: Line = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:  # fmt: skip
    def act() -> str:
        new = filled(shapes.NewExport, platform=platform, column=column)
        begun = exporting.new_export(request, who, db, assignment, new.platform, new.column, file)
        return f"/assignments/{assignment}/export/{begun.id}"

    return done(act, lambda db, refusal: _export(db, who, assignment, refusal))


@router.get("/assignments/{assignment}/export/{export}")
def an_export(who: Visitor, db: Reads, assignment: str, export: str) -> HTMLResponse:
    """What would change in the gradebook."""
    return _export(db, who, assignment, one=exporting.an_export(who, db, assignment, export))


@router.post("/assignments/{assignment}/export/{export}")
def exported(
    request: Request, who: Sender, db: Reads, assignment: str, export: str, force: Chosen = None, keep: Chosen = None
) -> Response:
    """The file itself."""

    def act() -> Response:
        choice = filled(shapes.ExportChoice, force=force or [], keep=keep or [])
        return exporting.exported(request, who, db, assignment, export, choice)

    def again(db: Reads, refusal: Refusal) -> Response:
        return _export(db, who, assignment, refusal, exporting.an_export(who, db, assignment, export))

    return done(act, again)


@router.get("/assignments/{assignment}/class.zip")
def class_folder(who: Visitor, db: Reads, assignment: str) -> Response:
    return exporting.class_folder(who, db, assignment)
