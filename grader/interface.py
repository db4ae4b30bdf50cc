"""The grader from Python: `grade` one file, `grade_many` as `grade batch` does. Files in, reports out."""

from __future__ import annotations

import tempfile
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING

from grader import batch, grading, intake, pool, settings, worker
from grader import sandbox as sandboxes
from grader.errors import GraderFault, UsageError
from grader.journal import JOURNAL
from grader.report import Report
from grader.values import Submission
from grader.worker import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    File = Submission | str | PathLike[str]


def grade(
    file: File,
    *,
    rubric: str = "backprop",
    student: str | None = None,
    submitted: datetime | None = None,
    seed: int | None = None,
    sandbox: str | None = None,
) -> Report:
    """Grade one file and give its report, for an instructor's eyes: `report.points`, `report.criteria`, ...

    `rubric` is a name or a path, `submitted` a time with its zone; the rest is as for `grade submit`. The walls stay up
    for the next call. Raises UsageError for what cannot be graded, GraderFault for a fault that is not the student's.
    """
    submission = _submission(file)
    submission = submission._replace(student=student or submission.student, submitted=submitted or submission.submitted)
    number = settings.seed_for(submission.sha256) if seed is None else seed
    return worker.grade(_setting(rubric, sandbox), submission, number)


def grade_many(
    source: str | PathLike[str] | Iterable[File],
    *,
    out: str | PathLike[str] | None = None,
    rubric: str = "backprop",
    roster: str | PathLike[str] | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    redo: bool = False,
    sandbox: str | None = None,
) -> Iterator[Report]:
    """Grade many files, so many at once, and give their reports.

    A folder or a platform's download is graded as by `grade batch`, whose options these are, before this returns; `out`
    is the folder that is left, if one is to be left, and reports come in its order. Single files, as an iterable that
    may be endless, are graded as their reports are asked for, and come as they are done.

    Processes are started anew: in a script, call it under `if __name__ == "__main__":`, or with jobs=1.
    Raises UsageError for what cannot be graded, GraderFault in the end where some could not be, by no fault of theirs.
    """
    workers = batch.default_workers(cluster) if jobs is None else jobs
    if workers < 1:
        raise UsageError(f"jobs: found {jobs}; expected 1 or more; leave it out for a core each")
    if not isinstance(source, str | PathLike):
        return _each(iter(source), _setting(rubric, sandbox), workers, cluster)
    loaded, assignment = grading.load(rubric)
    with tempfile.TemporaryDirectory(prefix="grader-") as temporary:
        folder = Path(temporary) / "out" if out is None else Path(out)
        summary = batch.run(
            batch.Plan(
                Path(source), folder, loaded, assignment, sandboxes.wanted(sandbox), workers,
                Path(roster) if roster else None, cluster, redo,
            )
        )  # fmt: skip
        journal = (folder / JOURNAL).open("rb")  # read when its folder may be gone
    return _reports(journal, summary.faults)


def _reports(journal: IO[bytes], faults: Iterable[tuple[str, str]]) -> Iterator[Report]:
    with journal:
        for line in journal:
            yield Report.model_validate_json(line)
    _refuse(faults)


def _each(files: Iterator[File], packed: bytes, workers: int, cluster: str | None) -> Iterator[Report]:
    named: dict[int, str] = {}  # those in flight
    faults = []

    def jobs() -> Iterator[Job]:
        for n, file in enumerate(files):
            submission = _submission(file)
            named[n] = submission.student or submission.name
            yield Job(n, submission, settings.seed_for(submission.sha256))

    for result in pool.conduct(pool.start(cluster, workers, packed), workers, packed, jobs()):
        name = named.pop(result.n)
        if result.fault is None:
            yield Report.model_validate_json(result.line)
        else:
            faults.append((name, result.fault))
    _refuse(faults)


def _refuse(faults: Iterable[tuple[str, str]]) -> None:
    if told := [f"{name}: {why}" for name, why in faults]:
        raise GraderFault(f"{len(told)} submissions could not be graded, by no fault of theirs: {'; '.join(told)}")


def _setting(rubric: str, sandbox: str | None) -> bytes:
    return worker.setting(*grading.load(rubric), sandboxes.wanted(sandbox)).packed()


def _submission(file: File) -> Submission:
    return file if isinstance(file, Submission) else intake.submission(Path(file))
