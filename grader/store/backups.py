"""All that the service keeps in one file, and back from it: the same tables, in SQLite, whatever the database is.

A backup has its name when it has been read back and compared with what the database held, all at one moment; and what
is restored is compared before it is there at all. Of the tables it knows their columns only, but for the files'; what
was being graded is the queue's to put back.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Column, Integer, MetaData, Table, Text, func, insert, inspect, literal, select, table, text
from sqlalchemy.exc import DBAPIError

from grader import __version__
from grader.errors import GraderFault, UsageError
from grader.store import database, queue, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Engine, Row

    Rows = Sequence[Row[Any]]

ROWS, FILES = 500, 8  # that are in memory at once
TABLES = schema.metadata.sorted_tables  # each after those it refers to


class Part(NamedTuple):
    """A table, in a backup or a database: how much there is of it, and the digest of all of that."""

    name: str
    rows: int
    sha256: str


_contents = Table(  # what a backup has in it, and no database of the service's
    "backup", MetaData(), Column("name", Text, primary_key=True), Column("rows", Integer, nullable=False),
    Column("sha256", Text, nullable=False), Column("grader_version", Text, nullable=False),
)  # fmt: skip


def write(engine: Engine, path: Path) -> list[Part]:
    """Write a backup, while the service goes on.

    Raises UsageError for a file that is there already, GraderFault where it does not become a good one.
    """
    if path.exists():
        raise _is_there(path)
    try:
        with _draft(path) as draft:
            with database.snapshot(engine) as source:
                parts = _written(source, draft)
            with _opened(draft) as backup:
                _check(backup, parts, path)
    except (DBAPIError, OSError) as error:
        raise _failed(f"{path}: it cannot be written", error, "a folder of yours with room for it") from None
    return parts


def restore(engine: Engine, path: Path) -> list[Part]:
    """Fill an empty database, or leave it as it is; what was being graded, whoever grades for it begins anew.

    Raises UsageError for what is no backup and for a database that is not empty, GraderFault for a damaged backup.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file; expected one that grade backup wrote; name one")
    try:
        with _opened(path) as source:
            parts = _parts_of_good(source, path)
            with database.writing(engine) as target:
                _refuse_filled(target)
                database.migrate_within(target)
                _copy(source, target)
                _count_on(target)
                _compare(_parts(target), parts, path)
                queue.put_all_back(target)
    except DBAPIError as error:
        raise _failed(f"{path}: it cannot be restored", error, "a database that takes all of it") from None
    return parts


def _is_there(path: Path) -> UsageError:
    return UsageError(f"{path}: it is there already; expected the name of a new file; name another")


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A file that nobody else may read, which has its name in the end or is gone."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".draft", dir=path.parent)
    draft = Path(name)
    try:
        yield draft
        os.fsync(descriptor)
        try:
            os.link(draft, path)  # never over a file, also where one has come meanwhile
        except FileExistsError:
            raise _is_there(path) from None
    finally:
        draft.unlink(missing_ok=True)
        os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    with database.snapshot(database.alone(path, is_read_only=True)) as connection:
        yield connection


def _written(source: Connection, draft: Path) -> list[Part]:
    if (found := database.version(source)) != database.latest():
        raise GraderFault(
            f"the database: it is of version {found or 'none'}; expected {database.latest()}; use the grader that "
            "serves it"
        )
    with database.writing(database.alone(draft)) as target:
        database.migrate_within(target)
        _contents.create(target)
        parts = _copy(source, target)
        target.execute(insert(_contents), [part._asdict() | {"grader_version": __version__} for part in parts])
    return parts


def _copy(source: Connection, target: Connection) -> list[Part]:
    return [_part(one, _copied(_batches(source, one), target, one)) for one in TABLES]


def _copied(batches: Iterable[Rows], target: Connection, one: Table) -> Iterator[Rows]:
    for batch in batches:
        target.execute(insert(one), [row._asdict() for row in batch])
        yield batch


def _batches(db: Connection, one: Table) -> Iterator[Rows]:
    """All rows of a table, some at a time."""
    size = FILES if one is schema.blob else ROWS
    query = select(one).order_by(*one.primary_key.columns)
    yield from db.execute(query, execution_options={"yield_per": size}).partitions()


# What makes a backup good.


def _parts(db: Connection) -> list[Part]:
    return [_part(one, _batches(db, one)) for one in TABLES]


def _part(one: Table, batches: Iterable[Rows]) -> Part:
    digest, rows = hashlib.sha256(), 0
    for batch in batches:
        for row in batch:
            digest.update(json.dumps(list(row), default=_plain).encode())
        rows += len(batch)
    return Part(one.name, rows, digest.hexdigest())


def _plain(value: object) -> str:
    """The same for every database and every Python."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _parts_of_good(source: Connection, path: Path) -> list[Part]:
    """What a backup holds. Raises UsageError for what is none, GraderFault for one that is damaged."""
    try:
        parts = _parts_told(source, path)
        _check(source, parts, path)
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorname", None) in ("SQLITE_NOTADB", "SQLITE_ERROR"):  # no such table
            raise UsageError(
                f"{path}: it is no backup ({error.orig}); expected a file that grade backup wrote; name one"
            ) from None
        raise _damaged(path, str(error.orig)) from None
    return parts


def _parts_told(source: Connection, path: Path) -> list[Part]:
    """What a backup says that it holds. Raises UsageError for one of another version."""
    told = source.execute(select(_contents)).all()
    if (found := database.version(source)) != database.latest():
        raise UsageError(
            f"{path}: it is of version {found}, by grader {told[0].grader_version}; expected {database.latest()}; "
            "restore it with that grader, and start this one then, which brings it up to date"
        )
    known = {row.name: Part(row.name, row.rows, row.sha256) for row in told}
    return [known[one.name] for one in TABLES]


def _check(db: Connection, parts: list[Part], path: Path) -> None:
    """Raise GraderFault for a backup that is not what it says, or not what was to be written."""
    if (told := db.execute(text("PRAGMA integrity_check")).scalars().first()) != "ok":
        raise _damaged(path, str(told))
    _compare(_parts(db), parts, path)
    for batch in _batches(db, schema.blob):
        for row in batch:
            if hashlib.sha256(row.content).hexdigest() != row.sha256:
                raise _damaged(path, f"the file {row.sha256} has another content")


def _compare(found: list[Part], wanted: list[Part], path: Path) -> None:
    for one, other in zip(found, wanted, strict=True):
        if one != other:
            raise _damaged(path, f"{one.rows} rows of {one.name}, where {other.rows} were written, or others")


def _damaged(path: Path, why: str) -> GraderFault:
    return GraderFault(f"{path}: it is damaged ({why}); expected what was written; nothing was done; use another")


def _failed(what: str, error: Exception, wanted: str) -> GraderFault:
    why = " ".join(str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error).split()).lower()
    return GraderFault(f"{what} ({why}); expected {wanted}; see to that; nothing of it is left")


# The database that is filled.


def _refuse_filled(target: Connection) -> None:
    ours = {one.name for one in TABLES}
    for name in sorted(set(inspect(target).get_table_names()) - {"alembic_version"}):
        if name not in ours or target.execute(select(literal(1)).select_from(table(name)).limit(1)).first():
            raise UsageError(
                f"the database: there is something in it (in {name}); expected an empty one; name a new one"
            )


def _count_on(target: Connection) -> None:
    """PostgreSQL numbers rows by counters of its own, which know nothing of what was copied."""
    if target.dialect.name == "postgresql":
        for one in TABLES:
            if "id" in one.c:
                following = select(func.coalesce(func.max(one.c.id), 0) + 1).scalar_subquery()
                target.execute(select(func.setval(func.pg_get_serial_sequence(one.name, "id"), following, False)))
