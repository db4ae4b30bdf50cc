"""The zygote's program: wall itself in, then fork a child for each submission. All is imported when it begins.

It never sees a byte of a student's: it leaves three pipe ends to the child and tells the grader how
the child ended. One child at a time.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from grader.sandbox import confinement, harness, layers, linux, namespaces, policy, preload, rlimits, seccomp
from grader.sandbox.channel import ENDING, LONGEST_MESSAGE, STARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

# Where a child has its ends, and Landlock's rules until it needs them no more.
REQUEST, RESPONSE, RULESET = 3, 4, 5
IDLE_SECONDS = 0.02  # until a child that waits prepares itself: where submissions wait in line, it had better begin
FEW_COLLECTIONS = 50_000  # objects more between looks for garbage: most children end before the first
FIRST_KEPT = 10  # the zygote's own descriptors are from here on; a child's are below


class _Refusal(Exception):
    """Why nothing is run on this machine."""


class _Zygote(NamedTuple):
    """A walled-in zygote: the layers that stand, and what its children need of it."""

    standing: tuple[str, ...]
    address_space: int
    null: int
    ruleset: int
    own_namespace: int | None


def main(ends: Sequence[int], kind: bytes, wanted: Collection[str]) -> NoReturn:
    """Serve until the grader closes its end, or dies. `ends` are those of the channel and of what it complains to."""
    channel_end, complaints = ends
    channel = socket.socket(fileno=kept(channel_end))
    os.dup2(complaints, 2)
    os.close(complaints)
    harness.forget_the_grader()
    preload.watch(kind)
    process = os.pidfd_open(os.getpid())
    try:
        zygote = _seal(wanted)
    except (_Refusal, OSError) as refusal:
        channel.send(json.dumps({"refusal": str(refusal)}).encode()[:LONGEST_MESSAGE])
        os._exit(1)
    socket.send_fds(channel, [json.dumps({"standing": zygote.standing}).encode()], [process])
    os.close(process)
    _serve(channel, zygote)
    os._exit(0)


def kept(descriptor: int) -> int:
    """The same, out of a child's way."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_KEPT)
    os.close(descriptor)
    return moved


# Walls.


def _seal(wanted: Collection[str]) -> _Zygote:
    """Put up what is to stand around this process, and try what its children will put up."""
    if (tasks := len(list(Path("/proc/self/task").iterdir()))) != 1:
        raise _Refusal(f"numpy runs {tasks} threads; expected one, for a process with threads cannot be walled in")
    standing = list(namespaces.enter(wanted))
    null = kept(os.open(os.devnull, os.O_RDWR))
    _fill_below(FIRST_KEPT, null)
    own_namespace = kept(os.open("/proc/self/ns/pid", os.O_RDONLY)) if layers.PID in standing else None
    ruleset = kept(_ruleset()) if layers.LANDLOCK in wanted else null
    address_space = rlimits.address_space()
    if layers.ROOT in wanted and layers.USER in standing and namespaces.empty_the_root():
        standing.append(layers.ROOT)
    linux.capset(1 << linux.CAP_SYS_ADMIN if layers.PID in standing else 0)  # to give each child its own pid namespace
    standing += [layer for layer in layers.OF_THE_CHILD if layer in wanted and _possible(layer)]
    zygote = _Zygote(tuple(standing), address_space, null, ruleset, own_namespace)
    _try_out(zygote)
    harness.open_output(1)  # by number: each child puts its own pipe there
    gc.freeze()  # without a search for garbage before: it takes a tenth of the start, and there is next to none
    gc.enable()
    gc.set_threshold(FEW_COLLECTIONS)
    return zygote


def _fill_below(first: int, null: int) -> None:
    """Occupy what is free below, so that what the grader sends is above."""
    while (filler := os.dup(null)) < first:
        pass
    os.close(filler)
    os.dup2(null, 0)


def _ruleset() -> int:
    try:
        return linux.landlock_ruleset()
    except OSError as error:
        raise _Refusal(
            f"this kernel has no Landlock ({error.strerror}); expected Linux 5.13 or later with landlock among its "
            "security modules (lsm=... on the kernel's command line)"
        ) from None


def _possible(layer: str) -> bool:
    """Whether a child can put this up; without Landlock or seccomp nothing is run, so those are not asked."""
    if layer == layers.MEMORY:
        return linux.possible(partial(linux.prctl, linux.PR_SET_MDWE, linux.MDWE_REFUSE_EXEC_GAIN))  # since Linux 6.3
    if layer == layers.SECCOMP and os.uname().machine not in policy.MACHINES:
        raise _Refusal(
            f"there is no table of system calls for {os.uname().machine}; expected one of {', '.join(policy.MACHINES)}"
        )
    return True


def _try_out(zygote: _Zygote) -> None:
    """Have a child put up everything, before the first submission depends on it."""
    if layers.SECCOMP in zygote.standing:
        seccomp.program(os.uname().machine, 1)  # made once, for all children
    report, told = os.pipe()
    try:
        _reap(_fork(zygote, partial(_rehearse, zygote, told)))
        os.close(told)
        if said := os.read(report, LONGEST_MESSAGE):
            raise _Refusal(f"the walls cannot be put up ({said.decode()}); expected a kernel with seccomp filters")
    finally:
        os.close(report)


def _rehearse(zygote: _Zygote, told: int) -> None:
    ruleset = os.dup(zygote.ruleset)
    try:
        confinement.confine(zygote.standing, ruleset, zygote.address_space, 2**30, 10.0)
    except OSError as error:
        os.write(told, str(error).encode())


def _reap(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# Submissions.


def _serve(channel: socket.socket, zygote: _Zygote) -> None:
    """One child after another, each as soon as the last has ended; it waits for its submission."""
    while True:
        message, ends, _, _ = socket.recv_fds(channel, LONGEST_MESSAGE, 3)
        if not message:
            return
        _draw_anew()
        process = _fork(zygote, partial(_answer, zygote, ends))
        for end in ends:
            os.close(end)
        pidfd = os.pidfd_open(process)
        with suppress(ConnectionError):  # the grader is gone: what follows will notice
            socket.send_fds(channel, [STARTED], [pidfd])
        _see_to_its_end(channel, process, pidfd)


def _draw_anew() -> None:
    """Else all children would draw the same numbers."""
    for name in ("random", "numpy.random"):
        if module := sys.modules.get(name):
            module.seed(int.from_bytes(os.urandom(4), "little"))


def _fork(zygote: _Zygote, task: Callable[[], None]) -> int:
    """A child, first of its own pid namespace where there are any, that does this and ends."""
    if zygote.own_namespace is not None:
        linux.unshare(linux.CLONE_NEWPID)
    parent = os.getpid()
    child = linux.fork()
    if child == 0:
        try:
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            if zygote.own_namespace is None and os.getppid() != parent:
                os._exit(1)  # it died before this could be told of it; in a namespace of its own the child ends with it
            task()
        finally:
            os._exit(1)
    if zygote.own_namespace is not None:
        linux.setns(zygote.own_namespace, linux.CLONE_NEWPID)  # else there is no second child
    return child


def _answer(zygote: _Zygote, ends: Sequence[int]) -> None:
    """What a child does: hold its ends and nothing else, and let the harness run."""
    request, response, output = ends
    os.dup2(zygote.null, 0)
    for place, descriptor in enumerate((output, output, request, response, zygote.ruleset), start=1):
        os.dup2(descriptor, place)
    if layers.DESCRIPTORS in zygote.standing:
        linux.close_from(RULESET + 1)
    if not _is_asked(REQUEST, IDLE_SECONDS):
        harness.rehearse(1)  # what this copies of the zygote's memory need not be copied while someone waits
    try:
        harness.serve(REQUEST, RESPONSE, partial(confinement.confine, zygote.standing, RULESET, zygote.address_space))
    except EOFError:  # it was not needed
        os._exit(0)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}".encode())


def _is_asked(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read before so much time has passed."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


def _see_to_its_end(channel: socket.socket, process: int, pidfd: int) -> None:
    """Tell the grader how this child ended; and end it when the grader is gone."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(channel, 0)  # a closed end is always told
    if all(descriptor != pidfd for descriptor, _ in poll.poll()):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    _, status, usage = os.wait4(process, 0)
    os.close(pidfd)
    with suppress(ConnectionError):
        channel.send(ENDING.pack(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime))
