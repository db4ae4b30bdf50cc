"""Processes that grade, on the server's own machine: kept at their number, woken when something comes.

A process that is lost is replaced, and what it was at is taken from it at once. What they share is the database.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from multiprocessing import connection
from threading import Event, Thread
from time import sleep
from typing import TYPE_CHECKING

from grader import sandbox as sandboxes
from grader.errors import GraderError
from grader.service import desk
from grader.store import database, submissions
from grader.store.database import writing

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from sqlalchemy import Engine

LONGEST_NAP = 1.0  # seconds between looks at the queue of a worker nobody wakes
LEASE = timedelta(minutes=5)  # after which a worker is taken for lost: no submission takes a tenth of it
SPAWN = multiprocessing.get_context("spawn")


class Crew:
    """So many workers; open it with `with`."""

    def __init__(self, engine: Engine, workers: int, sandbox: str) -> None:
        self._engine, self._count, self._sandbox = engine, workers, sandbox
        self._ending = Event()
        self._processes: dict[str, BaseProcess] = {}
        self._bells: dict[str, Connection] = {}

    def __enter__(self) -> Crew:
        for n in range(self._count):
            self._begin(n)
        self._watch = Thread(target=self._replace_lost, name="crew", daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """What is being graded is brought to its end; who does not end is ended."""
        self._ending.set()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.join(30)
            process.kill()
        self._watch.join()

    def wake(self) -> None:
        """Something has come."""
        for bell in list(self._bells.values()):
            with suppress(OSError):  # whose is gone is replaced, and looks by itself
                bell.send_bytes(b".")

    @property
    def alive(self) -> int:
        """How many there are now."""
        return sum(process.is_alive() for process in self._processes.values())

    def _begin(self, n: int) -> None:
        name = f"{socket.gethostname()}:{os.getpid()}:{n}"
        url = self._engine.url.render_as_string(hide_password=False)
        heard, self._bells[name] = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=work, args=(url, name, self._sandbox, heard), name=name, daemon=True)
        process.start()
        heard.close()
        self._processes[name] = process

    def _replace_lost(self) -> None:
        while not self._ending.wait(0):
            connection.wait([process.sentinel for process in self._processes.values()], timeout=LONGEST_NAP)
            for n, (name, process) in enumerate(list(self._processes.items())):
                if not process.is_alive() and not self._ending.is_set():
                    with suppress(Exception), writing(self._engine) as db:  # else its lease ends some time
                        submissions.take_from(db, name)
                    self._begin(n)
            with suppress(Exception), writing(self._engine) as db:
                submissions.reclaim(db, datetime.now(UTC) - LEASE)


def work(url: str, name: str, sandbox: str, bell: Connection) -> None:
    """What a worker does until it is told to end, or the server is gone."""
    ending = Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    Thread(target=_end_with_parent, daemon=True).start()
    engine = database.connect(url)
    with closing(sandboxes.start(sandbox)) as walls:
        with suppress(GraderError):  # the first submission meets it again, and is told
            walls.warm()
        while not ending.is_set():
            if not _tried(engine, name, walls):
                _nap(bell)


def _nap(bell: Connection) -> None:
    """Until somebody rings, or a while."""
    try:
        if bell.poll(LONGEST_NAP):
            bell.recv_bytes()
    except (EOFError, OSError):  # the server is gone, and this process will be
        sleep(LONGEST_NAP)


def _tried(engine: Engine, name: str, walls: sandboxes.Sandbox) -> bool:
    """Whether there was something to grade; a database that is away comes back."""
    from sqlalchemy.exc import DBAPIError

    try:
        return desk.grade_next(engine, name, walls)
    except DBAPIError:
        return False


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
