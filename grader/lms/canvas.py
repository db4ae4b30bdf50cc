"""Canvas: "Download Submissions" gives a flat zip of

    <sortable name>[_LATE]_<user id>_<attachment id>_<file>     [LATE_]anon_<id>_<attachment id>_<file>

with the latest attempt of everybody (canvas-lms, lib/content_zipper.rb). The second number is the attachment's; a
"-1" before the suffix is part of the file's name.

Its gradebook (gradebook_exporter.rb, gradebook_importer.rb) has a column "Title (id)" for each assignment, and above
the students a line "    Points Possible" and perhaps one more. The importer takes a blank for no grade, EX for excused,
N/A for a student who is not asked for it, and compares two decimals. Columns that say "(read only)" are its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.lms import (
    BLANK,
    EXCUSED,
    UNASSIGNED,
    Column,
    Person,
    Piece,
    Row,
    Standing,
    Unplaced,
    cell,
    most,
    place_of,
    standing,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from grader.listing import File

TITLE = "Canvas"
OWN_KEYS = True
SIDE = re.compile(r"(?!)")

_NAMED = re.compile(r"(?P<person>[^/]+?)(?P<late>_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)")
_ANONYMOUS = re.compile(r"(?P<late>LATE_)?(?P<id>anon_[A-Za-z0-9]+)_\d+_(?P<file>.+)")
_TYPED = re.compile(r"(?P<person>[^/]+?)(?P<late>_LATE)?_(?P<id>\d+)_(?P<file>(?:text|link)\.html)")


def recognises(paths: Sequence[str]) -> bool:
    """Most files are named so."""
    return most(map(_match, paths), paths)


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:  # noqa: ARG001 all are called alike
    for file in files:
        if found := _match(file.path):
            known = found.groupdict()
            yield Piece(
                student=known["id"],
                file=file,
                name=known["file"],
                marked_late=known["late"] is not None,
                person=known.get("person"),
            )
        else:
            yield Unplaced(file.path, "its name is not of the form name_id_attachment_file")


def _match(path: str) -> re.Match[str] | None:
    """The place in its top folder tells whose it is: a student's own zip may hold anything."""
    top, slash, below = path.partition(".zip/")
    folder, _, name = top.rpartition("/")
    if "/" in folder:
        return None
    whole = name + (slash and ".zip/") + below
    return next(filter(None, (form.fullmatch(whole) for form in (_ANONYMOUS, _NAMED, _TYPED))), None)


# The gradebook.

_ASSIGNMENT = re.compile(r"(?P<name>.*)\s\((?P<id>\d+)\)")
_POSSIBLE = "Points Possible"
_TEST_STUDENT = "Student, Test"  # exported last, and nobody
_WORDS = {"": BLANK, "-": BLANK, "EX": EXCUSED, "N/A": UNASSIGNED}


def columns(head: Sequence[Sequence[str]]) -> list[Column]:
    header, possible = head[0], next((cells for cells in head if cell(cells, 0) == _POSSIBLE), [])
    found = [(n, title, _ASSIGNMENT.fullmatch(title)) for n, title in enumerate(header)]
    return [
        Column(n, title, item["name"], item["id"], cell(possible, n))
        for n, title, item in found
        if item and "read only" not in " ".join(cell(possible, n).split())
    ]


def row(header: Sequence[str], cells: Sequence[str], column: Column) -> Row | None:
    key, name = cell(cells, place_of(header, "ID")), _name(header, cells)
    if not key or name in (_POSSIBLE, _TEST_STUDENT):
        return None
    ids = (cell(cells, place_of(header, "SIS User ID")), cell(cells, place_of(header, "Integration ID")))
    person = Person(key, name, ids, (cell(cells, place_of(header, "SIS Login ID")),))
    return Row(person, _standing(cell(cells, column.place)), column.maximum)


def _standing(text: str) -> Standing:
    return _WORDS.get(text.upper()) or standing(text)


def _name(header: Sequence[str], cells: Sequence[str]) -> str:
    """As it stands; a name that begins with = is exported as a formula that gives it."""
    if (last := place_of(header, "LastName")) is not None:
        return ", ".join(filter(None, (cell(cells, last), cell(cells, place_of(header, "FirstName")))))
    name = cell(cells, place_of(header, "Student"))
    return name[2:-1].replace('""', '"') if name.startswith('="') and name.endswith('"') else name
