"""A running zygote and its children, from the grader's side: processes, pipes, and the channel between them.

It hands the zygote a child's pipe ends, and kills either through its pidfd. What happens on the other side is in
`forkserver`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from grader.errors import GraderFault
from grader.sandbox.channel import ENDING, LONGEST_MESSAGE, START
from grader.sandbox.exchange import START_SECONDS, Ending
from grader.sandbox.stem_process import END_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.sandbox.stem_process import Stem

LONGEST_COMPLAINT = 64 * 2**10


class Refusal(GraderFault):
    """This machine cannot have these walls, now or on another try."""


def unstartable(error: OSError) -> GraderFault:
    return GraderFault(
        f"sandbox 'zygote': a child cannot be started ({error.strerror or error}); expected a machine with processes "
        "and descriptors to spare; free some and try again"
    )


class ZygoteProcess:
    """A running zygote and the channel to it, asked of a stem."""

    def __init__(self, stem: Stem, kind: bytes, wanted: Sequence[str]) -> None:
        self._burying = False  # a killed child takes milliseconds to end: time for the caller, who need not wait
        self._ordered: Child | None = None
        self._stem = stem
        self.pidfd: int | None = None  # once it is sealed
        with ExitStack() as undo:
            self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undo.callback(self._channel.close)
            self._channel.settimeout(START_SECONDS)
            with theirs, ExitStack() as given:
                self._complaints, complaints = _pipe(undo, given)
                os.set_blocking(self._complaints, False)
                with self._saying_so_where_it_is_lost():
                    stem.ask(kind, wanted, (theirs.fileno(), complaints))
            self._ours = undo.pop_all()

    def seal(self) -> tuple[str, ...]:
        """Hear which layers stand. Raises GraderFault when it refuses, or is lost."""
        message, pidfds = self._receive_with_pidfds()
        told = json.loads(message)
        if refusal := told.get("refusal"):
            raise Refusal(
                f"sandbox 'zygote': {refusal}; `grade doctor` tells more; grade elsewhere, or with "
                "--sandbox unconfined files whose authors you trust"
            )
        self.pidfd = self._first(pidfds)
        self.order()
        return tuple(told["standing"])

    def order(self) -> None:
        """Have the next child forked, while the caller does something else."""
        self._ordered = self._ordered or Child(self)

    def child(self) -> Child:
        """The next child, running. Raises GraderFault when the zygote is lost, OSError where there are no pipes."""
        self.order()
        assert self._ordered is not None
        if self._burying and self.ending(START_SECONDS) is None:
            raise self._lost()
        _, pidfds = self._receive_with_pidfds()
        self._ordered.pidfd = self._first(pidfds)
        child, self._ordered, self._burying = self._ordered, None, True
        return child

    def start(self, ends: Sequence[int]) -> None:
        """Have a child forked that holds these ends: request, response, output."""
        self._send(START, ends)

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

    def leave(self) -> None:
        """Have it end: it does when this end is closed."""
        if self._ordered is not None:
            self._ordered.close()
        self._ours.close()

    def stop(self) -> None:
        """Have it end, and see to it: what is left after a while is killed."""
        self.leave()
        if self.pidfd is not None:
            if not _has_ended(self.pidfd, END_SECONDS):
                self.kill()
            os.close(self.pidfd)
            self.pidfd = None

    def kill(self) -> None:
        _kill(self.pidfd)

    def _send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        with self._saying_so_where_it_is_lost():
            socket.send_fds(self._channel, [message], descriptors)

    def _receive(self) -> bytes:
        with self._saying_so_where_it_is_lost():
            if message := self._channel.recv(LONGEST_MESSAGE):
                return message
        raise self._lost()

    def _receive_with_pidfds(self) -> tuple[bytes, list[int]]:
        with self._saying_so_where_it_is_lost():
            message, descriptors, _, _ = socket.recv_fds(self._channel, LONGEST_MESSAGE, 1)
        if not message:
            raise self._lost()
        return message, descriptors

    def _first(self, pidfds: Sequence[int]) -> int:
        """There is none where no descriptor was to spare."""
        if not pidfds:
            raise self._lost()
        return pidfds[0]

    @contextmanager
    def _saying_so_where_it_is_lost(self) -> Iterator[None]:
        try:
            yield
        except ConnectionError:
            raise self._lost() from None

    def _lost(self) -> GraderFault:
        said = ""
        with suppress(BlockingIOError):
            said = os.read(self._complaints, LONGEST_COMPLAINT).decode(errors="replace")
        said = (said or self._stem.complaint()).strip()[-500:]
        return GraderFault(
            f"sandbox 'zygote': its zygote was lost (it said: {said or 'nothing'}); expected it to serve until it is "
            "told to end; free memory and try again"
        )


def _kill(pidfd: int | None) -> None:
    """A process that there is, and that may have ended."""
    if pidfd is not None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _has_ended(pidfd: int, seconds: float) -> bool:
    """Whether a process has, or does within this time."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


class Child:
    """One submission's process, as `exchange` knows it: three pipe ends, a way to kill and a way to reap."""

    def __init__(self, process: ZygoteProcess) -> None:
        self._process = process
        self._ending: Ending | None = None
        self.pidfd: int | None = None  # once it runs
        with ExitStack() as undo, ExitStack() as theirs:
            request, self.request = _pipe(theirs, undo)
            self.response, response = _pipe(undo, theirs)
            self.output, output = _pipe(undo, theirs)
            process.start((request, response, output))
            self._ours = undo.pop_all()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self._ours.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None

    def kill(self) -> None:
        _kill(self.pidfd)

    def reap(self, seconds: float) -> Ending | None:
        if self._ending is None:
            self._ending = self._process.ending(seconds)
        return self._ending


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed with these."""
    ends = os.pipe()
    for stack, end in zip((reader, writer), ends, strict=True):
        stack.callback(os.close, end)
    return ends
