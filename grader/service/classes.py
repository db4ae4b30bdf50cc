"""A class as `grade batch` leaves one: the reports that count, with what a person has said instead, and who has none.

So its page is the same, and so is its way into gradebooks.
"""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from grader import __version__, assignments, closing
from grader.cohort import Cohort, gist
from grader.journal import Folder
from grader.ledger import Ledger
from grader.listing import File
from grader.lms import Piece
from grader.report import CriterionReport, OriginReport, OverrideReport, Report, RubricRef, SandboxReport, SubmissionRef
from grader.roster import Student
from grader.service import desk, remembered
from grader.store import courses, grades, people, submissions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from grader.rubric import Rubric
    from grader.store.courses import Assignment
    from grader.store.grades import Grade
    from grader.store.people import Member

NOTHING = "nothing was handed in"


def _keys(members: Sequence[Member]) -> dict[int, str]:
    """What students are called in lists, by their numbers: as the roster has it, or else by what is known of them."""
    taken = {member.key for member in members}
    keys = {}
    for member in members:
        person = member.person
        known = person.email if person.email not in taken else None
        keys[person.id] = member.key or known or f"{person.name} {person.public}"
    return keys


def graded(db: Connection, assignment: Assignment) -> list[tuple[Member, Grade | None]]:
    """Every student of the course by name, with their grade where they have one."""
    had = {one.person_id: one for one in grades.current(db, assignment)}
    return [(one, had.get(one.person.id)) for one in people.members(db, assignment.course_id, "student")]


def cohort(db: Connection, assignment: Assignment, students: Sequence[tuple[Member, Grade | None]]) -> Cohort:
    """How the points lie, what was right, and which mistakes were made."""
    rubric, _ = desk.loaded(courses.rubric(db, assignment).text)
    found, keys = Cohort(rubric), _keys([member for member, _ in students])
    known = remembered.known(db, [grade.run for _, grade in students if grade and grade.run])
    nothing = gist(_of_nothing(rubric, ""))
    for member, grade in students:
        if grade:
            one = known[grade.run].gist if grade.run else nothing
            found.count(one._replace(points=grade.points), keys[member.person.id])
    return found


@contextmanager
def folder(db: Connection, assignment: Assignment) -> Iterator[Path]:
    """The class in a folder, for as long as it is needed."""
    rubric, _ = desk.loaded(courses.rubric(db, assignment).text)
    with TemporaryDirectory(prefix="grader-class-") as scratch:
        path = Path(scratch) / "class"
        with Ledger() as ledger, Folder(path) as left:
            _fill(db, assignment, rubric, ledger, left)
            closing.close(rubric, ledger, left, platform=None, kept=0)
        yield path


def _fill(db: Connection, assignment: Assignment, rubric: Rubric, ledger: Ledger, left: Folder) -> None:
    failed = {one.person_id: one.fault or "" for one in submissions.faults(db, assignment)}
    for member, key, report in _reports(db, assignment, rubric):
        person = member.person
        ledger.expect([Student(key, member.key, person.email, person.name, member.section)])
        if report is None and person.id not in failed:
            continue
        origin = report and report.origin
        attempt, attempts = (origin.attempt, origin.attempts) if origin else (1, 1)
        digest = report.submission.sha256 if report else f"not graded: {key}"
        piece = Piece(key, File(report.submission.name if report else "", 0, None, b""), "")
        n = ledger.enter(key, attempt, attempts, digest, piece, None)
        if report:
            ledger.reported(n, left.append(report.model_dump_json().encode()))
        else:
            ledger.failed(n, failed[person.id])


def _reports(db: Connection, assignment: Assignment, rubric: Rubric) -> Iterator[tuple[Member, str, Report | None]]:
    """Every student, what they are called, and the report that counts as it is to be told; None where there is none."""
    counting = {one.grade.person_id: one for one in grades.counting(db, assignment)}
    version = assignments.version(assignments.load(rubric.assignment))
    members = list(people.members(db, assignment.course_id, "student"))
    keys = _keys(members)
    members.sort(key=lambda one: keys[one.person.id])  # the order of a batch's files
    theirs = (counting[one.person.id].grade.run for one in members if one.person.id in counting)
    reports = grades.reports(db, filter(None, theirs))
    for member in members:
        found, key, report = counting.get(member.person.id), keys[member.person.id], None
        if found:
            of_run = Report.model_validate_json(next(reports)) if found.grade.run else _of_nothing(rubric, version)
            report = _told(found, of_run, member, key)
        yield member, key, report


def _told(found: grades.Counting, report: Report, member: Member, key: str) -> Report:
    told = {"student": key, "origin": _origin(found, member, key, report)}
    if found.override:
        said = OverrideReport(graded=report.points, by=found.override.by or "", reason=found.override.text)
        told |= {"override": said, "points": found.grade.points}
    return report.model_copy(update=told)


def _origin(found: grades.Counting, member: Member, key: str, report: Report) -> OriginReport:
    person = member.person
    return OriginReport(
        path=report.submission.name, key=key, name=person.name, email=person.email,
        section=member.section, attempt=found.attempt or 1, attempts=found.attempts or 1,
    )  # fmt: skip


def _of_nothing(rubric: Rubric, assignment_version: str) -> Report:
    """For who has points of a person's alone."""
    criteria = tuple(
        CriterionReport(
            id=one.id, title=one.title, function=one.function, points=Decimal(0), max_points=one.points,
            verdict="missing", message=NOTHING, visible=one.visible,
        )
        for one in rubric.criteria
    )  # fmt: skip
    return Report(
        assignment=rubric.assignment, assignment_version=assignment_version,
        rubric=RubricRef(id=rubric.id, sha256=rubric.sha256), student=None,
        submission=SubmissionRef(name=NOTHING, sha256="", bytes=0, submitted=None), seed=0, points=Decimal(0),
        max_points=sum((one.points for one in rubric.criteria), Decimal(0)), status="graded", late=None,
        audience="instructor", criteria=criteria, stdout="", sandbox=SandboxReport(backend="none", layers=()),
        grader_version=__version__, seconds=0.0,
    )  # fmt: skip
