"""Databases for tests: a file of SQLite's, and one of PostgreSQL's that is made for the test and gone afterwards.

And a PostgreSQL of a test's own, which may be stopped: the one that all tests share may not.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

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
    """A database of this kind with the tables in it, and nothing in them; they are made here if it has to be fresh."""
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
        if not fresh:
            shutil.copy(_empty_file(), folder / "grader.db")
        engine = database.connect(url)
        try:
            if fresh:
                database.migrate(engine)
            yield engine
        finally:
            engine.dispose()


@cache
def _empty_file():
    """Of SQLite, with the tables: copied for every test, for making them takes long."""
    folder = Path(tempfile.mkdtemp(prefix="grader-"))
    atexit.register(shutil.rmtree, folder)
    with opened("sqlite", folder, fresh=True):
        return folder / "grader.db"


class Server:
    """A PostgreSQL that is ours alone, in a temporary folder."""

    def __init__(self, programs, folder):
        self._programs, self._folder = programs, folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--no-locale", "--encoding=UTF8")

    def start(self):
        options = f"-h 127.0.0.1 -p {self._port} -k {self._folder} -c max_connections=80"
        self._run("pg_ctl", "--wait", "--log", self._folder / "log", "--options", options, "start")

    def stop(self, mode="fast"):
        self._run("pg_ctl", "--wait", "--mode", mode, "stop")

    def _run(self, program, *arguments):
        command = [self._programs / program, "--pgdata", self._folder / "data", *arguments]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}  # root may not
        ran = subprocess.run(command, cwd=self._folder, check=False, **quiet, **user)
        assert ran.returncode == 0, ran.stderr


@contextmanager
def server():
    """A PostgreSQL that runs, and may be stopped and started."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if not initdb:
        lacking("no initdb on this machine, to make a PostgreSQL that may be stopped")
    folder = Path(tempfile.mkdtemp(prefix="grader-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    one = Server(Path(initdb).parent, folder)
    one.start()
    try:
        yield one
    finally:
        one.stop("immediate")
        shutil.rmtree(folder)
