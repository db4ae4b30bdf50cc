"""The working table of a batch: who handed in what, and where each report is.

It lies in a temporary file, so that memory does not grow with a course; it is never kept, for what is to last is in
the reports. Texts that could be of many submissions are SQLite's, not ours.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from grader.listing import File
from grader.lms import Piece, Unplaced
from grader.pairing import settle
from grader.roster import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from grader.roster import Student

_SCHEMA = """
CREATE TABLE student (key TEXT PRIMARY KEY, name TEXT, email TEXT, section TEXT, rostered INTEGER);
CREATE TABLE alias (kind TEXT, text TEXT, key TEXT, PRIMARY KEY (kind, text, key));
CREATE TABLE piece (student TEXT, attempt TEXT, packed TEXT, locator BLOB, email TEXT, person TEXT);
CREATE TABLE claim (key TEXT PRIMARY KEY, student TEXT UNIQUE);
CREATE TABLE pair (student TEXT, key TEXT, PRIMARY KEY (student, key));
CREATE TABLE doubt (student TEXT, key TEXT, PRIMARY KEY (student, key));
CREATE TABLE unplaced (path TEXT, why TEXT);
CREATE TABLE entry (
    n INTEGER PRIMARY KEY, student TEXT, attempt INTEGER, attempts INTEGER, sha256 TEXT, packed TEXT, locator BLOB,
    note TEXT, at INTEGER, length INTEGER, fault TEXT, before TEXT, old_at INTEGER, old_length INTEGER,
    again INTEGER DEFAULT 0, outdated BLOB, grade TEXT, sketch TEXT, UNIQUE (student, attempt)
);
CREATE INDEX same ON entry (sha256);
CREATE TABLE leader (n INTEGER PRIMARY KEY);
CREATE TABLE left_over (at INTEGER, length INTEGER);
"""


class Entry(NamedTuple):
    """One attempt: which file it is, and of how many the student made. `n` numbers all attempts, in order."""

    n: int
    student: str
    attempt: int
    attempts: int
    sha256: str
    piece: Piece
    note: str | None


class Place(NamedTuple):
    """Where a report stands in the journal, in bytes."""

    at: int
    length: int


class Row(NamedTuple):
    """One student: what is known of them, and the grade that counts. `fault` is why there is none, for a fault of ours.

    `grade` is what `grade` was told; None for who has handed in nothing, or has a fault.
    """

    key: str
    name: str | None
    email: str | None
    section: str | None
    grade: dict[str, Any] | None
    fault: str | None


class Ledger:
    """Open it with `with`; it is gone afterwards."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a file without a name, made when memory is not enough

    def __enter__(self) -> Self:
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -8000; {_SCHEMA} BEGIN;")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._db.close()

    # Who is expected, and what came.

    def expect(self, students: Iterable[Student]) -> None:
        """Take the roster in."""
        for student in students:
            self._db.execute(
                "INSERT INTO student VALUES (?, ?, ?, ?, 1)",
                (student.key, student.name, student.email, student.section),
            )
            self._db.executemany(
                "INSERT INTO alias VALUES (?, ?, ?)", [(kind, text, student.key) for kind, text in student.names()]
            )

    def add(self, found: Piece | Unplaced) -> None:
        """Take one file in, with whom it is placed, or why with nobody."""
        if isinstance(found, Unplaced):
            self._db.execute("INSERT INTO unplaced VALUES (?, ?)", found)
            return
        values = (found.student, found.attempt, _packed(found), found.file.locator, found.email, found.person)
        self._db.execute("INSERT INTO piece VALUES (?, ?, ?, ?, ?, ?)", values)

    def recognise(self) -> None:
        """Find those who handed something in on the roster: each row is one student's.

        By their very key first, then by id, email and name. What fits two of them, or two rows, finds neither: whose
        it is is not for us to guess, and no later way is tried.
        """
        self._db.execute("INSERT INTO claim SELECT key, key FROM student WHERE key IN (SELECT student FROM piece)")
        for kind, columns in (("id", ""), ("email", ", email"), ("name", ", person")):
            self._find_by(kind, columns)
        self._db.execute(
            "UPDATE piece SET student = claim.key FROM claim "
            "WHERE claim.student = piece.student AND claim.key != piece.student"
        )

    def _find_by(self, kind: str, columns: str) -> None:
        """Claim the rows that one text, and no other student's, fits; whatever else fits is in doubt.

        Rows that are found already are counted too: of two who have one name, the one that is left over may be anybody.
        """
        self._db.execute("DELETE FROM pair")
        unknown = self._db.execute(
            f"SELECT DISTINCT student {columns} FROM piece WHERE student NOT IN (SELECT student FROM claim) "  # noqa: S608 the text is ours
            "AND student NOT IN (SELECT student FROM doubt)"
        )
        for student, *others in unknown:
            for text in filter(None, (student, *others)):
                query = "INSERT OR IGNORE INTO pair SELECT ?, key FROM alias WHERE kind = ? AND text = ?"
                self._db.execute(query, (student, kind, folded(text)))
        settle(self._db, "student", "key", "claim")

    def doubts(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Who handed something in and may be several of the roster, or one that others may be too; and which."""
        rows = self._db.execute("SELECT student, key FROM doubt ORDER BY student, key")
        for student, group in groupby(rows, key=itemgetter(0)):
            yield student, tuple(key for _, key in group)

    def attempts(self) -> Iterator[tuple[str, int, int, list[Piece]]]:
        """Student, number of the attempt, number of all, and the files of that one; in order."""
        rows = self._db.execute(
            "SELECT student, number, MAX(number) OVER (PARTITION BY student) AS attempts, packed, locator FROM "
            "(SELECT *, DENSE_RANK() OVER (PARTITION BY student ORDER BY attempt) AS number FROM piece) "
            "ORDER BY student, number, packed"
        )
        for (student, number, attempts), group in groupby(rows, key=itemgetter(0, 1, 2)):
            yield student, number, attempts, [_unpacked(packed, locator) for *_, packed, locator in group]

    def enter(self, student: str, attempt: int, attempts: int, sha256: str, piece: Piece, note: str | None) -> int:
        """One attempt that is to have a report; gives its number."""
        entered = self._db.execute(
            "INSERT INTO entry (student, attempt, attempts, sha256, packed, locator, note) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (student, attempt, attempts, sha256, _packed(piece), piece.file.locator, note),
        )
        self._db.execute(
            "INSERT INTO student VALUES (?, ?, ?, NULL, 0) ON CONFLICT (key) DO UPDATE SET "
            "name = COALESCE(name, excluded.name), email = COALESCE(email, excluded.email)",
            (student, piece.person, piece.email),
        )
        return int(entered.lastrowid or 0)

    # What becomes of it.

    def find(self, student: str, attempt: int) -> Entry | None:
        """The attempt, if it is among those that are to have a report."""
        return next(self._entries("WHERE student = ? AND attempt = ?", student, attempt), None)

    def has_report(self, student: str) -> bool:
        """Whether an attempt of this student has a report."""
        query = "SELECT 1 FROM entry WHERE student = ? AND at NOT NULL LIMIT 1"
        return bool(self._db.execute(query, (student,)).fetchone())

    def student_of(self, n: int) -> str:
        return str(self._db.execute("SELECT student FROM entry WHERE n = ?", (n,)).fetchone()[0])

    def sketches(self, part: slice) -> Iterator[tuple[str, str, str]]:
        """Student, digest of the file and sketch of every attempt that counts; by this part of the sketch, then all."""
        start, stop = part.start, part.stop or 10**6
        return self._db.execute(
            "SELECT student, sha256, sketch FROM entry WHERE grade NOT NULL AND sketch NOT NULL "
            "ORDER BY SUBSTR(sketch, ?, ?), sketch, sha256, n", (start + 1, stop - start),
        )  # fmt: skip

    def recall(self, n: int, place: Place, before: dict[str, Any], *, true: bool, again: bool) -> None:
        """What an earlier run left: a report, and what the first of several said.

        It is still `true`, or is but for what it says of where the file came from, and is to be told `again`.
        """
        self._db.execute(
            "UPDATE entry SET at = ?, length = ?, old_at = ?, old_length = ?, again = ?, before = COALESCE(before, ?) "
            "WHERE n = ?", (*(place if true else (None, None)), *place, again, json.dumps(before), n),
        )  # fmt: skip

    def remember(self, n: int, line: bytes, before: dict[str, Any]) -> None:
        """What an earlier run left and a later one could not make anew; it is older than what else is known."""
        query = "UPDATE entry SET outdated = ?, before = ? WHERE n = ?"
        self._db.execute(query, (line, json.dumps(before), n))

    def compare(self, n: int, before: dict[str, Any]) -> None:
        """What was said of a student who was not there the last time, and is again."""
        query = "UPDATE entry SET before = ? WHERE n = ? AND old_at IS NULL AND outdated IS NULL"
        self._db.execute(query, (json.dumps(before), n))

    def leave_over(self, place: Place) -> None:
        """A report of an earlier run that is of nobody who is here."""
        self._db.execute("INSERT INTO left_over VALUES (?, ?)", place)

    def left_over(self) -> Iterator[Place]:
        return (Place(*row) for row in self._db.execute("SELECT at, length FROM left_over ORDER BY at"))

    def lead(self, *, each: bool = False) -> None:
        """Choose one attempt for each file that has no report yet, to be graded for all; or each for itself."""
        if each:
            self._db.execute("INSERT INTO leader SELECT n FROM entry WHERE at IS NULL AND fault IS NULL")
            return
        self._db.execute(
            "INSERT INTO leader SELECT MIN(n) FROM entry GROUP BY sha256 "
            "HAVING COUNT(at) = 0 AND COUNT(fault) = 0 AND MAX(again) = 0"
        )

    def leaders(self) -> Iterator[Entry]:
        """Those chosen."""
        return self._entries("WHERE n IN (SELECT n FROM leader)")

    def followers(self) -> Iterator[tuple[Entry, Place]]:
        """The attempts without a report of whose file there is one: where that is, an earlier run's or another's."""
        self._db.execute(
            "CREATE TEMP TABLE known AS SELECT sha256, MIN(n) AS first FROM entry WHERE at NOT NULL OR again "
            "GROUP BY sha256"
        )
        self._db.execute("CREATE INDEX temp.by_file ON known (sha256)")
        self._db.execute(
            "CREATE TEMP TABLE follower AS SELECT n, IIF(again, n, first) AS like FROM entry JOIN known USING (sha256) "
            "WHERE at IS NULL"
        )
        for n, like in self._db.execute("SELECT n, like FROM follower ORDER BY n"):
            query = "SELECT COALESCE(at, old_at), COALESCE(length, old_length) FROM entry WHERE n = ?"
            yield next(self._entries("WHERE n = ?", n)), Place(*self._db.execute(query, (like,)).fetchone())

    def reported(self, n: int, place: Place) -> None:
        """Its report is in the journal, there."""
        self._db.execute("UPDATE entry SET at = ?, length = ?, fault = NULL WHERE n = ?", (*place, n))

    def failed(self, n: int, fault: str, *, alone: bool = False) -> int:
        """A file could not be graded, for a fault of ours; gives how many handed it in, or 1 for this one `alone`."""
        if alone:
            return self._db.execute("UPDATE entry SET fault = ? WHERE n = ?", (fault, n)).rowcount
        query = "UPDATE entry SET fault = ? WHERE sha256 = (SELECT sha256 FROM entry WHERE n = ?) AND at IS NULL"
        return self._db.execute(query, (fault, n)).rowcount

    def count(self) -> tuple[int, int, int]:
        """How many attempts there are, how many have a report, and how many a fault."""
        return self._db.execute("SELECT COUNT(*), COUNT(at), COUNT(fault) FROM entry").fetchone()  # type: ignore[no-any-return]  # numbers

    # What there is in the end.

    def reports(self) -> Iterator[tuple[Entry, Place, dict[str, Any] | None]]:
        """Every attempt that has a report, in order: where it is, and what an earlier one said."""
        rows = self._db.execute("SELECT n, at, length, before FROM entry WHERE at NOT NULL ORDER BY n")
        for n, at, length, before in rows:
            yield next(self._entries("WHERE n = ?", n)), Place(at, length), before and json.loads(before)

    def stale(self, *, before_closing: bool = False) -> Iterator[Place | bytes]:
        """The reports that are true no more and could not be made anew, for a fault of ours: where, or themselves.

        Before closing, those that could be made anew by this run as well: what has changed is not written down yet.
        """
        rows = self._db.execute(
            "SELECT old_at, old_length, outdated FROM entry WHERE (fault NOT NULL AND at IS NULL "
            "AND COALESCE(old_at, outdated) NOT NULL) OR (? AND outdated NOT NULL) ORDER BY n", (before_closing,),
        )  # fmt: skip
        return (outdated if at is None else Place(at, length) for at, length, outdated in rows)

    def grade(self, n: int, grade: dict[str, Any], sketch: str | None) -> None:
        """This attempt is the one that counts for its student; what its file is like."""
        self._db.execute("UPDATE entry SET grade = ?, sketch = ? WHERE n = ?", (json.dumps(grade), sketch, n))

    def students(self) -> Iterator[Row]:
        """Everybody who is on the roster or handed in something, in order of their keys."""
        rows = self._db.execute(
            "SELECT key, name, email, section, MAX(grade), MAX(fault) FROM student "
            "LEFT JOIN entry ON entry.student = key GROUP BY key ORDER BY key"
        )
        for key, name, email, section, grade, fault in rows:
            yield Row(key, name, email, section, grade and json.loads(grade), fault)

    def introduce(self, key: str, name: str | None, email: str | None, section: str | None) -> None:
        """What a report says of a student, where nothing else does."""
        self._db.execute(
            "UPDATE student SET name = COALESCE(name, ?), email = COALESCE(email, ?), section = COALESCE(section, ?) "
            "WHERE key = ?", (name, email, section, key),
        )  # fmt: skip

    def student(self, key: str) -> tuple[str | None, str | None, str | None]:
        """Name, email and section, as far as they are known."""
        query = "SELECT name, email, section FROM student WHERE key = ?"
        return self._db.execute(query, (key,)).fetchone() or (None, None, None)

    def strangers(self) -> Iterator[str]:
        """Who handed something in and is not on the roster."""
        return (key for (key,) in self._db.execute("SELECT key FROM student WHERE NOT rostered ORDER BY key"))

    def unplaced(self) -> Iterator[Unplaced]:
        return (Unplaced(*row) for row in self._db.execute("SELECT path, why FROM unplaced ORDER BY path"))

    def _entries(self, condition: str, *values: Any) -> Iterator[Entry]:
        columns = "n, student, attempt, attempts, sha256, packed, locator, note"
        rows = self._db.execute(f"SELECT {columns} FROM entry {condition} ORDER BY n", values)  # noqa: S608 the text is ours
        for n, student, attempt, attempts, sha256, packed, locator, note in rows:
            yield Entry(n, student, attempt, attempts, sha256, _unpacked(packed, locator), note)


def _packed(piece: Piece) -> str:
    path, size, modified, _, refused, fault = piece.file
    submitted = piece.submitted and piece.submitted.isoformat()
    return json.dumps([*piece._replace(file=None, submitted=submitted), path, size, modified, refused, fault])  # type: ignore[arg-type]  # as JSON has it


def _unpacked(packed: str, locator: bytes) -> Piece:
    *fields, path, size, modified, refused, fault = json.loads(packed)
    piece = Piece(*fields)
    submitted = piece.submitted and datetime.fromisoformat(str(piece.submitted))
    return piece._replace(
        file=File(path, size, modified, locator, refused, fault), submitted=submitted, group=tuple(piece.group)
    )
