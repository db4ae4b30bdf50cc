"""What was pushed where: a line for each grade that was written for a platform, beside the batch.

So that a second export knows what it wrote, sees what somebody has changed since, and does nothing twice.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import IO, TYPE_CHECKING, NamedTuple

from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LOG = "pushed.jsonl"


class Pushed(NamedTuple):
    """One grade that was written: the student, the row it went to, its value, and what stood there before.

    `template` is the digest of the gradebook that was filled, by which the same command given twice is known; `comment`
    that of the last comment the student was sent, `criteria` that of the points for the platform's own criteria.
    It is not `seen` where it was about to be sent: then it may stand there, or what stood there before.
    """

    student: str
    row: str | None
    value: str
    before: str | None
    template: str | None = None
    time: str = ""
    comment: str | None = None
    criteria: str | None = None
    seen: bool = True


_FIELDS = {**dict.fromkeys(Pushed._fields), **Pushed._field_defaults}  # what is not in the line of an earlier grader


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
                    if not (Decimal(known["value"]).is_finite() and known["student"]):
                        raise ValueError
                    yield Pushed(**{field: known.get(field, default) for field, default in _FIELDS.items()})
    except (OSError, ValueError, KeyError, TypeError, InvalidOperation) as error:
        raise UsageError(
            f"{path}: it is no log of what was pushed ({type(error).__name__}); expected it unchanged; put the file "
            "elsewhere to begin a new one: what was pushed until now is then taken for somebody else's"
        ) from None


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The log for this process alone, while something is written that is to be noted. Raises UsageError."""
    path = folder / LOG
    try:
        with path.open("a+b") as file:
            _lock(file)
            _end_last_line(file)
            yield
    except BlockingIOError:
        raise UsageError(
            f"{path}: another export of this batch is running; expected one at a time; wait for it"
        ) from None
    except OSError as error:
        if error.filename != str(path):
            raise
        why = (error.strerror or str(error)).lower()
        raise UsageError(
            f"{path}: it cannot be written to ({why}); expected to note there what is pushed; mend that"
        ) from None


def _lock(file: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:  # not on this system
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def append(folder: Path, platform: str, column: str, pushed: Iterable[Pushed]) -> None:
    """Note that these were written, now."""
    time = datetime.now(UTC).isoformat(timespec="seconds")
    with (folder / LOG).open("a", encoding="utf-8") as file:
        for one in pushed:
            entry = {"platform": platform, "column": column, **one._asdict(), "time": time}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _end_last_line(file: IO[bytes]) -> None:
    """Take away what a killed run wrote of a line."""
    file.seek(0)
    end = 0
    for line in file:
        end += len(line) if line.endswith(b"\n") else 0
    file.truncate(end)
