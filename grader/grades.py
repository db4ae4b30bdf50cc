"""What a batch left, as grades: each student's state and points, and what they may be found by in a gradebook.

It reads the folder of a batch, and knows nothing of where grades go.
"""

from __future__ import annotations

import csv
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic_core

from grader.errors import UsageError
from grader.journal import GRADES, JOURNAL
from grader.render.gradebook import FORMULA_STARTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATES = {"graded": "graded", "unreadable": "graded", "missing": "missing", "fault": "fault"}  # unreadable has 0 points


class Grade(NamedTuple):
    """One student: graded, missing or fault; points only where graded."""

    student: str
    state: str
    points: Decimal | None
    maximum: Decimal | None
    attempt: int | None = None
    name: str = ""
    email: str = ""
    section: str = ""


class Origin(NamedTuple):
    """Where a report's submission came from: whose, which attempt; the platform, its key, the path in its download."""

    student: str
    attempt: int
    platform: str | None
    key: str | None
    path: str | None


def read(folder: Path) -> Iterator[Grade]:
    """Every student of the batch. Raises UsageError where the folder is no batch's, or somebody has changed it."""
    try:
        with (folder / GRADES).open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                try:
                    yield _grade(row)
                except (KeyError, InvalidOperation, ValueError) as error:
                    why = f"{type(error).__name__}: {error}"
                    raise UsageError(
                        f"{folder / GRADES}:{number}: it is not as a batch leaves it ({why}); expected it unchanged; "
                        "run the batch again, which writes it anew"
                    ) from None
    except OSError as error:
        raise no_batch(folder, error) from None


def _grade(row: dict[str, Any]) -> Grade:
    state = STATES[row["status"]]
    points, maximum = (Decimal(row[name]) if state == "graded" else None for name in ("points", "max_points"))
    if points is not None and maximum is not None and not 0 <= points <= maximum:
        raise ValueError(f"{points} points of {maximum}")
    told = (_told(row[column]) for column in ("name", "email", "section"))
    return Grade(row["student"], state, points, maximum, int(row["attempt"]) if row["attempt"] else None, *told)


def _told(text: str) -> str:
    """As it was before it was made harmless for spreadsheets."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def origins(folder: Path) -> Iterator[Origin]:
    """Where every report's submission came from."""
    try:
        with (folder / JOURNAL).open("rb") as file:
            for line in file:
                known = pydantic_core.from_json(line)
                origin = known.get("origin") or {}
                yield Origin(
                    known["student"],
                    origin.get("attempt", 1),
                    origin.get("platform"),
                    origin.get("key"),
                    origin.get("path"),
                )
    except OSError as error:
        raise no_batch(folder, error) from None
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"{folder / JOURNAL}: it has what is no report ({error}); expected it unchanged; run the batch again"
        ) from None


def no_batch(folder: Path, error: OSError) -> UsageError:
    """What is said of a folder that no batch left."""
    why = (error.strerror or str(error)).lower()
    return UsageError(f"{folder}: it is not what a batch leaves ({why}); expected the folder of --out; name that")
