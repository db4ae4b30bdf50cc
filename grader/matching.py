"""Whose row in a gradebook is whose grade: by the platform's own number, another id, a login or address.

By name only when a person has confirmed it. A text that fits two rows, or two grades, finds neither, and no weaker way
is tried. It is a table of SQLite's in a file without a name, so that a gradebook of any size is gone through in little
memory. It knows nothing of formats.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from grader import lms
from grader.lms import Person, Row, Standing
from grader.pairing import settle
from grader.roster import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from grader.grades import Grade, Origin
    from grader.pushes import Pushed

_SCHEMA = """
CREATE TABLE grade (n INTEGER PRIMARY KEY, student TEXT UNIQUE, state TEXT, points TEXT, maximum TEXT, name TEXT,
    email TEXT);
CREATE TABLE line (n INTEGER PRIMARY KEY, ref TEXT, name TEXT, state TEXT, points TEXT, maximum TEXT, locked TEXT);
CREATE TABLE want (kind TEXT, text TEXT, grade INTEGER, PRIMARY KEY (kind, text, grade)) WITHOUT ROWID;
CREATE TABLE have (kind TEXT, text TEXT, line INTEGER, PRIMARY KEY (kind, text, line)) WITHOUT ROWID;
CREATE TABLE pair (grade INTEGER, line INTEGER, PRIMARY KEY (grade, line)) WITHOUT ROWID;
CREATE TABLE match (grade INTEGER PRIMARY KEY, line INTEGER UNIQUE);
CREATE TABLE doubt (grade INTEGER, line INTEGER, PRIMARY KEY (grade, line)) WITHOUT ROWID;
CREATE TABLE refused (grade INTEGER, line INTEGER, PRIMARY KEY (grade, line)) WITHOUT ROWID;
CREATE TABLE pushed (student TEXT PRIMARY KEY, ref TEXT, value TEXT, sent TEXT, before TEXT);
"""
_NAMES_AGREE = "agree((SELECT name FROM grade WHERE n = lone.grade), (SELECT name FROM line WHERE n = lone.line))"
KINDS = ("key", "id", "login")  # strongest first


class Found(NamedTuple):
    """A grade with its row, if it has one; what may stand there of ours; and whether whose it is, is in doubt."""

    student: str
    name: str
    state: str
    points: Decimal | None
    maximum: Decimal | None
    line: int | None
    row: Row | None
    ours: frozenset[str]
    in_doubt: bool


class Suggestion(NamedTuple):
    """A grade and a row that may belong together: for a person to confirm."""

    student: str
    name: str
    row: str
    row_name: str
    confirmed: str = ""


class Matching:
    """Open it with `with`; it is gone afterwards."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.create_function("agree", 2, _agree, deterministic=True)

    def __enter__(self) -> Self:
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -16000; {_SCHEMA} BEGIN;")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._db.close()

    # What there is.

    def take_grade(self, grade: Grade, origin: Origin) -> None:
        """One grade. What only a platform itself knows students by is good for that platform's own rows alone."""
        points, maximum = (None if number is None else str(number) for number in (grade.points, grade.maximum))
        added = self._db.execute(
            "INSERT INTO grade (student, state, points, maximum, name, email) VALUES (?, ?, ?, ?, ?, ?)",
            (grade.student, grade.state, points, maximum, grade.name, grade.email),
        )
        ids = {grade.student, origin.key}
        if lms.has_own_keys(origin.platform):
            ids.discard(origin.key)
        wanted = [("id", text) for text in ids] + [("login", text) for text in (*ids, grade.email)]
        wanted += [("name", _words(grade.name or grade.student))]
        wanted += [("key", origin.key)] if origin.platform == self._platform else []
        self._note("want", added.lastrowid, wanted)

    def take_row(self, row: Row) -> None:
        """One row of the gradebook; they are numbered as they come, from 1."""
        person, stands = row.person, row.standing
        points, maximum = (None if number is None else str(number) for number in (stands.points, row.maximum))
        added = self._db.execute(
            "INSERT INTO line (ref, name, state, points, maximum, locked) VALUES (?, ?, ?, ?, ?, ?)",
            (person.ref, person.name, stands.state, points, maximum, row.locked),
        )
        had = [("key", person.key), *(("id", text) for text in person.ids)]
        had += [("login", text) for text in person.logins] + [("name", _words(person.name))]
        self._note("have", added.lastrowid, had)

    def _note(self, table: str, n: int | None, texts: Iterable[tuple[str, str | None]]) -> None:
        rows = {(kind, folded(text), n) for kind, text in texts if text and text.strip()}
        self._db.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)  # noqa: S608 the text is ours

    def take_pushed(self, pushed: Iterable[Pushed], version: str | None) -> None:
        """What was pushed earlier; the last of each student counts, if it was not into this same file, whose digest
        the version is: then it cannot have been imported yet. What was sent and not seen may stand there, or not.
        """
        for one in pushed:
            if one.seen:
                value = None if version and one.template == version else one.value
                self._db.execute(
                    "INSERT OR REPLACE INTO pushed VALUES (?, ?, ?, NULL, NULL)", (one.student, one.row, value)
                )
            else:
                self._db.execute(
                    "INSERT INTO pushed VALUES (?, ?, NULL, ?, ?) ON CONFLICT (student) DO UPDATE SET "
                    "sent = excluded.sent, before = excluded.before, ref = excluded.ref, "
                    "value = CASE WHEN ref = excluded.ref THEN value END",
                    (one.student, one.row, one.value, one.before or ""),
                )

    # Who is who.

    def decide(self, student: str, ref: str, *, same: bool) -> str:
        """Somebody has said that these belong together, or do not; gives what is wrong with that, if anything."""
        grades = self._db.execute("SELECT n FROM grade WHERE student = ?", (student,)).fetchall()
        lines = self._db.execute("SELECT n FROM line WHERE ref = ?", (ref,)).fetchall()
        if len(grades) != 1:
            return f"there is no student {student!r}"
        if len(lines) != 1:
            return f"the gradebook has {len(lines)} rows {ref!r}"
        pair = grades[0][0], lines[0][0]
        if not same:
            self._db.execute("INSERT OR IGNORE INTO refused VALUES (?, ?)", pair)
            return ""
        if self._db.execute("SELECT 1 FROM match WHERE (grade, line) = (?, ?)", pair).fetchone():
            return ""
        try:
            self._db.execute("INSERT INTO match VALUES (?, ?)", pair)
        except sqlite3.IntegrityError:
            return f"{student!r} or {ref!r} is confirmed with another"
        return ""

    def match(self) -> None:
        """Find the row of every grade. Call it once, when everything is there."""
        for kind in KINDS:
            self._pair(kind)
            settle(self._db, "grade", "line", "match", condition=_NAMES_AGREE)

    def _pair(self, kind: str) -> None:
        self._db.execute("DELETE FROM pair")
        self._db.execute(
            "INSERT OR IGNORE INTO pair SELECT grade, line FROM want JOIN have USING (kind, text) WHERE kind = ? "
            "AND grade NOT IN (SELECT grade FROM match) AND grade NOT IN (SELECT grade FROM doubt) "
            "AND NOT EXISTS (SELECT 1 FROM refused WHERE refused.grade = want.grade AND refused.line = have.line)",
            (kind,),
        )

    def suggestions(self) -> Iterator[Suggestion]:
        """What only a person can decide: those in doubt, and those whose names are the same."""
        self._pair("name")
        rows = self._db.execute(
            "SELECT student, grade.name, ref, line.name FROM (SELECT * FROM pair UNION SELECT * FROM doubt) AS may "
            "JOIN grade ON grade.n = may.grade JOIN line ON line.n = may.line "
            "WHERE may.line NOT IN (SELECT line FROM match) ORDER BY student, ref"
        )
        return (Suggestion(*row) for row in rows)

    # What comes of it.

    def found(self) -> Iterator[Found]:
        """Every grade, in order of students."""
        rows = self._db.execute(
            "SELECT grade.student, grade.name, grade.state, grade.points, grade.maximum, line.n, line.ref, line.name, "
            "line.state, line.points, line.maximum, locked, value, sent, before, grade.n IN (SELECT grade FROM doubt) "
            "FROM grade LEFT JOIN match ON match.grade = grade.n LEFT JOIN line ON line.n = match.line "
            "LEFT JOIN pushed ON pushed.student = grade.student AND pushed.ref = line.ref ORDER BY grade.n"
        )
        for student, name, state, points, maximum, n, *of_row, value, sent, before, in_doubt in rows:
            yield Found(
                student, name, state, _number(points), _number(maximum), n, None if n is None else _row(*of_row),
                frozenset(text for text in (value, sent, before) if text is not None), bool(in_doubt),
            )  # fmt: skip

    def rows_of_nobody(self) -> Iterator[tuple[str, str]]:
        """The rows no grade belongs to: what they are found by, and the name."""
        return self._db.execute(
            "SELECT ref, name FROM line WHERE n NOT IN (SELECT line FROM match) AND n NOT IN (SELECT line FROM doubt) "
            "ORDER BY n"
        )


def _row(ref: str, name: str, state: str, points: str | None, maximum: str | None, locked: str) -> Row:
    return Row(Person(ref, name), Standing(state, _number(points)), _number(maximum), locked)


def _number(text: Any) -> Decimal | None:
    return None if text is None else Decimal(text)


def _words(name: str) -> str:
    """A name as it is compared: its words in any order, for some write the last one first."""
    return " ".join(sorted(_plain(name).split()))


def _plain(name: str) -> str:
    """Without accents, apostrophes and the marks between words."""
    bare = folded(name)
    if not bare.isascii():
        bare = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c))
    return re.sub(r"[^\w]+|_", " ", re.sub("['’ʼ`]", "", bare))


def _agree(one: str | None, other: str | None) -> bool:
    """Whether two names may be one person's: where both are known, some word of one is in the other."""
    if not one or not other:
        return True
    if one == other:
        return True
    names = [_plain(name) for name in (one, other)]
    squeezed = [name.replace(" ", "") for name in names]
    words = [[word for word in name.split() if len(word) > 1] for name in names]
    if not all(words):
        return True  # initials, or none of what makes words
    return any(word in squeezed[1] for word in words[0]) or any(word in squeezed[0] for word in words[1])
