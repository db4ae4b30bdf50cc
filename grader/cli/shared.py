"""What the commands share: how the rubric is named, consoles and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table

RubricOption = Annotated[str, typer.Option("--rubric", metavar="R", help="A rubric's name, or the path of its file.")]
DEFAULT_RUBRIC = "backprop"
RubricArgument = Annotated[str, typer.Argument(metavar="[R]", help="A rubric's name, or the path of its file.")]


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
