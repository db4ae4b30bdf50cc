"""The database: opened, brought up to date, and asked in transactions that are whole or not at all.

`sqlite:////path/of/a.db` or `postgresql://user@host/name`. SQLite is kept safe rather than quick: what is committed is
on the disk. It knows no table.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from grader.errors import GraderFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000")
LIKE = "sqlite:////var/lib/grader/grader.db or postgresql://user@host/name"
THREADS = 50  # that may each want a connection: more than a server has
_READS = "grader_reads"


def connect(url: str) -> Engine:
    """The database at this address. Raises UsageError for what is none, GraderFault for one that is out of reach."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError(f"--database: it is no database's address; expected one as {LIKE}; correct it") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
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
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction: what is done in it is done when it ends, or never was."""
    with engine.begin() as connection:
        yield connection


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the tables to this version, forwards or back. Raises GraderFault where they are of a later grader."""
    config = _config()
    script = ScriptDirectory.from_config(config)
    order = [one.revision for one in script.walk_revisions()]  # the latest first
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in order:
            raise GraderFault(
                f"the database {_shown(engine)}: it is of a later grader (version {current}); expected one of "
                f"{script.get_current_head()} or before; start that grader, or restore a backup"
            )
        if to == "base" or (to in order and current is not None and order.index(to) > order.index(current)):
            command.downgrade(config, to)
        else:
            command.upgrade(config, to)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
