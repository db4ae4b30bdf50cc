"""Gradescope: "Export Submissions" gives

    assignment_<n>_export/submission_<n>/<path>     assignment_<n>_export/submission_metadata.yml

where the metadata names the submitters of each submission, with Ruby's symbols for keys; they may be a group.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from grader.lms import Piece, Unplaced, zoned_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from grader.listing import File

TITLE = "Gradescope"
SIDE = re.compile(r"submission_metadata\.ya?ml")
_FORM = re.compile(r"(?P<submission>submission_(?P<number>\d+))/(?P<path>.+)")
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # all is text: an id keeps its zeros


def recognises(paths: Sequence[str]) -> bool:
    """There is the metadata, or nearly everything is in a numbered submission."""
    numbered = sum(_FORM.fullmatch(path) is not None for path in paths)
    return numbered > 0 and (any(SIDE.fullmatch(path) for path in paths) or numbered > 0.9 * len(paths))


def pieces(files: Iterable[File], side: Mapping[str, bytes]) -> Iterator[Piece | Unplaced]:
    submissions: dict[str, Any] = {}
    for path, text in side.items():
        try:
            submissions |= yaml.load(text, _LOADER) or {}  # noqa: S506 a base loader makes nothing but texts
        except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
            yield Unplaced(path, f"it is not the metadata it should be ({' '.join(str(error).split())})")
    seen = set()
    for file in files:
        if not (found := _FORM.fullmatch(file.path)):
            yield Unplaced(file.path, "it is in no folder submission_<n>")
            continue
        seen.add(found["submission"])
        known = submissions.get(found["submission"])
        submitters = [*_submitters(known)]
        if not submitters:
            missing = "submission_metadata.yml is not there, or no metadata: it would say whose this is"
            yield Unplaced(
                file.path, "submission_metadata.yml names nobody who submitted it" if submissions else missing
            )
        for key, person, email in submitters:
            group = tuple(other for other, *_ in submitters) if submitters[1:] else ()
            number = f"{int(found['number']):020}"  # of a later submission it is larger
            yield Piece(key, file, found["path"], number, _time(known), False, person, email, group)
    for name in submissions:
        if name not in seen:
            yield Unplaced(str(name), "submission_metadata.yml tells of it, and it has no file")


def _submitters(known: Any) -> Iterator[tuple[str, str | None, str | None]]:
    """Key, name and email of each; what has neither id nor email is nobody."""
    listed = known.get(":submitters") if isinstance(known, dict) else None
    for submitter in listed if isinstance(listed, list) else ():
        if isinstance(submitter, dict):
            name, sid, email = (str(submitter.get(f":{field}") or "").strip() for field in ("name", "sid", "email"))
            if key := sid or email:
                yield key, name or None, email or None


def _time(known: Any) -> datetime | None:
    told = known.get(":created_at") if isinstance(known, dict) else None
    return zoned_time(re.sub(r"\.\d+", "", str(told)))
