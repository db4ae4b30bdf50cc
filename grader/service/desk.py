"""Where a worker of the service grades: a submission is taken from the queue, graded behind walls, and given back.

What goes wrong on our side is told in the row and tried again; a student's failing code is a result like any other.
"""

from __future__ import annotations

from functools import lru_cache
from time import sleep
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy.exc import InterfaceError, OperationalError

from grader import __version__, grading, settings
from grader.errors import GraderError
from grader.service.logs import LOGGER
from grader.store import courses, people, queue, submissions, trials
from grader.store.database import clock, reading, writing
from grader.values import Submission

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from grader.report import Report
    from grader.sandbox import Sandbox
    from grader.store.courses import RubricVersion

AWAY = (OperationalError, InterfaceError)  # the database: out of reach, or without room; not what it was asked
PAUSES = [0.1, 0.5, 1.0, 2.0, 4.0, 8.0]  # seconds between tries of a database that is away
KEPT = 32  # rubrics that are ready
LONGEST_FAULT = 500  # letters: a database repeats all that it would not keep


class _Task(NamedTuple):
    """What there is to know to grade a submission."""

    row: submissions.Submission
    content: bytes
    rubric: RubricVersion
    due: datetime | None
    student: str | None


def grade_next(engine: Engine, name: str, sandbox: Sandbox) -> bool:
    """Grade what is next in the queue; False where nothing is. `name` is this worker's, and nobody else's."""
    with writing(engine) as db:
        queue.put_back(db, name)  # what it could not give back, for the database was away
        row = queue.claim(db, name, clock(db))
    if row is None:
        return False
    try:
        with reading(engine) as db:
            task = _task(db, row)
        report = _report(task, sandbox)
        _surely(engine, lambda db: queue.finish(db, row, name, task.rubric, _run(report), clock(db)))
    except AWAY:  # not the submission's doing: it is put back as soon as that can be done
        raise
    except GraderError as error:
        fault = str(error)
    except Exception as error:
        told = f"{type(error).__name__}: {error}"[:LONGEST_FAULT]
        fault = f"a fault of the grader's own, not of the submission: {told}; please report it"
    else:
        LOGGER.info("graded", extra={"submission": row.public, "worker": name, "seconds": report.seconds})
        return True
    _surely(engine, lambda db: queue.fail(db, row, name, fault))
    known = {"submission": row.public, "worker": name, "tries": row.tries}
    LOGGER.error("submission %s could not be graded: %s", row.public, fault, extra=known)
    return True


def _run(report: Report) -> submissions.Run:
    return submissions.Run(
        report.points, report.max_points, report.status, report.model_dump_json(), __version__,
        report.assignment_version,
    )  # fmt: skip


def _surely(engine: Engine, act: Callable[[Connection], object]) -> None:
    """Do it, also where the database is away for a moment: what is graded is not graded again for that."""
    for pause in PAUSES:
        try:
            with writing(engine) as db:
                act(db)
        except AWAY:
            sleep(pause)
        else:
            return
    with writing(engine) as db:
        act(db)


def _task(db: Connection, row: submissions.Submission) -> _Task:
    assignment, person = courses.assignment_of(db, row.assignment_id), people.find(db, row.person_id)
    member = people.membership(db, assignment.course_id, person)
    due = courses.due(db, assignment, person)
    content = submissions.content(db, row)
    tried = trials.rubric_id(db, row.trial_id) if row.trial_id else None
    rubric = courses.rubric_version(db, tried) if tried else courses.rubric(db, assignment)
    return _Task(row, content, rubric, due, member.key if member else None)


def _report(task: _Task, sandbox: Sandbox) -> Report:
    rubric, assignment = loaded(task.rubric.text)
    if rubric.late and task.due:
        rubric = rubric.model_copy(update={"late": rubric.late.model_copy(update={"deadline": task.due})})
    submitted = task.row.received if task.row.timed else None
    submission = Submission(task.row.name, task.content, task.student or None, submitted)
    seed = settings.seed_for(submission.sha256)
    return grading.grade(submission, assignment, rubric, seed=seed, sandbox=sandbox)


loaded = lru_cache(KEPT)(grading.loaded)
