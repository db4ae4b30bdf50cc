"""The default backend: zygotes that have numpy loaded and fork one walled-in child for each submission.

It decides which zygote a submission goes to, and when one is started, replaced and ended; how that is done is in
`zygote_process`. A zygote that is lost is replaced and the submission tried once more; after that it is a fault
of ours, and never a mark.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager, suppress
from queue import LifoQueue
from threading import Lock
from typing import TYPE_CHECKING, Any

from grader.errors import GraderFault
from grader.sandbox import layers, preload
from grader.sandbox.channel import KINDS, PLAIN, RICHER
from grader.sandbox.session import Session
from grader.sandbox.stem_process import Stem
from grader.sandbox.zygote_process import Refusal, ZygoteProcess, unstartable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from grader.sandbox.exchange import Exchange, Request
    from grader.sandbox.zygote_process import Child
    from grader.values import Limits


class Zygote:
    """Runs each submission in a child forked from one of its zygotes; a zygote serves one thread at a time."""

    name = "zygote"

    def __init__(self, workers: int, wanted: Collection[str] = layers.ALL, stem: Stem | None = None) -> None:
        """`wanted` leaves layers out only where a test or a measurement needs to see what one of them does.

        `stem` is where its zygotes come from at first: another sandbox's, or one of its own.
        """
        self.workers = workers
        self._wanted = tuple(layer for layer in layers.ALL if layer in wanted)
        self._walls = _Walls(stem)
        self._all = [_Worker(self._wanted, self._walls) for _ in range(workers)]
        self._idle: LifoQueue[_Worker] = LifoQueue()
        for worker in self._all:
            self._idle.put(worker)

    def __reduce__(self) -> Any:
        """Sent to another process, it is another sandbox with the same stem: all is imported once for both."""
        return Zygote, (self.workers, self._wanted, self._walls.stem())

    def beside(self, wanted: Collection[str]) -> Zygote:
        """Another sandbox with these layers, from the same stem: nothing is imported once more."""
        try:
            return Zygote(1, wanted, self._walls.stem().shared())
        except OSError as error:
            raise unstartable(error) from None

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
        """Start the stem now: it imports numpy while the caller does something else."""
        self._walls.stem()

    def expect(self, source: bytes) -> None:
        self._walls.expect(preload.needed(source))

    @contextmanager
    def session(self, source: bytes) -> Iterator[Session]:
        with self._worker() as worker, _Session(worker, source) as session:
            yield session

    def close(self) -> None:
        self._walls.closed = True
        for worker in self._all:
            worker.stop()
        self._walls.close()

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        worker = self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put(worker)
            if self._walls.closed:  # while this worker was busy
                worker.stop()

    def _standing(self) -> tuple[str, ...]:
        if self._walls.standing is None:
            with self._worker() as worker:
                worker.seal(PLAIN)
        return self._walls.standing or ()


class _Session(Session):
    """A session that survives the loss of its zygote, and a child that turns out to need another kind of it.

    Both times a fresh child is asked, which remembers nothing: a later question is then answered as a first one.
    """

    def __init__(self, worker: _Worker, source: bytes) -> None:
        super().__init__(source, lambda: worker.child(self._kind))
        self._kind = preload.needed(source)

    def ask(self, requests: Sequence[Request], limits: Limits) -> Exchange:
        exchange, wasted = self._ask(requests, limits), 0.0
        while (kind := RICHER.get(exchange.status or 0)) and KINDS.index(kind) > KINDS.index(self._kind):
            self._kind, wasted = kind, wasted + exchange.total_seconds
            exchange = self._ask(requests, limits)
        return exchange._replace(wasted=wasted)

    def _ask(self, requests: Sequence[Request], limits: Limits) -> Exchange:
        try:
            return super().ask(requests, limits)
        except Refusal:  # it would refuse again
            raise
        except GraderFault:
            return super().ask(requests, limits)


class _Walls:
    """What all zygotes of one sandbox have in common: their stem, the layers that stand, and whether it was closed."""

    def __init__(self, stem: Stem | None) -> None:
        self.standing: tuple[str, ...] | None = None
        self.closed = False
        self._lock = Lock()
        self._stem = stem
        self._left: list[Stem] = []
        self._expected: set[bytes] = set()  # kinds it was told to get ready for

    def stem(self) -> Stem:
        """Where zygotes come from; it is started when it is needed first, and anew where it has ended."""
        with self._lock:
            if self.closed:
                raise GraderFault("sandbox 'zygote': it was closed; expected to be open; start another one")
            if self._stem and self._stem.has_ended:
                self._left.append(self._stem)
                self._stem = None
            try:
                self._stem = self._stem or Stem()
            except OSError as error:
                raise unstartable(error) from None
            return self._stem

    def expect(self, kind: bytes) -> None:
        """Have the stem get ready for zygotes of this kind."""
        if kind not in self._expected:
            self._expected.add(kind)
            with suppress(OSError):  # it is lost: whoever asks it for a zygote will be told
                self.stem().get_ready(kind)

    def leave(self, stem: Stem) -> None:
        """No zygote came from it: the next is asked of a new one."""
        with self._lock:
            if self._stem is stem:
                self._stem = None
                self._left.append(stem)
        stem.leave()

    def close(self) -> None:
        with self._lock:
            stems = [*self._left, *([self._stem] if self._stem else ())]
            self._left, self._stem = [], None
        for stem in stems:
            stem.close()

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
    """A place for zygotes, one at work at a time: one of each kind, started when needed, and replaced when lost."""

    def __init__(self, wanted: Sequence[str], walls: _Walls) -> None:
        self._wanted, self._walls = wanted, walls
        self._sealed: dict[bytes, ZygoteProcess] = {}

    def seal(self, kind: bytes) -> ZygoteProcess:
        """A zygote of this kind that is ready for a submission."""
        if kind not in self._sealed:
            with self._lost_on_failure():
                self._sealed[kind] = self._begin(kind)
        return self._sealed[kind]

    def _begin(self, kind: bytes) -> ZygoteProcess:
        stem = self._walls.stem()
        with ExitStack() as undo:
            undo.callback(self._walls.leave, stem)
            process = ZygoteProcess(stem, kind, self._wanted)
            undo.callback(process.stop)
            self._walls.agree(process.seal())
            undo.pop_all()
        return process

    @contextmanager
    def child(self, kind: bytes) -> Iterator[Child]:
        """A child of a zygote of this kind, and the next one ordered when it is done with."""
        with self._lost_on_failure():
            process = self.seal(kind)
            with process.child() as child:
                yield child
        with suppress(OSError, GraderFault):  # whoever needs it will try again, and be told
            process.order()

    @contextmanager
    def _lost_on_failure(self) -> Iterator[None]:
        """Whatever it was that failed, nobody knows what a zygote is at then."""
        try:
            yield
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                raise unstartable(error) from None
            raise

    def stop(self) -> None:
        for process in self._sealed.values():
            process.leave()  # so that they end together
        for process in self._sealed.values():
            process.stop()
        self._sealed.clear()
