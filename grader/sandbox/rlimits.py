"""Resource limits the child sets on itself before the student's code runs; each with its reason."""

from __future__ import annotations

import math
import os
import resource
import signal
import sys

Limits = dict[str, tuple[int, int]]  # soft and hard, by name

OPEN_FILES = 64  # enough to import scipy late, too few to harm the machine


def confine(memory_bytes: int, seconds: float) -> None:
    """Limit this process for good, and let it die with the grader where the system sees to that."""
    limits = common(seconds) | {"RLIMIT_NOFILE": both(OPEN_FILES)}
    if sys.platform == "linux":  # other systems do not hold a process to its address space
        limits["RLIMIT_AS"] = both(address_space() + memory_bytes)  # memory, on top of what numpy maps
        _die_with_parent()
    lower(limits)


def common(seconds: float) -> Limits:
    """What holds behind all walls."""
    cpu = 2 * math.ceil(seconds) + 2  # for loading and for the calls; a second fence: the grader's own clock is sooner
    return {
        "RLIMIT_CPU": (cpu, cpu + 1),  # SIGXCPU first, so that the reason can be told
        "RLIMIT_FSIZE": both(0),  # no file is written
        "RLIMIT_CORE": both(0),  # no core dump is left
        "RLIMIT_NPROC": both(1),  # no process and no thread more (root is not bound by it)
    }


def both(value: int) -> tuple[int, int]:
    """A soft and a hard limit that are the same."""
    return value, value


def address_space() -> int:
    """Bytes this process has mapped already."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 pathlib is not worth its import in every child
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def lower(limits: Limits) -> None:
    """Set these limits, or leave a lower one that stands already."""
    for name, (soft, hard) in limits.items():
        limit = getattr(resource, name)
        standing = resource.getrlimit(limit)[1]
        ceiling = hard if standing == resource.RLIM_INFINITY else min(standing, hard)
        resource.setrlimit(limit, (min(soft, ceiling), ceiling))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing a file is an OSError, not a death


def _die_with_parent() -> None:
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
