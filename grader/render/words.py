"""What every rendering of a report says in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.render.numbers import plain

if TYPE_CHECKING:
    from grader.report import LateReport, PrintedReport, SandboxReport

FLAGS = {
    "finite_differences": "found by finite differences, not by a formula",
    "nondeterministic": "the same call gave two different answers",
    "mutates_inputs": "it writes into its inputs",
}


def with_places(printed: tuple[PrintedReport, ...]) -> str:
    """What was printed, after a line for each call it came from."""
    pieces = []
    for piece in printed:
        heading = f"[{piece.criterion}, {piece.place}]\n" if piece.criterion else ""
        pieces.append(f"{heading}{piece.text}" if piece.text.endswith("\n") else f"{heading}{piece.text}\n")
    return "".join(pieces)


def walls(sandbox: SandboxReport) -> str:
    return sandbox.backend + (f" (without {', '.join(sandbox.missing)})" if sandbox.missing else "")


def late(lateness: LateReport) -> str:
    """By how much it is late, and what that costs."""
    return f"Late by {_duration(lateness.by_seconds)}: {plain(lateness.percent_lost)}% of each criterion lost."


def _duration(seconds: int) -> str:
    minutes = -(-seconds // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    parts = ((days, "d"), (hours, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
