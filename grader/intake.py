"""What an instructor hands over -> who handed in what: files placed with students, and one file chosen for each.

The layouts of platforms are theirs; here is the plain one. A student's file is never parsed: which one has the
functions is told by the look of its lines.
"""

from __future__ import annotations

import re
import stat
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from grader import lms
from grader.errors import UsageError
from grader.listing import File, Refused, Spoilt, Unreadable
from grader.lms import Piece, Unplaced
from grader.values import LARGEST_FILE, Submission

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from grader.listing import Listing

LARGEST_SIDE = 64 * 2**20  # bytes of a file about submissions
ENOUGH = 5_000  # files, to know a platform by
MOST_AROUND = 3  # folders around a download
SHOWN = 8  # other files named in a report


class HandIn(NamedTuple):
    """One attempt of one student: the file that is graded, and what is known besides.

    `note` says how the file was chosen, where there was a choice.
    """

    piece: Piece
    note: str | None


def submission(path: Path) -> Submission:
    """One file by its path. Raises UsageError for what is no file, cannot be read, or is too large."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{path}: it is a folder; expected a Python file; name the file in it")
        if not stat.S_ISREG(mode):
            raise UsageError(f"{path}: it is no regular file; expected a Python file; save it as one first")
        with path.open("rb") as file:
            source = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file; expected a Python file; correct the path") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{path}: it cannot be read ({why}); expected a Python file; mend that") from None
    if len(source) > LARGEST_FILE:
        raise UsageError(f"{path}: it is larger than 1 MB; expected some kilobytes of Python; take the data out of it")
    return Submission(path.name, source)


class Layout(NamedTuple):
    """How a listing is laid out: the platform it is a download of, None where it is plain; and a folder around all."""

    platform: str | None
    around: str


def layout_of(listing: Listing) -> Layout:
    """Recognise a listing, as it is or in folders around it. Raises UsageError where it may be of several platforms."""
    paths = [file.path for file in islice(_files(listing), ENOUGH)]
    around = ""
    for _ in range(1 + MOST_AROUND):
        below = [path.removeprefix(around) for path in paths]
        found = [name for name, platform in lms.platforms().items() if below and platform.recognises(below)]
        if found[1:]:
            raise UsageError(
                f"the submissions: they look like a download of {' and of '.join(found)}; expected one; put the files "
                "into a folder as <student>.py, or <student>/<file>.py"
            )
        if found:
            return Layout(found[0], around)
        tops = {path.partition("/")[:2] for path in below}
        if len(tops) != 1 or not (top := "".join(tops.pop())).endswith("/"):
            break
        around += top
    return Layout(None, listing.wrapper)


def placed(listing: Listing, layout: Layout) -> Iterator[Piece | Unplaced]:
    """Whose each file is."""
    yield from (Unplaced(entry.path, entry.why) for entry in listing.files() if isinstance(entry, Refused))
    if layout.platform is None:
        yield from _plain(_below(listing, layout))
        return
    platform = lms.platforms()[layout.platform]
    side = {}
    for file in _below(listing, layout):
        if platform.SIDE.fullmatch(file.path):
            try:
                side[file.path] = listing.read(file.locator, LARGEST_SIDE)
            except Unreadable as error:
                yield Unplaced(file.path, str(error))
    handed_in = (file for file in _below(listing, layout) if not platform.SIDE.fullmatch(file.path))
    yield from platform.pieces(handed_in, side)


def _files(listing: Listing) -> Iterator[File]:
    return (entry for entry in listing.files() if isinstance(entry, File))


def _below(listing: Listing, layout: Layout) -> Iterator[File]:
    return (file._replace(path=file.path.removeprefix(layout.around)) for file in _files(listing))


def _plain(files: Iterable[File]) -> Iterator[Piece | Unplaced]:
    """<student>.py and <student>/..., and nothing else on top."""
    for file in files:
        student, slash, path = file.path.partition("/")
        if slash:
            yield Piece(re.sub(r"\.zip$", "", student, flags=re.IGNORECASE), file, path)
        elif (file.refused or file.fault) and file.path.lower().endswith(".zip"):
            yield Piece(student[: -len(".zip")], file, student)
        elif found := re.fullmatch(r"(.+)\.(?:py|ipynb)", student, re.IGNORECASE):
            yield Piece(found[1], file, student)
        else:
            yield Unplaced(file.path, "it is neither a Python file nor a student's folder")


def choose(pieces: Sequence[Piece], listing: Listing, functions: Sequence[str]) -> HandIn:
    """The file that has most of the functions; of several a Python file; of several the newest.

    Raises Unreadable where one of them cannot be read now, for it may be the one.
    """
    if len(pieces) == 1:
        return HandIn(pieces[0], _not_python(pieces[0]))
    counts = [_count(piece, listing, functions) for piece in pieces]

    def rank(n: int) -> tuple[int, bool, float, str]:
        file = pieces[n].file
        return counts[n], _is_python(pieces[n]), file.modified or 0.0, file.path

    ranked = sorted(range(len(pieces)), key=rank, reverse=True)
    best, second = ranked[:2]
    if counts[best] > counts[second]:
        why = f"the one with {'all functions' if counts[best] == len(functions) else 'most of the functions'}"
    elif _is_python(pieces[best]) > _is_python(pieces[second]):
        why = "the one that is Python"
    elif (pieces[best].file.modified or 0) > (pieces[second].file.modified or 0):
        why = "the newest"
    else:
        why = "the last by name"
    others = [pieces[n].name for n in ranked[1:]]
    listed = ", ".join(others[:SHOWN]) + (f" and {len(others) - SHOWN} more" if others[SHOWN:] else "")
    note = f"{pieces[best].name} was graded, {why} of {len(pieces)} files; not graded: {listed}"
    return HandIn(pieces[best], "; ".join(filter(None, (note, _not_python(pieces[best])))))


def _is_python(piece: Piece) -> bool:
    return piece.name.lower().endswith(".py") and not piece.file.refused


def _not_python(piece: Piece) -> str | None:
    return None if _is_python(piece) else f"no Python file was handed in: {piece.name} was taken for one"


def _count(piece: Piece, listing: Listing, functions: Sequence[str]) -> int:
    """How many of the functions the lines of a file seem to define."""
    try:
        source = b"" if piece.file.refused or piece.file.fault else listing.read(piece.file.locator, LARGEST_FILE)
    except Spoilt:
        return -1
    names = b"|".join(re.escape(name.encode()) for name in functions)
    return len({found[1] for found in re.finditer(rb"^(?:async )?def[ \t]+(" + names + rb")\b", source, re.MULTILINE)})


def in_zone_of(deadline: datetime | None, submitted: datetime | None) -> datetime | None:
    """A time that came without a zone is the course's own: the deadline's, else none that could be told."""
    if submitted is None or submitted.tzinfo is not None or deadline is None:
        return submitted
    return submitted.replace(tzinfo=deadline.tzinfo or UTC)


def request_key(assignment: str, sha256: str, submitted: datetime | None, attempt: int) -> str:
    """What handing in a file of a class is known by, whoever does it again: the file, and when it was handed in.

    That is by the clock that told it, whose zone is known only where there is a deadline; else the attempt's number.
    """
    when = attempt if submitted is None else submitted.replace(tzinfo=None).isoformat()
    return f"batch:{assignment}:{sha256}:{when}"
