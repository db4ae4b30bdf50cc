"""Processes that grade, on one machine, the server's or another: kept at their number, woken when something comes.

A process that is lost is replaced, and what it was at is taken from it at once. What they share is the database.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from contextlib import closing, suppress
from datetime import timedelta
from multiprocessing import connection
from threading import Event, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from sqlalchemy.exc import DBAPIError

from grader.errors import GraderError
from grader.service import desk, logs
from grader.store import database, notices, queue
from grader.store.database import clock, writing

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from sqlalchemy import Engine

    from grader.sandbox import Sandbox

LONGEST_NAP = 1.0  # seconds between looks at the queue of a worker nobody wakes
LOOK = 1.0  # seconds between looks at whether all is well
END = 30.0  # seconds for what is being graded to come to its end
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
    """So many workers; open it with `with`. Each has walls like these, made from what is imported once for all."""

    def __init__(self, engine: Engine, workers: int, walls: Sandbox | None, *, log: bool = False) -> None:
        """`walls` may be None where there are no workers."""
        self._engine, self._count, self._walls, self._log = engine, workers, walls, log
        self._ending = Event()
        self._places: dict[int, _Place] = {}

    def __enter__(self) -> Crew:
        for n in range(self._count):
            self._begin(n)
        self._threads = [Thread(target=self._replace_lost, daemon=True)]
        if self._count and self._engine.dialect.name == "postgresql":
            self._threads.append(Thread(target=self._listen, daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """What is being graded is brought to its end; who does not end is ended, and what they were at is put back."""
        self._ending.set()
        for place in self._places.values():
            place.process.terminate()
        self.wake()  # who sleeps ends at once
        end = monotonic() + END
        for place in self._places.values():
            place.process.join(max(0.0, end - monotonic()))
            place.process.kill()
        with suppress(Exception), writing(self._engine) as db:  # else its lease ends some time
            for place in self._places.values():
                queue.put_back(db, place.name)
        for thread in self._threads:
            thread.join()

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
        place = (url, name, self._walls, heard, LONGEST_NAP, self._log)
        process = SPAWN.Process(target=work, args=place, name=name, daemon=True)
        process.start()
        heard.close()
        self._places[n] = _Place(name, process, bell, monotonic())

    def _replace_lost(self) -> None:
        pauses, due = [0.0] * self._count, dict[int, float]()  # when the next one of a place is begun
        while not self._ending.wait(0.2):
            connection.wait([place.process.sentinel for place in self._places.values()], timeout=LOOK)
            for n, place in list(self._places.items()):
                if n not in due and not place.process.is_alive():
                    pauses[n] = min(LONGEST_PAUSE, 2 * pauses[n] + 1) if monotonic() - place.begun < SOON else 0.0
                    due[n] = monotonic() + pauses[n]
                    self._lose(place)
            for n in [n for n, time in due.items() if time <= monotonic() and not self._ending.is_set()]:
                del due[n]
                with suppress(Exception):  # it is tried again in a while
                    self._begin(n)
            with suppress(Exception), writing(self._engine) as db:
                queue.reclaim(db, clock(db) - LEASE)

    def _lose(self, place: _Place) -> None:
        with suppress(Exception), writing(self._engine) as db:  # else its lease ends some time
            queue.take_from(db, place.name)
        place.bell.close()

    def _listen(self) -> None:
        """Wake everybody for what comes in elsewhere; while the database is away, they look for themselves."""
        while not self._ending.wait(0.2):
            with suppress(Exception):
                for has_come in notices.heard(self._engine, LOOK):
                    if has_come:
                        self.wake()
                    if self._ending.is_set():
                        break


def until(ending: Event, engine: Engine, *, or_ready: bool = False) -> None:
    """Wait for the end, or for the tables. Raises GraderFault where they are those of another grader, or become so."""
    while not ending.is_set():
        with suppress(DBAPIError):  # it is away, and comes back
            if database.is_ready(engine) and or_ready:
                return
        ending.wait(LOOK)


def work(url: str, name: str, walls: Sandbox, bell: Connection, nap: float, log: bool) -> None:
    """What a worker does until it is told to end, or the server is gone."""
    if log:
        logs.to_stderr()
    ending = Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    Thread(target=_end_with_parent, daemon=True).start()
    engine = database.connect(url)
    Thread(target=_beat, args=(engine, name), daemon=True).start()
    with closing(walls):
        with suppress(GraderError):  # the first submission meets it again, and is told
            walls.warm()
        while not ending.is_set():
            if not _tried(engine, name, walls):
                _nap(bell, nap)


def _beat(engine: Engine, name: str) -> None:
    """Tell now and then that this worker is there, however long it grades."""
    while True:
        sleep(BEAT)
        with suppress(Exception), writing(engine) as db:
            queue.renew(db, name, clock(db))


def _nap(bell: Connection, longest: float) -> None:
    """Until somebody rings, or a while."""
    try:
        wait = longest
        while bell.poll(wait):  # however often it was rung
            bell.recv_bytes()
            wait = 0
    except (EOFError, OSError):  # the server is gone, and this process will be
        sleep(LOOK)


def _tried(engine: Engine, name: str, walls: Sandbox) -> bool:
    """Whether there was something to grade; a database that is away comes back."""
    try:
        return desk.grade_next(engine, name, walls)
    except DBAPIError:
        return False


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
