"""The smallest example of a mistake, for a terminal: the network, both answers, and where they differ.

A difference is told by a mark and a number, and only besides by a colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.render.numbers import matrix, number, row, shade

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from grader.report import Counterexample, CriterionReport, Difference

SHADES = ("", "on yellow", "on dark_orange", "on red")  # of a wrong entry, by how far it is off


def smallest(criterion: CriterionReport) -> RenderableType:
    """The counterexample of a criterion, with its difference where the two answers have the same shape."""
    shown = criterion.counterexample
    assert shown is not None
    title = Text(f"The smallest network on which {criterion.id} is wrong", style="bold")
    note = [Text(f"({shown.note})")] if shown.note else []
    return Group(title, Padding(Group(*_network(shown), *note, _answers(shown, criterion.difference)), (0, 0, 0, 2)))


def _network(shown: Counterexample) -> Iterator[RenderableType]:
    arguments = shown.model_extra or {}
    if "widths" in arguments:
        widths = "-".join(map(str, arguments["widths"]))
        yield Text(
            f"widths {widths}, l = {shown.l}, σ(z) = {arguments['sigma'].replace('**', '^')}, x = {row(arguments['x'])}"
        )
        for layer, (weights, bias) in enumerate(zip(arguments["A"], arguments["b"], strict=True), 1):
            yield Text(f"A_{layer} = {matrix(weights)}, b_{layer} = {row(bias)}")
    else:
        yield Text(", ".join(f"{name} = {value}" for name, value in {**arguments, "l": shown.l}.items()))


def _answers(shown: Counterexample, difference: Difference | None) -> RenderableType:
    if shown.yours is None:
        return Group(Text(f"yours: {shown.failure}"), Text(f"right: {matrix(shown.right)}"))
    if difference is None:
        return Group(Text(f"yours: {matrix(shown.yours)}"), Text(f"right: {matrix(shown.right)}"))
    table = Table(box=None, pad_edge=False)
    for name in ("yours", "right", "yours - right (✗ wrong)"):
        table.add_column(name)
    table.add_row(_grid(shown.yours), _grid(shown.right), _map(difference))
    return table


def _grid(rows: Sequence[Sequence[Any]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for cells in rows:
        grid.add_row(*(Text(number(cell), justify="right") for cell in cells))
    return grid


def _map(difference: Difference) -> RenderableType:
    """The heat map: each entry's difference, marked and shaded where it is wrong."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for entries, wrong in zip(difference.entries, difference.wrong, strict=True):
        cells = zip(entries, wrong, strict=True)
        grid.add_row(*(_cell(entry, is_wrong, difference) for entry, is_wrong in cells))
    return grid


def _cell(entry: float | str, is_wrong: bool, difference: Difference) -> Text:
    style = SHADES[shade(entry, difference, len(SHADES) - 1)] if is_wrong else ""
    return Text(
        f" {number(entry)} {'✗' if is_wrong else ' '}", style=f"black {style}" if style else "", justify="right"
    )
