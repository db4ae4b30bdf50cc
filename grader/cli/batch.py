"""`grade batch`: a class graded, and what it came to."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from traceback import clear_frames
from typing import TYPE_CHECKING, Annotated

import typer

from grader import grading
from grader import sandbox as sandboxes
from grader.cli.shared import DEFAULT_RUBRIC, RubricOption, refuse_with_server
from grader.errors import GraderFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from grader.batch import Progress
    from grader.closing import Summary
    from grader.handing import Place

AGAIN_EVERY = 0.1  # seconds between two pictures of the progress
SHOWN = 10  # changes and faults


def batch(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="A folder of submissions, or a platform's download.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder for reports and grades.", show_default=False)
    ],
    rubric: RubricOption = DEFAULT_RUBRIC,
    roster: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Who is in the course: columns id, name, email, section.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=4096, help="Submissions at once (default: a core each)."),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler, whose workers are to grade.")
    ] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Grade all of it again, and tell whose points changed.")] = False,
    sandbox: Annotated[str | None, typer.Option(metavar="B", help="The walls to run them behind.")] = None,
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL", help="Have this assignment of a service grade them.")
    ] = None,
) -> None:
    """Grade the submissions of a class; a second run grades only what is missing or has changed."""
    from grader import batch as batches  # here: no other command has a use for it

    started = monotonic()
    if server is None:
        loaded, assignment = grading.load(rubric)
        walls = sandboxes.wanted(sandbox)
        plan = batches.Plan(
            source, out, loaded, assignment, walls, jobs or batches.default_workers(cluster), roster, cluster, redo
        )
    else:
        refuse_with_server({"--rubric": rubric, "--cluster": cluster, "--sandbox": sandbox})
        at = _place(server, jobs, again=redo)
        plan = batches.Plan(
            source, out, at.rubric, at.assignment, sandboxes.DEFAULT, at.at_once, roster, elsewhere=at.start
        )
    with _progress() as watch:
        try:
            summary = batches.run(plan, watch)
        except KeyboardInterrupt as interrupt:
            _tell_how_to_go_on(out)
            clear_frames(interrupt.__traceback__)  # else what the workers were reached by is held, and said to be lost
            raise
    _tell(summary, source, out, monotonic() - started, "by the service" if server else "now")
    for student, keys in summary.doubts[:SHOWN]:
        print(
            f"grade: {student}: may be {' or '.join(keys)} of the roster, or is not the only one who may; expected one "
            "student for one row; give the roster the ids or addresses that the platform has",
            file=sys.stderr,
        )
    if roster and summary.strangers:
        print(f"grade: not on the roster, and graded all the same: {', '.join(summary.strangers)}", file=sys.stderr)
    if summary.failed:
        raise GraderFault(
            f"{_count(summary.failed, 'submission', 'submissions')} could not be graded, by no fault of the students'; "
            "expected a report for each; see above, and run the same command again"
        )


def _place(server: str, at_once: int | None, *, again: bool) -> Place:
    from grader import account, handing

    token = account.read("server", handing.ACCOUNT, None)["token"]
    return handing.at(server, token, at_once=at_once or handing.AT_ONCE, again=again)


def _tell_how_to_go_on(out: Path) -> None:
    command = shlex.join(["grade", *(argument for argument in sys.argv[1:] if argument != "--redo")])
    again = "" if "--redo" not in sys.argv else " (it grades what is missing or has changed; with --redo all again)"
    print(
        f"grade: interrupted; what has been graded is in {out}; to go on, run again: {command}{again}",
        file=sys.stderr,
    )


def _tell(summary: Summary, source: Path, out: Path, seconds: float, graded: str) -> None:
    """The result on stdout, what is to be looked after on stderr. `graded` says when or where they were."""
    cohort = summary.cohort
    counts = {
        "graded": cohort.statuses["graded"],
        "unreadable": cohort.statuses["unreadable"],
        "missing": summary.missing,
        "fault": summary.failed,
    }
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count or status == "graded")
    attempts = summary.attempts - summary.kept
    print(f"{out}: {told}; {attempts} attempts graded {graded}, {summary.kept} kept; {seconds:.1f} s")
    if summary.changed:
        print(f"{_count(summary.changed, 'grade', 'grades')} changed:")
        for change in summary.changes[:SHOWN]:
            which = f" (attempt {change.attempt})" if change.attempt > 1 else ""
            print(f"  {change.student}{which}: {change.before:g} -> {change.after:g} points; {change.why}")
        if summary.changed > SHOWN:
            print(f"  and {summary.changed - SHOWN} more: see {out / 'changes.csv'}")
    for student, why in summary.faults[:SHOWN]:
        print(f"grade: {student}: {why}", file=sys.stderr)
    if summary.unplaced:
        count = _count(summary.unplaced, "file is", "files are")
        print(f"grade: {count} no student's: see {out / 'index.html'}", file=sys.stderr)
    if summary.set_aside:
        count = _count(summary.set_aside, "report is", "reports are")
        print(
            f"grade: {count} of nobody who is in {source} now: kept in {out / 'set-aside.jsonl'}",
            file=sys.stderr,
        )
    if cohort.marked_late and not cohort.late:
        count = _count(cohort.marked_late, "submission is", "submissions are")
        print(
            f"grade: {count} marked late by the platform, which tells no time: nothing was taken off",
            file=sys.stderr,
        )


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr, where that is a terminal."""
    if not (sys.stderr and sys.stderr.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        TextColumn("[red]{task.fields[faults]}"),
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True), transient=True, refresh_per_second=1 / AGAIN_EVERY) as bar:
        task = bar.add_task("", total=None, rate="", faults="")
        started = monotonic()

        def watch(progress: Progress) -> None:
            rate = progress.graded / max(monotonic() - started, 1e-3)
            faults = f"{progress.faults} failed" if progress.faults else ""
            bar.update(task, completed=progress.done, total=progress.total, rate=f"{rate:.0f}/s", faults=faults)

        yield watch
