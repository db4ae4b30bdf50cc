"""What gradings came to, remembered: a run never changes.

The page of a class, and what tells a submission's points, read a run's report once a process, as long as it is
remembered; exports, and whoever looks at a report, read it each time. Which run counts, and what a person has said
instead, is asked of the database at every look.
"""

from __future__ import annotations

from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from grader.cohort import Gist, gist
from grader.report import Report
from grader.store import grades

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from grader.store.grades import RunKey

MOST = 20_000  # runs, of about two kilobytes each


class Known(NamedTuple):
    """What a class counts of a run, and its points as the student sees them, without those of hidden criteria."""

    gist: Gist
    points: Decimal
    max_points: Decimal


_known: dict[RunKey, Known] = {}
_changing = Lock()


def known(db: Connection, runs: Sequence[RunKey]) -> dict[RunKey, Known]:
    """What these runs, which there have to be, came to."""
    found = {run: one for run in runs if (one := _known.get(run))}
    unknown = [run for run in runs if run not in found]
    new = {run: _read(text) for run, text in zip(unknown, grades.reports(db, unknown), strict=True)}
    _remember(new)
    return found | new


def _read(text: str) -> Known:
    report = Report.model_validate_json(text)
    seen = report.seen_by("student")
    return Known(gist(report), seen.points, seen.max_points)


def _remember(new: dict[RunKey, Known]) -> None:
    """The longest known are forgotten, where there are too many."""
    if not new:
        return
    with _changing:
        _known.update(new)
        for run in list(_known)[:-MOST]:
            del _known[run]
