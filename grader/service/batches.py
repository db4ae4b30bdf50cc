"""The interface for a class's files: a platform's download is uploaded, or one file handed in for a student."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, File, Form, Request, Response
from fastapi import UploadFile as Upload
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from grader.service import shapes, upload
from grader.service.answers import TOLD, Events, plain_name, streamed
from grader.service.identity import Asker, Asks, Reads, Writes, assignment_for, engine_of, needs, now
from grader.service.problems import Problem, nothing
from grader.service.students import Key, earlier, submission_of
from grader.store import batches, people, submissions
from grader.store.batches import Batch
from grader.store.courses import Assignment
from grader.store.database import reading
from grader.values import LARGEST_FILE

router = APIRouter()
LONGEST_READ = timedelta(minutes=15)  # of an upload: after that its request has broken off
AHEAD = timedelta(minutes=10)  # of ours may another's clock be
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary", "description": "A zip archive of at most 200 MB"}},
}
_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}}


@router.post("/assignments/{assignment}/batches", status_code=201, openapi_extra=_BODY)
async def upload_class(
    request: Request, response: Response, tasks: BackgroundTasks, asks: Asks, assignment: str, key: Key = None
) -> shapes.WholeBatch:
    """Hand in for a class: the zip archive that a platform gives, or one of <student>.py files.

    What was handed in before is not added again, and what cannot be placed is told. With an Idempotency-Key, the same
    request sent again is the same batch.
    """
    await run_in_threadpool(to_teach, engine_of(request), asks, assignment)  # before the body is read
    async with request.form(max_files=1, max_fields=0) as form:
        made = await uploaded(request, asks, assignment, form.get("file"), key)
    response.headers["Location"] = f"/api/v1/assignments/{assignment}/batches/{made.id}"
    tasks.add_task(request.app.state.wake)
    return made


async def uploaded(
    request: Request, asks: Asker, assignment: str, file: UploadFile | str | None, key: str | None
) -> shapes.WholeBatch:
    """What is in the archive is handed in. Raises Problem for none, UsageError for what cannot be read."""
    if not isinstance(file, UploadFile) or not file.filename:
        raise Problem(422, "file: it is missing; expected a zip archive as multipart/form-data; add it")
    engine, name = engine_of(request), plain_name(file.filename, "class.zip")
    found = await run_in_threadpool(to_teach, engine, asks, assignment)
    made = await run_in_threadpool(upload.take, engine, found, asks.person, file.file, name, key)
    return await run_in_threadpool(_whole_of, engine, made)


def to_teach(engine: Engine, asks: Asker, assignment: str) -> Assignment:
    """The assignment, of which the asker is an instructor."""
    needs(asks, "grade")
    with reading(engine) as db:
        return assignment_for(db, asks, assignment, "instructor")[0]


@router.get("/assignments/{assignment}/batches")
def all_batches(asks: Asks, db: Reads, assignment: str) -> list[shapes.Batch]:
    """What was uploaded, the latest first."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment, "grader")
    return [_batch(db, one) for one in batches.of(db, found)]


@router.get("/assignments/{assignment}/batches/{batch}")
def a_batch(asks: Asks, db: Reads, assignment: str, batch: str) -> shapes.WholeBatch:
    """How far an upload is, and what of it is no student's."""
    needs(asks, "read")
    return _whole(db, _batch_for(db, asks, assignment, batch))


@router.get("/assignments/{assignment}/batches/{batch}/events", response_class=Events, responses=TOLD)
def events(request: Request, asks: Asks, db: Reads, assignment: str, batch: str) -> Response:
    """How far an upload is, as it goes on: an event for each change (server-sent events), until all is graded."""
    needs(asks, "read")
    found = _batch_for(db, asks, assignment, batch)
    return streamed(request, lambda db: _batch(db, batches.find(db, found.public) or found))


def _batch_for(db: Connection, asks: Asker, assignment: str, public: str) -> Batch:
    found, _ = assignment_for(db, asks, assignment, "grader")
    batch = batches.find(db, public)
    if batch is None or batch.assignment_id != found.id:
        raise nothing(f"batch {public}")
    return batch


def _batch(db: Connection, one: Batch) -> shapes.Batch:
    states = batches.states(db, one)
    return shapes.Batch(
        id=one.public, name=one.name, by=one.by, created=one.created, platform=one.platform, state=_state(one, states),  # type: ignore[arg-type] # one of three
        counts=shapes.Counts(**states), added=one.added, unplaced=one.unplaced,
    )  # fmt: skip


def _state(one: Batch, states: dict[str, int]) -> str:
    if one.finished is None:
        return "received" if one.created > now() - LONGEST_READ else "broken"
    return "grading" if states["received"] or states["grading"] else "graded"


def _whole(db: Connection, one: Batch) -> shapes.WholeBatch:
    reasons = [shapes.Unplaced(path=path, why=why) for path, why in batches.unplaced(db, one)]
    return shapes.WholeBatch(**dict(_batch(db, one)), reasons=reasons)


def _whole_of(engine: Engine, one: Batch) -> shapes.WholeBatch:
    with reading(engine) as db:
        return _whole(db, one)


@router.post("/assignments/{assignment}/members/submissions", status_code=202)
def hand_in_for(
    request: Request, response: Response, tasks: BackgroundTasks, asks: Asks, db: Writes, assignment: str,
    student: Annotated[str, Form(max_length=320, description="A student's key, address or id")],
    file: Annotated[Upload, File(description="One Python file of at most 1 MB")],
    submitted: Annotated[shapes.Moment | None, Form(description="When it was; without it, it is never late")] = None,
    key: Key = None,
) -> shapes.Submission:  # fmt: skip
    """Hand in a file for a student of the course.

    With an Idempotency-Key, the same request sent again is the same submission. There is no limit of attempts.
    """
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "grader")
    member = people.student(db, found.course_id, student)
    if member is None:
        raise Problem(
            404, f"{student}: no student of the course has this key or address; expected a member; enrol them"
        )
    if submitted is not None and submitted > now() + AHEAD:
        raise Problem(422, "submitted: it is in the future; expected when the file was handed in; correct it")
    content = file.file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Problem(413, "the file: it is larger than 1 MB; expected the functions alone; take the data out")
    taken = earlier(db, found, member.person, content, key) or submissions.receive(
        db, found, member.person, plain_name(file.filename, "submission.py"), content, submitted or now(), key=key,
        priority=submissions.BATCH, timed=submitted is not None, limited=False,
    )  # fmt: skip
    response.headers["Location"] = f"/api/v1/submissions/{taken.public}"
    tasks.add_task(request.app.state.wake)
    return submission_of(db, taken)
