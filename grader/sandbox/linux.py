"""Linux from Python: the system calls the walls are made of, in plain ctypes.

Mechanism only: which of them are used, in what order and why is said by `namespaces` and `confinement`.
Every function raises OSError with the call's name where the kernel says no.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x02000000, 0x04000000, 0x08000000
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 1, 4, 22, 38, 65
SECCOMP_MODE_FILTER = 2
MDWE_REFUSE_EXEC_GAIN = 1

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
MNT_DETACH = 2

CAP_SYS_ADMIN = 21
_CAPABILITY_VERSION = 0x20080522

# The same numbers on every architecture: calls this young have one table.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF, _CLOSE_RANGE = 444, 446, 436
_LANDLOCK_VERSION = 1  # a flag: tell the version instead of making a ruleset
_LANDLOCK_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # file-system rights by version; 16 since 5
_LANDLOCK_TCP, _LANDLOCK_SCOPES = 3, 3  # bind and connect (since 4); abstract sockets and signals (since 6)

_libc: Any = ctypes.CDLL(None, use_errno=True)
_locked_libc: Any = ctypes.PyDLL(None, use_errno=True)  # calls that keep the interpreter's lock


def _call(name: str, *arguments: Any) -> int:
    result = int(getattr(_libc, name)(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _system_call(name: str, number: int, *arguments: Any) -> int:
    try:
        return _call("syscall", ctypes.c_long(number), *arguments)
    except OSError as error:
        raise OSError(error.errno, f"{name}: {os.strerror(error.errno or 0)}") from None


def possible(attempt: Callable[[], object]) -> bool:
    """Whether a child of this process can do this; what it did, it keeps to itself."""
    child = os.fork()
    if child == 0:
        with suppress(OSError):
            attempt()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def fork() -> int:
    """os.fork for a process of one thread, without what the modules it imported want done on the child's side.

    They want locks made anew that nobody holds and `random` seeded: a tenth of what a child costs.
    """
    child = int(_locked_libc.fork())
    if child < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"fork: {os.strerror(number)}")
    return child


def prctl(option: int, argument: int = 0) -> None:
    _call("prctl", option, *(ctypes.c_ulong(value) for value in (argument, 0, 0, 0)))


def unshare(flags: int) -> None:
    _call("unshare", flags)


def setns(descriptor: int, kind: int) -> None:
    _call("setns", descriptor, kind)


def sethostname(name: bytes) -> None:
    _call("sethostname", name, ctypes.c_size_t(len(name)))


def capset(capabilities: int) -> None:
    """Hold these capabilities (a bit each) and no other; none can be inherited."""
    header = struct.pack("<II", _CAPABILITY_VERSION, 0)
    low, high = capabilities & 0xFFFFFFFF, capabilities >> 32
    _call("capset", header, struct.pack("<6I", low, low, 0, high, high, 0))


def make_mounts_private() -> None:
    _mount(None, b"/", None, MS_REC | MS_PRIVATE, None)


def mount_tmpfs(target: bytes, options: bytes) -> None:
    _mount(b"tmpfs", target, b"tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options)


def become_root_of_mount() -> None:
    """The working directory becomes the root, the old root is gone, and nothing can be written."""
    _call("pivot_root", b".", b".")
    _call("umount2", b".", MNT_DETACH)
    _mount(None, b"/", None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, None)


def _mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int, options: bytes | None) -> None:
    _call("mount", source, target, kind, ctypes.c_ulong(flags), options)


def close_from(first: int) -> None:
    """Close every descriptor from this number on."""
    _system_call("close_range", _CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(0xFFFFFFFF), ctypes.c_uint(0))


def landlock_version() -> int:
    """The version of Landlock in this kernel; raises OSError where there is none."""
    return _system_call(
        "landlock", _LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_LANDLOCK_VERSION)
    )


def landlock_ruleset() -> int:
    """A descriptor of the ruleset that allows nothing this kernel's version can forbid."""
    version = landlock_version()
    attribute = struct.pack("<QQQ", (1 << _LANDLOCK_RIGHTS.get(version, 16)) - 1, _LANDLOCK_TCP, _LANDLOCK_SCOPES)
    known = 8 if version < 4 else 16 if version < 6 else 24
    return _system_call(
        "landlock", _LANDLOCK_CREATE_RULESET, attribute[:known], ctypes.c_size_t(known), ctypes.c_uint(0)
    )


def landlock_restrict(ruleset: int) -> None:
    _system_call("landlock", _LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install_filter(program: bytes) -> None:
    """Put this process behind a seccomp filter: classic BPF, eight bytes an instruction. There is no way back."""
    filter_ = _Filter(len(program) // 8, program)
    _call(
        "prctl", PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(filter_),
        ctypes.c_ulong(0), ctypes.c_ulong(0),
    )  # fmt: skip
