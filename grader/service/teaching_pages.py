"""The pages of those who teach: who is in the course, what is asked there, and by which rubric.

What they do is the interface's (`teaching`); here are its forms.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, File, Request, Response, UploadFile
from fastapi.responses import HTMLResponse

from grader import assignments
from grader import rubric as rubrics
from grader.lms import gradebooks
from grader.render.gradebook import inert, table
from grader.service import shapes, teaching
from grader.service.answers import attachment
from grader.service.browser import Sender, Visitor, page
from grader.service.forms import NONE, Line, Refusal, Words, done, filled
from grader.service.given_back import Route
from grader.service.identity import Asker, Reads, Writes, assignment_for, course_for
from grader.service.pages import home_page
from grader.service.problems import Problem
from grader.store import people
from grader.values import LARGEST_FILE

router = APIRouter(route_class=Route, include_in_schema=False, default_response_class=HTMLResponse)
Upload = Annotated[UploadFile | None, File()]


@router.post("/courses")
def new_course(who: Sender, db: Writes, name: Line = "") -> Response:
    def act() -> str:
        return f"/courses/{teaching.new_course(who, db, filled(shapes.NewCourse, name=name)).id}/people"

    return done(act, lambda db, refusal: home_page(db, who, refusal))


# Who is in the course.


@router.get("/courses/{course}/people")
def the_people(who: Visitor, db: Reads, course: str) -> HTMLResponse:
    """Everybody in the course; for instructors with what changes it."""
    return _people(db, who, course)


def _people(
    db: Reads, who: Asker, course: str, refusal: Refusal = NONE, link: tuple[str, shapes.Invitation] | None = None
) -> HTMLResponse:
    found, me = course_for(db, who, course, "grader")
    roles = [role for role in people.RIGHTS if people.may(me, role)]
    return page(
        "people.html", who, refusal, course=found, members=teaching.members(who, db, course), link=link,
        instructs=people.may(me, "instructor"), roles=roles, platforms=sorted(gradebooks()),
    )  # fmt: skip


@router.post("/courses/{course}/people")
def enrol(
    who: Sender, db: Writes, course: str, name: Line = "", email: Line = "", key: Line = "", role: Line = "student",
    section: Line = "",
) -> Response:  # fmt: skip
    """One person."""

    def act() -> str:
        one = filled(shapes.NewMember, name=name, email=email, key=key, role=role, section=section)
        teaching.enrol(who, db, course, [one])
        return f"/courses/{course}/people"

    return done(act, lambda db, refusal: _people(db, who, course, refusal))


@router.post("/courses/{course}/roster")
def enrol_all(
    who: Sender, db: Writes, course: str, file: Annotated[UploadFile, File()], platform: Line = ""
) -> Response:
    """Everybody on a list."""

    def act() -> str:
        teaching.enrol_all(who, db, course, file, platform)
        return f"/courses/{course}/people"

    return done(act, lambda db, refusal: _people(db, who, course, refusal))


@router.post("/courses/{course}/people/{person}/link")
def invite(request: Request, who: Sender, db: Writes, course: str, person: str) -> Response:
    """A personal link, shown once."""

    def act() -> Response:
        made = teaching.invite(request, who, db, course, person)
        name = next(one.name for one in teaching.members(who, db, course) if one.id == person)
        return _people(db, who, course, link=(name, made))

    return done(act, lambda db, refusal: _people(db, who, course, refusal))


@router.post("/courses/{course}/links")
def invite_all(request: Request, who: Sender, db: Writes, course: str) -> Response:
    """Everybody's link, as a list to send them from."""
    sent = teaching.invite_all(request, who, db, course)
    rows = ([inert(one.name), inert(one.email), inert(one.key), one.link or ""] for one in sent)
    return attachment("".join(table(("name", "email", "key", "link"), rows)).encode(), "links.csv")


@router.post("/courses/{course}/people/{person}/remove")
def remove(who: Sender, db: Writes, course: str, person: str) -> Response:
    def act() -> str:
        teaching.remove(who, db, course, person)
        return f"/courses/{course}/people"

    return done(act, lambda db, refusal: _people(db, who, course, refusal))


# What is asked, and by which rubric.


@router.get("/courses/{course}/assignments/new")
def about_assignments(who: Visitor, db: Reads, course: str) -> HTMLResponse:
    """The form of a new assignment, with a rubric to begin with."""
    return _new_assignment(db, who, course)


def _new_assignment(db: Reads, who: Asker, course: str, refusal: Refusal = NONE) -> HTMLResponse:
    found, _ = course_for(db, who, course, "instructor")
    shipped = rubrics.find("backprop").read_text(encoding="utf-8")
    return page(
        "new_assignment.html", who, refusal, course=found, shipped=shipped, homeworks=assignments.names()
    )  # fmt: skip


@router.post("/courses/{course}/assignments/new")
def new_assignment(
    who: Sender, db: Writes, course: str, title: Line = "", rubric: Words = "", due: Line = "", counts: Line = "",
    most_attempts: Line = "", file: Upload = None,
) -> Response:  # fmt: skip
    held: dict[str, str] = {}

    def act() -> str:
        held["rubric"] = _text_of(file, rubric)
        new = filled(
            shapes.NewAssignment, title=title, due=in_utc(due), counts=counts, most_attempts=most_attempts, **held
        )
        return f"/assignments/{teaching.new_assignment(who, db, course, new).id}"

    return done(act, lambda db, refusal: _new_assignment(db, who, course, refusal.holding(**held)))


def _text_of(file: UploadFile | None, otherwise: str) -> str:
    """The text of what was uploaded, or what was written where nothing was. Raises Problem for what is no text."""
    content = file.file.read(LARGEST_FILE + 1) if file else b""
    if file and file.filename and not content.strip():
        raise Problem(422, "rubric: there is nothing in the file; expected TOML; choose another, or write it below")
    try:
        return content.decode("utf-8-sig") or otherwise.replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Problem(422, "rubric: it is no text in UTF-8; expected TOML; save it as that") from None


def in_utc(text: str) -> datetime | None:
    """A time as a browser's form gives it, which asks for it in UTC. Raises Problem for none."""
    if not text.strip():
        return None
    try:
        time = datetime.fromisoformat(text.strip())
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Problem(422, f"due: found {text[:40]!r}; expected such as 2026-10-11T23:59, in UTC; correct it") from None
    teaching.refuse_without_zone(time)
    return time


@router.post("/assignments/{assignment}/settings")
def change(
    who: Sender, db: Writes, assignment: str, title: Line = "", counts: Line = "", due: Line = "",
    most_attempts: Line = "",
) -> Response:  # fmt: skip
    def act() -> str:
        new = filled(shapes.ChangedAssignment, title=title, counts=counts, due=in_utc(due), most_attempts=most_attempts)
        teaching.change_assignment(who, db, assignment, new)
        return f"/assignments/{assignment}"

    return done(act, lambda db, refusal: _rubric(db, who, assignment, refusal))


@router.get("/assignments/{assignment}/rubric")
def the_rubric(who: Visitor, db: Reads, assignment: str) -> HTMLResponse:
    """What it is graded by, and every earlier version."""
    return _rubric(db, who, assignment)


def _rubric(db: Reads, who: Asker, assignment: str, refusal: Refusal = NONE) -> HTMLResponse:
    found, _ = assignment_for(db, who, assignment, "instructor")
    return page("rubric.html", who, refusal, assignment=found, versions=teaching.rubrics(who, db, assignment))


@router.post("/assignments/{assignment}/rubric")
def new_rubric(who: Sender, db: Writes, assignment: str, rubric: Words = "", file: Upload = None) -> Response:
    held: dict[str, str] = {}

    def act() -> str:
        held["rubric"] = _text_of(file, rubric)
        teaching.new_rubric(who, db, assignment, filled(shapes.NewRubric, **held))
        return f"/assignments/{assignment}/rubric"

    return done(act, lambda db, refusal: _rubric(db, who, assignment, refusal.holding(**held)))
