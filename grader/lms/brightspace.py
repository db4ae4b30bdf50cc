"""Brightspace: a download has a folder for each hand-in, or flat names,

    <n>-<n> - <name> - Oct 10, 2026 1022 AM/<file>     <n>-<n> - <name> - Oct 10, 2026 1022 AM - <file>

and an index.html. There is no key but the name, and the time is without a zone.

Its gradebook has a column "Title Points Grade" for each item, in an export with its maximum behind, and ids with a #
before them; a last column of # ends each line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.lms import Column, Person, Piece, Row, Unplaced, cell, local_time, most, place_of, standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from grader.listing import File

TITLE = "Brightspace"
OWN_KEYS = True
SIDE = re.compile(r"index\.html")

_FORM = re.compile(
    r"\d+-\d+ - (?P<person>[^/]+?) - (?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2}), (?P<year>\d{4}) "
    r"(?P<hour>\d{1,2})(?P<minute>\d\d) (?P<half>[AP]M)(?: - (?P<file>[^/]+)|/(?P<path>.+))(?P<inner>/.+)?"
)


def recognises(paths: Sequence[str]) -> bool:
    """Most files are of a hand-in, by their folder or name."""
    return most(map(_FORM.fullmatch, paths), paths)


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:  # noqa: ARG001 all are called alike
    for file in files:
        if found := _FORM.fullmatch(file.path):
            name = (found["path"] or found["file"]) + (found["inner"] or "")
            time = _time(found)
            attempt = time.isoformat() if time else ""
            yield Piece(found["person"], file, name, attempt, time, person=found["person"])
        else:
            yield Unplaced(file.path, "its path is not of the form number-number - name - date")


def _time(found: re.Match[str]) -> datetime | None:
    text = f"{found['month']} {found['day']} {found['year']} {int(found['hour']):02}{found['minute']} {found['half']}"
    return local_time(text, "%b %d %Y %I%M %p")


# The gradebook.

_ITEM = re.compile(r"(?P<name>.*) Points Grade(?: <Numeric MaxPoints:(?P<maximum>[\d.,]+).*>)?")


def columns(head: Sequence[Sequence[str]]) -> list[Column]:
    found = [(n, title, _ITEM.fullmatch(title.strip())) for n, title in enumerate(head[0])]
    return [Column(n, title, item["name"], item["name"], item["maximum"] or "") for n, title, item in found if item]


def row(header: Sequence[str], cells: Sequence[str], column: Column) -> Row | None:
    key, username = (cell(cells, place_of(header, name)).removeprefix("#") for name in ("OrgDefinedId", "Username"))
    if not key and not username:
        return None
    names = (cell(cells, place_of(header, "First Name")), cell(cells, place_of(header, "Last Name")))
    logins = (username, cell(cells, place_of(header, "Email")))
    person = Person("", " ".join(filter(None, names)), (key,), logins)  # a download has no number of theirs
    return Row(person, standing(cell(cells, column.place)), column.maximum)
