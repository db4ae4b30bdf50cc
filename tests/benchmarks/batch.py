"""`grade batch` beside what a class costs otherwise: processes, no walls at all, another grader.

Everything grades the same files, two at a time. Processor time is that of all processes, which others on the machine disturb less. `--peers` is the Python of an environment with numpy, gradescope-utils and
otter-grader; without it, those lines are left out.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import classes

HERE = Path(__file__).parent
PROCESSES = 100  # of them are enough to know what one takes

# What a process does that is no grader: numpy, the files, the calls of a grading, nothing compared; `--fork` makes a
# process of its own for each file when numpy is there.
BARE = """
import gc, os, pickle, sys, numpy
gc.freeze()
calls = pickle.load(open(sys.argv[1], "rb"))
functions = {}

def callable_of(text, constants):
    key = text, *constants.values()
    if key not in functions:
        functions[key] = eval("lambda z: " + text, {**vars(numpy), **constants})
    return functions[key]

def graded(path):
    names = {}
    try:
        exec(compile(open(path, "rb").read(), path, "exec"), names)
    except BaseException:
        return
    for function, (l, A, b, y, sigma, dsigma) in calls:
        try:
            names[function](l, list(A), list(b), list(y), callable_of(*sigma), callable_of(*dsigma))
        except BaseException:
            pass

for path in sys.argv[2:]:
    if path == "--fork":
        continue
    if sys.argv[2] != "--fork":
        graded(path)
    elif not (child := os.fork()):
        graded(path)
        os._exit(0)
    else:
        os.waitpid(child, 0)
"""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--right-only", action="store_true")
    options.add_argument("--peers")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = classes.make(folder / "class", chosen.count, right_only=chosen.right_only)
        calls = folder / "calls"
        subprocess.run([sys.executable, HERE / "batch.py", "--write-calls", calls], check=True)
        files = sorted(source.iterdir())
        some = files[:: max(1, len(files) // PROCESSES)][:PROCESSES]
        measured = {"a plain python process": two_at_a_time([[sys.executable, "-c", BARE, calls, f] for f in some])}
        measured["no process, no walls"] = two_at_a_time(
            [[sys.executable, "-c", BARE, calls, *files[n::2]] for n in range(2)], len(files)
        )
        measured["a fork each, no walls"] = two_at_a_time(
            [[sys.executable, "-c", BARE, calls, "--fork", *files[n::2]] for n in range(2)], len(files)
        )
        if chosen.peers:
            for name, script in (("gradescope-utils", "peer_gradescope.py"), ("otter-grader", "peer_otter.py")):
                measured[name] = two_at_a_time(
                    [[chosen.peers, HERE / script, file] for file in some[:: len(some) // 20 or 1]]
                )
        grade = [sys.executable, "-m", "grader", "batch", source, "--out", folder / "out", "--jobs", "2"]
        measured["grade batch --jobs 2"] = two_at_a_time([grade], len(files))
    ours = measured["grade batch --jobs 2"]
    print(f"{chosen.count} submissions, {'all right' if chosen.right_only else 'half of them right'}, two at a time")
    for name, cost in measured.items():
        print(
            f"{name:24} {1e3 * cost.seconds:8.2f} ms a submission {1 / cost.seconds:8.1f} a second   "
            f"{cost.seconds / ours.seconds:6.2f} x grade batch; {1e3 * cost.processor:8.2f} ms of processor time, "
            f"{cost.processor / ours.processor:6.2f} x"
        )


class Cost(NamedTuple):
    """Of a submission, in seconds: by the clock, and of processor time."""

    seconds: float
    processor: float


def two_at_a_time(commands: list[list[object]], count: int | None = None) -> Cost:
    started, before = time.monotonic(), processor_seconds()
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ), commands
            )
        )
    submissions = count or len(commands)
    return Cost((time.monotonic() - started) / submissions, (processor_seconds() - before) / submissions)


def processor_seconds() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_calls(path: Path) -> None:
    """The calls of one grading, as plain values."""
    import pickle

    from grader import assignments, grading

    calls = assignments.load("backprop").draw(1)
    plain = []
    for call in (*calls, *grading.repeated(calls)):
        l, A, b, y, *formulas = call.arguments
        plain.append((call.part.function, (l, A, b, y, *((f.text, f.constants) for f in formulas))))
    path.write_bytes(pickle.dumps(plain))


if __name__ == "__main__":
    write_calls(Path(sys.argv[2])) if sys.argv[1:2] == ["--write-calls"] else main()
