"""What would become of every grade, as a table for people or as JSON."""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from grader.comparing import BLOCKING, LEFT_OUT
from grader.outcomes import clean
from grader.render.gradebook import FORMULA_STARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from grader.comparing import Change, Comparison
    from grader.pushing import Outcome
    from grader.sending import Sending

SOME = 3  # names in a warning
SHOWN = 40  # changes in the table; --json has all
KINDS = (  # what wants a look first
    "lowered", "edited", "ambiguous", "unmatched", "locked", "fault", "raised", "new", "missing", "excused",
    "unassigned", "unchanged",
)  # fmt: skip


def document(
    comparison: Comparison, sendings: Sequence[Sending] | None = None, outcomes: Sequence[Outcome] | None = None
) -> str:
    """Every change, and what is in the gradebook besides, as JSON; of a server also who is sent a comment, and what
    came of everybody.
    """
    head: dict[str, Any] = {
        "platform": comparison.order.platform,
        "column": comparison.column.title,
        "blocked": comparison.blocked(),
        "not_in_the_batch": [{"row": row, "name": name} for row, name in comparison.rows_of_nobody()],
    }
    if sendings is not None:
        head["comments"] = [sending.change.student for sending in sendings if sending.score.is_news]
    if outcomes is None:
        return as_json(head, comparison.changes())
    head["outcomes"] = [outcome._asdict() for outcome in outcomes]
    written = {outcome.student for outcome in outcomes if outcome.state == "written"}
    changes = (change._replace(written=change.written and change.student in written) for change in comparison.changes())
    return as_json(head, changes)


def as_json(head: dict[str, Any], changes: Iterable[Change]) -> str:
    listed = [change._asdict() | {"maximum": change.maximum and float(change.maximum)} for change in changes]
    counts = dict(Counter(change["kind"] for change in listed))
    return json.dumps({**head, "counts": counts, "changes": listed}, ensure_ascii=False, indent=1)


def table(comparison: Comparison) -> str:
    nobody = sum(1 for _ in comparison.rows_of_nobody())
    lines = listed(comparison.column.title, comparison.changes())
    if nobody:
        are = "is" if nobody == 1 else "are"
        lines.insert(1, f"{nobody} of the gradebook {are} not in the batch, and left as they are")
    return "\n".join([*lines, *told_of(comparison.blocked())])


def listed(column: str, changes: Iterable[Change]) -> list[str]:
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


def told_of(blocked: Iterable[str]) -> list[str]:
    told = [
        f"blocked: {kind}: {BLOCKING[kind]}; go on without with --keep {kind}"
        + ("" if kind in LEFT_OUT else f", or allow it with --force {kind}")
        for kind in blocked
    ]
    return ["", *told] if told else []


def warn_of_formulas(changes: Iterable[Change]) -> None:
    """Ids and names go back as they came, for the platform looks them up; who opens the file is to know."""
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
    kind = f"{change.kind}, lowered" if change.lowers and change.kind != "lowered" else change.kind
    return change.student, change.name, kind, before, after if change.kind != "missing" else "", change.note


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    cells = [[" ".join(clean(cell).split()) for cell in row] for row in rows]
    widths = [min(40, max(map(len, column))) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
