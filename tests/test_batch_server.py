"""`grade batch --server`: a class handed in at a running service leaves the folder that a local batch leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from conftest import ROOT
from sqlalchemy import func, select
from test_serve import serving

from grader import journal
from grader.store import courses, database, people, schema

RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_text()
WRONG = (ROOT / "submissions" / "backprop" / "order_swapped.py").read_text()
SLOW = "import time\ntime.sleep(0.4)\n"
PATIENCE = 120  # seconds, on a machine under load


def batch(*arguments):
    return [sys.executable, "-m", "grader", "batch", *map(str, arguments)]


class Desk:
    """A service with a class of students, and the command that hands in there."""

    def __init__(self, home, link, token, assignment, engine):
        self.home, self.token, self.engine = home, token, engine
        self.at = f"{link.partition('/enter')[0]}/assignments/{assignment}"

    def start(self, source, out, *options, token=None, server=None):
        command = batch(source, "--out", out, "--server", server or self.at, *options)
        environment = {
            **os.environ, "GRADER_HOME": str(self.home / "client"), "PYTHONPATH": str(ROOT),
            "GRADER_SERVER_TOKEN": self.token if token is None else token,
        }  # fmt: skip
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def batch(self, source, out, *options, **keywords):
        process = self.start(source, out, *options, **keywords)
        told, wrong = process.communicate(timeout=PATIENCE)
        return process.returncode, told, wrong

    def count(self, table):
        with database.reading(self.engine) as db:
            return db.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def desk(tmp_path):
    with serving(tmp_path) as (_, link):
        engine = database.connect(f"sqlite:///{tmp_path}/service/grader.db")
        now = datetime.now(UTC)
        with database.writing(engine) as db:
            teacher = people.find(db, 1)
            [course] = courses.of(db, teacher)
            [assignment] = courses.assignments(db, course)
            for n in range(30):
                student = people.add(db, f"Student {n}", f"s{n:02}@x.edu", now)
                people.enrol(db, course.id, student, "student", now, f"s{n:02}", "AB"[n % 2])
            token = people.issue(db, teacher, "test", ["read", "grade"], now)
        yield Desk(tmp_path, link, token, assignment.public, engine)
        engine.dispose()


def class_of(folder, **files):
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def reports(out):
    return {report["student"]: report for report in map(json.loads, (out / journal.JOURNAL).read_text().splitlines())}


def roster(lines):
    return "\n".join(["id,name,email,section", *lines])


def rows(out):
    return (out / journal.GRADES).read_text().splitlines()


def test_it_leaves_what_a_local_batch_leaves(desk, tmp_path):
    source = class_of(tmp_path / "class", s00=RIGHT, s01=WRONG, s02=WRONG, s03="def dy_db(:", s04="")
    (tmp_path / "roster.csv").write_text(roster(f"s{n:02},Student {n},s{n:02}@x.edu,{'AB'[n % 2]}" for n in range(5)))
    local = batch(source, "--out", tmp_path / "local", "--roster", tmp_path / "roster.csv")
    subprocess.run(local, cwd=ROOT, check=True, capture_output=True)
    code, told, wrong = desk.batch(source, tmp_path / "out")
    assert (code, wrong) == (0, "")
    assert "3 graded, 2 unreadable; 5 attempts graded by the service, 0 kept" in told
    assert rows(tmp_path / "out") == rows(tmp_path / "local")
    here, there = reports(tmp_path / "local"), reports(tmp_path / "out")
    changes = ("seed", "seconds", "criteria", "stdout", "printed", "unreadable")  # by other networks and names
    for student, report in here.items():
        assert {k: v for k, v in there[student].items() if k not in changes} == {
            k: v for k, v in report.items() if k not in changes
        }
    names = {path.relative_to(tmp_path / "local") for path in (tmp_path / "local").rglob("*")}
    assert {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*")} == names
    assert "Ask yourself" in (tmp_path / "out" / journal.PAGES / "s01.html").read_text()

    strangers = {f"x{n:02}": WRONG for n in range(25)}
    class_of(tmp_path / "more", **strangers, s01=WRONG)
    code, told, wrong = desk.batch(tmp_path / "more", tmp_path / "more-out")
    assert (code, "1 graded, 25 fault" in told) == (3, True)
    assert "x00: no student of the course has this key or address" in wrong
    assert (desk.count(schema.submission), desk.count(schema.grading_run)) == (5, 5)

    assert desk.batch(source, tmp_path / "out", "--redo")[0] == 0
    assert (desk.count(schema.submission), desk.count(schema.grading_run)) == (5, 10)
    for options, kept, why in (
        ([], "", "there is no token; expected a token of the service that may read and grade"),
        ([], "grader_none", "you are not signed in"),
        (["--cluster", "tcp://x:1"], None, "--cluster: it has no use together with --server"),
        (["--sandbox", "zygote"], None, "--sandbox: it has no use together with --server"),
        (["--rubric", "mine"], None, "--rubric: it has no use together with --server"),
    ):
        code, told, wrong = desk.batch(source, tmp_path / "out", *options, token=kept)
        assert (code, told, why in wrong) == (2, "", True), wrong


def test_it_tells_who_they_are_as_the_service_knows_them(desk, tmp_path):
    """A roster of the batch's own comes first; the attempts are those of the batch, by which it finds its reports."""
    source = class_of(tmp_path / "class", s00=RIGHT, s01=WRONG)
    assert desk.batch(source, tmp_path / "out")[0] == 0
    known = [report["origin"] for report in reports(tmp_path / "out").values()]
    names = ("key", "name", "email", "section", "attempt", "attempts")
    assert [[one[name] for name in names] for one in known] == [
        ["s00", "Student 0", "s00@x.edu", "A", 1, 1],
        ["s01", "Student 1", "s01@x.edu", "B", 1, 1],
    ]
    (source / "s00.py").write_text(WRONG)  # their second attempt there
    (tmp_path / "roster.csv").write_text(roster(["s00,Zero,,"]))
    code, told, wrong = desk.batch(source, tmp_path / "out", "--roster", tmp_path / "roster.csv")
    assert (code, "1 grade changed" in told, "of nobody" in wrong) == (0, True, False)
    assert [row.split(",")[-4:] for row in rows(tmp_path / "out")[1:]] == [
        ["1", "Zero", "s00@x.edu", "A"],
        ["1", "Student 1", "s01@x.edu", "B"],
    ]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_one_goes_on_without_a_second_copy(ending, desk, tmp_path):
    source = class_of(tmp_path / "class", **{f"s{n:02}": f"{SLOW if n > 3 else ''}{RIGHT}# {n}\n" for n in range(12)})
    process = desk.start(source, tmp_path / "out")
    until = time.monotonic() + PATIENCE
    while not desk.count(schema.grading_run):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(ending)
    _, wrong = process.communicate(timeout=PATIENCE)
    if ending == signal.SIGINT:
        assert (process.returncode, "to go on, run again: grade batch" in wrong) == (130, True), wrong
    code, told, wrong = desk.batch(source, tmp_path / "out")
    assert (code, "12 graded" in told) == (0, True), wrong
    assert (desk.count(schema.submission), desk.count(schema.grading_run)) == (12, 12)


class Losing(BaseHTTPRequestHandler):
    """Between the two: what is handed in for the first time is, and the answer never comes."""

    service = ""
    keys = ()

    def do_GET(self):
        self.forward()

    def do_POST(self):
        key = self.headers["Idempotency-Key"]
        self.forward(lose=key not in self.keys)
        Losing.keys += (key,)

    def forward(self, *, lose=False):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = httpx.request(
            self.command, self.service + self.path, headers=dict(self.headers), content=body, timeout=60
        )
        if lose:
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_):
        pass


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_there_twice(desk, tmp_path):
    source = class_of(tmp_path / "class", **{f"s{n:02}": f"{RIGHT}# {n}\n" for n in range(6)})
    Losing.service = desk.at.partition("/assignments")[0]
    with ThreadingHTTPServer(("127.0.0.1", 0), Losing) as between:
        Thread(target=between.serve_forever, daemon=True).start()
        at = desk.at.replace(Losing.service, f"http://127.0.0.1:{between.server_port}")
        code, told, wrong = desk.batch(source, tmp_path / "out", server=at)
        between.shutdown()
    assert (code, "6 graded" in told, len(Losing.keys), len(set(Losing.keys))) == (0, True, 12, 6), wrong
    assert (desk.count(schema.submission), desk.count(schema.grading_run)) == (6, 6)


def test_what_an_older_rubric_graded_is_told_and_graded_again(desk, tmp_path):
    source = class_of(tmp_path / "class", s00=RIGHT, s01=WRONG)
    assert desk.batch(source, tmp_path / "out")[0] == 0
    with database.writing(desk.engine) as db:
        [assignment] = courses.assignments(db, next(courses.of(db, people.find(db, 1))))
        text = courses.rubric(db, assignment).text
        courses.add_rubric(db, assignment, text.replace("points = 2", "points = 1"), None, datetime.now(UTC))
    code, _, wrong = desk.batch(source, tmp_path / "out")
    assert (code, "s00: it was graded by another version of the rubric" in wrong) == (3, True)
    code, told, _ = desk.batch(source, tmp_path / "out", "--redo")
    assert (code, "2 grades changed" in told, reports(tmp_path / "out")["s00"]["max_points"]) == (0, True, 8.0)
