"""What the commands share: how the rubric is named, consoles and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

RubricOption = Annotated[str, typer.Option("--rubric", metavar="R", help="A rubric's name, or the path of its file.")]
RubricArgument = Annotated[str, typer.Argument(metavar="[R]", help="A rubric's name, or the path of its file.")]


def console() -> Console:
    from rich.console import Console  # here and below: rich is slow to import, and --json has no use for it

    return Console(highlight=False, markup=False, emoji=False)  # a text is shown as it is written


def table(*columns: str) -> Table:
    from rich.table import Table

    return Table(*columns, box=None, pad_edge=False)
