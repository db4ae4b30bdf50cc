"""What it takes to fill a gradebook of a large course: seconds, and memory at the most.

    .venv/bin/python tests/benchmarks/gradebook.py [--students N]

Comparing is the dry run; writing is all of it.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

from grader import filling
from grader.comparing import Order, compared
from grader.journal import GRADES, JOURNAL
from grader.ledger import Row
from grader.render import gradebook

HEADER = "Student,ID,SIS User ID,SIS Login ID,Section,Homework 1 (40123),Final Score\n    Points Possible,,,,,10.00,(read only)\n"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--students", type=int, default=100_000)
    count = options.parse_args().students
    with tempfile.TemporaryDirectory() as scratch:
        folder, template = make(Path(scratch), count)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.monotonic()
        opened = filling.Template("canvas", template)
        with compared(Order(folder, "canvas"), opened) as comparison:
            counts = dict(Counter(change.kind for change in comparison.changes()))
            looked = time.monotonic() - started
            written = filling.fill(opened, comparison, Path(scratch) / "filled.csv")
        seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{count:,} students: {counts}; compared in {looked:.1f} s, {written:,} cells filled in {seconds:.1f} s")
    print(f"memory at the most: {before // 1024} MiB before, {after // 1024} MiB after")


def make(scratch: Path, count: int) -> tuple[Path, Path]:
    folder, template = scratch / "graded", scratch / "template.csv"
    folder.mkdir()
    with (folder / GRADES).open("w") as grades, (folder / JOURNAL).open("w") as journal, template.open("w") as file:
        grades.writelines(gradebook.lines(map(row, range(count)), []))
        for n in range(count):
            origin = {"attempt": 1, "platform": "canvas", "key": str(10**6 + n)}
            report = {"student": str(10**6 + n), "origin": origin, "points": str(n % 11), "max_points": "10"}
            journal.write(json.dumps({**report, "stdout": "x" * 3000}) + "\n")
        file.write(HEADER)
        file.writelines(f'"Student {n}, Ann",{10**6 + n},{n:07},s{n},A,,85.00\n' for n in range(count))
    return folder, template


def row(n: int) -> Row:
    grade = {
        "status": "graded",
        "points": f"{n % 11}",
        "max_points": "10",
        "criteria": {},
        "late": False,
        "marked_late": False,
    }
    return Row(str(10**6 + n), f"Ann Student {n}", None, None, grade | {"attempt": 1}, None)


if __name__ == "__main__":
    main()
