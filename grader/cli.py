"""The command line: parses, calls, prints. stdout carries the result, stderr everything else.

Exit codes: 0 done, 2 usage, 3 fault of the grader. It knows nothing of mathematics.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import closing, nullcontext
from datetime import datetime
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from grader import __version__, assignments, grading, settings
from grader import rubric as rubrics
from grader import sandbox as sandboxes
from grader.errors import GraderError, GraderFault, UsageError
from grader.report import Audience
from grader.values import Submission

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from rich.console import Console, RenderableType
    from rich.progress import Progress
    from rich.table import Table

    from grader import proof
    from grader.assignments import Assignment
    from grader.rubric import Rubric

LARGEST_FILE = 1_000_000  # bytes
READER_LEFT = 1  # typer's exit code for an output that nobody reads to its end
MOST_SEED = 2**settings.SEED_BITS - 1

app = typer.Typer(
    name="grade",
    help="Grade machine-learning homework: truly, behind walls, and with feedback that teaches.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
rubric_app = typer.Typer(help="Check a rubric, show it, or print the schema of its file.", no_args_is_help=True)
app.add_typer(rubric_app, name="rubric")


RubricOption = Annotated[str, typer.Option("--rubric", metavar="R", help="A rubric's name, or the path of its file.")]
RubricArgument = Annotated[str, typer.Argument(metavar="[R]", help="A rubric's name, or the path of its file.")]


def run(started: sandboxes.Sandbox | None = None) -> int:
    """Run the command line and give its exit code. `started` is a sandbox that was begun early, if any."""
    try:
        app(obj=started)
    except SystemExit as leaving:
        return 0 if leaving.code in (None, READER_LEFT) else int(leaving.code)
    except GraderError as error:
        print(f"grade: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if os.environ.get("GRADER_TRACEBACK"):
            raise
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return tell_of_lost_output(error)
        told = f"{type(error).__name__}: {error}"
        print(
            f"grade: a fault of the grader's own, not of the submission: {told}; expected none; "
            "set GRADER_TRACEBACK=1 to see where, and please report it",
            file=sys.stderr,
        )
        return GraderFault.exit_code
    return 0


def tell_of_lost_output(error: OSError) -> int:
    """Say that the result could not be written, and give the exit code of that."""
    print(
        f"grade: the output: it cannot be written ({error.strerror}); expected room for it; make some", file=sys.stderr
    )
    return GraderFault.exit_code


def _version(asked: bool) -> None:
    if asked:
        print(f"grade {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = False,
) -> None:
    """Grade machine-learning homework: truly, behind walls, and with feedback that teaches."""


@app.command()
def submit(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The student's Python file.", show_default=False)],
    rubric: RubricOption = "backprop",
    student: Annotated[str | None, typer.Option(metavar="ID", help="Whose it is, for the report.")] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=MOST_SEED, help="The seed of the networks.")
    ] = None,
    submitted: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it was handed in, as 2026-10-11T22:15:00+09:00.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON document.")] = False,
    audience: Annotated[
        Audience | None,
        typer.Option(
            metavar="A", help="instructor (default of --json), or student: without hidden criteria (default else)."
        ),
    ] = None,
    sandbox: Annotated[str | None, typer.Option(metavar="B", help="The walls to run it behind.")] = None,
) -> None:
    """Grade one file and print its report."""
    time = _time(submitted)
    submission = Submission(file.name, _read(file), student, time)
    loaded, assignment = _load(rubric)
    number = settings.seed_for(submission.sha256) if seed is None else seed
    if not as_json:
        Thread(target=import_module, args=["grader.render.terminal"]).start()  # while the child works, we would wait
    with _sandbox(context.obj, sandbox) as walls:
        report = grading.grade(submission, assignment, loaded, seed=number, sandbox=walls)
    seen = report.seen_by(audience or ("instructor" if as_json else "student"))
    if as_json:
        print(seen.model_dump_json(indent=2, ensure_ascii=not _speaks_unicode()))
    else:
        from grader.render import terminal

        _console().print(terminal.report(seen))


@app.command()
def starter(
    assignment: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Its name.", show_default=False)],
) -> None:
    """Print the file a student fills in."""
    print(assignments.load(assignment).STARTER, end="")


@app.command()
def verify(
    assignment: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help="Its name, or its file.", show_default=False)],
) -> None:
    """Prove the references of an assignment, and refute the wrong readings of them."""
    from grader import proof

    checks = proof.checks(assignments.load(assignment))
    findings: list[proof.Finding] = []
    with _progress() as progress:
        task = progress.add_task("", total=len(checks))
        for check in checks:
            progress.update(task, description=check.title)
            findings.extend(check.run())
            progress.advance(task)
    rows = proof.table(findings)
    _console().print(_proof_tables(rows))
    if wrong := [f"{row.subject} by {row.method}" for row in rows if not row.agrees]:
        raise GraderFault(
            f"assignment {assignment}: found {'; '.join(wrong)} to fail; expected every reference to agree and every "
            "wrong reading not to; grade nothing with it until it is mended"
        )


@rubric_app.command("check")
def rubric_check(rubric: RubricArgument = "backprop") -> None:
    """Check a rubric, and that it fits its assignment."""
    loaded, assignment = _load(rubric)
    points = sum(criterion.points for criterion in loaded.criteria)
    print(f"{loaded.path}: good: {len(loaded.criteria)} criteria of assignment {assignment.ID}, {points} points")


@rubric_app.command("show")
def rubric_show(rubric: RubricArgument = "backprop") -> None:
    """Show a rubric as a student may read it."""
    loaded, _ = _load(rubric)
    _console().print(_rubric_table(loaded))
    print("\n".join(_rubric_rules(loaded)))


@rubric_app.command("schema")
def rubric_schema() -> None:
    """Print the JSON Schema of a rubric file."""
    import json

    print(json.dumps(rubrics.schema(), indent=2, ensure_ascii=False))


# What the commands share.


def _load(name: str) -> tuple[Rubric, Assignment]:
    rubric = rubrics.read(rubrics.find(name))
    try:
        assignment = assignments.load(rubric.assignment, beside=rubric.path.parent)
    except UsageError as error:
        raise UsageError(f"{rubric.place('assignment')}: {error}") from None
    grading.check(rubric, assignment)
    return rubric, assignment


def _read(path: Path) -> bytes:
    """The bytes of a submission. Raises UsageError for what is no file, cannot be read, or is too large."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{path}: it is a folder; expected a Python file; name the file in it")
        if not stat.S_ISREG(mode):
            raise UsageError(f"{path}: it is no regular file; expected a Python file; save it as one first")
        with path.open("rb") as file:
            source = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file; expected a Python file; correct the path") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{path}: it cannot be read ({why}); expected a Python file; mend that") from None
    if len(source) > LARGEST_FILE:
        raise UsageError(f"{path}: it is larger than 1 MB; expected some kilobytes of Python; take the data out of it")
    return source


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise UsageError(
            f"--submitted: found {text!r}; expected a date and time with its zone, such as "
            "2026-10-11T22:15:00+09:00; correct it"
        )
    return time


def _sandbox(started: sandboxes.Sandbox | None, name: str | None) -> AbstractContextManager[sandboxes.Sandbox]:
    wanted = sandboxes.wanted(name)
    if started is not None and started.name == wanted:
        return nullcontext(started)
    return closing(sandboxes.start(wanted))


def _console() -> Console:
    from rich.console import Console  # here and below: rich is slow to import, and --json has no use for it

    return Console(highlight=False, markup=False, emoji=False)  # a text is shown as it is written


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), transient=True)


def _proof_tables(rows: Sequence[proof.Row]) -> RenderableType:
    """The references by method, then the wrong readings."""
    from rich.console import Group

    references = _table("part", "method", "networks", "worst error", "seconds", "")
    readings = _table("wrong reading", "networks", "least error", "seconds", "")
    for row in rows:
        error = "identically zero" if row.error is None else f"{row.error:.1e}"
        figures = (str(row.networks), error, f"{row.seconds:.2f}")
        if row.method == "wrong reading":
            readings.add_row(row.subject, *figures, "refuted" if row.agrees else "NOT REFUTED")
        else:
            references.add_row(row.subject, row.method, *figures, "agrees" if row.agrees else "DISAGREES")
    return Group(references, "", readings)


def _table(*columns: str) -> Table:
    from rich.table import Table

    return Table(*columns, box=None, pad_edge=False)


def _rubric_table(rubric: Rubric) -> Table:
    table = _table("part", "what", "function", "points")
    table.title, table.title_justify = rubric.title, "left"
    for criterion in rubric.criteria:
        if criterion.visible:
            table.add_row(criterion.id, criterion.title, criterion.function, str(criterion.points))
    return table


def _rubric_rules(rubric: Rubric) -> Iterator[str]:
    points = sum(criterion.points for criterion in rubric.criteria if criterion.visible)
    limits, comparison = rubric.limits, rubric.comparison
    yield f"\n{points} points in all. A part has its points when every answer is right,"
    yield f"to {float(comparison.relative_tolerance):g} of its largest entry."
    yield f"A call may take {float(limits.call_seconds):g} s, all together {float(limits.submission_seconds):g} s."
    if lost := comparison.finite_differences_lose:
        yield f"An answer found by finite differences instead of a formula loses {lost:.0%} of its points."
    if late := rubric.late:
        yield f"Deadline: {late.deadline.isoformat(' ', 'minutes')}, with {float(late.grace_minutes):g} min of grace."
        yield f"Each day begun after it costs {float(late.percent_per_day):g}%,"
        yield f"and {float(late.floor_percent):g}% of the points stay at least."
