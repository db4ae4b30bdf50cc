"""A report as a student reads it in a terminal: the score, one row a criterion, tracebacks, what was printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.render import example
from grader.render.numbers import plain
from grader.render.words import FLAGS, late, walls, with_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from grader.report import CriterionReport, Report

MOST_LINES, MOST_LETTERS = 40, 4000  # of what a file printed: the score must not scroll away


def report(report: Report) -> RenderableType:
    """Everything the report says to its audience."""
    return Group(*_blocks(report))


def _blocks(report: Report) -> Iterator[RenderableType]:
    yield _headline(report)
    yield from _notes(report)
    if report.status == "unreadable":
        yield Padding(Text(report.unreadable or ""), (1, 0))
    else:
        yield Padding(_criteria(report.criteria), (1, 0))
    for criterion in report.criteria:
        if criterion.counterexample:
            yield Padding(example.smallest(criterion), (0, 0, 1, 0))
    shown: set[str] = set()
    for criterion in report.criteria:
        if criterion.traceback and criterion.traceback not in shown:  # one failure often costs several criteria
            shown.add(criterion.traceback)
            yield _block(
                "Where it failed" if report.status == "unreadable" else f"Where {criterion.id} failed",
                criterion.traceback,
            )
    if report.stdout.strip():
        yield _block("What the file printed", _start_of(with_places(report.printed)))
    facts = ("seed", report.seed), ("sandbox", walls(report.sandbox)), ("grader", report.grader_version)
    yield Text(" · ".join(f"{name} {fact}" for name, fact in facts) + f" · {report.seconds:.2f} s", style="dim")


def _headline(report: Report) -> Text:
    full = report.points == report.max_points
    score = Text(f"{plain(report.points)} of {plain(report.max_points)} points", style="bold green" if full else "bold")
    whose = f" ({report.student})" if report.student else ""
    return Text.assemble((report.submission.name.replace("\n", " "), "bold"), whose, ": ", score)


def _notes(report: Report) -> Iterator[Text]:
    if report.late:
        yield Text(late(report.late))


def _criteria(criteria: tuple[CriterionReport, ...]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in ("mark", "id"):
        table.add_column(name, no_wrap=True)
    table.add_column("what")
    table.add_column("points", no_wrap=True, justify="right")
    for criterion in criteria:
        right = criterion.verdict == "right"
        mark = Text("✓", style="green") if right else Text("✗", style="red")
        points = f"{plain(criterion.points)} / {plain(criterion.max_points)}"
        table.add_row(mark, Text(criterion.id, style="bold"), _what(criterion), points)
    return table


def _what(criterion: CriterionReport) -> Text:
    hidden = "" if criterion.visible else " (hidden from students)"
    text = Text(f"{criterion.title}{hidden}\n")
    if criterion.verdict != "right":
        text.append(f"{criterion.verdict.replace('_', ' ')}: ", style="red")
    text.append(criterion.message, style="dim" if criterion.verdict == "right" else "")
    if criterion.question:
        step = f" ({criterion.step})" if criterion.step else ""
        text.append(f"\nask yourself: {criterion.question}{step}", style="cyan")
    if criterion.credit:
        text.append(f"\npoints: {criterion.reason}", style="dim")
    for flag in criterion.flags:
        text.append(f"\nnote: {FLAGS[flag]}", style="yellow")
    return text


def _start_of(text: str) -> str:
    lines = text[:MOST_LETTERS].splitlines()
    left = len(text.splitlines()) - min(len(lines), MOST_LINES)
    more = left > 0 or len(text) > MOST_LETTERS
    return "\n".join(lines[:MOST_LINES]) + (f"\n[{left or 'some'} more lines; --json has them]" if more else "")


def _block(title: str, body: str) -> RenderableType:
    return Padding(Group(Text(title, style="bold"), Padding(Text(body.rstrip("\n")), (0, 0, 0, 2))), (0, 0, 1, 0))
