"""`grade doctor`: what this machine can do, proved just now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from grader import assignments
from grader.cli.shared import console, table
from grader.errors import GraderFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from grader.doctor import Examination

EXAMPLE = "backprop"  # whose calls are timed
MARKS = {"proved": "✓", "not needed": "·", "absent": "–", "not tried": "?", "broken": "✗"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as one JSON document.")] = False,
) -> None:
    """Prove each layer of the walls on this machine, and time a submission."""
    from grader import doctor as examiner

    assignment = assignments.load(EXAMPLE)
    found = examiner.examine(assignment.draw(1), assignment.SIGNATURE)
    if as_json:
        print(json.dumps(_document(found), indent=2, ensure_ascii=False))
    else:
        console().print(_layers(found))
        print("\n".join(_facts(found)))
    if not found.sound:
        raise GraderFault(_complaint(found))


def _document(found: Examination) -> dict[str, object]:
    return found._asdict() | {
        "sound": found.sound,
        "layers": [finding._asdict() for finding in found.layers],
        "timing": found.timing and found.timing._asdict(),
    }


def _layers(found: Examination) -> Table:
    rows = table("", "layer", "", "what it forbids; proved: a child tried it just now, and could not")
    for finding in found.layers:
        rows.add_row(MARKS[finding.state], finding.layer, finding.state, finding.forbids)
    return rows


def _facts(found: Examination) -> Iterator[str]:
    yield ""
    for finding in found.layers:
        if finding.advice:
            yield f"{finding.layer}: {finding.state}; {finding.advice}"
    yield f"sandbox      {found.sandbox}: {'runs' if found.refusal is None else 'does not run'}"
    yield f"interpreter  {found.interpreter}, Python {found.python}, numpy {found.numpy or 'unknown'}"
    yield f"system       {found.kernel}"
    if found.timing:
        first, later = (1000 * seconds for seconds in found.timing)
        yield f"a submission {later:.1f} ms behind the walls; the first {first:.0f} ms, with the start of a zygote"


def _complaint(found: Examination) -> str:
    broken = ", ".join(finding.layer for finding in found.layers if finding.state == "broken")
    return found.refusal or (
        f"the walls: what these forbid got through: {broken}; expected all that stand to hold; grade nobody's file on "
        "this machine, and report it"
    )
