"""`grade export`: what a batch's grades would change in a gradebook, and the gradebook filled."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.errors import UsageError, nearest

if TYPE_CHECKING:
    from grader.export import Change, Comparison

SHOWN = 40  # changes in the table; --json has all
WAIT_FOR_A_LOOK = (
    "lowered",
    "edited",
    "ambiguous",
    "unmatched",
    "locked",
    "fault",
    "raised",
    "new",
    "missing",
    "excused",
    "unassigned",
)


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `grade batch --out DIR` left.", show_default=False)
    ],
    to: Annotated[
        str,
        typer.Option("--to", metavar="PLATFORM", help="canvas, moodle, blackboard or brightspace.", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file to write, for the platform.")
    ] = None,
    template: Annotated[
        Path | None, typer.Option("--template", metavar="FILE", help="The gradebook, as you downloaded it.")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="The column to fill, where there are several.")
    ] = None,
    matches: Annotated[
        Path | None,
        typer.Option("--matches", metavar="CSV", help="Who is who where only names tell: written, then read."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and write no gradebook.")] = False,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="KIND", help="Allow a kind of change that is blocked; may be repeated."),
    ] = None,
    missing: Annotated[
        str | None, typer.Option("--missing", metavar="zero", help="Give who handed in nothing 0 points.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every change as one JSON document.")] = False,
) -> None:
    """Fill a column of a gradebook you downloaded with a batch's grades, and change nothing else."""
    from grader import confirmations
    from grader import export as exports  # here: no other command has a use for it

    forced = frozenset(force or ())
    for kind in sorted(forced - set(exports.BLOCKING)):
        near = nearest(kind, list(exports.BLOCKING))
        raise UsageError(
            f"--force {kind}: there is nothing of this name to allow; expected one of: {', '.join(exports.BLOCKING)}"
            + (f"; did you mean {near}?" if near else "")
        )
    if missing not in (None, "zero"):
        raise UsageError(
            f"--missing {missing}: found {missing!r}; expected zero; leave it out, and who is missing stays as they are"
        )
    if template is None:
        raise UsageError(
            f"--to {to}: there is no template; expected the gradebook you downloaded; name it with --template"
        )
    if out is None and not dry_run:
        raise UsageError("--out: it is missing; expected the file to write, or --dry-run; name one of them")
    order = exports.Order(folder, to, template, column, matches, forced, missing_zero=missing == "zero")
    with exports.compared(order) as comparison:
        print(_document(comparison) if as_json else _table(comparison))
        if matches and (waiting := confirmations.write(matches, comparison.suggestions())):
            print(
                f"grade: {matches}: {waiting} may be who they seem; write yes or no behind each, and run this again",
                file=sys.stderr,
            )
        if out is not None and not dry_run:
            written = comparison.write(out)
            print(
                f"grade: {out}: {written} {'cell' if written == 1 else 'cells'} filled; import it in {to}",
                file=sys.stderr,
            )


def _document(comparison: Comparison) -> str:
    """Every change, and what is in the gradebook besides, as JSON."""
    changes = [
        change._asdict() | {"maximum": change.maximum and float(change.maximum)} for change in comparison.changes()
    ]
    return json.dumps(
        {
            "platform": comparison.order.platform,
            "column": comparison.column.title,
            "counts": comparison.counts(),
            "blocked": comparison.blocked(),
            "changes": changes,
            "not_in_the_batch": [{"row": row, "name": name} for row, name in comparison.rows_of_nobody()],
        },
        ensure_ascii=False,
        indent=1,
    )


def _table(comparison: Comparison) -> str:
    counts = comparison.counts()
    lines = [f"{comparison.column.title}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)]
    if nobody := sum(1 for _ in comparison.rows_of_nobody()):
        lines.append(
            f"{nobody} of the gradebook {'is' if nobody == 1 else 'are'} not in the batch, and left as they are"
        )
    noteworthy = [change for change in comparison.changes() if change.kind != "unchanged"]
    noteworthy.sort(key=lambda change: WAIT_FOR_A_LOOK.index(change.kind))
    if noteworthy:
        lines.append("")
        lines += _aligned([("student", "name", "change", "before", "after", ""), *map(_cells, noteworthy[:SHOWN])])
    if len(noteworthy) > SHOWN:
        lines.append(f"and {len(noteworthy) - SHOWN} more: --json has all")
    if blocked := comparison.blocked():
        from grader.export import BLOCKING

        lines += ["", *(f"blocked: {kind}: {BLOCKING[kind]}; allow it with --force {kind}" for kind in blocked)]
    return "\n".join(lines)


def _cells(change: Change) -> tuple[str, ...]:
    before, after = ("" if text is None else text or "blank" for text in (change.before, change.after))
    return change.student, change.name, change.kind, before, after if change.kind != "missing" else "", change.note


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    from grader.outcomes import clean

    cells = [[" ".join(clean(cell).split()) for cell in row] for row in rows]
    widths = [min(40, max(map(len, column))) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
