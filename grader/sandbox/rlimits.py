"""Resource limits the child sets on itself before the student's code runs; each with its reason."""

from __future__ import annotations

import math
import os
import resource
import signal
import sys

OPEN_FILES = 64  # enough to import scipy late, too few to harm the machine


def confine(memory_bytes: int, seconds: float) -> None:
    """Limit this process for good, and let it die with the grader where the system sees to that."""
    cpu = 2 * math.ceil(seconds) + 2  # for loading and for the calls; a second fence: the grader's own clock is sooner
    for limit, value in (
        ("RLIMIT_CPU", (cpu, cpu + 1)),  # SIGXCPU first, so that the reason can be told
        ("RLIMIT_FSIZE", _both(0)),  # no file is written
        ("RLIMIT_CORE", _both(0)),  # no core dump is left
        ("RLIMIT_NPROC", _both(1)),  # no process and no thread more (root is not bound by it)
        ("RLIMIT_NOFILE", _both(OPEN_FILES)),
    ):
        _lower(limit, value)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing a file is an OSError, not a death
    if sys.platform == "linux":  # other systems do not hold a process to its address space
        _lower("RLIMIT_AS", _both(_address_space() + memory_bytes))  # memory, on top of what numpy maps
        _die_with_parent()


def _both(value: int) -> tuple[int, int]:
    return value, value


def _address_space() -> int:
    """Bytes this process has mapped already."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 pathlib is not worth its import in every child
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _lower(name: str, value: tuple[int, int]) -> None:
    """Set a soft and a hard limit, or leave a lower one that stands already."""
    limit = getattr(resource, name)
    hard = resource.getrlimit(limit)[1]
    ceiling = value[1] if hard == resource.RLIM_INFINITY else min(hard, value[1])
    resource.setrlimit(limit, (min(value[0], ceiling), ceiling))


def _die_with_parent() -> None:
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
