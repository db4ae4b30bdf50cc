"""The service as it is started, for tests: `grade serve` and what goes with it, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime

from conftest import ROOT
from sqlalchemy import select

from grader.store import courses, database, people, schema


def started(home, *arguments, source=ROOT):
    """A `grade` command that runs."""
    environment = {**os.environ, "GRADER_HOME": str(home), "PYTHONPATH": str(source)}
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, cwd=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ran(home, *arguments, source=ROOT):
    """What has become of a `grade` command: its exit code, and what it said."""
    process = started(home, *arguments, source=source)
    out, told = process.communicate(timeout=120)
    assert "Traceback" not in told, told
    return process.returncode, out, told


def ended(process, number=signal.SIGTERM):
    """What is told by a command that is ended with a signal."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        _, told = process.communicate(timeout=90)
    finally:
        process.kill()  # where it did not
    assert "Traceback" not in told, told
    return told


@contextmanager
def serving(home, *options, link=True, source=ROOT):
    """The service, and the link it prints; `source` is where its code is."""
    command = ["serve", "--port", "0", "--workers", "1", *(["--link"] if link else []), *options]
    process = started(home, *command, source=source)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        ended(process, signal.SIGINT)


def tokens(url, *scopes):
    """What a script signs in with: made as an instructor makes it, by the database."""
    engine = database.connect(url)
    with database.writing(engine) as db:
        person = people.find(db, 1)
        [assignment] = [one for course in courses.of(db, person) for one in courses.assignments(db, course)]
        token = people.issue(db, person, "test", scopes or ["submit", "read"], datetime.now(UTC))
    engine.dispose()
    return assignment.public, token


def served_at(url, link):
    """Where the service is, where files are handed in, and what a student sends along."""
    base = link.partition("/enter")[0]
    assignment, token = tokens(url)
    return base, f"{base}/api/v1/assignments/{assignment}/submissions", {"Authorization": f"Bearer {token}"}


def eventually(done, seconds=90):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)


def kept(url):
    """The submissions' states by their public keys, and the submissions that runs are of."""
    engine = database.connect(url)
    table = schema.submission.c
    try:
        with database.snapshot(engine) as db:
            states = {row.public: row.state for row in db.execute(select(table.public, table.state))}
            publics = select(table.public).select_from(schema.grading_run.join(schema.submission))
            return states, sorted(row.public for row in db.execute(publics))
    finally:
        engine.dispose()
