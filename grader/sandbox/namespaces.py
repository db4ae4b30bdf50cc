"""The walls a zygote puts up once, for itself and all its children: another user, namespaces, an empty root.

Each is put up where this machine lets it, and the results say which stand. Once the root is empty, no
file can be opened any more and nothing imported.
"""

from __future__ import annotations

import errno
import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from grader.sandbox import layers, linux

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_SPARE_USERS = range(0x60000000, 0x7FFF0000)  # far above what systems give to people, services and containers
_NOBODY = 65534  # where that range is not to be had, as in an ordinary user's container
_NOT_ON_THIS_MACHINE = (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOSPC)  # ENOSPC: none allowed
_NAME = b"(sandbox)"  # as no machine is called
_OTHERS = {
    layers.NETWORK: linux.CLONE_NEWNET,
    layers.IPC: linux.CLONE_NEWIPC,
    layers.UTS: linux.CLONE_NEWUTS,
    layers.CGROUP: linux.CLONE_NEWCGROUP,
}


def enter(wanted: Collection[str]) -> tuple[str, ...]:
    """Leave root and enter the wanted namespaces, as far as this machine lets it; says which stand.

    With a pid namespace it is a new process that returns, the first of its namespace; the old one
    stays behind, waits for it, and ends with it.
    """
    return tuple(_entered(wanted))


def _entered(wanted: Collection[str]) -> Iterator[str]:
    if layers.SEPARATE_USER in wanted and os.getuid() == 0 and _leave_root():
        yield layers.SEPARATE_USER
    if layers.PRIVILEGES in wanted:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        yield layers.PRIVILEGES
    if layers.USER not in wanted or not _enter_user_namespace():
        return  # only root could make the others, and is root no more
    yield layers.USER
    yield from (layer for layer, flag in _OTHERS.items() if layer in wanted and _unshared(flag))
    with suppress(OSError):  # where the name is still the machine's own, it cannot be changed
        linux.sethostname(_NAME)
    if layers.PID in wanted and _unshared(linux.CLONE_NEWPID):
        _become_first()
        yield layers.PID


def _leave_root() -> bool:
    """Become a user nobody else is, so that no file, process or limit is shared with anyone."""
    for user in (random.SystemRandom().choice(_SPARE_USERS), _NOBODY):
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        except OSError:
            continue
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # else /proc/self stays root's, and the maps below cannot be written
        return True
    return False


def _enter_user_namespace() -> bool:
    if not linux.possible(_become_somebody_new):  # once inside without a map, there is no way back
        return False
    _become_somebody_new()
    with suppress(OSError):  # /proc/sys may be read-only; the filter forbids it too
        Path("/proc/sys/user/max_user_namespaces").write_text("0")  # no namespace within this one
    return True


def _become_somebody_new() -> None:
    """Enter a user namespace, and be mapped in it. A system may allow the one and forbid the other."""
    user, group = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")


def _unshared(flag: int) -> bool:
    """Whether it is entered now; an error that would not be there on another day is one."""
    try:
        linux.unshare(flag)
    except OSError as error:
        if error.errno not in _NOT_ON_THIS_MACHINE:
            raise
        return False
    return True


def _become_first() -> None:
    """Go on as a new process; this one holds nothing, and ends when that one does."""
    first = os.fork()
    if first == 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    linux.capset(0)
    linux.close_from(0)
    os.waitpid(first, 0)
    os._exit(0)


def empty_the_root() -> bool:
    """Make a new, empty, read-only file system the root, and lose the old one."""
    try:
        linux.unshare(linux.CLONE_NEWNS)
        linux.make_mounts_private()
        linux.mount_tmpfs(b"/proc", b"size=4k,nr_inodes=2,mode=555")  # any folder will do, and this one is there
        os.chdir("/proc")
        linux.become_root_of_mount()
    except OSError:
        return False
    os.chdir("/")
    return True
