"""`grade worker`: what is handed in to one server is graded by whoever is there, once, and given back by who leaves."""

from __future__ import annotations

import signal
from contextlib import contextmanager

import databases
import httpx
import pytest
from served import ended, eventually, kept, ran, served_at, serving, started
from sqlalchemy import text, update
from test_service_work import RIGHT, Course

from grader.service import crew as crews
from grader.service.crew import Crew
from grader.store import database, notices, queue, schema, submissions
from grader.store.database import writing

SLOW = b"import time\ntime.sleep(%d)\n" + RIGHT


@pytest.fixture(params=databases.KINDS)
def engine(request, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    with databases.opened(request.param, tmp_path) as engine:
        yield engine


@contextmanager
def working(home, url):
    """A worker that has begun to grade."""
    process = started(home, "worker", "--database", url, "--jobs", "1")
    try:
        yield process
    finally:
        ended(process)
        assert process.returncode in (0, -signal.SIGKILL)


@pytest.mark.parametrize("kind", databases.KINDS)
def test_workers_grade_for_a_server_that_does_not(kind, tmp_path):
    with databases.url_of(kind, tmp_path) as url, serving(tmp_path, "--database", url, "--jobs", "0") as (_, link):
        base, path, headers = served_at(url, link)
        assert httpx.get(f"{base}/healthz").json()["workers"] == 0
        with working(tmp_path, url) as first, working(tmp_path / "elsewhere", url):
            sent = [
                httpx.post(path, files={"file": ("x.py", SLOW % 1)}, headers=headers).json()["id"] for _ in range(4)
            ]
            eventually(lambda: "grading" in kept(url)[0].values())
            first.kill()  # its processes bring to an end what they are at
            eventually(lambda: set(kept(url)[0].values()) == {"graded"})
        assert kept(url)[1] == sorted(sent)


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_worker_waits_for_the_tables(kind, tmp_path):
    with databases.url_of(kind, tmp_path) as url:
        database.connect(url).dispose()
        with working(tmp_path, url) as process:
            assert "waiting for grade serve" in process.stderr.readline()
            with serving(tmp_path, "--database", url, "--jobs", "0") as (_, link):
                _, path, headers = served_at(url, link)
                assert httpx.post(path, files={"file": ("x.py", RIGHT)}, headers=headers).status_code == 202
                eventually(lambda: len(kept(url)[1]) == 1)


@pytest.mark.parametrize("when", ["before", "while it grades"])
def test_a_worker_ends_where_the_tables_are_another_grader_s(when, engine, tmp_path):
    url = engine.url.render_as_string(hide_password=False)

    def become(version):
        with writing(engine) as db:
            db.execute(text(f"UPDATE alembic_version SET version_num = '{version}'"))

    try:
        if when == "before":
            become("9999")
        process = started(tmp_path, "worker", "--database", url, "--jobs", "1")
        if when != "before":
            assert "are graded here" in process.stderr.readline()
            become("9999")
        _, told = process.communicate(timeout=60)
    finally:
        become(database.latest())
    assert (process.returncode, "it is of a later grader (version 9999)" in told) == (3, True), told


def test_a_worker_makes_no_database(tmp_path):
    code, _, told = ran(tmp_path, "worker")
    assert (code, "there is no such database" in told, list(tmp_path.iterdir())) == (3, True, [])


def test_who_is_told_to_end_brings_to_its_end_what_was_begun(engine, tmp_path):
    course, url = Course(engine), engine.url.render_as_string(hide_password=False)
    one, other = course.hand_in(SLOW % 1), course.hand_in(SLOW % 1)
    with working(tmp_path, url):
        eventually(lambda: course.state(one).state == "grading")
    assert (course.state(one).state, course.state(other).state, course.runs()) == ("graded", "received", [one.id])


def test_what_does_not_come_to_its_end_in_time_waits_for_another(engine, walls, monkeypatch):
    monkeypatch.setattr(crews, "END", 0.1)
    course = Course(engine)
    one = course.hand_in(SLOW % 5)
    with Crew(engine, 1, walls) as crew:
        crew.wake()
        eventually(lambda: course.state(one).state == "grading")
    assert (course.state(one).state, course.state(one).tries, course.runs()) == ("received", 0, [])


def test_what_costs_its_worker_again_and_again_is_our_fault_and_the_next_one_is_graded(engine, walls, monkeypatch):
    monkeypatch.setattr(crews, "SOON", 0.0)
    course = Course(engine, most_attempts=1)
    poison = course.hand_in(SLOW % 8)
    with Crew(engine, 1, walls) as crew:
        for tries in range(1, queue.MOST_TRIES + 1):
            eventually(
                lambda tries=tries: (course.state(poison).state, course.state(poison).tries) == ("grading", tries)
            )
            crew._places[0].process.kill()
        eventually(lambda: course.state(poison).state == "fault")
        next_one = course.hand_in(RIGHT)  # the fault was ours: the attempt is not used up
        eventually(lambda: course.state(next_one).state == "graded")
    assert (course.runs(), "its workers were lost" in course.state(poison).fault) == ([next_one.id], True)


def test_what_a_machine_that_is_gone_had_is_graded_elsewhere(engine, tmp_path):
    course, url = Course(engine), engine.url.render_as_string(hide_password=False)
    one = course.hand_in(RIGHT)
    with writing(engine) as db:
        assert queue.claim(db, "a machine that is gone", database.clock(db)).public == one.public
        db.execute(update(schema.submission).values(claimed=database.clock(db) - 2 * crews.LEASE))
    with working(tmp_path, url):
        eventually(lambda: course.state(one).state == "graded")
    assert course.runs() == [one.id]


# What is told to all machines.


@pytest.fixture
def postgres(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    with databases.opened("postgresql", tmp_path) as engine:
        yield engine


def test_a_worker_that_would_look_in_ten_minutes_is_woken_from_elsewhere(postgres, walls, monkeypatch):
    monkeypatch.setattr(crews, "LONGEST_NAP", 600.0)
    course = Course(postgres)
    with Crew(postgres, 1, walls):
        first = course.hand_in(RIGHT)
        eventually(lambda: course.state(first).state == "graded")  # it has begun, and sleeps now
        second = course.hand_in(RIGHT)
        eventually(lambda: course.state(second).state == "graded")
        with writing(postgres) as db:
            queue.grade_again(db, second, "the rubric was changed")
        eventually(lambda: len(course.runs()) == 3)


def test_nothing_is_heard_of_what_was_taken_back(postgres):
    course = Course(postgres)
    heard = notices.heard(postgres, 1.0)
    assert next(heard) is False

    def broken_off():
        with writing(postgres) as db:
            submissions.receive(db, course.assignment, course.ada, "hw.py", b"1", database.clock(db))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    assert next(heard) is False
    course.hand_in(b"1")
    assert next(heard) is True
    heard.close()
