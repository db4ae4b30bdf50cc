"""The default backend: zygotes that have numpy loaded and fork one walled-in child for each submission.

This is the grader's side: it starts zygotes, hands them a child's pipe ends, and kills each child
through its pidfd. What happens on the other side is in `forkserver`. A zygote that is lost is replaced and the
submission tried once more; after that it is a fault of ours, and never a mark.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING

from grader.errors import GraderFault
from grader.sandbox import interpreter, layers
from grader.sandbox.channel import ENDING, LONGEST_MESSAGE, PLAIN, START, WITH_SCIPY
from grader.sandbox.exchange import START_SECONDS, Ending, converse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from grader.sandbox.exchange import Exchange, Request
    from grader.values import Limits

END_SECONDS = 5.0  # for a zygote that was told to end
_PROGRAM = "from grader.sandbox import forkserver; forkserver.main()"


class Zygote:
    """Runs each submission in a child forked from one of its zygotes; a zygote serves one thread at a time."""

    name = "zygote"

    def __init__(self, workers: int, wanted: Collection[str] = layers.ALL) -> None:
        """`wanted` leaves layers out only where a test or a measurement needs to see what one of them does."""
        self.workers = workers
        self._wanted = tuple(layer for layer in layers.ALL if layer in wanted)
        self._all = [_Worker(self._wanted) for _ in range(workers)]
        self._idle: LifoQueue[_Worker] = LifoQueue()
        for worker in self._all:
            self._idle.put(worker)

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(layer for layer in self._wanted if layer in self._standing())

    @property
    def missing(self) -> tuple[str, ...]:
        """The wanted layers this machine does not allow; who is not root needs no other user to be than itself."""
        standing = self._standing()
        needless = () if os.getuid() == 0 else (layers.SEPARATE_USER,)
        return tuple(layer for layer in self._wanted if layer not in (*standing, *needless))

    def warm(self) -> None:
        """Start a zygote now: it imports numpy while the caller does something else."""
        with suppress(Empty), self._worker(wait=False) as worker:
            worker.begin()

    def run(self, source: bytes, requests: Sequence[Request], limits: Limits) -> Exchange:
        with self._worker() as worker:
            try:
                return worker.run(source, requests, limits)
            except GraderFault:
                return worker.run(source, requests, limits)

    def close(self) -> None:
        for worker in self._all:
            worker.stop()

    @contextmanager
    def _worker(self, *, wait: bool = True) -> Iterator[_Worker]:
        worker = self._idle.get(block=wait)
        try:
            yield worker
        finally:
            self._idle.put(worker)

    def _standing(self) -> tuple[str, ...]:
        for worker in self._all:
            if worker.standing is not None:
                return worker.standing
        with self._worker() as worker:
            return worker.seal(with_scipy=False).standing or ()


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

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = wanted
        self._process: _Process | None = None

    @property
    def standing(self) -> tuple[str, ...] | None:
        """The layers of its zygote, once that has told them."""
        return self._process.standing if self._process else None

    def begin(self) -> _Process:
        if self._process is None:
            try:
                self._process = _Process(self._wanted)
            except OSError as error:
                raise _unstartable(error) from None
        return self._process

    def seal(self, *, with_scipy: bool) -> _Process:
        """A zygote that is ready for a submission."""
        if self._process and self._process.standing is not None and with_scipy and not self._process.has_scipy:
            self.stop()  # it was walled in with what it had
        process = self.begin()
        if process.standing is None:
            process.seal(with_scipy=with_scipy)
        return process

    def run(self, source: bytes, requests: Sequence[Request], limits: Limits) -> Exchange:
        try:
            # scipy takes several times as long to import as all else: it is for who may need it
            process = self.seal(with_scipy=b"scipy" in source)
            with _Child(process) as child:
                return converse(child, source, requests, limits)
        except BaseException as error:  # whatever it was, nobody knows what this zygote is at now
            self.stop()
            if isinstance(error, OSError):
                raise _unstartable(error) from None
            raise

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None


def _unstartable(error: OSError) -> GraderFault:
    return GraderFault(
        f"sandbox 'zygote': a child cannot be started ({error.strerror or error}); expected a machine with processes "
        "and descriptors to spare; free some and try again"
    )


class _Process:
    """A running zygote and the channel to it."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self.has_scipy = False
        self._burying = False  # a killed child takes milliseconds to end: time for the caller, who need not wait
        self.standing: tuple[str, ...] | None = None  # it is not walled in yet
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(START_SECONDS)
        with theirs, ExitStack() as undo:
            undo.callback(self._channel.close)
            self._popen = subprocess.Popen(
                interpreter.command(_PROGRAM, ",".join(wanted)),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                env=interpreter.environment("/"),
                start_new_session=True,
            )
            undo.pop_all()

    def seal(self, *, with_scipy: bool) -> None:
        """Tell it what to import, and hear which layers stand. Raises GraderFault when it refuses, or is lost."""
        self.has_scipy = with_scipy
        self._send(WITH_SCIPY if with_scipy else PLAIN)
        told = json.loads(self._receive())
        if refusal := told.get("refusal"):
            raise GraderFault(
                f"sandbox 'zygote': {refusal}; `grade doctor` tells more; grade elsewhere, or with "
                "--sandbox unconfined files whose authors you trust"
            )
        self.standing = tuple(told["standing"])

    def fork(self, ends: Sequence[int]) -> int:
        """Have a child forked that holds these ends: request, response, output. Gives its pidfd."""
        if self._burying and self.ending(START_SECONDS) is None:
            raise self._lost()
        self._send(START, ends)
        _, descriptors, _, _ = socket.recv_fds(self._channel, LONGEST_MESSAGE, 1)
        if not descriptors:
            raise self._lost()
        self._burying = True
        return descriptors[0]

    def ending(self, seconds: float) -> Ending | None:
        """How the child ended; None when it has not within this time."""
        self._channel.settimeout(seconds)
        try:
            ending = Ending(*ENDING.unpack(self._receive()))
        except TimeoutError:
            return None
        finally:
            self._channel.settimeout(START_SECONDS)
        self._burying = False
        return ending

    def stop(self) -> None:
        """Have it end: it does when this end is closed. What is left after a while is killed."""
        self._channel.close()
        try:
            self._popen.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        if self._popen.stderr is not None:
            self._popen.stderr.close()

    def _send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._channel, [message], descriptors)
        except ConnectionError:
            raise self._lost() from None

    def _receive(self) -> bytes:
        try:
            message = self._channel.recv(LONGEST_MESSAGE)
        except ConnectionError:
            message = b""
        if not message:
            raise self._lost()
        return message

    def _lost(self) -> GraderFault:
        said = ""
        if self._popen.stderr is not None:
            os.set_blocking(self._popen.stderr.fileno(), False)
            said = (self._popen.stderr.read() or b"").decode(errors="replace").strip()[-500:]
        return GraderFault(
            f"sandbox 'zygote': its zygote was lost (it said: {said or 'nothing'}); expected it to serve until it is "
            "told to end; free memory and try again"
        )


class _Child:
    """One submission's process, as `exchange` knows it: three pipe ends, a way to kill and a way to reap."""

    def __init__(self, process: _Process) -> None:
        self._process = process
        self._ending: Ending | None = None
        with ExitStack() as undo, ExitStack() as theirs:
            (request, self.request), (self.response, response), (self.output, output) = (os.pipe() for _ in range(3))
            for end in (request, response, output):
                theirs.callback(os.close, end)
            for end in (self.request, self.response, self.output):
                undo.callback(os.close, end)
            self._pidfd = process.fork((request, response, output))
            undo.callback(os.close, self._pidfd)
            self._ours = undo.pop_all()

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ours.close()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def reap(self, seconds: float) -> Ending | None:
        if self._ending is None:
            self._ending = self._process.ending(seconds)
        return self._ending
