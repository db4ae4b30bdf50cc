"""What was pushed where: a line for each grade that was written for a platform, beside the batch.

So that a second export knows what it wrote, sees what somebody has changed since, and does nothing twice.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LOG = "pushed.jsonl"


def read(folder: Path, platform: str, column: str) -> Iterator[tuple[str, str, str]]:
    """Student, value and time of all that was pushed to this column, in order; not a line that has no end."""
    path = folder / LOG
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith("\n"):
                return
            try:
                known = json.loads(line)
                if (known["platform"], known["column"]) == (platform, column):
                    yield known["student"], known["value"], known["time"]
            except (ValueError, KeyError, TypeError):
                raise UsageError(
                    f"{path}:{number}: it is no line of the log; expected it unchanged; put the file elsewhere to "
                    "begin a new one: what was pushed until now is then taken for somebody else's"
                ) from None


def append(folder: Path, platform: str, column: str, values: Iterable[tuple[str, str]]) -> None:
    """Note that these values of these students were written."""
    time = datetime.now(UTC).isoformat(timespec="seconds")
    path = folder / LOG
    _end_last_line(path)
    with path.open("a", encoding="utf-8") as file:
        for student, value in values:
            entry = {
                "platform": platform,
                "column": column,
                "student": student,
                "value": value,
                "time": time,
                "comment": None,
            }
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _end_last_line(path: Path) -> None:
    """Take away what a killed run wrote of a line."""
    if path.exists() and (data := path.read_bytes()) and not data.endswith(b"\n"):
        path.write_bytes(data[: data.rfind(b"\n") + 1])
