"""The files of a folder or of a zip archive, listed and read with suspicion.

Nothing is ever unpacked: an entry is read where it lies, and no more of it than is asked for. Links are not
followed, paths that lead outside are refused, and what is refused is told with its reason. A zip in the
listing is opened once more, as a folder of its name. It knows nothing of students or platforms.
"""

from __future__ import annotations

import io
import os
import re
import stat
import unicodedata
import zipfile
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_ENTRIES = 250_000  # of one archive
MOST_UNPACKED = 32 * 2**30  # bytes that an archive says it holds
LARGEST_INNER = 16 * 2**20  # bytes of a zip within
MOST_INNER_ENTRIES = 1_000
HARMLESS, MOST_RATIO = 2**20, 100  # what unpacks to more bytes than this must not do so from a hundredth of them
DEEPEST = 30  # folders within folders

ENCRYPTED = "it is encrypted"
BOMB = f"it would unpack to more than {MOST_RATIO} times its size"
OF_ITS_MAKING = (ENCRYPTED, BOMB)

JUNK = re.compile(
    r"(?:^|/)(?:\.[^/]+|__MACOSX|__pycache__|Thumbs\.db|desktop\.ini)(?:/|$)", re.IGNORECASE
)  # left by systems and editors: nobody handed it in
_ENTRY = b"PK\x01\x02"  # what each entry of a zip's list begins with
_DOTS = re.compile(r"(?:^|/)\.\.(?:/|$)")


class File(NamedTuple):
    """A regular file: its path with forward slashes, in NFC; its size; when it was changed, in seconds of POSIX.

    `locator` is how its listing finds it again, whatever its name is made of. `refused` says why it is not read, where
    that is for what whoever handed it in has made of it; `fault` why it could not be read just now.
    """

    path: str
    size: int
    modified: float | None
    locator: bytes
    refused: str = ""
    fault: str = ""


class Refused(NamedTuple):
    """What is in the listing and is nobody's to hand in, or not ours to read, and why."""

    path: str
    why: str


class Unreadable(Exception):
    """A file that cannot be read; the message says why.

    Where that is for what whoever handed it in has made of it, it will be so next time too, and it is a `Spoilt`.
    """


class Spoilt(Unreadable):
    """A file in a zip that was handed in broken."""


class Listing(Protocol):
    """What a folder and an archive have in common. `wrapper` is a folder that everything is in, for no reason."""

    @property
    def wrapper(self) -> str: ...

    def files(self) -> Iterator[File | Refused]:
        """Every entry but junk, in no order."""

    def read(self, locator: bytes, most: int) -> bytes:
        """The first bytes of a file, `most` of them at most. Raises Unreadable."""


@contextmanager
def opened(source: Path, but: Path | None = None) -> Iterator[Listing]:
    """The listing of a folder, without the folder `but`, or of a zip archive. Raises UsageError for anything else."""
    if source.is_dir():
        if _is_left_by_a_batch(source):
            raise UsageError(f"{source}: it is what a batch left; expected submissions; name the folder they are in")
        yield _Folder(source, but)
        return
    if source.suffix == ".py":
        raise UsageError(f"{source}: it is one file; expected a folder or a zip archive; grade it with `grade submit`")
    with _zip(source, str(source)) as archive:
        yield _Archive(archive, str(source))


@contextmanager
def uploaded(file: IO[bytes], name: str) -> Iterator[Listing]:
    """The listing of a zip archive that somebody has sent. Raises UsageError for anything else."""
    if (count := _entries_of(file)) > MOST_ENTRIES:  # before its list is read: one of so many is large
        raise _has_too_many(name, count)
    with _zip(file, name) as archive:
        yield _Archive(archive, name)


def _entries_of(file: IO[bytes]) -> int:
    """How many entries it has at most, by the look of its bytes."""
    file.seek(0)
    count, last = 0, b""
    while block := file.read(2**20):
        count += (last + block).count(_ENTRY)
        last = block[1 - len(_ENTRY) :]
    return count


def _zip(source: Path | IO[bytes], name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except FileNotFoundError:
        raise UsageError(f"{name}: it is not there; expected a folder or a zip archive; correct the path") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UsageError(
            f"{name}: it is no zip archive that can be read ({error}); expected a folder or a zip; "
            "download it again, or unpack it yourself and name the folder"
        ) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{name}: it cannot be read ({why}); expected a folder or a zip archive; mend that") from None


def _has_too_many(name: str, count: int) -> UsageError:
    return UsageError(
        f"{name}: it has {count} entries; expected at most {MOST_ENTRIES}; unpack it and name the folder, if it is "
        "what you think it is"
    )


def shown(name: str) -> str:
    """A text as it can be printed and compared: in NFC, and what cannot be printed by its number."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
    return "".join(c if c.isprintable() else " " if c.isspace() else f"\\x{ord(c):02x}" for c in text)


def _is_left_by_a_batch(folder: Path) -> bool:
    return (folder / "reports.jsonl").is_file() and (folder / "reports").is_dir()


class _Folder:
    wrapper = ""  # whoever names a folder means what is in it

    def __init__(self, root: Path, but: Path | None) -> None:
        self._root = root
        self._but = but and os.path.realpath(but)
        self._inner = _Inner()

    def files(self) -> Iterator[File | Refused]:
        yield from self._walk("", 0)

    def read(self, locator: bytes, most: int) -> bytes:
        outer, _, inner = locator.partition(b"\0")
        if inner:
            return self._inner.read(outer, lambda: self._own(outer, LARGEST_INNER), int(inner), most)
        return self._own(outer, most)

    def _own(self, name: bytes, most: int) -> bytes:
        try:
            # it may be a link by now
            descriptor = os.open(self._root / os.fsdecode(name), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            with open(descriptor, "rb") as file:  # noqa: PTH123 it is open already
                return file.read(most)
        except OSError as error:
            raise Unreadable((error.strerror or str(error)).lower()) from None

    def _walk(self, folder: str, depth: int) -> Iterator[File | Refused]:
        try:
            entries = os.scandir(self._root / folder)
        except OSError as error:
            yield Refused(shown(folder), (error.strerror or str(error)).lower())
            return
        with entries:
            is_empty = True
            for entry in entries:
                is_empty = False
                name = f"{folder}/{entry.name}" if folder else entry.name
                if not JUNK.search(entry.name):
                    yield from self._entry(entry, name, depth)
            if folder and is_empty:
                yield Refused(shown(folder), "it is an empty folder")

    def _entry(self, entry: os.DirEntry[str], name: str, depth: int) -> Iterator[File | Refused]:
        try:
            known = entry.stat(follow_symlinks=False)
        except OSError as error:  # it was there a moment ago
            yield Refused(shown(name), (error.strerror or str(error)).lower())
            return
        if stat.S_ISLNK(known.st_mode):
            yield Refused(shown(name), "it is a link: what it leads to may be anybody's")
        elif stat.S_ISDIR(known.st_mode):
            if os.path.realpath(entry.path) == self._but:
                return
            if _is_left_by_a_batch(Path(entry.path)):
                yield Refused(shown(name), "it is what a batch left")
                return
            yield from self._walk(name, depth + 1) if depth < DEEPEST else [Refused(shown(name), "too deep")]
        elif not stat.S_ISREG(known.st_mode):
            yield Refused(shown(name), "it is no regular file")
        else:
            file = File(shown(name), known.st_size, known.st_mtime, os.fsencode(name))
            yield from _inside(file, self)


class _Archive:
    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive, self._stem = archive, PurePath(name).stem
        self._inner = _Inner()
        infos = archive.infolist()
        if (count := len(infos)) > MOST_ENTRIES:
            raise _has_too_many(name, count)
        files = [info for info in infos if not info.filename.endswith("/")]
        if files and all(info.flag_bits & 0x1 for info in files):  # that is nobody's doing but whoever made the archive
            raise UsageError(f"{name}: it is encrypted; expected no password; unpack it and name the folder")
        if (size := sum(info.file_size for info in archive.infolist())) > MOST_UNPACKED:
            raise UsageError(
                f"{name}: it would unpack to {size / 2**30:,.0f} GiB; expected at most {MOST_UNPACKED / 2**30:.0f}; "
                "unpack it and name the folder, if it is what you think it is"
            )

    @property
    def wrapper(self) -> str:
        """Who zips a folder gets one; a student's own folder has the name of no archive, and rarely two entries."""
        paths = [entry.path for entry in _entries(self._archive)]
        tops = {path.partition("/")[0] for path in paths}
        top = tops.pop() if len(tops) == 1 else ""
        below = {path.split("/")[1] for path in paths if "/" in path}
        return f"{top}/" if below and (len(below) > 1 or top == self._stem) else ""

    def files(self) -> Iterator[File | Refused]:
        for entry in _entries(self._archive):
            yield from _inside(entry, self) if isinstance(entry, File) else [entry]

    def read(self, locator: bytes, most: int) -> bytes:
        outer, _, inner = locator.partition(b"\0")
        if inner:
            return self._inner.read(outer, lambda: _member(self._archive, int(outer), LARGEST_INNER), int(inner), most)
        return _member(self._archive, int(outer), most)


# Zip archives, of an instructor's and within.


def _entries(archive: zipfile.ZipFile) -> Iterator[File | Refused]:
    """Its files by number, for names need not be unique: the last of a name is the one that counts."""
    infos = archive.infolist()
    last = {_name(info): n for n, info in enumerate(infos)}
    for n, info in enumerate(infos):
        name = _name(info)
        path = shown(name)
        suspicion = _suspicion(info, name)
        if name.endswith("/") or (not suspicion and JUNK.search(path)):
            continue
        path = "/".join(part for part in path.split("/") if part not in ("", "."))
        why = suspicion or ("another entry has the same name, and comes later" if last[name] != n else "")
        if why and why not in OF_ITS_MAKING:
            yield Refused(path, why)
        else:
            yield File(path, info.file_size, _modified(info), str(n).encode(), why)


def _name(info: zipfile.ZipInfo) -> str:
    """The name with forward slashes. Without the flag for UTF-8 it is said to be in code page 437, and rarely is."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _suspicion(info: zipfile.ZipInfo, name: str) -> str:
    """Why an entry is not to be read, if there is a reason."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    bomb = info.file_size > max(HARMLESS, MOST_RATIO * info.compress_size)
    reasons = {
        "its path leads out of the archive": name.startswith("/")
        or re.match(r"[A-Za-z]:/", name)
        or _DOTS.search(name),
        "it has no name": not name.strip("./"),
        "it is a link: what it leads to may be anybody's": kind == stat.S_IFLNK,
        "it is no regular file": kind not in (0, stat.S_IFREG),
        ENCRYPTED: info.flag_bits & 0x1,
        BOMB: bomb,
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _modified(info: zipfile.ZipInfo) -> float | None:
    try:
        return datetime(*info.date_time).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _member(archive: zipfile.ZipFile, n: int, most: int) -> bytes:
    try:
        with archive.open(archive.infolist()[n]) as file:
            return file.read(most)
    except Exception as error:  # broken archives raise a dozen kinds
        raise Unreadable(f"the archive is broken there ({type(error).__name__}: {error})") from None


def _inside(file: File, listing: Listing) -> Iterator[File | Refused]:
    """The file itself, or what is in it where it is a zip: students like to hand in one."""
    if file.refused or not file.path.lower().endswith(".zip"):
        yield file
        return
    if file.size > LARGEST_INNER:
        yield file._replace(refused=f"it is a zip of more than {LARGEST_INNER / 2**20:.0f} MiB")
        return
    try:
        data = listing.read(file.locator, LARGEST_INNER)
    except Unreadable as error:
        yield file._replace(fault=str(error))
        return
    try:
        if data.count(_ENTRY) > MOST_INNER_ENTRIES:  # before it is looked into: a list of so many is large
            raise Unreadable(f"it has more than {MOST_INNER_ENTRIES} entries")
        with zipfile.ZipFile(io.BytesIO(data)) as inner:
            entries = [*_entries(inner)]
    except Exception as error:  # as above
        yield file._replace(refused=f"it is a zip that cannot be read ({error})")
        return
    if not any(isinstance(entry, File) for entry in entries):
        yield file._replace(refused="it is a zip without a file")
    for entry in entries:
        path = f"{file.path}/{entry.path}"
        if isinstance(entry, File):
            yield entry._replace(path=path, locator=file.locator + b"\0" + entry.locator)
        else:
            yield Refused(path, entry.why)


class _Inner:
    """The zip within that was read last: one student's files are read one after another."""

    def __init__(self) -> None:
        self._locator: bytes | None = None

    def read(self, locator: bytes, data: Callable[[], bytes], n: int, most: int) -> bytes:
        if locator != self._locator:
            try:
                self._locator, self._zip = None, zipfile.ZipFile(io.BytesIO(data()))
            except zipfile.BadZipFile as error:  # it could be opened when it was listed
                raise Unreadable(f"it is in a zip that has changed since it was listed ({error})") from None
            self._locator = locator
        try:
            return _member(self._zip, n, most)
        except Unreadable as error:
            raise Spoilt(f"it is in a zip that cannot be read ({error})") from None
