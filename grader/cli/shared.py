"""What the commands share: how the rubric and the service's database are named, consoles and tables."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from grader import settings
from grader.errors import GraderFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

RubricOption = Annotated[str, typer.Option("--rubric", metavar="R", help="A rubric's name, or the path of its file.")]
DEFAULT_RUBRIC = "backprop"
RubricArgument = Annotated[str, typer.Argument(metavar="[R]", help="A rubric's name, or the path of its file.")]

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", envvar="GRADER_DATABASE",
        help="sqlite:////path or postgresql://… (default: in GRADER_HOME).",
    ),
]  # fmt: skip
SandboxOption = Annotated[
    str | None, typer.Option("--sandbox", metavar="B", envvar="GRADER_SANDBOX", help="The walls: zygote.")
]
LogOption = Annotated[
    bool, typer.Option("--log", envvar="GRADER_LOG", help="Write each request and each grading as JSON to stderr.")
]

ENDING = "grade: ending; what is being graded is brought to its end, in half a minute at most"


@contextmanager
def server_extra(command: str) -> Iterator[None]:
    """For the imports of what the extra brings. Raises UsageError where it is not installed."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"grade {command}: {error.name} is not installed; expected the extra grader[server]; install it: python -m "
            "pip install 'grader[server]'"
        ) from None


def own_database() -> str:
    """The address of the service's own database, in the installation's folder, which nobody else reads."""
    folder = _service_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(folder / "grader.db", os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise GraderFault(
            f"{folder}: it cannot be written to ({why}); expected a folder for the database; set GRADER_HOME to one, "
            "or name a --database"
        ) from None
    return known_database()


def known_database() -> str:
    """The same address, whether anything is there or not."""
    return f"sqlite:///{_service_folder() / 'grader.db'}"


def _service_folder() -> Path:
    return settings.home() / "service"


def refuse_with_server(given: Mapping[str, object]) -> None:
    """Raise UsageError for an option that is given, together with `--server`, to what is decided there."""
    for option in [option for option, value in given.items() if value not in (None, DEFAULT_RUBRIC)]:
        raise UsageError(f"{option}: it has no use together with --server, which decides that itself; leave it out")


def console() -> Console:
    from rich.console import Console  # here and below: rich is slow to import, and --json has no use for it

    return Console(highlight=False, markup=False, emoji=False)  # a text is shown as it is written


def table(*columns: str) -> Table:
    from rich.table import Table

    return Table(*columns, box=None, pad_edge=False)
