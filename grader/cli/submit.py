"""`grade submit`: one file graded, and its report printed."""

from __future__ import annotations

import os
import sys
from contextlib import closing, nullcontext, suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from grader import grading, intake, settings
from grader import sandbox as sandboxes
from grader.cli.shared import DEFAULT_RUBRIC, RubricOption, console, refuse_with_server
from grader.errors import UsageError
from grader.report import Audience

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from grader.report import Report
    from grader.values import Submission

WITHOUT_WALLS = ("darwin", "win32")  # systems of students who grade their own file
MOST_SEED = 2**settings.SEED_BITS - 1


def submit(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The student's Python file.", show_default=False)],
    rubric: RubricOption = DEFAULT_RUBRIC,
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
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page, too.")
    ] = None,
    gradescope: Annotated[
        Path | None, typer.Option("--gradescope", metavar="FILE", help="Write a results.json for Gradescope, too.")
    ] = None,
    sandbox: Annotated[str | None, typer.Option(metavar="B", help="The walls to run it behind.")] = None,
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL", help="Hand it in at this assignment of a service instead.")
    ] = None,
) -> None:
    """Grade one file and print its report."""
    _check_outputs(file, html, gradescope)
    if server is not None:
        given = {
            "--student": student, "--seed": seed, "--submitted": submitted, "--audience": audience,
            "--gradescope": gradescope, "--sandbox": sandbox, "--rubric": rubric,
        }  # fmt: skip
        _hand_in(server, intake.submission(file), given, html, as_json=as_json)
        return
    time = _time(submitted)
    submission = intake.submission(file)._replace(student=student, submitted=time)
    loaded, assignment = grading.load(rubric)
    if loaded.late and time is None:
        print("grade: note: the rubric has a deadline, and without --submitted nothing is late", file=sys.stderr)
    number = settings.seed_for(submission.sha256) if seed is None else seed
    sandbox = sandbox or _without_walls()
    if not as_json:
        Thread(target=import_module, args=["grader.render.terminal"]).start()  # while the child works, we would wait
    with _sandbox(context.obj, sandbox) as walls:
        report = grading.grade(submission, assignment, loaded, seed=number, sandbox=walls)
    seen = report.seen_by(audience or ("instructor" if as_json else "student"))
    _write_files(report, html, gradescope, audience)
    _print(seen, as_json=as_json)


def _print(seen: Report, *, as_json: bool) -> None:
    if as_json:
        print(seen.model_dump_json(indent=2, ensure_ascii=not _speaks_unicode()))
    else:
        from grader.render import terminal

        console().print(terminal.report(seen))


def _hand_in(
    server: str, submission: Submission, given: Mapping[str, object], html: Path | None, *, as_json: bool
) -> None:
    """At a service, which decides what else there is to say."""
    from grader import account, client

    refuse_with_server(given)
    token = account.read("server", client.ACCOUNT, None)["token"]
    seen = client.graded(server, token, submission, _show)
    if html is not None:
        from grader.render import html as page

        _write(html, page.page(seen))
    _print(seen, as_json=as_json)


def _show(how_far: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{how_far}    ", end="\r", file=sys.stderr, flush=True)


def _write_files(report: Report, html: Path | None, gradescope: Path | None, audience: Audience | None) -> None:
    """The page is for a student where nobody else is named; Gradescope's file says itself who may see what."""
    if html is not None:
        from grader.render import html as page

        _write(html, page.page(report.seen_by(audience or "student")))
    if gradescope is not None:
        from grader.render import gradescope as results

        _write(gradescope, results.results(report))


def _check_outputs(submission: Path, html: Path | None, gradescope: Path | None) -> None:
    """Whether each can be written and nothing is lost. Raises UsageError for what is no file, or stands for another."""
    outputs = [path.resolve() for path in (html, gradescope) if path is not None]
    for path in outputs:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: it is no regular file; expected a file to write to; name one")
        if path == submission.resolve():
            raise UsageError(f"{path}: it is the submission itself; expected another file to write to; name one")
    if len(set(outputs)) < len(outputs):
        raise UsageError(
            f"{outputs[0]}: it is named twice; expected a file for each of --html and --gradescope; name two"
        )


def _write(path: Path, text: str) -> None:
    """Whole or not at all; a link is followed. Raises UsageError where there is nowhere to write."""
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        why = (error.strerror or str(error)).lower()
        raise UsageError(
            f"{path}: it cannot be written ({why}); expected a file in a folder of yours; correct it"
        ) from None


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


def _without_walls() -> str | None:
    """Where the walls cannot be, a student may still grade their own file; but nobody is to think they stand."""
    if sys.platform not in WITHOUT_WALLS or settings.sandbox_name():
        return None
    print(
        "grade: the sandbox: there are no walls on this system, only Linux has them; expected your own file, which is "
        "run as if you ran it yourself; grade other people's files on Linux",
        file=sys.stderr,
    )
    return "unconfined"


def _speaks_unicode() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
