"""Databases for tests: a file of SQLite's, and one of PostgreSQL's that is made for the test and gone afterwards."""

from __future__ import annotations

import atexit
import os
import uuid
from contextlib import ExitStack, contextmanager

from conftest import lacking
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from grader.store import database, schema

POSTGRES = os.environ.get("GRADER_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1/postgres")
KINDS = ("sqlite", "postgresql")


@contextmanager
def url_of(kind, folder):
    """The address of an empty database of this kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'grader.db'}"
        return
    server = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    name = f"grader_{uuid.uuid4().hex}"
    try:
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        lacking(f"no PostgreSQL at {POSTGRES}, which GRADER_TEST_POSTGRES may name: {str(error).splitlines()[0]}")
    try:
        yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


_shared = {}  # of PostgreSQL, where making a database takes long: emptied for every test, dropped at the end


@contextmanager
def opened(kind, folder, *, fresh=False):
    """A database of this kind with the tables in it, and nothing in them."""
    if kind == "postgresql" and not fresh:
        if "engine" not in _shared:
            place = ExitStack()
            atexit.register(place.close)
            _shared["engine"] = place.enter_context(opened(kind, folder, fresh=True))
        with database.writing(_shared["engine"]) as db:
            names = ", ".join(table.name for table in schema.metadata.sorted_tables)
            db.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
        yield _shared["engine"]
        return
    with url_of(kind, folder) as url:
        engine = database.connect(url)
        try:
            database.migrate(engine)
            yield engine
        finally:
            engine.dispose()
