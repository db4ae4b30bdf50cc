"""The pages of students: what is asked of them, what they hand in, and what came of it; with script or without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse

from grader.service import answers, browser, desk, sessions, shapes, students
from grader.service.browser import Away, Sender, Visitor, page, visitor
from grader.service.forms import NONE, Line, Refusal, Words, done, filled
from grader.service.given_back import Route, typed
from grader.service.identity import COOKIE, Asker, Reads, Writes, assignment_for, now, submission_for
from grader.service.problems import Problem
from grader.store import courses, grades, people, submissions
from grader.values import LARGEST_FILE

router = APIRouter(route_class=Route, include_in_schema=False, default_response_class=HTMLResponse)
LEAST = "read submit"
SCOPES = {  # what a token may be good for, the least first
    LEAST: "reading and handing in", "read submit grade": "teaching and grading too",
    "all": "everything, and signing in as you",
}  # fmt: skip


@router.get("/")
def home(who: Visitor, db: Reads) -> HTMLResponse:
    """Courses, and what is asked in them."""
    return home_page(db, who)


def home_page(db: Reads, who: Asker, refusal: Refusal = NONE) -> HTMLResponse:
    found = []
    for course in courses.of(db, who.person):
        asked = [students.assignment_of(db, who, one) for one in courses.assignments(db, course)]
        found.append((course, people.membership(db, course.id, who.person), asked))
    teaches = any(people.may(member, "instructor") for _, member, _ in found)
    return page("home.html", who, refusal, courses=found, teaches=teaches)


@router.get("/enter")
def entrance(request: Request, db: Reads, token: str = "") -> Response:
    """A link leads here; what it is good for is used up by the button alone, for mail programs look at links too."""
    try:
        me = visitor(request).person
    except Away:
        return page("enter.html", None, token=token)
    found = people.signed_in(db, token, now()) if token else None
    if found is None or found.person == me:
        return RedirectResponse("/", 303)
    why = f"You are signed in as {me.name}; this link is for {found.person.name}."
    return page("enter.html", None, Refusal(why), token=token)


@router.post("/enter")
def enter(request: Request, db: Writes, token: Annotated[str, Form(max_length=1000)]) -> Response:
    """With a token, or the whole link that has one."""
    try:
        session = sessions.begin(request, db, token.strip().rpartition("token=")[2])
    except Problem as problem:
        return page("enter.html", None, Refusal(problem.detail, problem.status), token="")
    response = RedirectResponse("/", 303)
    sessions.remember(response, session, is_secure=request.app.state.is_secure)
    return response


async def away(request: Request, _: Exception) -> Response:
    """To the entrance; what somebody had typed, whose session is over, is given back to them there."""
    if (texts := typed(request.scope)) is None:  # nobody's upload is read
        return RedirectResponse("/enter", 303)
    why = "You are signed out: a session lasts twelve hours. Nothing was handed in or changed."
    refusal = Refusal(why, 401, request.url.path, texts)
    return page("enter.html", None, refusal, token="")


@router.post("/leave")
def leave(request: Request, who: Sender, db: Writes) -> Response:  # noqa: ARG001 a form of ours, and no other
    people.revoke(db, request.cookies.get(COOKIE, ""), now())
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/token")
def about_tokens(who: Visitor, db: Reads) -> HTMLResponse:
    """What a token is for, those there are, and a form that makes one."""
    return _tokens(db, who)


def _tokens(db: Reads, who: Asker, refusal: Refusal = NONE, made: shapes.Token | None = None) -> HTMLResponse:
    grades = any(people.may(member, "grader") for member in people.memberships(db, who.person))
    return page(
        "token.html", who, refusal, made=made, tokens=students.my_tokens(who, db),
        choices=[(scopes, told) for scopes, told in SCOPES.items() if grades or "grade" not in scopes],
        days=shapes.NewToken.model_fields["days"].default,
    )  # fmt: skip


@router.post("/token")
def new_token(who: Sender, db: Writes, scopes: Line = LEAST, days: Line = "") -> Response:
    """A token that is good for these, shown once."""

    def act() -> Response:
        new = filled(shapes.NewToken, label="page", scopes=scopes.split(), days=days)
        return _tokens(db, who, made=students.new_token(who, db, new))

    return done(act, lambda db, refusal: _tokens(db, who, refusal))


@router.post("/token/{token}/end")
def end_token(who: Sender, db: Writes, token: str) -> Response:
    def act() -> str:
        students.end_token(who, db, token)
        return "/token"

    return done(act, lambda db, refusal: _tokens(db, who, refusal))


@router.get("/assignments/{assignment}")
def an_assignment(who: Visitor, db: Reads, assignment: str) -> HTMLResponse:
    """Everything to know before handing in, the form to hand in, and what was handed in."""
    return _assignment(db, who, assignment)


def _assignment(db: Reads, who: Asker, assignment: str, refusal: Refusal = NONE) -> HTMLResponse:
    found, member = assignment_for(db, who, assignment)
    rubric, _ = desk.loaded(courses.rubric(db, found).text)
    grade = grades.of_person(db, found, who.person)
    return page(
        "assignment.html", who, refusal, one=students.assignment_of(db, who, found), late=rubric.late,
        criteria=[one for one in rubric.criteria if one.visible], teaches=people.may(member, "grader"),
        instructs=people.may(member, "instructor"), once=people.unguessable(),
        attempts=[students.submission_of(db, one) for one in submissions.of_person(db, found, who.person)],
        said=[one for one in grades.history(db, found, who.person) if one.by],
        counted=grade and grade.submission,
    )  # fmt: skip


@router.post("/assignments/{assignment}")
def hand_in(
    request: Request, tasks: BackgroundTasks, who: Sender, db: Writes, assignment: str,
    once: Line = "", key: Line = "", text: Words = "", file: Annotated[UploadFile | None, File()] = None,
) -> Response:  # fmt: skip
    """A file, or what was pasted. What is sent `once` makes a second press of the button the same submission.

    A page that was opened before an upgrade calls it `key`, or does not have it.
    """
    content = file.file.read(LARGEST_FILE + 1) if file else b""
    name = file.filename if file and content else "submission.py"

    def act() -> str:
        if content and text.strip():
            raise Problem(422, "both a file and a text; expected one of them; take the other out")
        pressed = filled(shapes.Pressed, once=once or key or people.unguessable())
        pasted = text.replace("\r\n", "\n").encode(errors="replace")
        taken = students.receive(db, who, assignment, name, content or pasted, pressed.once)
        return f"/submissions/{taken.public}"

    tasks.add_task(request.app.state.wake)
    response = done(act, lambda db, refusal: _assignment(db, who, assignment, refusal))
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
