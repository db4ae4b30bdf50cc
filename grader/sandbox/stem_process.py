"""A running stem, from the grader's side: it is asked for zygotes.

Several processes may ask the same one: sent to another process, it is the same stem, which ends when all have left it.
What happens on the other side is in `stem`.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from grader.sandbox import interpreter

if TYPE_CHECKING:
    from collections.abc import Sequence

END_SECONDS = 5.0  # for a process that was told to end
_PROGRAM = "from grader.sandbox import stem; stem.main()"


class Stem:
    """Where zygotes come from. Raises OSError where it cannot be started."""

    def __init__(self, asking: socket.socket | None = None) -> None:
        """`asking` is the channel to a stem that was started elsewhere."""
        self._popen: subprocess.Popen[bytes] | None = None
        if asking is None:
            asking, self._popen = _started()
        self._asking = asking

    def __reduce__(self) -> Any:
        return Stem, (self._asking,)

    def shared(self) -> Stem:
        """The same one for another sandbox of this process, which may leave it."""
        return Stem(self._asking.dup())

    def ask(self, kind: bytes, wanted: Sequence[str], ends: Sequence[int]) -> None:
        """Have a zygote forked that holds these ends: of its channel, and of what it complains to."""
        socket.send_fds(self._asking, [b"\n".join((kind, ",".join(wanted).encode()))], ends)

    def get_ready(self, kind: bytes) -> None:
        """Have all imported that a zygote of this kind needs, before one is asked for."""
        self.ask(kind, (), ())

    def complaint(self) -> str:
        """What it said of itself, where it was started here."""
        if self._popen is None or self._popen.stderr is None:
            return ""
        os.set_blocking(self._popen.stderr.fileno(), False)
        return (self._popen.stderr.read() or b"").decode(errors="replace")

    @property
    def has_ended(self) -> bool:
        poll = select.poll()
        poll.register(self._asking, 0)  # that the other end is closed is always told
        return bool(poll.poll(0))

    def leave(self) -> None:
        """Ask no more of it: it ends when nobody does, and its zygotes have ended."""
        self._asking.close()

    def close(self) -> None:
        """Have it end; what is left after a while is killed."""
        self.leave()
        if self._popen is None:
            return
        try:
            self._popen.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        if self._popen.stderr is not None:
            self._popen.stderr.close()


def _started() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, ExitStack() as undo:
        undo.callback(ours.close)
        popen = subprocess.Popen(
            interpreter.command(_PROGRAM),
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env=interpreter.environment("/"),
            start_new_session=True,
        )
        undo.pop_all()
    return ours, popen
