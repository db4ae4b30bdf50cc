"""How time and memory of a batch grow with its submissions: straight, and flat.

The largest classes have a thousand different files, and copies of them: each student has a report, a row and a page all the same.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import classes


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--counts", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    options.add_argument("--different", type=int, default=1_000)
    chosen = options.parse_args()
    print("submissions  different  seconds  ms each   peak MiB of the parent   of its largest worker")
    for count in chosen.counts:
        different = min(count, chosen.different)
        with tempfile.TemporaryDirectory() as scratch:
            source = classes.make(Path(scratch) / "class", count, right_only=True, different=different)
            started = time.monotonic()
            command = [sys.executable, __file__, "--measure", source, Path(scratch) / "out"]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            seconds = time.monotonic() - started
        print(
            f"{count:11,} {different:10,} {seconds:8.1f} {1e3 * seconds / count:8.2f} {told[-2]:>18} {told[-1]:>24}",
            flush=True,
        )


def measure(source: Path, out: Path) -> None:
    from grader import batch, grading

    batch.run(batch.Plan(source, out, *grading.load("backprop"), "zygote", 2))
    print(*(resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


if __name__ == "__main__":
    measure(*map(Path, sys.argv[2:])) if sys.argv[1:2] == ["--measure"] else main()
