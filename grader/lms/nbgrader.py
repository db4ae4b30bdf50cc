"""nbgrader: the folder of what was collected, with a timestamp.txt for each student's assignment:

submitted/<student>/<assignment>/<path>
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.lms import Piece, Unplaced, zoned_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from grader.listing import File

TITLE = "nbgrader"
_ASSIGNMENT = r"(?P<folder>(?:submitted/)?(?P<student>[^/]+)/[^/]+)"
SIDE = re.compile(rf"{_ASSIGNMENT}/timestamp\.txt")
_FORM = re.compile(rf"{_ASSIGNMENT}/(?P<path>.+)")


def recognises(paths: Sequence[str]) -> bool:
    """Most students' assignments have time stamps, two folders deep."""
    stamped = {found["student"] for path in paths if (found := SIDE.fullmatch(path)) and ")" not in path}
    students = {found["student"] for path in paths if (found := _FORM.fullmatch(path))}
    return len(stamped) > len(students) / 2 and all("/" in path for path in paths)


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:
    for file in files:
        if found := _FORM.fullmatch(file.path):
            time = zoned_time(side.get(f"{found['folder']}/timestamp.txt", b"").decode("ascii", "replace"))
            yield Piece(found["student"], file, found["path"], submitted=time)
        else:
            yield Unplaced(file.path, "its path is not of the form student/assignment/file")
