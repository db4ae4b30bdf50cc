"""Blackboard: "Assignment File Download" gives flat files, of every attempt,

    <assignment>_<username>_attempt_<YYYY-MM-DD-hh-mm-ss>[_<file>]

and a manifest for each attempt, the same name with .txt, which says "Name: X (username)". The time has no zone.

Its gradebook is text between tabs in UTF-16 that is called .xls, or a CSV: a column "Title [Total Pts: 10 Score] |id"
for each item, found again by the id, and students by Username.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from grader.lms import BLANK, Column, Person, Piece, Row, Unplaced, cell, local_time, most, place_of, standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from grader.listing import File

TITLE = "Blackboard"
_ATTEMPT = r"(?P<attempt>(?P<whose>[^/]+?)_attempt_(?P<time>\d{4}(?:-\d\d){5}))"
SIDE = re.compile(rf"{_ATTEMPT}\.txt")
_FORM = re.compile(rf"{_ATTEMPT}_(?P<file>.+)")
_NAME = re.compile(r"^[^:\n]+: *(?P<person>.*?) *\((?P<username>[^()\n]+)\) *\r?$", re.MULTILINE)


def recognises(paths: Sequence[str]) -> bool:
    """Most files are named so."""
    return most((_FORM.fullmatch(path) or SIDE.fullmatch(path) for path in paths), paths)


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:
    placed = [(file, _FORM.fullmatch(file.path)) for file in files]
    assignment = os.path.commonprefix(  # noqa: RUF071 letters are meant
        sorted({found["whose"] for _, found in placed if found})
    )
    assignment = assignment[: assignment.rfind("_") + 1]
    for file, found in placed:
        if not found:
            yield Unplaced(file.path, "its name is not of the form assignment_username_attempt_time_file")
            continue
        person, username = _whose(side.get(f"{found['attempt']}.txt", b""), found["whose"], assignment)
        yield Piece(
            username, file, found["file"], found["time"], local_time(found["time"], "%Y-%m-%d-%H-%M-%S"), person=person
        )


def _whose(manifest: bytes, whose: str, assignment: str) -> tuple[str | None, str]:
    """Name and username, as the manifest's first line has them, else what is behind the assignment's name."""
    told = _NAME.search(manifest.decode("utf-8-sig", "replace"))
    if told and whose.endswith(f"_{told['username']}"):
        return told["person"] or None, told["username"]
    return None, whose.removeprefix(assignment) if whose != assignment else whose


# The gradebook.

_ITEM = re.compile(r"(?P<name>.*) \[Total Pts: (?P<maximum>[\d.,]+)[^\]]*\] *\|(?P<id>\d+)")
_UNGRADED = ("Needs Grading", "In Progress", "Needs Reconciliation")  # what stands where points may go


def columns(head: Sequence[Sequence[str]]) -> list[Column]:
    found = [(n, title, _ITEM.fullmatch(title.strip())) for n, title in enumerate(head[0])]
    return [Column(n, title, item["name"], item["id"], item["maximum"]) for n, title, item in found if item]


def row(header: Sequence[str], cells: Sequence[str], column: Column) -> Row | None:
    username = cell(cells, place_of(header, "Username"))
    if not username or username.endswith("_previewuser"):
        return None
    names = (cell(cells, place_of(header, "First Name")), cell(cells, place_of(header, "Last Name")))
    person = Person(
        username, " ".join(filter(None, names)), (cell(cells, place_of(header, "Student ID")),), (username,)
    )
    text = cell(cells, column.place)
    return Row(person, BLANK if text in _UNGRADED else standing(text), column.maximum)
