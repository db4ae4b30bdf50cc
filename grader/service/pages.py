"""The pages: what students and teachers do with a browser, script or none."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from grader import __version__
from grader.errors import UsageError
from grader.render import mathml
from grader.render.numbers import plain
from grader.service import desk, marking, sessions, shapes, students
from grader.service.identity import (
    ALL,
    COOKIE,
    Asker,
    Reads,
    Writes,
    assignment_for,
    csrf_of,
    engine_of,
    now,
    same,
    submission_for,
)
from grader.service.problems import Problem
from grader.store import courses, grades, people, submissions
from grader.store.database import reading
from grader.values import LARGEST_FILE

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


class Away(Exception):
    """A browser that has to sign in first."""


def visitor(request: Request) -> Asker:
    """Who has signed in with this browser. Raises Away for nobody."""
    session = request.cookies.get(COOKIE, "")
    with reading(engine_of(request)) as db:
        found = people.signed_in(db, session, now()) if session else None
    if found is None or found.scopes != {ALL}:
        raise Away
    return Asker(found.person, found.scopes, csrf_of(session))


Visitor = Annotated[Asker, Depends(visitor)]


def _refuse_foreign(who: Asker, csrf: str) -> None:
    if not same(csrf, who.csrf or ""):
        raise Problem(403, "the form: it is not of a page of ours, or of an old one; load the page again")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("grader.service"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"plain": plain, "moment": _moment, "math": mathml.markup}
    made.globals |= {"version": __version__}
    return made


def _moment(time: datetime) -> str:
    """As everybody reads it alike; no server knows a reader's own zone."""
    return time.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def page(name: str, who: Asker | None, status: int = 200, **known: Any) -> HTMLResponse:
    """One of the templates, filled in."""
    return HTMLResponse(_environment().get_template(name).render(visitor=who, **known), status)


def trouble(status: int, title: str, detail: str) -> Response:
    """What cannot be done, as a page."""
    return page("trouble.html", None, status, title=title, detail=detail)


@router.get("/")
def home(who: Visitor, db: Reads) -> HTMLResponse:
    """Courses, and what is asked in them."""
    found = []
    for course in courses.of(db, who.person):
        asked = [students.assignment_of(db, who, one) for one in courses.assignments(db, course)]
        found.append((course, people.membership(db, course.id, who.person), asked))
    return page("home.html", who, courses=found)


@router.get("/enter")
def entrance(request: Request, token: str = "") -> Response:
    """A link leads here; what it is good for is used up by the button alone, for mail programs look at links too."""
    try:
        visitor(request)
    except Away:
        return page("enter.html", None, token=token, why="")
    return RedirectResponse("/", 303)


@router.post("/enter")
def enter(request: Request, db: Writes, token: Annotated[str, Form(max_length=200)]) -> Response:
    try:
        session = sessions.begin(request, db, token.strip())
    except Problem as problem:
        return page("enter.html", None, problem.status, token="", why=problem.detail)
    response = RedirectResponse("/", 303)
    sessions.remember(response, session, is_secure=request.app.state.is_secure)
    return response


@router.post("/leave")
def leave(request: Request, who: Visitor, db: Writes, csrf: Annotated[str, Form()]) -> Response:
    _refuse_foreign(who, csrf)
    people.revoke(db, request.cookies.get(COOKIE, ""), now())
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/token")
def about_tokens(who: Visitor) -> HTMLResponse:
    """What a token is for, and a button that makes one."""
    return page("token.html", who, made=None)


@router.post("/token")
def new_token(who: Visitor, db: Writes, csrf: Annotated[str, Form()]) -> HTMLResponse:
    """A token as good as its owner, shown once."""
    _refuse_foreign(who, csrf)
    return page("token.html", who, made=students.new_token(who, db, shapes.NewToken(label="page", scopes=["all"])))


@router.get("/assignments/{assignment}")
def an_assignment(who: Visitor, db: Reads, assignment: str) -> HTMLResponse:
    """Everything to know before handing in, the form to hand in, and what was handed in."""
    return _assignment(db, who, assignment)


def _assignment(db: Reads, who: Asker, assignment: str, why: str = "", status: int = 200) -> HTMLResponse:
    found, member = assignment_for(db, who, assignment)
    rubric, _ = desk.loaded(courses.rubric(db, found).text)
    grade = grades.of_person(db, found, who.person)
    mine = list(submissions.of_person(db, found, who.person))
    return page(
        "assignment.html", who, status, why=why, one=students.assignment_of(db, who, found), late=rubric.late,
        criteria=[one for one in rubric.criteria if one.visible], teaches=people.may(member, "grader"),
        attempts=[students.submission_of(db, one) for one in mine], key=people.unguessable(),
        said=[one for one in grades.history(db, found, who.person) if one.by],
        counted=next((one.public for one in mine if grade and one.id == grade.submission_id), None),
    )  # fmt: skip


@router.post("/assignments/{assignment}")
def hand_in(
    request: Request, tasks: BackgroundTasks, who: Visitor, db: Writes, assignment: str,
    csrf: Annotated[str, Form()], key: Annotated[str, Form(min_length=8, max_length=200)],
    file: Annotated[UploadFile | None, File()] = None, text: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """A file, or what was pasted. The form's key makes a second press of its button the same submission."""
    _refuse_foreign(who, csrf)
    content = file.file.read(LARGEST_FILE + 1) if file else b""
    name = file.filename if file and content else "submission.py"
    try:
        taken = students.receive(db, who, assignment, name, content or text.replace("\r\n", "\n").encode(), key)
    except (Problem, UsageError) as error:
        status = error.status if isinstance(error, Problem) else 400
        if status == 404:
            raise
        return _assignment(db, who, assignment, str(error), status)
    tasks.add_task(request.app.state.wake)
    return RedirectResponse(f"/submissions/{taken.public}", 303, background=tasks)


@router.get("/assignments/{assignment}/starter")
def starter(who: Visitor, db: Reads, assignment: str) -> Response:
    return students.starter(who, db, assignment)


@router.get("/assignments/{assignment}/class")
def the_class(who: Visitor, db: Reads, assignment: str) -> HTMLResponse:
    """Everybody's grade."""
    found, _ = assignment_for(db, who, assignment, "grader")
    return page(
        "class.html", who, assignment=found, grades=marking.all_grades(who, db, assignment),
        waiting=submissions.waiting(db), faults=list(submissions.faults(db, found)),
    )  # fmt: skip


@router.get("/assignments/{assignment}/students/{person}")
def a_student(who: Visitor, db: Reads, assignment: str, person: str) -> HTMLResponse:
    """All of a student's attempts, and why their grade is what it is."""
    found, _ = assignment_for(db, who, assignment, "grader")
    return page(
        "student.html", who, assignment=found, attempts=marking.attempts(who, db, assignment, person),
        history=marking.history(who, db, assignment, person),
        grade=next(one for one in marking.all_grades(who, db, assignment) if one.person == person),
    )  # fmt: skip


@router.get("/submissions/{submission}")
def a_submission(who: Visitor, db: Reads, submission: str) -> HTMLResponse:
    """How far an attempt is, and its report as soon as there is one."""
    found, _ = submission_for(db, who, submission)
    of = courses.assignment_of(db, found.assignment_id)
    return page("submission.html", who, assignment=of, one=students.submission_of(db, found))


@router.get("/submissions/{submission}/report")
def report(who: Visitor, db: Reads, submission: str) -> Response:
    """The report, as `grade submit --html` makes it: all of it for graders, else what a student may see."""
    _, member = submission_for(db, who, submission)
    audience = "instructor" if people.may(member, "grader") else "student"
    return students.report(who, db, submission, audience, "text/html")  # type: ignore[arg-type] # one of the two


@router.get("/submissions/{submission}/file")
def file(who: Visitor, db: Reads, submission: str) -> Response:
    return students.file(who, db, submission)
