"""The layers of the walls by name, in the order in which they are put up. Names only.

A report lists those that stand; what each is for is said in SECURITY.md.
"""

from __future__ import annotations

SEPARATE_USER = "separate user"
USER = "user namespace"
PID = "pid namespace"
NETWORK = "network namespace"
IPC = "ipc namespace"
UTS = "uts namespace"
CGROUP = "cgroup namespace"
ROOT = "empty root"
DESCRIPTORS = "closed descriptors"
RLIMITS = "rlimits"
CAPABILITIES = "no capabilities"
PRIVILEGES = "no new privileges"
UNDUMPABLE = "not dumpable"
MEMORY = "no executable memory"
LANDLOCK = "landlock"
SECCOMP = "seccomp"

OF_THE_ZYGOTE = (SEPARATE_USER, PRIVILEGES, USER, NETWORK, IPC, UTS, CGROUP, PID, ROOT)  # put up once
OF_THE_CHILD = (DESCRIPTORS, RLIMITS, CAPABILITIES, UNDUMPABLE, MEMORY, LANDLOCK, SECCOMP)  # put up by each child
ALL = OF_THE_ZYGOTE + OF_THE_CHILD
INDISPENSABLE = (LANDLOCK, SECCOMP)  # without one of these no submission is run
