"""What this machine can do: every layer of the walls proved by trying what it forbids, and a submission timed.

Each attempt is a line of ours, run in a child that has the layer in question and lacks those that would
get in its way first: only so is it that layer which is proved.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import tempfile
from collections import defaultdict
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Literal, NamedTuple

from grader import engine
from grader.errors import GraderFault
from grader.sandbox import layers, zygote
from grader.values import Call, Limits, Part, Submission

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from grader.sandbox import Sandbox

_TRIALS = 20  # of the timed submission
_LIMITS = Limits(call_seconds=10.0, submission_seconds=30.0, memory_bytes=64 * 2**20)
_PROBE = Part("probe", "attempt", "", "", "")

# Seccomp alone stops nearly everything, then Landlock every file, then the empty root.
_LIMITING = (layers.SECCOMP, layers.RLIMITS, layers.DESCRIPTORS)
_BEHIND_LANDLOCK = (*_LIMITING, layers.ROOT)
_BEHIND_THE_ROOT = (*_LIMITING, layers.LANDLOCK)
_BEHIND_ALL = (*_LIMITING, layers.LANDLOCK, layers.ROOT)

_KERNEL = "use a newer Linux"
_NAMESPACES = (
    "allow ordinary users namespaces: sysctl user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1 "
    "(Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); in a container, a seccomp profile with unshare "
    "and mount"
)
_TOOLS = """
import ctypes, mmap, os, socket, sys
import numpy

libc = ctypes.CDLL(None, use_errno=True)

def shares(kind, grader):
    return os.readlink(f"/proc/self/ns/{kind}") == grader

def reads(path):
    return len(open(path).read()) > 0

def connects(port):
    socket.create_connection(("127.0.0.1", port), 2).close()
    return True

def finds(process):
    try:
        os.kill(process, 0)
    except PermissionError:
        pass
    return True

def is_open(descriptor):
    try:
        os.lseek(descriptor, 0, 1)
    except OSError as error:
        return error.errno != 9
    return True

def reads_memory():
    there, here = ctypes.create_string_buffer(b"x"), ctypes.create_string_buffer(1)
    span = ctypes.c_ulong * 2
    theirs, ours = span(ctypes.addressof(there), 1), span(ctypes.addressof(here), 1)
    return libc.process_vm_readv(os.getpid(), ours, 1, theirs, 1, 0) == 1

print(sys.version.split()[0], numpy.__version__)
"""


class Probe(NamedTuple):
    """One layer: what it forbids, in words and as an expression that is true where it got through.

    `without` are the layers that would stop the attempt before this one does. Facts of the machine
    stand in braces.
    """

    layer: str
    forbids: str
    attempt: str
    without: tuple[str, ...]
    advice: str


PROBES = (
    Probe(layers.SEPARATE_USER, "reading a file of the grader's user", "reads({file})", _BEHIND_ALL,
          "let the grader, as root, change its user (CAP_SETUID, CAP_SETGID)"),
    Probe(layers.PRIVILEGES, "gaining privileges by running a program", "libc.prctl(39, 0, 0, 0, 0) == 0", _BEHIND_ALL,
          _KERNEL),
    Probe(layers.USER, "being in the grader's user namespace", "shares('user', {user})", _BEHIND_ALL, _NAMESPACES),
    Probe(layers.NETWORK, "connecting to a port of this machine", "connects({port})", _BEHIND_ALL, _NAMESPACES),
    Probe(layers.IPC, "being in the grader's ipc namespace", "shares('ipc', {ipc})", _BEHIND_ALL, _NAMESPACES),
    Probe(layers.UTS, "learning this machine's name", "os.uname().nodename == {host}", _BEHIND_ALL, _NAMESPACES),
    Probe(layers.CGROUP, "being in the grader's cgroup namespace", "shares('cgroup', {cgroup})", _BEHIND_ALL,
          _NAMESPACES),
    Probe(layers.PID, "finding the grader's process", "finds({process})", _BEHIND_ALL, _NAMESPACES),
    Probe(layers.ROOT, "listing the files of /", "os.listdir('/') != []", _BEHIND_THE_ROOT, _NAMESPACES),
    Probe(layers.DESCRIPTORS, "finding a descriptor of the zygote's", "any(map(is_open, range(6, 99)))", (), _KERNEL),
    Probe(layers.RLIMITS, "taking four times the memory allowed", "bytearray(2**28) != b''", (), _KERNEL),
    Probe(layers.CAPABILITIES, "acting as an administrator (naming the machine)", "libc.sethostname(b'x', 1) == 0",
          _BEHIND_ALL, _KERNEL),
    Probe(layers.UNDUMPABLE, "having its memory opened by others", "libc.prctl(3, 0, 0, 0, 0) == 1", _BEHIND_ALL,
          _KERNEL),
    Probe(layers.MEMORY, "writing and executing the same memory", "mmap.mmap(-1, 4096, prot=7) != b''", _BEHIND_ALL,
          "use Linux 6.3 or later; the filter of system calls forbids it too"),
    Probe(layers.LANDLOCK, "listing the files of /", "os.listdir('/') != []", _BEHIND_LANDLOCK,
          "use Linux 5.13 or later with landlock among its security modules (lsm=... on the kernel's command line)"),
    Probe(layers.SECCOMP, "reading memory through process_vm_readv", "reads_memory()", (),
          "use a kernel with seccomp filters, on x86-64 or aarch64"),
)  # fmt: skip


class Finding(NamedTuple):
    """One layer on this machine, just now. `advice` is what to do where it is not proved."""

    layer: str
    state: Literal["proved", "broken", "absent", "not needed", "not tried"]
    forbids: str
    advice: str | None


class Timing(NamedTuple):
    """Seconds of a submission: the first, which waits for its zygote, and the median of those after it."""

    first: float
    median: float


class Examination(NamedTuple):
    """All that was found. `refusal` says why the default sandbox does not run here, where it does not."""

    sandbox: str
    refusal: str | None
    layers: tuple[Finding, ...]
    interpreter: str
    python: str
    numpy: str | None
    kernel: str
    timing: Timing | None

    @property
    def sound(self) -> bool:
        """Whether the default sandbox runs, and every layer that stands keeps what it promises."""
        return self.refusal is None and all(finding.state != "broken" for finding in self.layers)


def examine(calls: Sequence[Call], signature: str) -> Examination:
    """Prove every layer, and time these calls of a submission that answers nothing but zero."""
    untried = [Finding(probe.layer, "not tried", probe.forbids, None) for probe in PROBES]
    refusal, findings, versions, timing = None, untried, ["", ""], None
    try:
        with closing(zygote.start()) as walls:
            timing = _time(walls, calls, signature)
            standing = walls.layers
            versions = [*_said(walls, Probe("", "", "False", (), "")).output.split(), "", ""]
        findings = list(prove(standing))
    except GraderFault as fault:
        refusal = str(fault)
    return Examination(
        sandbox=zygote.Zygote.name,
        refusal=refusal,
        layers=tuple(findings),
        interpreter=sys.executable,
        python=versions[0] or platform.python_version(),
        numpy=versions[1] or None,
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        timing=timing,
    )


def prove(standing: Collection[str], removed: Collection[str] = ()) -> Iterator[Finding]:
    """Try what each layer forbids. `removed` takes layers away, to see that the attempts do get through then."""
    got_through: dict[str, bool] = {}
    with _facts() as facts, closing(zygote.start()) as first:
        for without, probes in _by_what_is_taken_away().items():
            wanted = [layer for layer in layers.ALL if layer not in (*without, *removed)]
            with closing(first.beside(wanted)) as walls:
                for probe in probes:
                    got_through[probe.layer] = _gets_through(walls, probe, facts)
    for probe in PROBES:
        if probe.layer not in standing:
            yield _absent(probe)
        else:
            state: Literal["broken", "proved"] = "broken" if got_through[probe.layer] else "proved"
            yield Finding(probe.layer, state, probe.forbids, _BROKEN if state == "broken" else None)


_BROKEN = "it is said to stand and does not: grade nobody's file on this machine, and report it"


def _absent(probe: Probe) -> Finding:
    if probe.layer == layers.SEPARATE_USER and os.name == "posix" and os.getuid() != 0:
        return Finding(probe.layer, "not needed", probe.forbids, None)
    return Finding(probe.layer, "absent", probe.forbids, probe.advice)


def _by_what_is_taken_away() -> Mapping[tuple[str, ...], list[Probe]]:
    groups: dict[tuple[str, ...], list[Probe]] = defaultdict(list)
    for probe in PROBES:
        groups[probe.without].append(probe)
    return groups


@contextmanager
def _facts() -> Iterator[dict[str, str]]:
    """What the attempts aim at, as Python: a file, a port, the process and the namespaces of the grader."""
    with tempfile.NamedTemporaryFile() as file, socket.create_server(("127.0.0.1", 0)) as server:
        file.write(b"secret")
        file.flush()
        facts = {
            "file": file.name,
            "port": server.getsockname()[1],
            "process": os.getpid(),
            "host": os.uname().nodename,
        }
        for kind in ("user", "ipc", "cgroup"):
            link = Path(f"/proc/self/ns/{kind}")
            facts[kind] = str(link.readlink()) if link.is_symlink() else ""
        yield {name: repr(fact) for name, fact in facts.items()}


def _gets_through(walls: Sandbox, probe: Probe, facts: Mapping[str, str]) -> bool:
    outcome = _said(walls, probe, facts).outcomes[0]
    return outcome.kind == "value" and bool(outcome.value)


def _said(walls: Sandbox, probe: Probe, facts: Mapping[str, str] | None = None) -> engine.Run:
    attempt = probe.attempt.format_map(facts or {})
    source = f"{_TOOLS}\ndef attempt(n):\n    return float({attempt})\n"
    return engine.run(walls, Submission("probe.py", source.encode()), [Call(_PROBE, (0,), "", "")], "n", _LIMITS)


def _time(walls: Sandbox, calls: Sequence[Call], signature: str) -> Timing:
    functions = {call.part.function for call in calls}
    submission = Submission("zeros.py", "".join(f"def {name}(*a): return 0.0\n" for name in functions).encode())
    taken = []
    for _ in range(_TRIALS + 1):
        started = perf_counter()
        engine.run(walls, submission, calls, signature, Limits())
        taken.append(perf_counter() - started)
    return Timing(taken[0], median(taken[1:]))
