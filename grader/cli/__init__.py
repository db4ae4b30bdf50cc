"""The command line: parses, calls, prints. stdout carries the result, stderr everything else.

Exit codes: 0 done, 2 usage, 3 fault of the grader. It knows nothing of mathematics. One command, or
one family of them, is one module; this one puts them together and turns exceptions into exit codes.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from grader import __version__
from grader.cli import assignment, backup, batch, doctor, export, rubric, serve, submit, worker
from grader.errors import GraderError, GraderFault
from grader.outcomes import clean

if TYPE_CHECKING:
    from grader import sandbox as sandboxes

READER_LEFT = 1  # typer's exit code for an output that nobody reads to its end

app = typer.Typer(
    name="grade",
    help="Grade machine-learning homework: truly, behind walls, and with feedback that teaches.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(submit.submit)
app.command()(batch.batch)
app.command()(export.export)
app.command()(serve.serve)
app.command()(worker.worker)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(assignment.starter)
app.command()(assignment.verify)
app.add_typer(rubric.app, name="rubric")
app.command()(doctor.doctor)


def run(started: sandboxes.Sandbox | None = None) -> int:
    """Run the command line and give its exit code. `started` is a sandbox that was begun early, if any."""
    try:
        app(obj=started, prog_name="grade")
    except SystemExit as leaving:
        return 0 if leaving.code in (None, READER_LEFT) else int(leaving.code)
    except GraderError as error:
        print(f"grade: {clean(str(error))}", file=sys.stderr)
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
