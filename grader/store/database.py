"""The database: opened, brought up to date, and asked in transactions that are whole or not at all.

`sqlite:////path/of/a.db` or `postgresql://user@host/name`. SQLite is kept safe rather than quick: what is committed is
on the disk. It knows no table.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, NullPool, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError

from grader.errors import GraderFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Connection, Engine, Table

PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000")
LIKE = "sqlite:////var/lib/grader/grader.db or postgresql://user@host/name"
THREADS = 50  # that may each want a connection: more than a server has
_READS = "grader_reads"


def connect(url: str, *, is_made: bool = True) -> Engine:
    """The database at this address; a file of SQLite's is made where there is none, unless `is_made` is False.

    Raises UsageError for what is no database, GraderFault for one that is out of reach.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError(f"--database: it is no database's address; expected one as {LIKE}; correct it") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        _see_to_file(parsed, is_made=is_made)
        engine = create_engine(parsed, pool_size=THREADS)
        event.listen(engine, "connect", _settle)
        event.listen(engine, "begin", _begin)
    elif kind == "postgresql":
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=10, max_overflow=THREADS
        )
    else:
        raise UsageError(f"--database: it is of {kind}; expected one as {LIKE}; name such a one")
    try:
        engine.connect().close()
    except DBAPIError as error:
        why = " ".join(str(error.orig).split())
        raise GraderFault(
            f"the database {_shown(engine)}: it cannot be opened ({why}); expected one within reach; see that it runs "
            "and that you may use it"
        ) from None
    return engine


def alone(path: Path, *, is_read_only: bool = False) -> Engine:
    """A file of SQLite's that nobody else has open: it is as safe as its writer makes it, by a sync at the end."""
    uri = f"file:{quote(str(path.absolute()))}?mode={'ro' if is_read_only else 'rw'}"

    def opened() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        for pragma in () if is_read_only else ("journal_mode = MEMORY", "synchronous = OFF", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine("sqlite://", creator=opened, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    return engine


def _see_to_file(url: URL, *, is_made: bool) -> None:
    """Of what students hand in, and of who they are, nobody else reads."""
    path = Path(url.database or "")
    if is_made:
        with suppress(OSError):  # it is told of when it is opened
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    elif not path.is_file():
        raise GraderFault(f"{path}: there is no such database; expected one that grade serve has made; name it")


def _shown(engine: Engine) -> str:
    """Without its password."""
    return engine.url.render_as_string(hide_password=True)


def _settle(connection: Any, record: object) -> None:  # noqa: ARG001 SQLAlchemy hands it over
    """SQLite's own settings, which hold for one connection; and transactions begin when we say so, not when it does."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Whoever is going to write waits at the beginning: a reader that turns writer may find that it cannot."""
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(_READS) else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A look at the database as it is at one moment."""
    with engine.connect().execution_options(**{_READS: True}) as connection, connection.begin():
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """The same, also where many questions are asked: none sees what came after the first."""
    options = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {_READS: True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction: what is done in it is done when it ends, or never was."""
    with engine.begin() as connection:
        yield connection


def hold(db: Connection, table: Table, *which: ColumnElement[bool]) -> None:
    """Wait for whoever is changing these rows, and keep them until the transaction ends: what follows sees them so.

    All take them in one order, so that nobody waits for who waits. SQLite has one writer at a time.
    """
    if db.dialect.name == "postgresql":
        db.execute(select(table.c.id).where(*which).order_by(table.c.id).with_for_update(key_share=True)).all()


def is_full(error: DBAPIError) -> bool:
    """Whether it is for want of room that the database could not do it."""
    told = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    return told in ("53100", "SQLITE_FULL", "SQLITE_IOERR_WRITE")  # disk_full; the last is a limit of the process's


def clock(db: Connection) -> datetime:
    """The time, by one clock for all who share the database: its own, or that of the one machine that SQLite is on."""
    if db.dialect.name == "postgresql":
        now: datetime = db.execute(select(func.clock_timestamp())).scalar_one()
        return now.astimezone(UTC)
    return datetime.now(UTC)


# The versions of the tables.


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the tables to this version, forwards or back. Raises GraderFault where they are of a later grader."""
    with engine.begin() as connection:
        migrate_within(connection, to)


def migrate_within(connection: Connection, to: str = "head") -> None:
    """The same in a transaction that has begun."""
    config, order = _config(), _versions()
    config.attributes["connection"] = connection
    current = version(connection)
    if current is not None and current not in order:
        raise _of_another(connection.engine, current, "start that grader, or restore a backup")
    if to == "base" or (to in order and current is not None and order.index(to) > order.index(current)):
        command.downgrade(config, to)
    else:
        command.upgrade(config, to)


def is_ready(engine: Engine) -> bool:
    """Whether the tables are there. Raises GraderFault where they are those of another grader."""
    with reading(engine) as connection:
        current = version(connection)
    if current not in (None, latest()):
        raise _of_another(engine, current, "see that all are of one version; grade serve brings the tables up to date")
    return current is not None


def version(connection: Connection) -> str | None:
    """Of the tables that are there; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def latest() -> str:
    """The version of this grader's tables."""
    return _versions()[0]


def _versions() -> list[str]:
    """The latest first."""
    return [one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()]


def _of_another(engine: Engine, current: str | None, what_to_do: str) -> GraderFault:
    which = "an earlier" if current in _versions() else "a later"
    return GraderFault(
        f"the database {_shown(engine)}: it is of {which} grader (version {current}); expected {latest()}; {what_to_do}"
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
