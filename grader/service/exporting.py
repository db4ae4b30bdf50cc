"""The interface of the way into gradebooks: what would change first, and then the file.

It is `grade export` over the class as it is now; what was written stays noted, so that the next one knows it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from sqlalchemy import Connection

from grader import filling, making, pushes
from grader.comparing import BLOCKING, LEFT_OUT, Change, Order, compared, refuse_blocked
from grader.errors import UsageError
from grader.service import classes, shapes
from grader.service.answers import Download, attachment, plain_name
from grader.service.identity import Asks, Reads, assignment_for, engine_of, needs, now
from grader.service.problems import Problem, nothing
from grader.service.wording import of_a_page, on_a_page
from grader.store import exports
from grader.store.courses import Assignment
from grader.store.database import writing
from grader.store.exports import Export
from grader.target import written

router = APIRouter()
LARGEST_GRADEBOOK = 1_000_000  # bytes
MADE = sorted({*making.names()} - {"moodle-feedback"})  # which takes what came from there: a batch's folder alone
ZIP = b"PK\x03\x04"


@router.get("/assignments/{assignment}/class", response_class=Download)
def class_folder(asks: Asks, db: Reads, assignment: str) -> Response:
    """The class as `grade batch` leaves it, zipped: reports, grades and pages; `grade export` goes on from there."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    content = io.BytesIO()
    with classes.folder(db, found) as folder, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, Path("class") / path.relative_to(folder))
    return attachment(content.getvalue(), "class.zip")


@router.post("/assignments/{assignment}/exports", status_code=201)
def new_export(
    request: Request, asks: Asks, db: Reads, assignment: str, platform: Annotated[str, Form(max_length=40)],
    column: Annotated[str, Form(max_length=300)] = "",
    file: Annotated[UploadFile | None, File(description="The gradebook, as the platform gives it")] = None,
) -> shapes.Export:  # fmt: skip
    """What would change in a gradebook that was downloaded, or in a file that is made from nothing."""
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    template = None
    if file is not None and file.filename:
        template = plain_name(file.filename, "gradebook.csv"), file.file.read(LARGEST_GRADEBOOK + 1)
        if len(template[1]) > LARGEST_GRADEBOOK:
            raise Problem(413, "the gradebook: it is larger than 1 MB; expected one course's; use `grade export`")
    wanted = platform, column.strip() or None
    told = _looked_at(_Wanted("", *wanted, *(template or ("", None))), db, found)  # what is none is not kept
    with writing(engine_of(request)) as change:  # short: to look at a class takes long, and others want to write
        begun = exports.begin(change, found, *wanted, template, asks.person, now())
    return told.model_copy(update={"id": begun.public})


@router.get("/assignments/{assignment}/exports/{export}")
def an_export(asks: Asks, db: Reads, assignment: str, export: str) -> shapes.Export:
    """What would change now."""
    needs(asks, "read")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    return _looked_at(_wanted(db, export_of(db, found, export)), db, found)


@router.post("/assignments/{assignment}/exports/{export}/file", response_class=Download)
def exported(
    request: Request, asks: Asks, db: Reads, assignment: str, export: str, choice: shapes.ExportChoice
) -> Response:
    """The file, where nothing is blocked that was not allowed or left out; what is in it is noted."""
    needs(asks, "grade")
    found, _ = assignment_for(db, asks, assignment, "instructor")
    begun = export_of(db, found, export)
    with _opened(db, found, _wanted(db, begun)) as at_work:
        log, target = at_work.folder / pushes.LOG, at_work.folder.parent / "exported"
        before = log.stat().st_size
        _write(at_work, choice, target)
        told, content = _not_seen(log.read_bytes()[before:].decode()), target.read_bytes()
    response = attachment(content, begun.name or f"grades.{_suffix(begun.platform, content)}")
    with writing(engine_of(request)) as change:
        exports.wrote(change, begun, told)
    return response


def _not_seen(lines: str) -> str:
    """What was written, of which nobody knows whether it has got there: it may stand there, or what stood before."""
    known = (json.loads(line) for line in lines.splitlines())
    return "".join(json.dumps({**one, "seen": False}, ensure_ascii=False) + "\n" for one in known)


def _suffix(platform: str, content: bytes) -> str:
    if platform == "xlsx":
        return "xlsx"
    return "zip" if content.startswith(ZIP) else "csv"


def export_of(db: Connection, assignment: Assignment, public: str) -> Export:
    if export := exports.find(db, assignment, public):
        return export
    raise nothing(f"export {public}")


# At work.


class _Wanted(NamedTuple):
    """Where to, into which column, and the gradebook to fill, where there is one, with its name."""

    public: str
    platform: str
    column: str | None
    name: str
    content: bytes | None


class _AtWork(NamedTuple):
    """The class in a folder, and the gradebook beside it where there is one."""

    wanted: _Wanted
    folder: Path
    template: Path | None

    def order(self, choice: shapes.ExportChoice) -> Order:
        forced, kept = frozenset(choice.force), frozenset(choice.keep)
        return Order(self.folder, self.wanted.platform, None, forced, kept, choice.missing_zero)


def _wanted(db: Connection, export: Export) -> _Wanted:
    content = exports.template(db, export) if export.blob else None
    return _Wanted(export.public, export.platform, export.column, export.name, content)


@contextmanager
def _opened(db: Connection, assignment: Assignment, wanted: _Wanted) -> Iterator[_AtWork]:
    """Raises UsageError in the words of a page."""
    with classes.folder(db, assignment) as folder:
        (folder / pushes.LOG).write_text("".join(exports.pushed(db, assignment)), encoding="utf-8")
        template = None
        if wanted.content is not None:
            template = folder.parent / "gradebook"
            template.write_bytes(wanted.content)
        names = {folder.parent / "gradebook": wanted.name, folder.parent / "exported": "the file", folder: "the class"}
        with on_a_page(names):
            yield _AtWork(wanted, folder, template)


def _looked_at(wanted: _Wanted, db: Connection, assignment: Assignment) -> shapes.Export:
    """The dry run."""
    choice = shapes.ExportChoice()
    with _opened(db, assignment, wanted) as at_work:
        if at_work.template:
            gradebook = filling.Template(wanted.platform, at_work.template, wanted.column)
            with compared(at_work.order(choice), gradebook) as comparison:
                changes, blocked = list(comparison.changes()), comparison.blocked()
                return _told(wanted, comparison.column.title, changes, blocked, list(comparison.rows_of_nobody()))
        source = _source(at_work, choice)
        changes = list(making.changes(source)) if making.is_logged(source.platform) else []
        blocked = sorted({change.kind for change in changes} & set(BLOCKING))
        return _told(wanted, source.column or "", changes, blocked, [])


def _source(at_work: _AtWork, choice: shapes.ExportChoice) -> making.Source:
    platform, column = at_work.wanted.platform, at_work.wanted.column
    if platform not in MADE:
        filling.gradebook_of(platform, MADE)
        raise UsageError(f"{platform}: the gradebook is missing; expected the file you downloaded; choose it")
    source = making.Source(at_work.folder, platform, column, choice.missing_zero)
    if making.is_logged(platform):
        making.called(source)
    return source


def _write(at_work: _AtWork, choice: shapes.ExportChoice, target: Path) -> None:
    if at_work.template:
        gradebook = filling.Template(at_work.wanted.platform, at_work.template, at_work.wanted.column)
        with compared(at_work.order(choice), gradebook) as comparison:
            filling.fill(gradebook, comparison, target)
        return
    source = _source(at_work, choice)
    is_logged = making.is_logged(source.platform)
    changes = list(making.changes(source)) if is_logged else []
    refuse_blocked(source.platform, sorted({one.kind for one in changes} & set(BLOCKING) - choice.allowed))
    with written(target) as file:
        making.make(source, file)
    if is_logged:
        making.note(source, changes)


def _told(
    wanted: _Wanted, column: str, changes: list[Change], blocked: list[str], nobody: list[tuple[str, str]]
) -> shapes.Export:
    told = [
        shapes.ExportChange(
            student=one.student, name=one.name, kind=one.kind, before=one.before, after=one.after, note=one.note,
            written=one.written,
        )
        for one in changes
    ]  # fmt: skip
    reasons = [
        shapes.Blocked(kind=kind, why=of_a_page(BLOCKING[kind]), may_be_forced=kind not in LEFT_OUT) for kind in blocked
    ]
    return shapes.Export(
        id=wanted.public, platform=wanted.platform, column=column, blocked=reasons,
        counts=dict(Counter(one.kind for one in changes)), changes=told, not_in_the_class=[name for _, name in nobody],
    )  # fmt: skip
