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
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from grader import sandbox as sandboxes
from grader.errors import GraderError
from grader.service import desk, logs
from grader.store import database, submissions
from grader.store.database import writing

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from sqlalchemy import Engine

LONGEST_NAP = 1.0  # seconds between looks at the queue of a worker nobody wakes
BEAT, LEASE = 10.0, timedelta(seconds=60)  # a worker that has not been heard of for so long is lost
SOON, LONGEST_PAUSE = 5.0, 30.0  # seconds: who ends so soon is begun again after a while, at last so long
SPAWN = multiprocessing.get_context("spawn")


class _Place(NamedTuple):
    """A worker's name, its process, what it is woken by, and since when."""

    name: str
    process: BaseProcess
    bell: Connection
    begun: float


class Crew:
    """So many workers; open it with `with`."""

    def __init__(self, engine: Engine, workers: int, sandbox: str, *, log: bool = False) -> None:
        self._engine, self._count, self._sandbox, self._log = engine, workers, sandbox, log
        self._ending = Event()
        self._places: dict[int, _Place] = {}

    def __enter__(self) -> Crew:
        for n in range(self._count):
            self._begin(n)
        self._watch = Thread(target=self._replace_lost, name="crew", daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """What is being graded is brought to its end; who does not end is ended."""
        self._ending.set()
        for place in self._places.values():
            place.process.terminate()
        for place in self._places.values():
            place.process.join(30)
            place.process.kill()
        self._watch.join()

    def wake(self) -> None:
        """Something has come."""
        for place in list(self._places.values()):
            with suppress(OSError):  # who is gone is replaced, and who has been rung for enough wakes anyway
                place.bell.send_bytes(b".")

    @property
    def alive(self) -> int:
        """How many there are now."""
        return sum(place.process.is_alive() for place in self._places.values())

    def _begin(self, n: int) -> None:
        name = f"{socket.gethostname()}:{uuid4().hex}"
        url = self._engine.url.render_as_string(hide_password=False)
        heard, bell = SPAWN.Pipe(duplex=False)
        os.set_blocking(bell.fileno(), False)  # whoever hands in waits for no worker
        process = SPAWN.Process(target=work, args=(url, name, self._sandbox, heard, self._log), name=name, daemon=True)
        process.start()
        heard.close()
        self._places[n] = _Place(name, process, bell, monotonic())

    def _replace_lost(self) -> None:
        pauses = [0.0] * self._count
        while not self._ending.wait(0.2):
            connection.wait([place.process.sentinel for place in self._places.values()], timeout=LONGEST_NAP)
            for n, place in list(self._places.items()):
                if not (place.process.is_alive() or self._ending.is_set()):
                    pauses[n] = min(LONGEST_PAUSE, 2 * pauses[n] + 1) if monotonic() - place.begun < SOON else 0.0
                    self._replace(n, place, pauses[n])
            with suppress(Exception), writing(self._engine) as db:
                submissions.reclaim(db, datetime.now(UTC) - LEASE)

    def _replace(self, n: int, place: _Place, pause: float) -> None:
        with suppress(Exception), writing(self._engine) as db:  # else its lease ends some time
            submissions.take_from(db, place.name)
        place.bell.close()
        if not self._ending.wait(pause):
            with suppress(OSError):  # it is tried again in a while
                self._begin(n)


def work(url: str, name: str, sandbox: str, bell: Connection, log: bool) -> None:
    """What a worker does until it is told to end, or the server is gone."""
    if log:
        logs.to_stderr()
    ending = Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    Thread(target=_end_with_parent, daemon=True).start()
    engine = database.connect(url)
    Thread(target=_beat, args=(engine, name), daemon=True).start()
    with closing(sandboxes.start(sandbox)) as walls:
        with suppress(GraderError):  # the first submission meets it again, and is told
            walls.warm()
        while not ending.is_set():
            if not _tried(engine, name, walls):
                _nap(bell)


def _beat(engine: Engine, name: str) -> None:
    """Tell now and then that this worker is there, however long it grades."""
    while True:
        sleep(BEAT)
        with suppress(Exception), writing(engine) as db:
            submissions.renew(db, name, datetime.now(UTC))


def _nap(bell: Connection) -> None:
    """Until somebody rings, or a while."""
    try:
        wait = LONGEST_NAP
        while bell.poll(wait):  # however often it was rung
            bell.recv_bytes()
            wait = 0
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
