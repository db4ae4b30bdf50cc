"""What a batch left, as grades: each student's state and points, and what they may be found by in a gradebook.

It reads the folder of a batch, and knows nothing of where grades go.
"""

from __future__ import annotations

import csv
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic_core

from grader import __version__
from grader.errors import UsageError
from grader.journal import GRADES, JOURNAL
from grader.render.gradebook import FORMULA_STARTS
from grader.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    _Reported = dict[tuple[str, int], tuple[str | None, str | None, str | None, str | None]]

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
    """Where a submission came from: the platform whose download it was, and what that knows the student by."""

    platform: str | None = None
    key: str | None = None


def read(folder: Path) -> Iterator[tuple[Grade, Origin]]:
    """Every student of the batch, and where the attempt that counts came from.

    Raises UsageError where the folder is no batch's, or the grades are not what the reports say: a batch that is
    running, was killed, or has been changed by somebody.
    """
    reported = _reported(folder)
    seen: set[str] = set()
    path = folder / GRADES
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                try:
                    grade = _grade(row)
                    if grade.student in seen:
                        raise ValueError(f"{grade.student} stands there twice")
                    seen.add(grade.student)
                    yield grade, _checked(grade, reported)
                except (KeyError, TypeError, InvalidOperation, ValueError) as error:
                    why = f"{type(error).__name__}: {error}"
                    raise UsageError(
                        f"{path}:{number}: it is not as a batch leaves it ({why}); expected it unchanged, and the "
                        "batch at its end; run the batch again, which writes it anew"
                    ) from None
    except OSError as error:
        raise no_batch(folder, error) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _changed(path, error) from None


def _grade(row: dict[str, Any]) -> Grade:
    state = STATES[row["status"]]
    points, maximum = (Decimal(row[name]) if state == "graded" else None for name in ("points", "max_points"))
    if points is not None and maximum is not None and not (maximum.is_finite() and points >= 0 < maximum):
        raise ValueError(f"{points} points of {maximum}")
    told = (_told(row[column]) for column in ("name", "email", "section"))
    return Grade(row["student"], state, points, maximum, int(row["attempt"]) if row["attempt"] else None, *told)


def _told(text: str) -> str:
    """As it was before it was made harmless for spreadsheets."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def _checked(grade: Grade, reported: _Reported) -> Origin:
    if grade.state != "graded":
        return Origin()
    points, maximum, *origin = reported.get((grade.student, grade.attempt or 1), (None, None, None, None))
    if points is None or maximum is None or (Decimal(points), Decimal(maximum)) != (grade.points, grade.maximum):
        raise ValueError(f"{grade.student} has {grade.points} points, and {points or 'none'} in the reports")
    return Origin(*origin)


def _reported(folder: Path) -> _Reported:
    """Points, their maximum, platform and key of every report; the last of an attempt is the one that counts."""
    path = folder / JOURNAL
    reported: _Reported = {}
    try:
        with path.open("rb") as file:
            for line in file:
                known = pydantic_core.from_json(line)
                origin = known.get("origin") or {}
                reported[known["student"], origin.get("attempt", 1)] = (
                    str(known["points"]), str(known["max_points"]), origin.get("platform"), origin.get("key"),
                )  # fmt: skip
    except OSError as error:
        raise no_batch(folder, error) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _changed(path, error) from None
    return reported


def reported(folder: Path) -> Iterator[tuple[Grade, Report | None]]:
    """Every student with the report that counts. Both files are in one order, in which they are read side by side."""
    try:
        with (folder / JOURNAL).open("rb") as file:
            by_student = groupby(map(Report.model_validate_json, file), key=lambda report: report.student)
            for grade, _ in read(folder):
                yield grade, _report_of(grade, by_student) if grade.state == "graded" else None
    except OSError as error:
        raise no_batch(folder, error) from None
    except (ValueError, LookupError) as error:
        raise UsageError(
            f"{folder}: its reports are not as this grader leaves them ({type(error).__name__}); expected those of "
            f"grader {__version__}, in order; run the batch again"
        ) from None


def _report_of(grade: Grade, by_student: Iterator[tuple[str | None, Iterator[Report]]]) -> Report:
    for student, reports in by_student:
        if student == grade.student:
            of_attempt = [one for one in reports if (one.origin.attempt if one.origin else 1) == (grade.attempt or 1)]
            return of_attempt[-1]
    raise LookupError(grade.student)


def no_batch(folder: Path, error: OSError) -> UsageError:
    """What is said of a folder that no batch left."""
    why = (error.strerror or str(error)).lower()
    return UsageError(f"{folder}: it is not what a batch leaves ({why}); expected the folder of --out; name that")


def _changed(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"{path}: it is not as a batch leaves it ({type(error).__name__}); expected it unchanged; run the batch again"
    )
