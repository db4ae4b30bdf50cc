"""OneRoster 1.2 CSV: a line item and its results, for student information systems; students by their sourcedId."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grader.delimited import line
from grader.lms import keyed

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
    """Who has no grade has no result: one without a score would stand over what is there.

    Ids are made of the column's name and the student's, so that the same grade is the same record next time.
    """
    item = f"item-{_digest(made.column)}"
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
        for entry in made.entries:
            key = keyed(entry, TITLE)
            rest = (f"{entry.points.normalize():f}", today, "", "", "", "false", "false", "false", "false")
            name = f"result-{_digest(made.column, key)}"
            yield line((name, "", "", item, key, "fully graded", *rest), quoted=True)

    return {"manifest.csv": manifest(), "lineItems.csv": line_items(), "results.csv": results()}


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


MAKES: dict[str, Callable[[Made], dict[str, Iterator[str]]]] = {"oneroster": _files}
