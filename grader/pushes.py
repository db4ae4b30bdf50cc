"""What was pushed where: a line for each grade that was written for a platform, beside the batch.

So that a second export knows what it wrote, sees what somebody has changed since, and does nothing twice.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple

from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LOG = "pushed.jsonl"


class Pushed(NamedTuple):
    """One grade that was written: the student, the row it went to, its value, and what stood there before.

    `template` is the digest of the gradebook that was filled, by which the same command given twice is known; `comment`
    that of the last comment the student was sent.
    """

    student: str
    row: str | None
    value: str
    before: str | None
    template: str | None = None
    time: str = ""
    comment: str | None = None


def read(folder: Path, platform: str, column: str) -> Iterator[Pushed]:
    """All that was pushed to this column, in order; not a line that has no end. Raises UsageError for no such log."""
    path = folder / LOG
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    return
                known = json.loads(line)
                if (known["platform"], known["column"]) == (platform, column):
                    if not Decimal(known["value"]).is_finite():
                        raise ValueError
                    row, before, template, comment = map(known.get, ("row", "before", "template", "comment"))
                    yield Pushed(known["student"], row, known["value"], before, template, known["time"], comment)
    except (OSError, ValueError, KeyError, TypeError, InvalidOperation) as error:
        raise UsageError(
            f"{path}: it is no log of what was pushed ({type(error).__name__}); expected it unchanged; put the file "
            "elsewhere to begin a new one: what was pushed until now is then taken for somebody else's"
        ) from None


def check(folder: Path) -> None:
    """Whether something can be noted, before anything is written that is to be. Raises UsageError."""
    path = folder / LOG
    try:
        _end_last_line(path)
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(
            f"{path}: it cannot be written to ({why}); expected to note there what is pushed; mend that"
        ) from None


def append(folder: Path, platform: str, column: str, pushed: Iterable[Pushed]) -> None:
    """Note that these were written, now."""
    time = datetime.now(UTC).isoformat(timespec="seconds")
    with (folder / LOG).open("a", encoding="utf-8") as file:
        for one in pushed:
            entry = {"platform": platform, "column": column, **one._asdict(), "time": time}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _end_last_line(path: Path) -> None:
    """Take away what a killed run wrote of a line."""
    if path.exists() and (data := path.read_bytes()) and not data.endswith(b"\n"):
        path.write_bytes(data[: data.rfind(b"\n") + 1])
