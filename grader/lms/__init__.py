"""Learning platforms: one module each, which reads what its platform lets an instructor download.

A platform is a module with the attributes of `Platform`. It knows how its platform names files, and nothing
of its siblings, of grading or of how files are read; a new one is one file.
"""

from __future__ import annotations

import pkgutil
import re
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from grader.listing import File


class Piece(NamedTuple):
    """One file of what a student handed in.

    `student` is the key the platform knows them by, `name` the file's own name as they gave it. `attempt` sorts as
    their attempts do. `submitted` has no zone where the platform tells none. `group` has the keys of all who
    handed it in together.
    """

    student: str
    file: File
    name: str
    attempt: str = ""
    submitted: datetime | None = None
    marked_late: bool = False
    person: str | None = None
    email: str | None = None
    group: tuple[str, ...] = ()


class Unplaced(NamedTuple):
    """What is no student's, and why."""

    path: str
    why: str


class Platform(Protocol):
    """What a module of this package offers."""

    TITLE: str
    SIDE: re.Pattern[str]  # the paths of files that are about submissions, not of them

    def recognises(self, paths: Sequence[str]) -> bool:
        """Whether these paths, some thousand of a download's, are of this platform."""

    def pieces(self, files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:
        """Whose each file is. `side` has what is in the files that SIDE matches, by path; `files` has the others."""


def most(known: Iterable[object], paths: Sequence[str]) -> bool:
    """Whether more than half of the paths have something known of them."""
    return sum(map(bool, known)) > len(paths) / 2


def local_time(text: str, form: str) -> datetime | None:
    """A time without a zone, of this form; None for anything else."""
    try:
        return datetime.strptime(text, form)
    except ValueError:
        return None


def zoned_time(text: str) -> datetime | None:
    """A time such as 2026-10-10 23:40:02 UTC, or with +09:00; None for anything else."""
    try:
        return datetime.fromisoformat(re.sub(r" ([+-])", r"\1", re.sub(r" (?:UTC|Z)$", "+00:00", text.strip())))
    except ValueError:
        return None


def platforms() -> dict[str, Platform]:
    """All there are, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: cast("Platform", import_module(f"{__name__}.{name}")) for name in names}
