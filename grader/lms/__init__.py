"""Learning platforms: one module each, which reads what an instructor may download, and knows what the platform takes.

A platform whose downloads of submissions are read is a module with the attributes of `Platform`; one whose gradebook
is filled has those of `Gradebook`, one that takes a file made from nothing those of `Maker`, one whose server is spoken
to those of `Live`; most have several. It knows its platform's formats and rules, and nothing of its
siblings, of grading or of how files are read and written; a new one is one file.
"""

from __future__ import annotations

import pkgutil
import re
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    from grader.listing import File
    from grader.remote import Live


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


class Person(NamedTuple):
    """Whom a row of a gradebook is of. `key` is the platform's own number for them, the same as in its downloads.

    `ids` are other numbers that a roster may have, `logins` names and addresses they sign in with. `at` is what a
    server has them by, where that is another number than in its downloads.
    """

    key: str
    name: str
    ids: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    at: str = ""

    @property
    def ref(self) -> str:
        """What their row is found by again."""
        return next((text for text in (self.at, self.key, *self.ids, *self.logins) if text), self.name)


class Column(NamedTuple):
    """A column of grades that can be filled: its place and title, and what is told of the points it is of.

    `name` is what an instructor calls it, `key` what it keeps when it is renamed, or weighed otherwise. A server tells
    `of` how many points it is in a number.
    """

    place: int
    title: str
    name: str
    key: str
    told: str = ""
    of: Decimal | None = None

    @property
    def maximum(self) -> Decimal | None:
        """The points it is of; None where that is not told, or not in a number."""
        return number(self.told) if self.of is None else self.of


class Row(NamedTuple):
    """One student's row: the person, what stands in the column, the points it is of, and why it is closed, if it is.

    `comments` are the digests of those that stand there, `criteria` the points of the platform's own; None where
    that is not known.
    """

    person: Person
    standing: Standing
    maximum: Decimal | None = None
    locked: str = ""
    comments: frozenset[str] | None = None
    criteria: Mapping[str, Decimal] | None = None


class Standing(NamedTuple):
    """What a gradebook says of one grade: blank, points, excused, unassigned (nothing is asked of them), or other."""

    state: str
    points: Decimal | None = None


BLANK, EXCUSED, UNASSIGNED, OTHER = map(Standing, ("blank", "excused", "unassigned", "other"))
HEAD = 4  # records at the top that may say something of the columns


class Entry(NamedTuple):
    """A grade as it goes into a file that is made: whose it is, and the points. Who has none is in no such file.

    `key` is what this platform knows the student by, where they came from it, else the roster's or the file's key;
    nothing where all that is known is another platform's number.
    """

    key: str
    name: str
    email: str
    points: Decimal
    maximum: Decimal | None  # of the rubric; who is missing has none


class Made(NamedTuple):
    """What a file is made of: the column's name or id, the points it is of, and the grades."""

    column: str
    maximum: Decimal
    entries: Sequence[Entry]


class Maker(Protocol):
    """What a module of this package offers whose platform takes a file that is made from nothing.

    `MAKES` has them by the name of the export: the files it is made of by their names, and the text of each.
    """

    TITLE: str
    MAKES: Mapping[str, Callable[[Made], dict[str, Iterator[str]]]]


def keyed(entry: Entry, title: str) -> str:
    """The key of an entry that has to have one. Raises UsageError."""
    if not entry.key:
        raise UsageError(
            f"{entry.name or 'a student'}: all that is known is what a platform's download calls them; expected what "
            f"{title} knows them by; grade with a --roster that has their ids and addresses"
        )
    return entry.key


class Gradebook(Protocol):
    """What a module of this package offers whose platform takes a gradebook back that was downloaded and filled."""

    TITLE: str

    def columns(self, head: Sequence[Sequence[str]]) -> list[Column]:
        """The columns that can be filled. `head` has the cells of the file's first records."""

    def row(self, header: Sequence[str], cells: Sequence[str], column: Column) -> Row | None:
        """What a record is: a student's row, or None. It may be shorter or longer than the header."""


@lru_cache(maxsize=4096)
def standing(text: str) -> Standing:
    """Blank, a number with `.` or `,` before its decimals, or something else."""
    text = text.strip()
    if not text:
        return BLANK
    plain = re.fullmatch(r"(-?\d{1,9})(?:[.,](\d{1,6}))?", text)
    if plain is None or (plain[2] and len(plain[2]) == 3 and len(plain[1].lstrip("-")) < 4 and plain[1] != "0"):
        return OTHER  # 1,950 may be as many points, or not even two
    return Standing("points", Decimal(f"{plain[1]}.{plain[2] or 0}"))


def number(text: str) -> Decimal | None:
    """A number as `standing` reads it; None for anything else."""
    return standing(text).points


def pointed(points: object) -> Standing:
    """Points as a server tells them, without the noise of its own reckoning; blank where there are none.

    Raises ValueError for what is no number.
    """
    if points is None:
        return BLANK
    return Standing("points", Decimal(str(round(float(str(points)), 5))).normalize())


def cell(cells: Sequence[str], place: int | None) -> str:
    """A cell's text without blanks around; nothing where there is none."""
    return cells[place].strip() if place is not None and place < len(cells) else ""


def place_of(header: Sequence[str], *names: str) -> int | None:
    """Where a column of one of these names is; case makes no difference."""
    return _place_of(tuple(header), names)


@lru_cache
def _place_of(header: tuple[str, ...], names: tuple[str, ...]) -> int | None:
    wanted = [name.casefold() for name in names]
    return next((n for n, title in enumerate(header) if title.strip().casefold() in wanted), None)


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
    """All whose downloads of submissions are read, by name."""
    return {name: cast("Platform", module) for name, module in _modules() if hasattr(module, "recognises")}


@cache
def has_own_keys(platform: str | None) -> bool:
    """Whether what it knows students by is known nowhere else, a number or a name: OWN_KEYS of its module."""
    return any(getattr(module, "OWN_KEYS", False) for name, module in _modules() if name == platform)


def gradebooks() -> dict[str, Gradebook]:
    """All whose gradebooks are filled, by name."""
    return {name: cast("Gradebook", module) for name, module in _modules() if hasattr(module, "columns")}


def makers() -> dict[str, Callable[[Made], dict[str, Iterator[str]]]]:
    """All the files of platforms that are made from nothing, by the name of the export."""
    modules = (cast("Maker", module) for _, module in _modules() if hasattr(module, "MAKES"))
    return {name: make for module in modules for name, make in module.MAKES.items()}


def lives() -> dict[str, Live]:
    """All that take grades over the network, by name."""
    return {name: cast("Live", module) for name, module in _modules() if hasattr(module, "connect")}


def _modules() -> Iterator[tuple[str, ModuleType]]:
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        yield name, import_module(f"{__name__}.{name}")
