"""What it takes to push a course's grades, with comments, to each platform on loopback: requests and seconds.

    .venv/bin/python tests/benchmarks/push.py [--students N]

The platforms answer at once, so that the seconds are the grader's own and those it waits for a job of Canvas's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from contracts.desk import Desk  # the tests' own
from platforms import canvas, lti, moodle
from pydantic import SecretStr


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--students", type=int, default=1000)
    keys = [f"{n:06}" for n in range(options.parse_args().students)]
    lti.PER_PAGE = 100
    measure("canvas", canvas.Canvas(*(canvas.Student(10**6 + int(key), "S", sis=key) for key in keys)), keys)
    measure("moodle", moodle.Moodle(*(moodle.Student(10**6 + int(key), "S", idnumber=key) for key in keys)), keys)
    measure("lti", lti.Lti(*(lti.Student(f"u{key}", "S", sourced=key) for key in keys)), keys)


def measure(platform: str, server, keys: list[str]) -> None:
    tokens = {"canvas": canvas.TOKEN, "moodle": moodle.TOKEN}
    with server.running(), tempfile.TemporaryDirectory() as scratch:
        known = server.account if platform == "lti" else {"token": tokens[platform]}
        account = {name: SecretStr(text) for name, text in known.items()}
        desk = Desk(Path(scratch) / "graded", platform, server, account)
        desk.graded({key: str(n % 11) for n, key in enumerate(keys)})
        for what in ("pushed", "pushed again"):
            asked, started = len(server.log), time.monotonic()
            states = set(desk.states(comments=True).values())
            seconds, requests = time.monotonic() - started, len(server.log) - asked
            print(f"{platform:8}{len(keys):,} {what}: {requests:,} requests, {seconds:.1f} s; {', '.join(states)}")


if __name__ == "__main__":
    main()
