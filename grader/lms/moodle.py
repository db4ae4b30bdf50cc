"""Moodle: "Download all submissions" gives a folder for each participant, or flat names,

    <full name>_<participant id>_assignsubmission_<plugin>/<path>     ..._assignsubmission_<plugin>_<file>

(mod/assign/classes/downloader.php). The participant id is the number of the worksheet's "Participant N"; a team's
folder has the group's name and number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.lms import Piece, Unplaced, most

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from grader.listing import File

TITLE = "Moodle"
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
