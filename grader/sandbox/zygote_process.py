"""A running zygote and its children, from the grader's side: processes, pipes, and the channel between them.

It hands the zygote a child's pipe ends, and kills the child through its pidfd. What happens on the other side is in
`forkserver`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from grader.errors import GraderFault
from grader.sandbox import interpreter
from grader.sandbox.channel import ENDING, LONGEST_MESSAGE, START
from grader.sandbox.exchange import START_SECONDS, Ending

if TYPE_CHECKING:
    from collections.abc import Sequence

END_SECONDS = 5.0  # for a zygote that was told to end
_PROGRAM = "from grader.sandbox import forkserver; forkserver.main()"


class Refusal(GraderFault):
    """This machine cannot have these walls, now or on another try."""


def unstartable(error: OSError) -> GraderFault:
    return GraderFault(
        f"sandbox 'zygote': a child cannot be started ({error.strerror or error}); expected a machine with processes "
        "and descriptors to spare; free some and try again"
    )


class ZygoteProcess:
    """A running zygote and the channel to it."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self._burying = False  # a killed child takes milliseconds to end: time for the caller, who need not wait
        self._ordered: Child | None = None
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

    def seal(self, kind: bytes) -> tuple[str, ...]:
        """Tell it what to import, and hear which layers stand. Raises GraderFault when it refuses, or is lost."""
        self._send(kind)
        told = json.loads(self._receive())
        if refusal := told.get("refusal"):
            raise Refusal(
                f"sandbox 'zygote': {refusal}; `grade doctor` tells more; grade elsewhere, or with "
                "--sandbox unconfined files whose authors you trust"
            )
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
        self._ordered.pidfd = self._pidfd()
        child, self._ordered, self._burying = self._ordered, None, True
        return child

    def start(self, ends: Sequence[int]) -> None:
        """Have a child forked that holds these ends: request, response, output."""
        self._send(START, ends)

    def _pidfd(self) -> int:
        try:
            _, descriptors, _, _ = socket.recv_fds(self._channel, LONGEST_MESSAGE, 1)
        except ConnectionError:
            descriptors = []
        if not descriptors:
            raise self._lost()
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
        if self._ordered is not None:
            self._ordered.close()
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
        if self.pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

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
