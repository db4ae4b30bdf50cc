"""The whole time of `grade submit`, as a ratio to `python -c "import numpy"` in the same run.

    .venv/bin/python tests/benchmarks/startup.py [--runs N]

The two commands take turns; the ratio is that of their medians.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).parent.parent.parent
COMMANDS = {
    "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
    "grade submit right.py": [str(Path(sys.executable).with_name("grade")), "submit", "submissions/backprop/right.py"],
    "grade submit right.py --json": [
        str(Path(sys.executable).with_name("grade")), "submit", "submissions/backprop/right.py", "--json",
    ],
}  # fmt: skip


def seconds(command: list[str], environment: dict[str, str]) -> float:
    started = perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - started


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "GRADER_HOME": home}
        for run in range(runs + 1):  # the first fills the caches and is not counted
            for name, command in COMMANDS.items():
                took = seconds(command, environment)
                if run:
                    times[name].append(took)
    base = median(times["python -c 'import numpy'"])
    for name, taken in times.items():
        print(f"{name:30} median {median(taken):.3f} s, fastest {min(taken):.3f} s, ratio {median(taken) / base:.2f}")


if __name__ == "__main__":
    main()
