"""A class's files, as a platform gives them: read with suspicion, placed with students, and handed in for them.

What is placed with nobody is told, with the reason. Nothing is parsed or run, and the database is held for some files
at a time, so that nobody who hands in waits for a class.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import IO, TYPE_CHECKING, NamedTuple

from grader import assignments, intake, listing
from grader.errors import UsageError
from grader.ledger import Ledger
from grader.listing import Unreadable
from grader.lms import Unplaced
from grader.roster import Student
from grader.service import desk
from grader.service.answers import plain_name
from grader.service.identity import now
from grader.service.problems import Problem
from grader.service.wording import on_a_page
from grader.store import batches, courses, people, submissions
from grader.store.batches import HandIn
from grader.store.database import reading, writing
from grader.values import LARGEST_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from grader.listing import Listing
    from grader.lms import Piece
    from grader.store.batches import Batch
    from grader.store.courses import Assignment
    from grader.store.people import Person

CHUNK = 50  # files handed in in one transaction
MOST_BYTES = 2 * 10**9  # of the files that are kept of one download


class _Asked(NamedTuple):
    """What the files are for: the functions they should have, whose they may be, and the clock of the deadline."""

    assignment: Assignment
    functions: list[str]
    students: dict[str, tuple[Student, Person]]
    deadline: datetime | None


class _Found(NamedTuple):
    """A student's file, and where it is; `is_last` of those the platform has of them."""

    hand_in: HandIn
    path: str
    digest: str
    is_last: bool


def take(engine: Engine, assignment: Assignment, by: Person, file: IO[bytes], name: str, key: str | None) -> Batch:
    """Hand in what is in an archive. With the key of an earlier request it is that one's batch, read to its end.

    Raises UsageError for what is no such archive, Problem for another archive under the same key.
    """
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # any file that reads bytes
    with reading(engine) as db:
        asked = _asked(db, assignment)
    with on_a_page(), listing.uploaded(file, name) as files, Ledger() as ledger:
        layout = intake.layout_of(files)
        _place(asked, intake.placed(files, layout), ledger, name)
        with writing(engine) as db:
            batch = batches.begin(db, assignment, by, name, digest, key, now())
        if (batch.sha256, batch.assignment_id) != (digest, assignment.id):
            raise Problem(409, "the Idempotency-Key: it was another download's; expected one for each; make a new one")
        if batch.finished is None:
            found = _hand_ins(asked, files, ledger)
            while chunk := list(islice(found, CHUNK)):
                with writing(engine) as db:
                    _receive(db, asked, batch, chunk, ledger)
            with writing(engine) as db:
                unplaced = ((listing.shown(path), listing.shown(why)) for path, why in ledger.unplaced())
                batch = batches.finish(db, batch, layout.platform, unplaced, now())
    return batch


def _asked(db: Connection, assignment: Assignment) -> _Asked:
    rubric, homework = desk.loaded(courses.rubric(db, assignment).text)
    students = {}
    for member in people.members(db, assignment.course_id, "student"):
        person, key = member.person, member.key or member.person.public
        students[key] = Student(key, member.key, person.email, person.name), person
    deadline = rubric.late.deadline if rubric.late else None
    return _Asked(assignment, assignments.functions(homework), students, deadline)


def _place(asked: _Asked, found: Iterable[Piece | Unplaced], ledger: Ledger, name: str) -> None:
    ledger.expect(student for student, _ in asked.students.values())
    size = count = 0
    for one in found:
        ledger.add(one)
        count += 1
        size += min(one.file.size, LARGEST_FILE) if not isinstance(one, Unplaced) else 0
    if not count:
        raise UsageError(f"{name}: there is nothing in it; expected the files of a class; upload the whole download")
    if size > MOST_BYTES:
        raise UsageError(
            f"{name}: its files have {size / 10**9:.1f} GB; expected at most {MOST_BYTES / 10**9:.0f}; upload the "
            "files of one class"
        )
    ledger.recognise()


def _hand_ins(asked: _Asked, files: Listing, ledger: Ledger) -> Iterator[_Found]:
    """Every attempt of every student of the course, in order; the ledger is told of everything else."""
    doubts = dict(ledger.doubts())
    for student, attempt, attempts, pieces in ledger.attempts():
        if student not in asked.students:
            _leave(ledger, pieces, _why_nobody(student, doubts))
            continue
        try:
            piece, note = intake.choose(pieces, files, asked.functions)
            content = _content(files, piece)
        except Unreadable as error:
            _leave(ledger, pieces, str(error))
            continue
        _leave(ledger, [other for other in pieces if other is not piece], note or "")
        digest = hashlib.sha256(content).hexdigest()
        key = intake.request_key(asked.assignment.public, digest, piece.submitted, attempt)
        time = _known(intake.in_zone_of(asked.deadline, piece.submitted))
        _, person = asked.students[student]
        hand_in = HandIn(person, plain_name(piece.name, "submission.py"), content, key, time or now(), time is not None)
        yield _Found(hand_in, piece.file.path, digest, attempt == attempts)


def _leave(ledger: Ledger, pieces: Iterable[Piece], why: str) -> None:
    for piece in pieces:
        ledger.add(Unplaced(piece.file.path, why))


def _why_nobody(student: str, doubts: dict[str, tuple[str, ...]]) -> str:
    if student in doubts:
        return (
            f"{student}: may be {' or '.join(doubts[student])} of the course, or is not the only one who may; expected "
            "one student for one file; give the members the keys or addresses that the platform has"
        )
    return f"{student}: no student of the course has this key, address or name; expected a member; enrol them"


def _content(files: Listing, piece: Piece) -> bytes:
    """Raises Unreadable for what cannot be kept."""
    if why := piece.file.fault or piece.file.refused:
        raise Unreadable(why)
    content = files.read(piece.file.locator, LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Unreadable("it is larger than 1 MB; expected the functions alone")
    return content


def _known(time: datetime | None) -> datetime | None:
    """A time of this century that is past and whose zone is known; None for any other."""
    return time if time and time.tzinfo and time.year > 2000 and time < now() else None


def _receive(db: Connection, asked: _Asked, batch: Batch, chunk: Sequence[_Found], ledger: Ledger) -> None:
    taken = batches.receive(db, batch, [one.hand_in for one in chunk], now())
    last = submissions.last_of_all(db, asked.assignment.id, {one.person_id for one in taken})
    for found, one in zip(chunk, taken, strict=True):
        if one.blob != found.digest:
            ledger.add(Unplaced(found.path, f"attempt {one.attempt} has its key; expected the same file; look at both"))
        elif found.is_last and not found.hand_in.timed and one.attempt < last[one.person_id]:
            why = (
                f"it is the same file as attempt {one.attempt}, and attempt {last[one.person_id]} came after that; the "
                "platform tells no time, so it was not taken again; if it is the newer one, hand it in by itself"
            )
            ledger.add(Unplaced(found.path, why))
