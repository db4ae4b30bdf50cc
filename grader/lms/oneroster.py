"""OneRoster 1.2 CSV: a line item and its results, for student information systems; students by their sourcedId."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grader.lms import keyed, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from grader.lms import Made

TITLE = "OneRoster"
_FILES = (
    "academicSessions", "categories", "classes", "classResources", "courses", "courseResources", "demographics",
    "enrollments", "lineItemLearningObjectiveIds", "lineItems", "lineItemScoreScales", "orgs", "resources",
    "resultLearningObjectiveIds", "results", "resultScoreScales", "roles", "scoreScales", "userProfiles",
    "userResources", "users",
)  # fmt: skip
_LINE_ITEM = (
    "sourcedId", "status", "dateLastModified", "title", "description", "assignDate", "dueDate", "classSourcedId",
    "categorySourcedId", "academicSessionSourcedId", "resultValueMin", "resultValueMax", "schoolSourcedId",
)  # fmt: skip
_RESULT = (
    "sourcedId", "status", "dateLastModified", "lineItemSourcedId", "studentSourcedId", "scoreStatus", "score",
    "scoreDate", "comment", "textScore", "classSourcedId", "inProgress", "incomplete", "late", "missing",
)  # fmt: skip


def _files(made: Made) -> dict[str, Iterator[str]]:
    """Who has handed in nothing has a result without a score that says so; who has a fault has none."""
    item = re.sub(r"[^A-Za-z0-9]+", "-", made.column).strip("-").lower() or "line-item"
    today = datetime.now(UTC).date().isoformat()

    def manifest() -> Iterator[str]:
        yield line(("propertyName", "value"), quoted=True)
        yield line(("manifest.version", "1.0"), quoted=True)
        yield line(("oneroster.version", "1.2"), quoted=True)
        for name in _FILES:
            yield line((f"file.{name}", "bulk" if name in ("lineItems", "results") else "absent"), quoted=True)
        yield line(("source.systemName", "grader"), quoted=True)
        yield line(("source.systemCode", "grader"), quoted=True)

    def line_items() -> Iterator[str]:
        yield line(_LINE_ITEM, quoted=True)
        limits = ("0.0", str(float(made.maximum)))
        yield line((item, "", "", made.column, "", today, today, "", "", "", *limits, ""), quoted=True)

    def results() -> Iterator[str]:
        yield line(_RESULT, quoted=True)
        for n, entry in enumerate(made.entries(), 1):
            if entry.points is not None or entry.missing:
                score = "" if entry.points is None else f"{entry.points.normalize():f}"
                status = "fully graded" if score else "not submitted"
                rest = (score, today, "", "", "", "false", "false", "false", str(entry.missing).lower())
                yield line((f"{item}-{n}", "", "", item, keyed(entry, TITLE), status, *rest), quoted=True)

    return {"manifest.csv": manifest(), "lineItems.csv": line_items(), "results.csv": results()}


MAKES: dict[str, Callable[[Made], dict[str, Iterator[str]]]] = {"oneroster": _files}
