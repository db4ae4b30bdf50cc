"""The default backend: zygotes that have numpy loaded and fork one walled-in child for each submission.

It decides which zygote a submission goes to, and when one is started, replaced and ended; how that is done is in
`zygote_process`. A zygote that is lost is replaced and the submission tried once more; after that it is a fault
of ours, and never a mark.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from threading import Lock
from typing import TYPE_CHECKING

from grader.errors import GraderFault
from grader.sandbox import layers
from grader.sandbox.exchange import converse
from grader.sandbox.zygote_process import Child, Refusal, ZygoteProcess, unstartable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from grader.sandbox.exchange import Exchange, Request
    from grader.values import Limits


class Zygote:
    """Runs each submission in a child forked from one of its zygotes; a zygote serves one thread at a time."""

    name = "zygote"

    def __init__(self, workers: int, wanted: Collection[str] = layers.ALL) -> None:
        """`wanted` leaves layers out only where a test or a measurement needs to see what one of them does."""
        self.workers = workers
        self._wanted = tuple(layer for layer in layers.ALL if layer in wanted)
        self._walls = _Walls()
        self._all = [_Worker(self._wanted, self._walls) for _ in range(workers)]
        self._idle: LifoQueue[_Worker] = LifoQueue()
        for worker in self._all:
            self._idle.put(worker)

    @property
    def layers(self) -> tuple[str, ...]:
        standing = self._standing()
        return tuple(layer for layer in self._wanted if layer in standing)

    @property
    def missing(self) -> tuple[str, ...]:
        """The wanted layers this machine does not allow; who is not root needs no other user to be than itself."""
        needless = () if os.getuid() == 0 else (layers.SEPARATE_USER,)
        standing = self._standing()
        return tuple(layer for layer in self._wanted if layer not in (*standing, *needless))

    def warm(self) -> None:
        """Start a zygote now: it imports numpy while the caller does something else."""
        with suppress(Empty), self._worker(wait=False) as worker:
            worker.begin()

    def run(self, source: bytes, requests: Sequence[Request], limits: Limits) -> Exchange:
        with self._worker() as worker:
            try:
                return worker.run(source, requests, limits)
            except Refusal:  # it would refuse again
                raise
            except GraderFault:
                return worker.run(source, requests, limits)

    def close(self) -> None:
        self._walls.closed = True
        for worker in self._all:
            worker.stop()

    @contextmanager
    def _worker(self, *, wait: bool = True) -> Iterator[_Worker]:
        worker = self._idle.get(block=wait)
        try:
            yield worker
        finally:
            self._idle.put(worker)
            if self._walls.closed:  # while this worker was busy
                worker.stop()

    def _standing(self) -> tuple[str, ...]:
        if self._walls.standing is None:
            with self._worker() as worker:
                worker.seal(with_scipy=False)
        return self._walls.standing or ()


class _Walls:
    """What all zygotes of one sandbox have in common: the layers that stand, and whether it was closed."""

    def __init__(self) -> None:
        self.standing: tuple[str, ...] | None = None
        self.closed = False
        self._lock = Lock()

    def agree(self, standing: tuple[str, ...]) -> None:
        """The first zygote says which layers stand; no later one may stand on others, for reports name these."""
        with self._lock:
            self.standing = self.standing or standing
        if set(standing) != set(self.standing):
            lost = ", ".join(sorted(set(self.standing) - set(standing))) or "nothing"
            raise GraderFault(
                f"sandbox 'zygote': a new zygote lacks {lost}, which others have; expected the same walls for all; "
                "`grade doctor` tells more; mend what changed on this machine, and start again"
            )


def start(workers: int = 1) -> Zygote:
    """The backend, ready to start zygotes. Raises GraderFault where there can be none."""
    if sys.platform != "linux":
        raise GraderFault(
            f"sandbox 'zygote': this is {sys.platform}; expected Linux, whose kernel the walls are made of; use a "
            "Linux machine, or --sandbox unconfined for files whose authors you trust"
        )
    return Zygote(workers)


class _Worker:
    """A place for one zygote: it is started when needed, and replaced when lost, or when it lacks scipy."""

    def __init__(self, wanted: Sequence[str], walls: _Walls) -> None:
        self._wanted, self._walls = wanted, walls
        self._process: ZygoteProcess | None = None

    def begin(self) -> ZygoteProcess:
        if self._walls.closed:
            raise GraderFault("sandbox 'zygote': it was closed; expected to be open; start another one")
        if self._process is None:
            try:
                self._process = ZygoteProcess(self._wanted)
            except OSError as error:
                raise unstartable(error) from None
        return self._process

    def seal(self, *, with_scipy: bool) -> ZygoteProcess:
        """A zygote that is ready for a submission."""
        if self._process and self._process.standing is not None and with_scipy and not self._process.has_scipy:
            self.stop()  # it was walled in with what it had
        process = self.begin()
        if process.standing is None:
            with self._lost_on_failure():
                self._walls.agree(process.seal(with_scipy=with_scipy))
        return process

    def run(self, source: bytes, requests: Sequence[Request], limits: Limits) -> Exchange:
        # scipy takes several times as long to import as all else: it is for who may need it
        with self._lost_on_failure(), Child(self.seal(with_scipy=b"scipy" in source)) as child:
            return converse(child, source, requests, limits)

    @contextmanager
    def _lost_on_failure(self) -> Iterator[None]:
        """Whatever it was that failed, nobody knows what the zygote is at then."""
        try:
            yield
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                raise unstartable(error) from None
            raise

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None
