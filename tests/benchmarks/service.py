"""The service under load: a class is handed in by its platform's download while students submit, one after another.

Tells how long these wait for their report, how many are graded a second over HTTP, and what that is of `grade batch` on the
same files: embedded (SQLite, two workers of the server's own), and with PostgreSQL and two workers beside the server.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import classes
import httpx

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import databases  # noqa: E402 it is the tests' own

from grader.store import courses, database, people  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_bytes()
PAUSE = 0.5  # seconds between a student's report and the next student's file


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=5000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = classes.make(folder / "class", chosen.count)
        batch = timed([sys.executable, "-m", "grader", "batch", source, "--out", folder / "out", "--jobs", "2"])
        print(f"{chosen.count} of a class, two at a time; students submit meanwhile")
        print(f"{'grade batch --jobs 2':28} {chosen.count / batch:6.1f} a second")
        for kind in databases.KINDS:
            with databases.url_of(kind, folder) as url, serving(folder / kind, url, apart=kind == "postgresql") as base:
                waits, seconds = loaded(base, url, source, chosen.count)
            name = "embedded, SQLite" if kind == "sqlite" else "two workers, PostgreSQL"
            print(
                f"{name:28} {chosen.count / seconds:6.1f} a second, {batch / seconds:5.2f} of grade batch; {len(waits)} students "
                f"had their report after {statistics.median(waits):.2f} s in the median, {percentile(waits, 99):.2f} s at the "
                "99th percentile"
            )


def timed(command: list[object]) -> float:
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


@contextmanager
def serving(home: Path, url: str, *, apart: bool) -> Iterator[str]:
    """The service at this database; its workers are its own, or two beside it."""
    home.mkdir()
    environment = {**os.environ, "GRADER_HOME": str(home), "PYTHONPATH": str(ROOT)}

    def begun(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "grader", *arguments, "--database", url]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    with ExitStack() as stack:
        server = begun("serve", "--port", "0", "--jobs", "0" if apart else "2", "--link")
        stack.callback(ended, server)
        assert server.stdout is not None
        link = server.stdout.readline()
        for _ in range(2 if apart else 0):
            stack.callback(ended, begun("worker", "--jobs", "1"))
        yield link.partition("/enter")[0]


def ended(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate()


def loaded(base: str, url: str, source: Path, count: int) -> tuple[list[float], float]:
    """How long students waited, one after another, until the class was graded; and how long that took."""
    token, students, assignment = enrolled(url, count)
    client = httpx.Client(base_url=f"{base}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=600)
    archive = zipped(source)
    started = time.monotonic()
    with archive.open("rb") as file:
        path = f"/assignments/{assignment}/batches"
        batch = client.post(path, files={"file": (archive.name, file)}).raise_for_status().json()["id"]
    waits = []
    while client.get(f"{path}/{batch}").json()["state"] != "graded":
        waits.append(waited(client, students[len(waits) % len(students)], assignment))
        time.sleep(PAUSE)
    return waits, time.monotonic() - started


def enrolled(url: str, count: int) -> tuple[str, list[str], str]:
    """An instructor's token, so many students', and the assignment."""
    engine, now = database.connect(url), datetime.now(UTC)
    students = []
    with database.writing(engine) as db:
        teacher = people.find(db, 1)
        course = next(courses.of(db, teacher))
        for n in range(count):
            student = people.add(db, f"s{n:06}", None, now)
            people.enrol(db, course.id, student, "student", now, key=f"s{n:06}")
            students.append(people.issue(db, student, "load", ["all"], now))
        [assignment] = courses.assignments(db, course)
        token = people.issue(db, teacher, "load", ["all"], now)
    engine.dispose()
    return token, students, assignment.public


def zipped(source: Path) -> Path:
    return Path(shutil.make_archive(str(source), "zip", source))


def waited(client: httpx.Client, token: str, assignment: str) -> float:
    """From a student's file to their report, as a browser is told."""
    started, as_student = time.monotonic(), {"Authorization": f"Bearer {token}"}
    files = {"file": ("hw.py", RIGHT)}
    answer = client.post(f"/assignments/{assignment}/submissions", files=files, headers=as_student).raise_for_status()
    with client.stream("GET", f"/submissions/{answer.json()['id']}/events", headers=as_student) as events:
        for line in events.iter_lines():
            if line == "event: graded":
                break
    return time.monotonic() - started


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


if __name__ == "__main__":
    main()
