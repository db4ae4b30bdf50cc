"""`grade worker`: what is handed in to the service, graded on this machine too."""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from threading import Event
from typing import Annotated

import typer

from grader.cli.shared import ENDING, DatabaseOption, LogOption, SandboxOption, known_database, server_extra


def worker(
    database: DatabaseOption = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, max=256, help="How many are graded at once (default: a core each).")
    ] = None,
    sandbox: SandboxOption = None,
    log: LogOption = False,
) -> None:
    """Grade what is handed in to a service, on this machine or many, until it is told to end."""
    with server_extra("worker"):
        from grader.service import crew, logs
        from grader.store import database as databases
    from grader import sandbox as sandboxes
    from grader import worker as workers

    if log:
        logs.to_stderr()
    ending = _ending()
    wanted = sandboxes.wanted(sandbox)
    engine = databases.connect(database or known_database(), is_made=False)
    walls = sandboxes.start(wanted)  # where there are none nothing is graded
    if not databases.is_ready(engine):
        print("grade: waiting for grade serve, which makes the tables", file=sys.stderr)
        crew.until(ending, engine, or_ready=True)
    if not ending.is_set():
        with closing(walls), crew.Crew(engine, jobs or workers.cores(), walls, log=log) as grading:
            print(f"grade: {grading.alive} at a time are graded here; end it with Ctrl-C", file=sys.stderr)
            crew.until(ending, engine)
            print(ENDING, file=sys.stderr)
    engine.dispose()


def _ending() -> Event:
    """What a signal sets: then nothing new is begun, and what was begun is given back."""
    ending = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    return ending
