"""The folder a batch leaves: a journal of reports that is only ever appended to, and files that are whole or not there.

A process that is killed leaves at most a line that was not written to its end, which the next one cuts off. It knows
bytes and names, not what they say.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import quote

from grader.errors import UsageError
from grader.ledger import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOURNAL, GRADES, INDEX, PAGES = "reports.jsonl", "grades.csv", "index.html", "reports"
SET_ASIDE, OUTDATED, CHANGES = "set-aside.jsonl", "outdated.jsonl", "changes.csv"
DRAFT = ".trial"
LONGEST_NAME = 120  # bytes of a page's name; beyond it a digest stands for the rest


class Folder:
    """The folder, held by one process; open it with `with`. Raises UsageError where it cannot be had."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        try:
            self._refuse_others_files()
            (self.path / PAGES).mkdir(parents=True, exist_ok=True)
            write(self.path / DRAFT, b"")  # whether anything can be replaced here
            (self.path / DRAFT).unlink()
            self._lock = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise self._unwritable(error) from None
        self._hold()
        try:
            self._journal = (self.path / JOURNAL).open("a+b")
        except OSError as error:
            os.close(self._lock)
            raise self._unwritable(error) from None
        self._cut()
        for draft in (self.path / PAGES).glob(".*.draft"):  # of a run that was killed
            draft.unlink(missing_ok=True)
        return self

    def _unwritable(self, error: OSError) -> UsageError:
        why = (error.strerror or str(error)).lower()
        return UsageError(f"{self.path}: it cannot be written to ({why}); expected a folder; name another")

    def __exit__(self, *exc_info: object) -> None:
        self._journal.close()
        os.close(self._lock)

    def _refuse_others_files(self) -> None:
        for name in (JOURNAL, GRADES, INDEX):
            if (self.path / name).is_dir():
                raise UsageError(f"{self.path / name}: it is a folder; expected a file of a batch; name another --out")
        if self.path.is_dir() and not (self.path / JOURNAL).exists():
            for name in (GRADES, INDEX, PAGES):
                if (self.path / name).exists():
                    raise UsageError(
                        f"{self.path}: it has {name} and no {JOURNAL}, so it is no batch's; expected a folder that is "
                        "new or an earlier batch's; name one with --out"
                    )

    def _hold(self) -> None:
        try:
            import fcntl

            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # not on this system
            pass
        except OSError:
            os.close(self._lock)
            raise UsageError(
                f"{self.path}: another batch is writing to it; expected to be alone; wait for that one, or name "
                "another folder"
            ) from None

    def _cut(self) -> None:
        """Take away what was written of a last line."""
        size = end = self._journal.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 2**16)
            self._journal.seek(start)
            found = self._journal.read(end - start).rfind(b"\n")
            end = start + found + 1 if found >= 0 else start
            if found >= 0:
                break
        if end < size:
            self._journal.truncate(end)

    def append(self, line: bytes) -> Place:
        """One report, without a line end in it."""
        at = self._journal.seek(0, os.SEEK_END)
        self._journal.write(line + b"\n")
        self._journal.flush()
        return Place(at, len(line))

    def read(self, place: Place) -> bytes:
        self._journal.seek(place.at)
        return self._journal.read(place.length)

    def lines(self) -> Iterator[tuple[Place, bytes]]:
        """All that has been written, from its start."""
        at = 0
        while True:
            self._journal.seek(at)
            if not (line := self._journal.readline()):
                return
            yield Place(at, len(line) - 1), line[:-1]
            at += len(line)

    def outdated(self) -> list[bytes]:
        """The reports that were not true any more and could not be made anew: few, for they are faults of ours."""
        try:
            return (self.path / OUTDATED).read_bytes().splitlines()
        except FileNotFoundError:
            return []

    def kept_apart(self) -> Iterator[bytes]:
        """The reports that were set aside, in the order in which they were."""
        with suppress(FileNotFoundError), (self.path / SET_ASIDE).open("rb") as file:
            yield from file

    def set_aside(self, line: bytes) -> None:
        """Keep a report that is of no use here any more."""
        with (self.path / SET_ASIDE).open("ab") as file:
            file.write(line + b"\n")

    def page(self, student: str) -> Path:
        return self.path / PAGES / page_name(student)


def page_name(student: str) -> str:
    """The name of a student's page: the key, where it can be a file's name; no two keys have the same."""
    name = "".join(c if c.isalnum() or c in " _-.,@+()'" else quote(c, safe="") for c in student)
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name.encode()) > LONGEST_NAME:
        digest = hashlib.sha256(student.encode()).hexdigest()[:16]
        name = name.encode()[: LONGEST_NAME - 20].decode("utf-8", "ignore") + "%" + digest
    return f"{name}.html"


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes this one's place when all of it has been written."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def write(path: Path, data: bytes) -> None:
    """Whole or not at all; whether it is on the disk yet is another's care."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(data)
    draft.replace(path)
