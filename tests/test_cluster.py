"""A batch on a cluster of Dask's, with real processes: the same reports, and nothing lost with a worker or the scheduler."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT, lacking

from grader import journal

DASK = Path(sys.executable).with_name("dask")
RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_text()
PATIENCE = 90  # seconds, on a machine under load


class Cluster:
    """A scheduler on loopback and workers of one thread each."""

    def __init__(self, folder, port):
        self.folder, self.address = folder, f"tcp://127.0.0.1:{port}"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        self.workers = []

    def add_worker(self):
        options = ("--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1", "--death-timeout", "30")
        self.workers.append(self._start("worker", self.address, *options))

    def _start(self, *command):
        environment = {**os.environ, "DASK_TEMPORARY_DIRECTORY": str(self.folder)}
        return subprocess.Popen(
            [DASK, *command], cwd=self.folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def stop(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    if not DASK.exists():
        lacking("needs the extra `cluster` (distributed)")
    cluster = Cluster(tmp_path, free_port())
    cluster.add_worker()
    cluster.add_worker()
    yield cluster
    cluster.stop()


@pytest.fixture
def course(tmp_path):
    source = tmp_path / "class"
    source.mkdir()
    for n in range(120):
        (source / f"s{n:03}.py").write_text(f"{RIGHT}\n# {n}\n")
    return source


@contextmanager
def batch(source, out, *options):
    command = [sys.executable, "-m", "grader", "batch", source, "--out", out, *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def finished(process):
    output, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, output, errors


def reports(out):
    found = [json.loads(line) for line in (out / journal.JOURNAL).read_text().splitlines()]
    return [{**report, "seconds": None} for report in found]


def wait_for(out, lines):
    until = time.monotonic() + PATIENCE
    path = out / journal.JOURNAL
    while not (path.exists() and path.read_bytes().count(b"\n") >= lines):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_cluster_gives_the_same_reports_though_a_worker_is_killed(cluster, course, tmp_path):
    with batch(course, tmp_path / "here") as process:
        assert finished(process)[0] == 0
    with batch(course, tmp_path / "there", "--cluster", cluster.address) as process:
        wait_for(tmp_path / "there", 20)
        os.killpg(cluster.workers[0].pid, signal.SIGKILL)
        code, output, errors = finished(process)
    assert (code, errors) == (0, "")
    assert "120 graded" in output
    assert reports(tmp_path / "there") == reports(tmp_path / "here")


def test_what_was_graded_before_the_scheduler_was_killed_is_kept(cluster, course, tmp_path):
    out = tmp_path / "out"
    with batch(course, out, "--cluster", cluster.address) as process:
        wait_for(out, 20)
        os.killpg(cluster.scheduler.pid, signal.SIGKILL)
        code, _, errors = finished(process)
    assert code == 3
    assert f"--cluster {cluster.address}: no scheduler answers there" in errors
    assert "run the same command again: what is graded stays graded" in errors
    before = {report["student"] for report in reports(out)}
    assert 20 <= len(before) < 120
    with batch(course, out) as process:
        code, output, _ = finished(process)
    assert code == 0
    assert f"{120 - len(before)} attempts graded now, {len(before)} kept" in output
    assert len({report["student"] for report in reports(out)}) == len(reports(out)) == 120
