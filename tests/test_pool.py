"""Jobs through executors: all come back once, and a worker that is lost takes none with it."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from conftest import ROOT

from grader import grading, pool, worker
from grader.errors import GraderFault, UsageError
from grader.report import Report
from grader.values import Submission
from grader.worker import Job, Result, Setting

RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_bytes()


@pytest.fixture(scope="module")
def packed():
    rubric, assignment = grading.load(str(ROOT / "rubrics" / "backprop.toml"))
    return worker.setting(rubric, assignment, "zygote").packed()


def jobs(count):
    return (Job(n, Submission(f"{n}.py", RIGHT + b"\n# %d" % n, str(n)), n) for n in range(count))


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_comes_back_once(workers, packed):
    results = list(pool.conduct(lambda: pool.local(workers, packed), workers, packed, jobs(30)))
    assert sorted(result.n for result in results) == list(range(30))
    assert all(Report.model_validate_json(result.line).points == 10 for result in results)
    assert all(result.page.startswith(b"<!doctype html>") for result in results)


def test_jobs_are_taken_only_when_there_is_room(packed, monkeypatch):
    monkeypatch.setattr(worker, "work", lambda _, jobs: [Result(job.n) for job in jobs])
    taken = []

    def counted():
        for job in jobs(1000):
            taken.append(job.n)
            yield job

    results = pool.conduct(lambda: ThreadPoolExecutor(2), 2, packed, counted())
    next(results)
    assert len(taken) < 100
    assert len(list(results)) == 999


def test_a_worker_that_is_killed_takes_no_job_with_it(packed):
    seen = []
    for result in pool.conduct(lambda: pool.local(2, packed), 2, packed, jobs(40)):
        seen.append(result)
        if len(seen) == 5:
            kill_one_worker()
    assert sorted(result.n for result in seen) == list(range(40))
    assert all(result.fault is None for result in seen)


def kill_one_worker():
    import multiprocessing

    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)


class Fragile(ThreadPoolExecutor):
    """Loses whoever is handed job 3, and all who are under way with it."""

    def submit(self, function, /, packed, chunk):
        future = Future()
        if any(job.n == 3 for job in chunk):
            future.set_exception(OSError("lost"))
        else:
            future.set_result([Result(job.n, b"line", b"page") for job in chunk])
        return future


def test_what_loses_its_worker_again_and_again_is_a_fault_and_the_others_are_not(packed):
    results = {r.n: r for r in pool.conduct(lambda: Fragile(1), 2, packed, jobs(40))}
    assert set(results) == set(range(40))
    assert [n for n, result in results.items() if result.fault] == [3]
    assert "its worker was lost, 3 times" in results[3].fault


def test_where_nothing_but_faults_comes_back_it_stops(packed, monkeypatch):
    monkeypatch.setattr(worker, "work", lambda _, jobs: [Result(job.n, fault="no walls here") for job in jobs])
    with pytest.raises(GraderFault, match="20 submissions in a row could not be graded; the last: no walls here"):
        list(pool.conduct(lambda: pool.local(1, packed), 1, packed, jobs(100)))


def test_no_executor_is_begun_for_nothing(packed):
    assert list(pool.conduct(lambda: 1 / 0, 1, packed, jobs(0))) == []


def test_who_stops_listening_leaves_no_process(packed):
    import multiprocessing

    before = set(multiprocessing.active_children())
    results = pool.conduct(lambda: pool.local(2, packed), 2, packed, jobs(1000))
    next(results)
    started = set(multiprocessing.active_children()) - before
    assert started
    results.close()
    for process in started:
        process.join(5)
    assert not any(process.is_alive() for process in started)


def test_a_worker_of_another_version_grades_nothing(packed):
    rubric, _ = grading.load("backprop")
    other = Setting(rubric, "zygote", "older", "0.0.9", {"numpy": "1"}).packed()
    [result] = worker.work(other, list(jobs(1)))
    assert (
        "expected grader 0.0.9, assignment older, numpy 1, as where the batch was started; install the same on all machines"
        in result.fault
    )


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 1)
    with pytest.raises(GraderFault, match="no scheduler answers there"):
        pool.cluster("tcp://127.0.0.1:1")


def test_an_address_that_is_none_is_told():
    with pytest.raises((GraderFault, UsageError), match="expected one, such as tcp://host:8786"):
        pool.cluster("nonsense://x")
