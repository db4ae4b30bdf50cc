"""What a submission could leave behind: processes, descriptors, files, shared memory."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from grader.sandbox import namespaces


def counted():
    """How many of each there are. Of what all share, only what belongs to users that submissions run as."""
    return {
        "processes": len(descendants(os.getpid())),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "temporary files": count_owned(Path(tempfile.gettempdir()).iterdir()),
        "shared memory": count_owned(Path("/dev/shm").iterdir()),
        "SysV objects": sum(map(count_of_sysv, ("shm", "sem", "msg"))),
    }


def is_a_submission_s(user):
    """Root leaves itself for a spare user; anybody else stays who they are."""
    return user in namespaces._SPARE_USERS or user == namespaces._NOBODY if os.getuid() == 0 else user == os.getuid()


def count_owned(paths):
    return sum(is_a_submission_s(path.lstat().st_uid) for path in paths if path.exists())


def count_of_sysv(kind):
    heading, *objects = (line.split() for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines())
    return sum(is_a_submission_s(int(fields[heading.index("uid")])) for fields in objects)


def at_rest(seconds=10):
    """The counts, once they stay the same for a while: a zygote makes its next child after the last has ended."""
    deadline = time.monotonic() + seconds
    last, since = counted(), time.monotonic()
    while time.monotonic() < min(deadline, since + 0.5):
        if (now := counted()) != last:
            last, since = now, time.monotonic()
        time.sleep(0.05)
    return last


def settled(before, seconds=10):
    """The counts, once they are what they were, or after this time."""
    deadline = time.monotonic() + seconds
    while (now := counted()) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    return now


def process_of(pidfd):
    """The number of the process that a descriptor stands for."""
    [told] = [line for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines() if line.startswith("Pid:")]
    return int(told.split()[1])


def descendants(process):
    """The numbers of all processes that this one started, and that those did; the dead count until they are buried."""
    children = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields["PPid"]), []).append(int(fields["Pid"]))
    found, new = [], [process]
    while new:
        new = [child for parent in new for child in children.get(parent, [])]
        found += new
    return found
