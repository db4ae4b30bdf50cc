"""Sakai: "Download All" gives

    <assignment>/<Last, First>(<eid>)/Submission attachment(s)/<path>

with a timestamp.txt for each student, such as 20261010234002000, without a zone, and files about grades and feedback.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.delimited import line
from grader.lms import Piece, Unplaced, keyed, local_time, most

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from grader.listing import File
    from grader.lms import Made

TITLE = "Sakai"
_STUDENT = r"(?P<folder>(?:[^/]+/)?(?P<person>[^/]+?)\((?P<id>[^/()]+)\))"
SIDE = re.compile(
    rf"{_STUDENT}/(?:timestamp\.txt|comments\.txt|feedbackText\.html|Feedback Attachment\(s\)/.*)"
    r"|(?:[^/]+/)?grades\.(?:csv|xls)"
)
_FORM = re.compile(rf"{_STUDENT}/(?:Submission attachment\(s\)/(?P<path>.+)|(?P<text>[^/]*submissionText\.html))")


def recognises(paths: Sequence[str]) -> bool:
    """Most files are attachments, or about them."""
    known = (_FORM.fullmatch(path) or SIDE.fullmatch(path) for path in paths)
    return most(known, paths) and any(map(_FORM.fullmatch, paths))


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:
    for file in files:
        if found := _FORM.fullmatch(file.path):
            stamp = side.get(f"{found['folder']}/timestamp.txt", b"").decode("ascii", "replace").strip()
            time = local_time(stamp[:14], "%Y%m%d%H%M%S")
            name = found["path"] or found["text"]
            yield Piece(found["id"], file, name, submitted=time, person=_in_order(found["person"].strip()))
        else:
            yield Unplaced(file.path, 'its path is not of the form "Last, First(eid)/Submission attachment(s)/file"')


def _in_order(name: str) -> str:
    last, comma, first = name.partition(", ")
    return f"{first} {last}" if comma else name


# The gradebook: a file of the user names, and for each item "Title [points]" and a comment.


def _gradebook(made: Made) -> dict[str, Iterator[str]]:
    """Who has no grade is left out: what a blank does is not said."""

    def lines() -> Iterator[str]:
        header = ("Student ID", "Student Name", f"{made.column} [{float(made.maximum)}]", f"* {made.column}")
        yield line(header, quoted=True)
        for entry in made.entries:
            yield line((keyed(entry, TITLE), entry.name, f"{entry.points.normalize():f}", ""), quoted=True)

    return {"grades.csv": lines()}


MAKES: dict[str, Callable[[Made], dict[str, Iterator[str]]]] = {"sakai": _gradebook}
