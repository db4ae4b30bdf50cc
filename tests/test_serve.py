"""`grade serve` as it is started, in a real browser: a wrong file, a question, a right one, full points."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import databases
import httpx
import pytest
from conftest import ROOT, lacking
from served import serving, tokens
from sqlalchemy import select

from grader.cli.serve import _bound
from grader.store import courses, database, people, schema

SUBMISSIONS = ROOT / "submissions" / "backprop"


def test_it_is_started_with_nothing_and_again_with_what_there_is(tmp_path):
    links = []
    for n in range(2):
        with serving(tmp_path, link=n > 0) as (_, link):
            links.append(link)
            health = json.load(urllib.request.urlopen(link.partition("/enter")[0] + "/healthz"))
            assert (health["database"], health["walls"], health["workers"]) == ("ok", "ok", 1)
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+/enter\?token=grader_[\w-]{43}", link) for link in links)
    assert links[0].partition("=")[2] != links[1].partition("=")[2]
    assert (tmp_path / "service" / "grader.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("proxies", [(), ("--trusted-proxy", "127.0.0.1")])
def test_who_asks_is_told_by_a_proxy_that_is_trusted(proxies, tmp_path):
    options = ("--public-url", "https://grader.example.edu", "--log")
    with serving(tmp_path, *options, *proxies) as (process, link):
        assert link.startswith("https://grader.example.edu/enter?token=grader_")
        at = re.search(r"http://\S+:\d+", process.stderr.readline())[0]
        assert httpx.get(f"{at}/metrics").status_code == 200
        assert httpx.get(f"{at}/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404
        entered = httpx.post(f"{at}/enter", data={"token": link.partition("=")[2]})
        assert "Secure" in entered.headers["set-cookie"]
        guesses = [
            httpx.post(f"{at}/enter", data={"token": "x"}, headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code
            for n in range(22)
        ]
        assert guesses[-1] == (403 if proxies else 429)  # many who fail once, or one who fails too often
        process.send_signal(signal.SIGINT)
        lines = [json.loads(line) for line in process.stderr if line.startswith("{")]
        assert {"/metrics", "/enter"} <= {line["route"] for line in lines}


def test_an_address_that_leads_nowhere_is_told(tmp_path):
    command = [sys.executable, "-m", "grader", "serve", "--public-url", "grader.example.edu"]
    environment = {**os.environ, "GRADER_HOME": str(tmp_path)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ran.returncode, "expected such as https://" in ran.stderr) == (2, True)


def test_no_link_is_printed_again_unless_it_is_asked_for(tmp_path):
    with serving(tmp_path):
        pass
    with serving(tmp_path, link=False) as (_, printed):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", printed)


@pytest.fixture(params=databases.KINDS)
def served(request, tmp_path):
    """A service under load: its address, a student's token, an assignment."""
    with databases.url_of(request.param, tmp_path) as url, serving(tmp_path, "--database", url) as (process, link):
        yield process, link.partition("/enter")[0], *tokens(url)


def test_a_hundred_at_once_are_all_taken_while_thirty_watch(served):
    """Whoever watches holds no connection, and whoever hands in needs one at a time."""
    _, base, assignment, token = served
    headers = {"Authorization": f"Bearer {token}"}
    path = f"{base}/api/v1/assignments/{assignment}/submissions"
    with httpx.Client(headers=headers, timeout=60, limits=httpx.Limits(max_connections=200)) as client:
        slow = client.post(path, files={"file": ("slow.py", b"import time\ntime.sleep(3)\n")}).json()["id"]
        with ThreadPoolExecutor(130) as pool:
            watched = [pool.submit(client.get, f"{base}/api/v1/submissions/{slow}/events") for _ in range(30)]
            same = {"Idempotency-Key": "the same one"}
            sent = [
                pool.submit(client.post, path, files={"file": ("x.py", b"x = 1")}, headers=same) for _ in range(100)
            ]
            answers = [one.result() for one in sent]
            assert client.get(f"{base}/healthz").status_code == 200
            assert {answer.status_code for answer in answers} == {202}
            assert len({answer.json()["id"] for answer in answers}) == 1
            assert all("event: graded" in one.result().text for one in watched)


def test_a_server_that_is_killed_loses_nothing(tmp_path):
    with serving(tmp_path) as (process, link):
        base = link.partition("/enter")[0]
        assignment, token = tokens(f"sqlite:///{tmp_path}/service/grader.db")
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            path = f"{base}/api/v1/assignments/{assignment}/submissions"
            found = [client.post(path, files={"file": ("x.py", b"x = %d" % n)}).json()["id"] for n in range(12)]
        process.kill()
    with serving(tmp_path) as (_, link):
        base = link.partition("/enter")[0]
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            end = time.monotonic() + 150
            while time.monotonic() < end:
                states = {client.get(f"{base}/api/v1/submissions/{one}").json()["state"] for one in found}
                if states == {"graded"}:
                    break
                time.sleep(0.5)
            assert states == {"graded"}
    engine = database.connect(f"sqlite:///{tmp_path}/service/grader.db")
    with database.reading(engine) as db:
        runs = [row.submission_id for row in db.execute(select(schema.grading_run.c.submission_id))]
    engine.dispose()
    assert len(runs) == len(set(runs)) == 12


def test_the_commands_of_the_readme_do_what_they_say(tmp_path):
    commands = re.findall(r"^ +(curl .+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 4
    if shutil.which("curl") is None:
        lacking("no curl on this machine, with which the README speaks to the service")
    with serving(tmp_path) as (_, link):
        engine = database.connect(f"sqlite:///{tmp_path}/service/grader.db")
        with database.writing(engine) as db:
            teacher = people.find(db, 1)
            token = people.issue(db, teacher, "test", ["all"], datetime.now(UTC))
            [assignment] = courses.assignments(db, next(courses.of(db, teacher)))
        engine.dispose()
        with zipfile.ZipFile(tmp_path / "submissions.zip", "w") as archive:
            archive.write(SUBMISSIONS / "right.py", "000123.py")
        known = {"AT": link.partition("/enter")[0], "TOKEN": token, "ASSIGNMENT": assignment.public}
        for name, command in zip(("COURSE", "PERSON", "LINK", "BATCH"), commands, strict=True):
            ran = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env={**os.environ, **known},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            answer = json.loads(ran.stdout)
            found = answer[0] if isinstance(answer, list) else answer
            known[name] = found.get("link") or found["id"]
        assert (found["added"], found["unplaced"]) == (1, 0)
        assert known["LINK"].startswith(f"{known['AT']}/enter?token=grader_")


def test_no_part_of_an_answer_waits_for_word_of_the_one_before():
    with _bound("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        listening.listen()
        with listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_told(tmp_path):
    with serving(tmp_path) as (_, link):
        port = re.search(r":(\d+)/", link)[1]
        ran = subprocess.run(
            [sys.executable, "-m", "grader", "serve", "--port", port, "--database", f"sqlite:///{tmp_path}/other.db"],
            env={**os.environ, "GRADER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (ran.returncode, "nobody can listen there now" in ran.stderr) == (3, True)


def submit(home, *arguments, token=""):
    environment = {**os.environ, "GRADER_HOME": str(home), "PYTHONPATH": str(ROOT), "GRADER_SERVER_TOKEN": token}
    command = [sys.executable, "-m", "grader", "submit", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_file_is_handed_in_from_a_terminal(tmp_path):
    with serving(tmp_path) as (_, link):
        assignment, token = tokens(f"sqlite:///{tmp_path}/service/grader.db")
        at = f"{link.partition('/enter')[0]}/assignments/{assignment}"
        ran = submit(
            tmp_path,
            SUBMISSIONS / "transposed.py",
            "--server",
            at,
            "--json",
            "--html",
            tmp_path / "report.html",
            token=token,
        )
        assert ran.returncode == 0, ran.stderr
        report = json.loads(ran.stdout)
        assert (report["points"], report["audience"], report["submission"]["name"]) == (9.6, "student", "transposed.py")
        assert "Ask yourself" in (tmp_path / "report.html").read_text()
        assert submit(tmp_path, SUBMISSIONS / "right.py", "--server", at, token=token).stdout.startswith(
            "right.py: 10 of 10"
        )
        for arguments, kept, why in (
            (["--server", at], "grader_none", "you are not signed in"),
            (["--server", at], "", "there is no token; expected a token of the service"),
            (["--server", at, "--seed", "1"], token, "--seed: it has no use together with --server"),
            (["--server", f"{at}x"], token, "there is none of this name for you"),
            (["--server", "http://x.example.edu/assignments/1"], token, "no address that a secret may be sent to"),
        ):
            ran = submit(tmp_path, SUBMISSIONS / "right.py", *arguments, token=kept)
            assert (ran.returncode, ran.stdout, why in ran.stderr) == (2, "", True), ran.stderr
    ran = submit(tmp_path, SUBMISSIONS / "right.py", "--server", at, token=token)
    assert (ran.returncode, "it was not reached" in ran.stderr) == (3, True)


@pytest.fixture
def page():
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        lacking("no chromium on this machine, in which the pages are tried")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on(
            "request",
            lambda request: (
                page.complaints.append(request.url)
                if "127.0.0.1" not in request.url and not request.url.startswith("data:")
                else None
            ),
        )
        yield page
        browser.close()


@pytest.mark.filterwarnings("default::ResourceWarning")
def test_a_wrong_file_a_question_a_right_one_and_full_points(tmp_path, page):
    with serving(tmp_path) as (_, link):
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Backprop for a multilayer perceptron").click()
        page.get_by_label("Your Python file").set_input_files(SUBMISSIONS / "transposed.py")
        page.get_by_role("button", name="Hand in").click()
        page.wait_for_selector(".points")
        assert page.inner_text(".points").startswith("9.6")
        report = page.frame_locator("iframe")
        assert "To which variable does row i belong" in report.locator("body").inner_text()
        page.get_by_role("link", name="Backprop for a multilayer perceptron").click()
        page.get_by_label("or paste it").fill((SUBMISSIONS / "right.py").read_text())
        page.get_by_role("button", name="Hand in").click()
        page.wait_for_selector(".points")
        assert " ".join(page.inner_text(".points").split()) == "10 of 10"
        page.get_by_role("link", name="Backprop for a multilayer perceptron").click()
        page.get_by_role("link", name="The class").click()
        assert page.complaints == []


ROSTER = b"id,name,email\n11,Ada Lovelace,ada@x.edu\n12,Alan Turing,alan@x.edu\n13,Emmy Noether,emmy@x.edu\n"
GRADEBOOK = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Backprop (7)\n    Points Possible,,,,,10\n"
    '"Lovelace, Ada",11,,ada@x.edu,A,\n"Turing, Alan",12,,alan@x.edu,A,4\n'
)


@pytest.mark.filterwarnings("default::ResourceWarning")
def test_an_instructor_runs_a_course(tmp_path, page):
    with zipfile.ZipFile(tmp_path / "submissions.zip", "w") as archive:  # as Canvas gives it
        archive.write(SUBMISSIONS / "right.py", "lovelaceada_11_501_right.py")
        archive.write(SUBMISSIONS / "transposed.py", "turingalan_12_502_hw.py")
    (tmp_path / "roster.csv").write_bytes(ROSTER)
    (tmp_path / "gradebook.csv").write_text(GRADEBOOK)
    with serving(tmp_path) as (_, link):
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="People").click()
        page.get_by_label("A CSV file").set_input_files(tmp_path / "roster.csv")
        page.get_by_role("button", name="Take it in").click()
        page.get_by_role("button", name="link for Ada").click()
        assert "/enter?token=grader_" in page.get_by_role("status").inner_text()

        page.goto(link.partition("/enter")[0])
        page.get_by_role("link", name="how it has done").click()
        page.get_by_label("What your platform lets you download").set_input_files(tmp_path / "submissions.zip")
        page.get_by_role("button", name="Hand it in").click()
        page.get_by_text("2 of 2 graded").wait_for()
        page.get_by_role("link", name="See how the class has done").click()
        assert "2 of 3 have a grade" in page.inner_text("main")
        assert "Emmy Noether" in page.locator(".names").inner_text()

        page.get_by_role("link", name="Alan Turing").click()
        page.get_by_text("Set the points").click()
        page.get_by_label("Points", exact=True).fill("8.5")
        page.locator("#text").fill("explained it well")
        page.get_by_role("button", name="Set them").click()
        assert page.inner_text(".points").startswith("8.5")

        page.get_by_role("link", name="the class").click()
        page.get_by_role("link", name="rubric and settings").click()
        changed = page.get_by_label("or changed here")
        changed.fill(changed.input_value().replace("points = 3", "points = 4"))
        page.get_by_role("button", name="Check and keep it").click()
        page.get_by_role("link", name="try a regrade").click()
        page.get_by_label("Why").fill("b2 is worth four")
        page.get_by_role("button", name="Try it").click()
        page.get_by_role("button", name="Apply it").click()
        assert "It is applied." in page.inner_text("main")

        page.get_by_role("link", name="the class").click()
        page.get_by_role("link", name="gradebook").click()
        page.get_by_label("Where to").select_option("canvas")
        page.get_by_label("The gradebook, where").set_input_files(tmp_path / "gradebook.csv")
        page.get_by_role("button", name="Look").click()
        assert "1 new, 1 raised, 1 missing" in page.inner_text("main")
        with page.expect_download() as download:
            page.get_by_role("button", name="The file").click()
        assert download.value.path().read_text() == GRADEBOOK.replace('A,\n"Tur', 'A,10\n"Tur').replace("A,4", "A,7.73")
        assert page.complaints == []
