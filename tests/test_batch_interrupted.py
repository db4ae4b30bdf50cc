"""A batch that is killed or interrupted: nothing is corrupt, nothing is lost but what was under way, and it says how to go on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from grader import journal

RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_text()
WRONG = (ROOT / "submissions" / "backprop" / "order_swapped.py").read_text()
COUNT = 100
PATIENCE = 60  # seconds, on a machine under load


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    for n in range(COUNT):
        (folder / f"s{n:03}.py").write_text(f"{WRONG if n % 5 == 0 else RIGHT}\n# {n}\n")
    return folder


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    process = start(source, out)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return out


def start(source, out, *options, **keywords):
    command = [sys.executable, "-m", "grader", "batch", source, "--out", out, "--jobs", "2", *options]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **keywords
    )


def lines(out):
    path = out / journal.JOURNAL
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(out, count):
    until = time.monotonic() + PATIENCE
    while lines(out) < count:
        assert time.monotonic() < until
        time.sleep(0.01)


def reports(out):
    found = [json.loads(line) for line in (out / journal.JOURNAL).read_text().splitlines()]
    return [{**report, "seconds": None} for report in found]


def processes_of(session):
    """Those that are still there, zombies apart."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                state, *fields = Path(f"/proc/{entry.name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == session and state != "Z":
                found.append(entry.name)
    return found


def test_killed_ten_times_it_ends_as_if_nothing_had_been(source, undisturbed, tmp_path):
    out = tmp_path / "out"
    chance = random.Random()
    for _ in range(10):
        before = lines(out)
        process = start(source, out)
        if before < COUNT - 20:
            wait_for(out, before + chance.randrange(1, 15))
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        process.communicate()
        assert lines(out) >= before
    process = start(source, out)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert f"{COUNT} graded" in output
    assert reports(out) == reports(undisturbed)
    assert (out / journal.GRADES).read_bytes() == (undisturbed / journal.GRADES).read_bytes()
    assert sorted(path.name for path in (out / journal.PAGES).iterdir()) == sorted(
        path.name for path in (undisturbed / journal.PAGES).iterdir()
    )


def test_its_workers_end_with_it(source, tmp_path):
    process = start(source, tmp_path / "out")
    wait_for(tmp_path / "out", 5)
    process.kill()
    process.communicate()
    until = time.monotonic() + PATIENCE
    while processes_of(process.pid):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_ends_it_at_once_and_says_how_to_go_on(jobs, source, tmp_path):
    out = tmp_path / "out"
    process = start(source, out, "--jobs", jobs)
    wait_for(out, 20)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.startswith(f"grade: interrupted; what has been graded is in {out}; to go on, run again: grade batch ")
    assert errors.count("\n") == 1
    graded = lines(out)
    process = start(source, out)
    output, _ = process.communicate(timeout=PATIENCE)
    assert f"{COUNT - graded} attempts graded now, {graded} kept" in output


def test_a_hang_does_not_hold_up_an_interrupt(tmp_path):
    source = tmp_path / "class"
    source.mkdir()
    for n in range(4):
        (source / f"{n}.py").write_text(f"while True: pass  # {n}")
    process = start(source, tmp_path / "out")
    wait_for_child(process)
    sent = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert time.monotonic() - sent < 8  # the files alone would take ten


def wait_for_child(process):
    until = time.monotonic() + PATIENCE
    while len(processes_of(process.pid)) < 3:
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(1)


def test_a_full_disk_is_told_and_loses_nothing(source, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can make a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        process = start(source, disk / "out")
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 3
        assert "cannot be written (No space left on device)" in errors
        kept = lines(disk / "out")
        assert kept > 0
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        process = start(source, disk / "out")
        output, _ = process.communicate(timeout=PATIENCE)
        assert f"{COUNT} graded" in output
    finally:
        subprocess.run(["umount", disk], check=True)
