"""What the kernel says of a child, and that 500 crashing ones, and a killed grader, leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Thread

from conftest import ROOT, lacking

from grader.sandbox import layers, zygote
from grader.sandbox.channel import PLAIN
from hostile import remains
from hostile.attacks import control, grade_source, zygotes_of
from hostile.test_protocol import FINDING, HONEST


def eventually(found, seconds=20):
    deadline = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return value


def status_of(process):
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_a_child_is_what_the_walls_say(walls, capsys):
    """Read from /proc while it sleeps: the child itself has no /proc to read."""
    sleeping = Thread(target=grade_source, args=(walls, "import time\ntime.sleep(2)"), kwargs={"patience": 1})
    sleeping.start()
    launcher = zygotes_of(walls)[PLAIN]

    def child():
        processes = remains.descendants(launcher)
        return next((p for p in processes if status_of(p).get("Seccomp") == "2"), None)

    process = eventually(child)
    status = status_of(process)
    told = {key: status[key] for key in ("NSpid", "CapEff", "CapPrm", "CapBnd", "Seccomp", "NoNewPrivs", "Uid")}
    with capsys.disabled():
        print("\n" + ", ".join(f"{key} {' '.join(value.split())}" for key, value in told.items()))
    sleeping.join()
    assert len(told["NSpid"].split()) == (3 if layers.PID in walls.layers else 1)
    assert int(told["CapEff"], 16) == int(told["CapPrm"], 16) == 0
    assert (told["Seccomp"], told["NoNewPrivs"]) == ("2", "1")
    if layers.SEPARATE_USER in walls.layers:
        assert os.getuid() not in map(int, told["Uid"].split())


def test_a_child_holds_no_descriptor_beyond_its_own(walls):
    counting = """
def is_open(n):
    try: os.lseek(n, 0, 1)
    except OSError as e: return e.errno != 9
    return True
print([n for n in range(4096) if is_open(n)])
def attack(): pass
"""
    report = grade_source(walls, f"{FINDING}{HONEST}{counting}")
    assert report.stdout == "[0, 1, 2, 3, 4]\n"  # the null device, the output twice, the questions, the answers


def held_by(process):
    return {int(link.name): str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir()}


def test_launcher_and_zygote_hold_what_they_need_and_no_more(walls):
    if layers.PID not in walls.layers:
        lacking("without a pid namespace there is no launcher")
    control(walls)
    launcher = zygotes_of(walls)[PLAIN]
    zygote = min(remains.descendants(launcher))
    administrator = 1 << 21
    assert int(status_of(launcher)["CapEff"], 16) == int(status_of(launcher)["CapPrm"], 16) == 0
    assert int(status_of(zygote)["CapEff"], 16) == int(status_of(zygote)["CapPrm"], 16) == administrator
    if os.getuid() == 0:  # others may not look at them
        assert held_by(launcher) == {}
        kept = {name for n, name in held_by(zygote).items() if not name.startswith(("socket:", "pipe:", "anon_inode:"))}
        assert kept == {"/dev/null", next(name for name in kept if name.startswith("pid:"))}


def test_no_namespace_is_made_within_these_even_where_the_filter_is_gone():
    trying = """
import ctypes
def attack():
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0: raise SystemExit("a namespace of its own")
"""
    with closing(zygote.Zygote(1, set(layers.ALL) - {layers.SECCOMP, layers.RLIMITS})) as walls:
        assert grade_source(walls, f"{FINDING}{HONEST}{trying}").points == 10


def test_500_crashing_submissions_leave_nothing_behind(walls):
    control(walls)
    before = remains.at_rest()
    crashing = [
        "import ctypes\nctypes.string_at(0)",
        "import os\nos._exit(1)",
        "import ctypes\nctypes.CDLL(None).syscall(101, 0, 0, 0, 0)",
        "import os\nos.abort()",
        "x = bytearray(2**33)",
    ]
    for n in range(500):
        assert grade_source(walls, crashing[n % len(crashing)]).status == "unreadable"
    assert remains.settled(before) == before
    assert control(walls).points == 10


ORPHAN = """
import os, sys, time
from functools import partial
from grader.sandbox import forkserver, linux

def slowly(option, argument, prctl=linux.prctl):
    time.sleep(0.5)  # meanwhile the parent dies
    prctl(option, argument)

linux.prctl = slowly
forkserver._fork(forkserver._Zygote((), 0, 0, 0, None), partial(time.sleep, 60))
"""


def test_a_child_whose_zygote_died_before_it_could_be_told_ends_all_the_same():
    """Where there is no pid namespace, whose end would be the child's: its output stays open as long as it lives."""
    ran = subprocess.run([sys.executable, "-c", ORPHAN], cwd=ROOT, capture_output=True, timeout=30, check=True)
    assert ran.stderr == b""


def test_a_killed_grader_leaves_nothing_behind(tmp_path):
    submission = tmp_path / "sleeps.py"
    submission.write_text("import time\ntime.sleep(60)")
    command = [sys.executable, "-m", "grader", "submit", str(submission), "--seed", "1"]
    before = remains.at_rest()
    grader = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        # the launcher, the zygote, and the child that sleeps behind its filter
        started = eventually(
            lambda: (found := remains.descendants(grader.pid)) and status_of(found[-1]).get("Seccomp") == "2" and found
        )
        assert len(started) >= 2
    finally:
        grader.send_signal(signal.SIGKILL)
        grader.wait()
        grader.stdout.close()
    assert eventually(lambda: not any(Path(f"/proc/{process}").exists() for process in started))
    assert remains.settled(before) == before
