"""The pages of students: what is asked of them, what they hand in, and what came of it; with script or without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse

from grader.service import answers, browser, desk, sessions, shapes, students
from grader.service.browser import Away, Sender, Visitor, done, page, visitor
from grader.service.identity import COOKIE, Asker, Reads, Writes, assignment_for, now, submission_for
from grader.service.limits import LARGEST_BODY, largest
from grader.service.problems import Problem
from grader.store import courses, grades, people, submissions
from grader.values import LARGEST_FILE

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
def home(who: Visitor, db: Reads) -> HTMLResponse:
    """Courses, and what is asked in them."""
    return home_page(db, who)


def home_page(db: Reads, who: Asker, why: str = "", status: int = 200) -> HTMLResponse:
    found = []
    for course in courses.of(db, who.person):
        asked = [students.assignment_of(db, who, one) for one in courses.assignments(db, course)]
        found.append((course, people.membership(db, course.id, who.person), asked))
    teaches = any(people.may(member, "instructor") for _, member, _ in found)
    return page("home.html", who, status, courses=found, teaches=teaches, why=why)


@router.get("/enter")
def entrance(request: Request, token: str = "") -> Response:
    """A link leads here; what it is good for is used up by the button alone, for mail programs look at links too."""
    try:
        visitor(request)
    except Away:
        return page("enter.html", None, token=token, why="", kept="")
    return RedirectResponse("/", 303)


@router.post("/enter")
def enter(request: Request, db: Writes, token: Annotated[str, Form(max_length=200)]) -> Response:
    try:
        session = sessions.begin(request, db, token.strip())
    except Problem as problem:
        return page("enter.html", None, problem.status, token="", why=problem.detail, kept="")
    response = RedirectResponse("/", 303)
    sessions.remember(response, session, is_secure=request.app.state.is_secure)
    return response


async def away(request: Request, _: Exception) -> Response:
    """To the entrance; what somebody had pasted, whose session is over, is given back to them there."""
    if request.method != "POST" or largest(request.scope) > LARGEST_BODY:  # nobody's upload is read
        return RedirectResponse("/enter", 303)
    form = await request.form()
    why = "You are signed out: a session lasts twelve hours. Nothing was handed in."
    return page("enter.html", None, 401, token="", why=why, kept=str(form.get("text") or ""))


@router.post("/leave")
def leave(request: Request, who: Sender, db: Writes) -> Response:  # noqa: ARG001 a form of ours, and no other
    people.revoke(db, request.cookies.get(COOKIE, ""), now())
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/token")
def about_tokens(who: Visitor, db: Reads) -> HTMLResponse:
    """What a token is for, those there are, and a button that makes one."""
    return page("token.html", who, made=None, tokens=students.my_tokens(who, db))


@router.post("/token")
def new_token(who: Sender, db: Writes) -> HTMLResponse:
    """A token as good as its owner, shown once."""
    made = students.new_token(who, db, shapes.NewToken(label="page", scopes=["all"]))
    return page("token.html", who, made=made, tokens=students.my_tokens(who, db))


@router.post("/token/{token}/end")
def end_token(who: Sender, db: Writes, token: str) -> Response:
    students.end_token(who, db, token)
    return RedirectResponse("/token", 303)


@router.get("/assignments/{assignment}")
def an_assignment(who: Visitor, db: Reads, assignment: str) -> HTMLResponse:
    """Everything to know before handing in, the form to hand in, and what was handed in."""
    return _assignment(db, who, assignment)


def _assignment(
    db: Reads, who: Asker, assignment: str, why: str = "", status: int = 200, kept: str = ""
) -> HTMLResponse:
    found, member = assignment_for(db, who, assignment)
    rubric, _ = desk.loaded(courses.rubric(db, found).text)
    grade = grades.of_person(db, found, who.person)
    return page(
        "assignment.html", who, status, why=why, one=students.assignment_of(db, who, found), late=rubric.late,
        criteria=[one for one in rubric.criteria if one.visible], teaches=people.may(member, "grader"), kept=kept,
        instructs=people.may(member, "instructor"), key=people.unguessable(),
        attempts=[students.submission_of(db, one) for one in submissions.of_person(db, found, who.person)],
        said=[one for one in grades.history(db, found, who.person) if one.by],
        counted=grade and grade.submission,
    )  # fmt: skip


@router.post("/assignments/{assignment}")
def hand_in(
    request: Request, tasks: BackgroundTasks, who: Sender, db: Writes, assignment: str,
    key: Annotated[str, Form(min_length=8, max_length=200)], file: Annotated[UploadFile | None, File()] = None,
    text: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """A file, or what was pasted. The form's key makes a second press of its button the same submission."""
    content = file.file.read(LARGEST_FILE + 1) if file else b""
    name = file.filename if file and content else "submission.py"

    def act() -> str:
        if content and text.strip():
            raise Problem(422, "both a file and a text; expected one of them; take the other out")
        taken = students.receive(
            db, who, assignment, name, content or text.replace("\r\n", "\n").encode(errors="replace"), key
        )
        return f"/submissions/{taken.public}"

    tasks.add_task(request.app.state.wake)
    response = done(act, lambda db, why, status: _assignment(db, who, assignment, why, status, text))
    response.background = tasks
    return response


@router.get("/assignments/{assignment}/starter")
def starter(who: Visitor, db: Reads, assignment: str) -> Response:
    return students.starter(who, db, assignment)


@router.get("/submissions/{submission}")
def a_submission(who: Visitor, db: Reads, submission: str) -> HTMLResponse:
    """How far an attempt is, and its report as soon as there is one."""
    found, _ = submission_for(db, who, submission)
    of = courses.assignment_of(db, found.assignment_id)
    return page("submission.html", who, assignment=of, one=students.submission_of(db, found))


@router.get("/submissions/{submission}/live")
def live(request: Request, who: Visitor, db: Reads, submission: str) -> Response:
    """The part of that page that changes, each time it does (server-sent events)."""
    found, _ = submission_for(db, who, submission)
    return answers.Events(_changing(request, found.public))


async def _changing(request: Request, public: str) -> AsyncIterator[str]:
    seen = None
    async for seen in answers.watched(request, lambda db: students.looked_at(db, public)):
        text = " ".join(browser.rendered("standing.html", one=seen).splitlines())
        yield f"data: {text}\n\n"
    if seen and seen.state in answers.SETTLED:  # else the browser asks again by itself
        yield "event: end\ndata:\n\n"


@router.get("/submissions/{submission}/report")
def report(who: Visitor, db: Reads, submission: str) -> Response:
    """The report, as `grade submit --html` makes it: all of it for graders, else what a student may see."""
    _, member = submission_for(db, who, submission)
    audience = "instructor" if people.may(member, "grader") else "student"
    return students.report(who, db, submission, audience, "text/html")  # type: ignore[arg-type] # one of the two


@router.get("/submissions/{submission}/file")
def file(who: Visitor, db: Reads, submission: str) -> Response:
    return students.file(who, db, submission)


@router.get("/submissions/{submission}/source")
def source(who: Visitor, db: Reads, submission: str) -> HTMLResponse:
    """The file with the numbers of its lines, to be read beside a report."""
    found, _ = submission_for(db, who, submission)
    of = courses.assignment_of(db, found.assignment_id)
    lines = submissions.content(db, found).decode("utf-8", "replace").splitlines()
    return page("source.html", who, assignment=of, one=students.submission_of(db, found), lines=lines)
