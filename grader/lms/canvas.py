"""Canvas: "Download Submissions" gives a flat zip of

    <sortable name>[_LATE]_<user id>_<attachment id>_<file>     [LATE_]anon_<id>_<attachment id>_<file>

with the latest attempt of everybody (canvas-lms, lib/content_zipper.rb). The second number is the attachment's; a
"-1" before the suffix is part of the file's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.lms import Piece, Unplaced, most

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from grader.listing import File

TITLE = "Canvas"
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
