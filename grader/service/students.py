"""The interface of students: their courses, what is asked of them, what they hand in, and what came of it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, File, Header, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from grader.render import html
from grader.report import OriginReport, Report
from grader.service import desk, remembered, shapes
from grader.service.answers import TOLD, Download, Events, attachment, plain_name, streamed
from grader.service.identity import (
    ALL,
    Asker,
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
from grader.store import courses, grades, people, submissions
from grader.store.courses import Assignment
from grader.store.people import Person
from grader.values import LARGEST_FILE

router = APIRouter()
PAGE = 50
MOST_WAITING = 10_000  # in the queue: then it is told to come again
MOST_LATELY, LATELY = 30, timedelta(minutes=10)  # files of one student's
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=8, max_length=200)]


@router.get("/me")
def me(asks: Asks) -> shapes.Me:
    """Who asks."""
    return shapes.Me(id=asks.person.public, name=asks.person.name, email=asks.person.email, scopes=sorted(asks.scopes))


@router.post("/tokens", status_code=201)
def new_token(asks: Asks, db: Writes, new: shapes.NewToken) -> shapes.Token:
    """A token for a script; it may do no more than the asker's own."""
    if ALL not in asks.scopes and not set(new.scopes) <= asks.scopes:
        raise Problem(403, f"a token: yours is good for {', '.join(sorted(asks.scopes))}; expected no more than that")
    expires = now() + timedelta(days=new.days)
    token = people.issue(db, asks.person, new.label, new.scopes, now(), expires)
    return shapes.Token(id=people.name_of(token), token=token, expires=expires)


@router.get("/tokens")
def my_tokens(asks: Asks, db: Reads) -> list[shapes.KnownToken]:
    """What the asker can be signed in by now, the latest first: scripts' tokens, browsers' sessions and links."""
    needs(asks, "read")
    good = people.tokens(db, asks.person, now())
    return [shapes.KnownToken(**{**one._asdict(), "scopes": sorted(one.scopes)}) for one in good]


@router.delete("/tokens/{id}", status_code=204)
def end_token(asks: Asks, db: Writes, id: str) -> Response:  # noqa: A002 what it is called in a list
    """One of the asker's tokens is good no more."""
    needs(asks, ALL)
    if not people.end(db, asks.person, id, now()):
        raise nothing(f"token {id}")
    return Response(status_code=204)


@router.get("/courses")
def my_courses(asks: Asks, db: Reads) -> list[shapes.Course]:
    """The courses the asker is in."""
    needs(asks, "read")
    found = [(course, people.membership(db, course.id, asks.person)) for course in courses.of(db, asks.person)]
    return [shapes.Course(id=one.public, name=one.name, role=member.role) for one, member in found if member]  # type: ignore[arg-type] # the table allows these alone


@router.get("/courses/{course}/assignments")
def my_assignments(asks: Asks, db: Reads, course: str) -> list[shapes.Assignment]:
    """What is asked in a course."""
    needs(asks, "read")
    found, _ = course_for(db, asks, course)
    return [assignment_of(db, asks, one) for one in courses.assignments(db, found)]


@router.get("/assignments/{assignment}")
def an_assignment(asks: Asks, db: Reads, assignment: str) -> shapes.Assignment:
    needs(asks, "read")
    return assignment_of(db, asks, assignment_for(db, asks, assignment)[0])


def assignment_of(db: Connection, asks: Asker, one: Assignment) -> shapes.Assignment:
    attempts = submissions.used_up(db, one, asks.person)
    grade = grades.of_person(db, one, asks.person)
    due = due_of(db, one, asks.person)
    return shapes.Assignment(
        id=one.public, title=one.title, due=due, counts=one.counts, attempts=attempts,  # type: ignore[arg-type] # the table allows these alone
        attempts_left=None if one.most_attempts is None else max(0, one.most_attempts - attempts),
        points=grade and grade.points, max_points=grade and grade.maximum,
    )  # fmt: skip


def due_of(db: Connection, assignment: Assignment, person: Person) -> datetime | None:
    """Until when somebody may hand in: their extension, the assignment's own time, or else its rubric's."""
    late = desk.loaded(courses.rubric(db, assignment).text)[0].late
    return courses.due(db, assignment, person) or (late.deadline if late else None)


@router.get("/assignments/{assignment}/starter", response_class=Download)
def starter(asks: Asks, db: Reads, assignment: str) -> Response:
    """The file a student fills in."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment)
    _, homework = desk.loaded(courses.rubric(db, found).text)
    return attachment(homework.STARTER.encode(), f"{homework.ID}.py")


@router.get("/assignments/{assignment}/rubric")
def rubric(asks: Asks, db: Reads, assignment: str) -> list[dict[str, object]]:
    """What each part is worth, of those a student may see."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment)
    loaded, _ = desk.loaded(courses.rubric(db, found).text)
    return [{"id": one.id, "title": one.title, "points": float(one.points)} for one in loaded.criteria if one.visible]


@router.post("/assignments/{assignment}/submissions", status_code=202)
def hand_in(
    request: Request, response: Response, tasks: BackgroundTasks, asks: Asks, db: Writes, assignment: str,
    file: Annotated[UploadFile, File(description="One Python file of at most 1 MB")], key: Key = None,
) -> shapes.Submission:  # fmt: skip
    """Hand in a file. With an Idempotency-Key, the same request sent again is the same submission."""
    content = file.file.read(LARGEST_FILE + 1)
    taken = receive(db, asks, assignment, file.filename, content, key)
    response.headers["Location"] = f"/api/v1/submissions/{taken.public}"
    tasks.add_task(request.app.state.wake)  # when it is in the database
    return submission_of(db, taken)


def receive(
    db: Connection, asks: Asker, assignment: str, name: str | None, content: bytes, key: str | None
) -> submissions.Submission:
    """Take what is handed in. Raises Problem for what is too large, and while the queue is full."""
    needs(asks, "submit")
    found, member = assignment_for(db, asks, assignment)
    if len(content) > LARGEST_FILE:
        raise Problem(413, "the file: it is larger than 1 MB; expected the functions alone; take the data out")
    if not content.strip():
        raise Problem(400, "the file: there is nothing in it; expected your Python file; choose it, or paste it")
    if known := earlier(db, found, member.person, content, key):
        return known
    if submissions.since(db, member.person, now() - LATELY) >= MOST_LATELY:
        raise Problem(
            429, f"you: {MOST_LATELY} files in {LATELY.seconds // 60} minutes; expected fewer; read a report first",
            {"Retry-After": str(LATELY.seconds // MOST_LATELY)},
        )  # fmt: skip
    if submissions.waiting(db, submissions.INTERACTIVE) >= MOST_WAITING:  # a class's files wait behind them
        raise Problem(503, "the queue: it is full; expected room; try again soon", {"Retry-After": "30"})
    return submissions.receive(db, found, member.person, plain_name(name, "submission.py"), content, now(), key=key)


def earlier(
    db: Connection, assignment: Assignment, person: Person, content: bytes, key: str | None
) -> submissions.Submission | None:
    """What the same request has become. Raises Problem where another one had its key."""
    known = submissions.by_key(db, person, key) if key is not None else None
    if known and (known.blob != hashlib.sha256(content).hexdigest() or known.assignment_id != assignment.id):
        raise Problem(409, "the Idempotency-Key: it was another file's; expected one for each; make a new one")
    return known


@router.get("/assignments/{assignment}/submissions")
def my_submissions(
    asks: Asks, db: Reads, assignment: str, before: Annotated[int | None, Query(ge=1, le=2**31)] = None
) -> shapes.Submissions:
    """The asker's attempts, the latest first; `before` is the cursor that the page before this one gave."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment)
    mine = [one for one in submissions.of_person(db, found, asks.person) if before is None or one.attempt < before]
    more = str(mine[PAGE - 1].attempt) if len(mine) > PAGE else None
    return shapes.Submissions(items=[submission_of(db, one) for one in mine[:PAGE]], next=more)


@router.get("/submissions/{submission}")
def a_submission(asks: Asks, db: Reads, submission: str) -> shapes.Submission:
    """How far an attempt is."""
    needs(asks, "read")
    return submission_of(db, submission_for(db, asks, submission)[0])


def submission_of(db: Connection, one: submissions.Submission) -> shapes.Submission:
    run = grades.last_run(db, one)
    state = "graded" if one.trial_id is not None else one.state  # a trial is nobody's business but its instructor's
    seen = remembered.known(db, [run])[run] if run else None
    return shapes.Submission(
        id=one.public, attempt=one.attempt, name=one.name, received=one.received, state=state,  # type: ignore[arg-type] # the table allows these alone
        ahead=submissions.ahead_of(db, one) if state == "received" else None,
        points=seen.points if seen else None, max_points=seen.max_points if seen else None,
    )  # fmt: skip


@router.get("/submissions/{submission}/report", response_model=None)
def report(
    asks: Asks, db: Reads, submission: str, audience: Literal["student", "instructor"] = "student",
    accept: Annotated[str, Header()] = "",
) -> Response:  # fmt: skip
    """The report: as a page where that is asked for, else as JSON. What is hidden from students is for graders.

    A grader is told whose it is too, and which of how many attempts, as `origin`.
    """
    needs(asks, "read")
    found, member = submission_for(db, asks, submission)
    text = grades.report(db, found)
    if text is None:
        raise Problem(404, f"submission {submission}: it is not graded yet; expected its report soon; ask again")
    if audience == "instructor" and not people.may(member, "grader"):
        raise Problem(403, "the report: all of it is for graders; expected audience=student; leave it out")
    seen = Report.model_validate_json(text).seen_by(audience)
    if audience == "instructor":
        seen = seen.model_copy(update={"origin": _origin(db, found, seen)})
    if "text/html" in accept:
        return HTMLResponse(html.page(seen), headers={"Content-Security-Policy": PAGE_POLICY})
    return Response(seen.model_dump_json(), media_type="application/json")


def _origin(db: Connection, submission: submissions.Submission, report: Report) -> OriginReport:
    assignment, person = courses.assignment_of(db, submission.assignment_id), people.find(db, submission.person_id)
    member = people.membership(db, assignment.course_id, person)  # None for who has left
    return OriginReport(
        path=report.submission.name, key=(member and member.key) or person.public, name=person.name,
        email=person.email, section=member and member.section, attempt=submission.attempt,
        attempts=submissions.last(db, assignment, person),
    )  # fmt: skip


PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"


@router.get("/submissions/{submission}/file", response_class=Download)
def file(asks: Asks, db: Reads, submission: str) -> Response:
    """What was handed in, to be kept and never to be shown as a page."""
    needs(asks, "read")
    found, _ = submission_for(db, asks, submission)
    return attachment(submissions.content(db, found), f"attempt-{found.attempt}.py")


@router.get("/submissions/{submission}/events", response_class=Events, responses=TOLD)
def events(request: Request, asks: Asks, db: Reads, submission: str) -> Response:
    """How far it is, as it goes on: an event for each change (server-sent events), until it is graded."""
    needs(asks, "read")
    found, _ = submission_for(db, asks, submission)

    def look(db: Connection) -> shapes.Submission:
        return looked_at(db, found.public)

    return streamed(request, look)


def looked_at(db: Connection, public: str) -> shapes.Submission:
    if (seen := submissions.find(db, public)) is None:
        raise nothing(f"submission {public}")
    return submission_of(db, seen)
