"""The walls a child puts up around itself, just before the student's code is loaded.

The order matters: limits while they can still be set, then away with every capability, then Landlock,
and last the filter that would forbid all of it. What fails here ends the child before any of the
student's code has run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from grader.sandbox import layers, linux, rlimits, seccomp
from grader.sandbox.rlimits import both

if TYPE_CHECKING:
    from collections.abc import Collection

HELD = 5  # descriptors of a child: no input, output twice, the question, the answers
STACK_BYTES = 8 * 2**20


def confine(wanted: Collection[str], ruleset: int, address_space: int, memory_bytes: int, seconds: float) -> None:
    """Put up the wanted layers. `ruleset` is Landlock's descriptor, `address_space` the bytes mapped to begin with."""
    if layers.RLIMITS in wanted:
        rlimits.lower(rlimits.common(seconds) | _stricter(address_space + memory_bytes))
    if layers.CAPABILITIES in wanted:
        linux.capset(0)
    if layers.UNDUMPABLE in wanted:
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
    if layers.MEMORY in wanted:
        linux.prctl(linux.PR_SET_MDWE, linux.MDWE_REFUSE_EXEC_GAIN)
    if layers.LANDLOCK in wanted:
        linux.landlock_restrict(ruleset)
    os.close(ruleset)
    if layers.SECCOMP in wanted:
        linux.install_filter(seccomp.program(os.uname().machine, os.getpid()))


def _stricter(address_space: int) -> rlimits.Limits:
    """What a child without any file of its own can do without besides."""
    return {
        "RLIMIT_AS": both(address_space),  # memory
        "RLIMIT_NOFILE": both(HELD),  # nothing can be opened
        "RLIMIT_STACK": both(STACK_BYTES),  # a recursion ends before it has eaten the memory
        "RLIMIT_MEMLOCK": both(0),  # nothing stays out of swap
        "RLIMIT_MSGQUEUE": both(0),  # nothing is left with the kernel
    }
