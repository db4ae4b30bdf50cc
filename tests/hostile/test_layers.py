"""Each layer taken away in turn: what then gets through is known, so that no layer can stop working unseen."""

from __future__ import annotations

import os
import resource
from contextlib import closing

import pytest
from conftest import lacking

from grader import doctor
from grader.sandbox import layers, zygote
from hostile.attacks import ENDLESS, EXPECTED, control, graded, zygotes_of

# Never without a pid namespace or seccomp: they would reach processes that are not theirs.
LETHAL = {"kill_1_9", "raw_rt_sigqueueinfo", "sigkill_to_self_tgkill_1_1_9"}
# Their points depend on the moment at which a signal or a limit strikes.
UNSTEADY = {"signal_storm_setitimer_alarm", "fork_bomb", "raw_clone_bomb", "thread_bomb", "multiprocessing_pool"}

SECCOMP_HOLDS = dict.fromkeys(
    [
        "process_vm_readv", "io_uring_setup", "keyctl", "bpf", "unshare_newuser", "mount", "chroot", "x32_getpid",
        "fcntl_f_setpipe_sz_f_setown",
    ],
    10,
)  # fmt: skip

# The points that change when these layers are taken away. Seccomp stands before most others, and they before it;
# so a difference often shows only where two are gone.
KNOWN = {
    (layers.SECCOMP,): SECCOMP_HOLDS,
    (layers.SECCOMP, layers.RLIMITS): SECCOMP_HOLDS
    | {"socketpair_scm_rights": 10, "memfd_create": 10, "thread_forever": 10},
    (layers.SECCOMP, layers.MEMORY): SECCOMP_HOLDS | {"mprotect_x_on_own_data": 7},
    (layers.SECCOMP, layers.LANDLOCK): SECCOMP_HOLDS,
    (layers.SECCOMP, layers.LANDLOCK, layers.PRIVILEGES): SECCOMP_HOLDS,
    **{(layer,): {} for layer in layers.ALL if layer not in (layers.SECCOMP, layers.PRIVILEGES)},
}


@pytest.fixture(scope="module")
def whole(walls):
    """The points with all layers up."""
    return {name: graded(walls, name).points for name in EXPECTED if name not in ENDLESS | UNSTEADY}


def lowered(process):
    """The machine's own safety, where there are no limits behind the walls: what comes of this process has them too."""
    resource.prlimit(process, resource.RLIMIT_AS, (2**31, 2**31))
    resource.prlimit(process, resource.RLIMIT_FSIZE, (2**20, 2**20))


def without(removed, walls):
    """Walls that lack these layers."""
    wanted = set(layers.ALL) - set(removed)
    return zygote.Zygote(1, wanted) if layers.RLIMITS in removed else walls.beside(wanted)


@pytest.mark.parametrize("removed", KNOWN, ids=", ".join)
def test_what_gets_through_without(removed, whole, walls):
    with closing(without(removed, walls)) as weaker:
        if layers.RLIMITS in removed:
            lowered(weaker._walls.stem()._popen.pid)
            zygotes_of(weaker)
        lethal = LETHAL if {layers.SECCOMP, layers.PID, layers.USER} & set(removed) else set()
        found = {name: graded(weaker, name).points for name in set(whole) - lethal}
        assert {name: points for name, points in found.items() if points != whole[name]} == KNOWN[removed]
        assert control(weaker).points == 10


# What each layer forbids, tried where it stands first in the way: with it, and without it.

NEEDS = {
    layers.PRIVILEGES: {layers.LANDLOCK, layers.SECCOMP},  # neither can be put up without it
}
STANDS_ON = {
    layers.USER: {layers.NETWORK, layers.IPC, layers.UTS, layers.CGROUP, layers.PID, layers.ROOT},
}


def broken(walls, removed=()):
    return {finding.layer for finding in doctor.prove(walls.layers, removed) if finding.state == "broken"}


def test_every_layer_keeps_what_it_promises(walls):
    assert broken(walls) == set()


@pytest.mark.parametrize("layer", layers.ALL)
def test_the_attempt_gets_through_without(layer, walls):
    if layer not in walls.layers:
        if layer == layers.SEPARATE_USER and os.getuid() != 0:
            pytest.skip("only root can become another user")
        lacking(f"this machine has no {layer}")
    removed = {layer} | NEEDS.get(layer, set())
    assert broken(walls, removed) == removed | STANDS_ON.get(layer, set()) & set(walls.layers)
