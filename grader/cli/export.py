"""`grade export`: what a batch's grades would change in a gradebook, and the gradebook filled."""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grader.errors import UsageError, nearest
from grader.outcomes import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from grader import making
    from grader.export import Change, Comparison

SOME = 3  # names in a warning
SHOWN = 40  # changes in the table; --json has all
KINDS = (  # what wants a look first
    "lowered", "edited", "ambiguous", "unmatched", "locked", "fault", "raised", "new", "missing", "excused",
    "unassigned", "unchanged",
)  # fmt: skip


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `grade batch` left.", show_default=False)],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="PLATFORM",
            help="canvas, moodle, moodle-import, moodle-feedback, blackboard, brightspace, gradescope, openedx, "
            "oneroster, sakai; csv, xlsx, html.",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The file to write.")] = None,
    template: Annotated[
        Path | None, typer.Option("--template", metavar="FILE", help="The gradebook to fill, as you downloaded it.")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="The column: one that is there, or what to call it.")
    ] = None,
    matches: Annotated[
        Path | None,
        typer.Option("--matches", metavar="CSV", help="Who is who where only names tell: written, then read."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and write no such file.")] = False,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="CLASS", help="Allow a class of change that is blocked; may be repeated."),
    ] = None,
    missing: Annotated[
        str | None, typer.Option("--missing", metavar="zero", help="Give who handed in nothing 0 points.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every change as one JSON document.")] = False,
) -> None:
    """Fill a column of a gradebook you downloaded with a batch's grades, or make a file of them."""
    from grader import confirmations, making
    from grader import export as exports  # here: no other command has a use for these

    forced = frozenset(force or ())
    for kind in sorted(forced - set(exports.BLOCKING)):
        near = nearest(kind, list(exports.BLOCKING))
        raise UsageError(
            f"--force {kind}: there is nothing of this name to allow; expected one of: {', '.join(exports.BLOCKING)}"
            + (f"; did you mean {near}?" if near else "")
        )
    if missing not in (None, "zero"):
        raise UsageError(
            f"--missing: found {missing!r}; expected zero; leave it out, and who is missing stays as they are"
        )
    if out is None and not dry_run:
        raise UsageError("--out: it is missing; expected the file to write, or --dry-run; name one of them")
    target = None if dry_run else out
    if template is None:
        _make(making.Source(folder, to, column, missing == "zero"), target, forced, as_json=as_json)
        return
    order = exports.Order(folder, to, template, column, matches, forced, missing_zero=missing == "zero")
    with exports.compared(order) as comparison:
        print(_document(comparison) if as_json else _table(comparison))
        _warn_of_formulas(comparison.changes())
        if matches:
            waiting = confirmations.write(matches, comparison.suggestions())
            told = f"{waiting} may be who they seem; write yes or no as confirmed, and run this again"
            print(f"grade: {matches}: {told if waiting else 'no name waits for an answer'}", file=sys.stderr)
        if target is not None:
            written = comparison.write(target)
            left_out = sum(change.kind in exports.LEFT_OUT for change in comparison.changes())
            told = f"{written} {'cell' if written == 1 else 'cells'} filled"
            print(f"grade: {target}: {told}" + (f", {left_out} students left out" if left_out else ""), file=sys.stderr)


def _make(source: making.Source, target: Path | None, forced: frozenset[str], *, as_json: bool) -> None:
    """A file from nothing, where there is no gradebook to fill."""
    from grader import lms, making, pushes
    from grader.export import refuse_to_write, written

    if source.platform not in making.names():
        if source.platform in lms.gradebooks():
            raise UsageError(
                f"--to {source.platform}: there is no template; expected the gradebook you downloaded; name it with "
                "--template"
            )
        known = sorted({*making.names(), *lms.gradebooks()})
        near = nearest(source.platform, known)
        raise UsageError(
            f"--to {source.platform}: there is no such platform; expected one of: {', '.join(known)}"
            + (f"; did you mean {near}?" if near else "")
        )
    is_logged = making.is_logged(source.platform)
    changes = list(making.changes(source)) if is_logged else []
    if is_logged:
        _show_made(source, changes, forced, as_json=as_json, writes=target is not None)
    elif target is None:
        raise UsageError(f"--dry-run: {source.platform} is no platform's gradebook; expected --out; name the file")
    if target is not None:
        refuse_to_write(target, source.folder)
        if is_logged:
            pushes.check(source.folder)
        with written(target) as file:
            count = making.make(source, file)
        if is_logged:
            making.note(source, changes)
        print(f"grade: {target}: {count} {'student' if count == 1 else 'students'}", file=sys.stderr)


def _show_made(
    source: making.Source, changes: Sequence[Change], forced: frozenset[str], *, as_json: bool, writes: bool
) -> None:
    """What has changed since it was made last; refused where a grade would be lowered or is missing by our fault."""
    from grader.export import BLOCKING, refuse_blocked

    _warn_of_formulas(changes)
    blocked = sorted({change.kind for change in changes} & set(BLOCKING) - forced)
    if as_json:
        print(_as_json({"platform": source.platform, "column": source.column, "blocked": blocked}, changes))
    else:
        print("\n".join([*_listed(source.column or "", changes), *_told(blocked)]))
    if writes:
        refuse_blocked(f"--to {source.platform}", blocked)


def _document(comparison: Comparison) -> str:
    """Every change, and what is in the gradebook besides, as JSON."""
    head = {
        "platform": comparison.order.platform,
        "column": comparison.column.title,
        "blocked": comparison.blocked(),
        "not_in_the_batch": [{"row": row, "name": name} for row, name in comparison.rows_of_nobody()],
    }
    return _as_json(head, comparison.changes())


def _as_json(head: dict[str, Any], changes: Iterable[Change]) -> str:
    listed = [change._asdict() | {"maximum": change.maximum and float(change.maximum)} for change in changes]
    counts = dict(Counter(change["kind"] for change in listed))
    return json.dumps({**head, "counts": counts, "changes": listed}, ensure_ascii=False, indent=1)


def _table(comparison: Comparison) -> str:
    nobody = sum(1 for _ in comparison.rows_of_nobody())
    lines = _listed(comparison.column.title, comparison.changes())
    if nobody:
        are = "is" if nobody == 1 else "are"
        lines.insert(1, f"{nobody} of the gradebook {are} not in the batch, and left as they are")
    return "\n".join([*lines, *_told(comparison.blocked())])


def _listed(column: str, changes: Iterable[Change]) -> list[str]:
    """How many there are of each kind, and the first of those that want a look."""
    counts: Counter[str] = Counter()
    noteworthy: list[Change] = []
    for change in changes:
        counts[change.kind] += 1
        if change.kind != "unchanged":
            noteworthy.append(change)
    lines = [f"{column}: " + (", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]) or "nobody")]
    noteworthy.sort(key=lambda change: KINDS.index(change.kind))
    if noteworthy:
        head = ("student", "name", "change", "before", "after", "")
        lines += ["", *_aligned([head, *map(_cells, noteworthy[:SHOWN])])]
    if len(noteworthy) > SHOWN:
        lines.append(f"and {len(noteworthy) - SHOWN} more: --json has all")
    return lines


def _told(blocked: Iterable[str]) -> list[str]:
    from grader.export import BLOCKING, LEFT_OUT

    told = [
        f"blocked: {kind}: {BLOCKING[kind]}; {'go on without' if kind in LEFT_OUT else 'allow it'} with --force {kind}"
        for kind in blocked
    ]
    return ["", *told] if told else []


def _warn_of_formulas(changes: Iterable[Change]) -> None:
    """Ids and names go back as they came, for the platform looks them up; who opens the file is to know."""
    from grader.render.gradebook import FORMULA_STARTS

    texts = (text for change in changes for text in (change.student, change.name))
    first = list(islice((text for text in texts if text.startswith(FORMULA_STARTS)), SHOWN))
    if first:
        some = ", ".join(map(clean, first[:SOME])) + (" and others" if first[SOME:] else "")
        print(
            f"grade: {some}: begins as a formula does, and is written as it is; do not open the file in a spreadsheet "
            "program before it is imported",
            file=sys.stderr,
        )


def _cells(change: Change) -> tuple[str, ...]:
    before, after = ("" if text is None else text or "blank" for text in (change.before, change.after))
    return change.student, change.name, change.kind, before, after if change.kind != "missing" else "", change.note


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    cells = [[" ".join(clean(cell).split()) for cell in row] for row in rows]
    widths = [min(40, max(map(len, column))) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
