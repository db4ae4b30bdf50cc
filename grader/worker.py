"""What a worker does, in a process or on a machine of its own: it grades the jobs it is handed, behind its own walls.

Jobs and results are plain values that any executor can carry. It knows neither the batch nor where reports go.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from grader import __version__, assignments, grading
from grader import sandbox as sandboxes
from grader.errors import GraderError, GraderFault
from grader.render import html
from grader.report import OriginReport, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.assignments import Assignment
    from grader.rubric import Rubric
    from grader.sandbox import Sandbox
    from grader.values import Submission

NEUTRAL_NAME = "submission.py"  # behind the walls: a traceback may be shown to another who handed in the same file


class Setting(NamedTuple):
    """What all submissions of a batch have in common; the versions are those of who hands out the jobs."""

    rubric: Rubric
    sandbox: str
    assignment_version: str
    grader_version: str
    packages: dict[str, str]

    def packed(self) -> bytes:
        """As it is sent with the jobs; unpacked once by each worker."""
        return pickle.dumps(self)


def setting(rubric: Rubric, assignment: Assignment, sandbox: str) -> Setting:
    """The setting of a batch that is started here."""
    return Setting(rubric, sandbox, assignments.version(assignment), __version__, sandboxes.packages())


class Job(NamedTuple):
    """One submission to be graded; where `same` has the report of the same file, to be reported as that was."""

    n: int
    submission: Submission
    seed: int
    origin: OriginReport | None = None
    same: bytes | None = None


class Result(NamedTuple):
    """The report as a line of JSON and as a page; or our fault, in words.

    `alone` is whether the fault says nothing of any other submission.
    """

    n: int
    line: bytes = b""
    page: bytes = b""
    fault: str | None = None
    alone: bool = False


class _Desk(NamedTuple):
    rubric: Rubric
    assignment: Assignment
    sandbox: Sandbox


_opening = Lock()
_open: dict[bytes, _Desk] = {}  # one at most


def work(packed: bytes, jobs: Sequence[Job]) -> list[Result]:
    """Grade these, one after another. What goes wrong on our side is in the results."""
    try:
        desk = _desk(packed)
    except GraderError as error:
        return [Result(job.n, fault=str(error)) for job in jobs]
    return [_result(desk, job) for job in jobs]


def grade(packed: bytes, submission: Submission, seed: int) -> Report:
    """Grade one in this process. Raises GraderError."""
    desk = _desk(packed)
    return grading.grade(submission, desk.assignment, desk.rubric, seed=seed, sandbox=desk.sandbox)


@atexit.register
def leave() -> None:
    """Leave nothing running."""
    with _opening:
        for desk in _open.values():
            desk.sandbox.close()
        _open.clear()


def _desk(packed: bytes) -> _Desk:
    """The desk for this setting; one for another is left."""
    if packed not in _open:
        leave()
    with _opening:
        if packed not in _open:
            _open[packed] = _furnished(packed)
        return _open[packed]


def _furnished(packed: bytes, walls: Sandbox | None = None) -> _Desk:
    setting: Setting = pickle.loads(packed)  # noqa: S301 it comes from the grader that hands out the jobs
    rubric = setting.rubric
    assignment = assignments.load(rubric.assignment, beside=rubric.path.parent)
    found = _in_words(__version__, assignments.version(assignment), sandboxes.packages())
    wanted = _in_words(setting.grader_version, setting.assignment_version, setting.packages)
    if found != wanted:
        raise GraderFault(
            f"a worker: it has {found}; expected {wanted}, as where the batch was started; install the same on all "
            "machines"
        )
    return _Desk(rubric, assignment, walls or sandboxes.start(setting.sandbox, cores()))


def _in_words(version: str, assignment_version: str, packages: dict[str, str]) -> str:
    named = (f"{name} {number}" for name, number in packages.items())
    return ", ".join((f"grader {version}", f"assignment {assignment_version}", *named))


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _result(desk: _Desk, job: Job) -> Result:
    try:
        return reported(job, _report(desk, job))
    except GraderFault as fault:
        return Result(job.n, fault=str(fault))
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        return Result(job.n, fault=f"a fault of the grader's own, not of the submission: {told}; please report it")


def _report(desk: _Desk, job: Job) -> Report:
    submission = job.submission
    if job.same is None:
        neutral = submission._replace(name=NEUTRAL_NAME)
        report = grading.grade(neutral, desk.assignment, desk.rubric, seed=job.seed, sandbox=desk.sandbox)
    else:
        report = grading.at_another_time(Report.model_validate_json(job.same), submission.submitted, desk.rubric)
    return report


def reported(job: Job, report: Report) -> Result:
    """The report of a job's file, told as that of who handed it in."""
    named = report.submission.model_copy(update={"name": job.submission.name})
    update = {"student": job.submission.student, "submission": named, "origin": job.origin}
    told = report.model_copy(update=update)
    return Result(job.n, told.model_dump_json().encode(), html.page(told).encode())


# A process of this machine that does nothing else.


def walls(packed: bytes) -> Sandbox:
    """What such processes have in common: each gets walls of its own, made from what is imported once for all."""
    setting: Setting = pickle.loads(packed)  # noqa: S301 it comes from this very process
    return sandboxes.start(setting.sandbox, cores())


def expect(walls: Sandbox, jobs: Sequence[Job]) -> None:
    """Have what these need imported before it is their turn."""
    for job in jobs:
        with suppress(GraderError):  # the job will meet it again, and tell
            walls.expect(job.submission.source)


def prepare(packed: bytes, walls: Sandbox) -> None:
    """Leave interrupts to who started this process, end when that one does, and get ready."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(GraderError):  # the first job will meet it again, and tell
        _open[packed] = _furnished(packed, walls)
        walls.warm()


def _end_with_parent() -> None:
    from multiprocessing import connection, parent_process

    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)
