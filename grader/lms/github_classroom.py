"""GitHub Classroom: `gh classroom clone student-repos` gives a folder for each repository,

    <assignment>-submissions/<assignment>-<username>/<path>

and `gh classroom assignment-grades` a grades.csv that says whose each is; put beside the folders, it gives the keys of
the roster, and the times.
"""

from __future__ import annotations

import csv
import io
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from grader.lms import Piece, Unplaced, zoned_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from grader.listing import File

TITLE = "GitHub Classroom"
SIDE = re.compile(r"(?:grades|classroom_roster)[^/]*\.csv")
_FORM = re.compile(r"(?:(?P<assignment>[^/]+)-submissions/)?(?P<repository>[^/]+)/(?P<path>.+)")


def recognises(paths: Sequence[str]) -> bool:
    """A folder of clones has its name; folders beside a grades.csv share a beginning."""
    found = [form for path in paths if (form := _FORM.fullmatch(path)) and not SIDE.fullmatch(path)]
    cloned = [form for form in found if form["assignment"] and form["repository"].startswith(f"{form['assignment']}-")]
    beside = any(SIDE.fullmatch(path) for path in paths) and bool(_assignment({form["repository"] for form in found}))
    return len(cloned) > len(paths) / 2 or beside


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:
    known = {row["student_repository_name"]: row for table in side.values() for row in _rows(table)}
    placed = [(file, _FORM.fullmatch(file.path)) for file in files]
    assignment = _assignment({form["repository"] for _, form in placed if form})
    for file, form in placed:
        if form is None:
            yield Unplaced(file.path, "it is in no repository's folder")
            continue
        row = known.get(form["repository"], {})
        prefix = f"{form['assignment']}-" if form["assignment"] else assignment
        username = row.get("github_username") or form["repository"].removeprefix(prefix)
        time = zoned_time(row.get("submission_timestamp") or "")
        yield Piece(row.get("roster_identifier") or username, file, form["path"], submitted=time, person=username)


def _assignment(repositories: set[str]) -> str:
    """What all names begin with, up to the last hyphen of it; one name alone tells nothing."""
    common = (
        os.path.commonprefix(  # noqa: RUF071 letters are meant
            sorted(repositories)
        )
        if len(repositories) > 1
        else ""
    )
    return common[: common.rfind("-") + 1]


def _rows(table: bytes) -> Iterator[dict[str, str]]:
    with suppress(csv.Error):  # what could be read is read
        for row in csv.DictReader(io.StringIO(table.decode("utf-8-sig", "replace"), newline="")):
            if row.get("student_repository_name"):
                yield row
