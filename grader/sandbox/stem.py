"""The stem's program: import everything once, then fork a zygote for whoever asks for one.

It holds no answer and sees no byte of a student's: it is told which kind of zygote is wanted, behind which layers. It
has no walls itself; each zygote puts up its own before it forks a child. A stem with more imported is forked from it
when it is needed first.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from grader.sandbox import forkserver, harness, preload
from grader.sandbox.channel import KINDS, LONGEST_MESSAGE, PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENDS = 2  # descriptors of a zygote: its end of the channel, and where it complains


def main() -> NoReturn:
    """Serve until every grader has closed its end, or died."""
    gc.disable()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who ignores it cannot wait for a child, and it is inherited
    asking = socket.socket(fileno=forkserver.kept(os.dup(0)))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)  # a second end of it would outlive this process in those it forks
    os.close(null)
    preload.plain()
    harness.rehearse(20)  # as often as the interpreter wants to see a function before it specialises it
    _serve(asking, PLAIN)


def _serve(asking: socket.socket, kind: bytes) -> NoReturn:
    """Fork zygotes of this kind, and hand on what asks for a richer one."""
    richer: socket.socket | None = None
    while True:
        message, ends, _, _ = socket.recv_fds(asking, LONGEST_MESSAGE, _ENDS)
        _bury(os.WNOHANG)
        if not message:
            break
        wanted_kind, wanted = message.split(b"\n")
        if wanted_kind != kind:
            richer = richer or _richer(kind, (asking.fileno(), *ends))
            socket.send_fds(richer, [message], ends)
        elif ends and os.fork() == 0:  # else it was to get ready
            for theirs in filter(None, (asking, richer)):
                theirs.close()
            forkserver.main(ends, kind, wanted.decode().split(","))
        for end in ends:
            os.close(end)
    if richer is not None:
        richer.close()
    _bury(0)
    os._exit(0)


def _richer(kind: bytes, held: Sequence[int]) -> socket.socket:
    """Where a stem is asked that has all this one has, and what the next kind has besides; it keeps none of these."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        for descriptor in (ours.fileno(), *held):  # whoever waits for an end to be closed would wait for this process
            os.close(descriptor)
        more = KINDS[KINDS.index(kind) + 1]
        preload.besides(more)
        _serve(theirs, more)
    theirs.close()
    return ours


def _bury(how: int) -> None:
    """Take note of zygotes that have ended; with 0, of all, once they have."""
    with suppress(ChildProcessError):  # there are none
        while os.waitpid(-1, how)[0]:
            pass
