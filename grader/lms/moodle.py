"""Moodle: "Download all submissions" gives a folder for each participant, or flat names,

    <full name>_<participant id>_assignsubmission_<plugin>/<path>     ..._assignsubmission_<plugin>_<file>

(mod/assign/classes/downloader.php). The participant id is the number of the worksheet's "Participant N"; a team's
folder has the group's name and number.

Its offline grading worksheet (mod/assign/feedback/offline) has "Participant N" for each, N as in the download, a
column Grade, the maximum in each line, and whether the grade can be changed; what is blank is left as it is. The
headline is in the user's language.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.delimited import line
from grader.lms import BLANK, Column, Person, Piece, Row, Unplaced, cell, keyed, most, number, place_of, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from grader.listing import File
    from grader.lms import Made

TITLE = "Moodle"
OWN_KEYS = True
SIDE = re.compile(r"(?!)")

_FORM = re.compile(
    r"(?P<person>[^/]*?)(?:_(?P<id>\d+))?_assignsubmission_(?P<plugin>[a-z]+)_?(?P<file>[^/]*)(?:/(?P<path>.+))?"
)


def recognises(paths: Sequence[str]) -> bool:
    """Most files are of a submission, by their folder or name."""
    return most(map(_FORM.fullmatch, paths), paths)


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:  # noqa: ARG001 all are called alike
    for file in files:
        if found := _FORM.fullmatch(file.path):
            person, key = found["person"], found["id"] or found["person"]
            name = found["path"] or found["file"] or file.path
            yield Piece(key, file, name, person=None if person == "Participant" else person or None)
        else:
            yield Unplaced(file.path, "its path is not of the form name_id_assignsubmission_plugin")


# The worksheet.


def columns(head: Sequence[Sequence[str]]) -> list[Column]:
    header = head[0]
    place = place_of(header, "Grade")
    if place is None or place_of(header, "Identifier") is None or place_of(header, "Maximum grade") is None:
        return []  # of another language, or graded by a scale
    return [Column(place, header[place], header[place], header[place])]


def row(header: Sequence[str], cells: Sequence[str], column: Column) -> Row | None:
    if not (participant := re.fullmatch(r".*?(\d+)", cell(cells, place_of(header, "Identifier")))):
        return None
    text = cell(cells, column.place)
    person = Person(
        participant[1],
        cell(cells, place_of(header, "Full name")),
        (cell(cells, place_of(header, "ID number")),),
        (cell(cells, place_of(header, "Email address")), cell(cells, place_of(header, "Username"))),
    )
    closed = cell(cells, place_of(header, "Grade can be changed")).casefold() == "no"
    locked = "Moodle says that this grade cannot be changed" if closed else ""
    maximum = number(cell(cells, place_of(header, "Maximum grade")))
    if not maximum or maximum < 0:
        locked = "its maximum is no number of points"
    return Row(person, BLANK if text == "-" else standing(text), maximum, locked)


# The import of a gradebook: any column of it may be filled from a CSV (grade/import/csv).


def _import(made: Made) -> dict[str, Iterator[str]]:
    """By email where all have one, else by ID number. A blank would take a grade away: who has none is left out."""
    by_email = all(entry.email for entry in made.entries)

    def lines() -> Iterator[str]:
        yield line(("Email address" if by_email else "ID number", made.column))
        for entry in made.entries:
            yield line((entry.email if by_email else keyed(entry, TITLE), f"{entry.points.normalize():f}"))

    return {"grades.csv": lines()}


MAKES: dict[str, Callable[[Made], dict[str, Iterator[str]]]] = {"moodle-import": _import}
