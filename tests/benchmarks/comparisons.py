"""Right answers compared, over seeds and styles: none may be rejected.

    .venv/bin/python tests/benchmarks/comparisons.py [--seeds N]

The answers of every right solution of the corpus are made behind the walls, one run a solution; each is
compared with the reference. 80 seeds and 20 styles are 100,800 comparisons.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from conftest import Solution, solutions

from grader import assignments, engine, judge, sandbox
from grader.values import Limits, Submission

PATIENT = Limits(submission_seconds=600.0)


def verdicts(solution: Solution, seeds: int) -> Counter[str]:
    """How often each verdict was given to a solution over these many seeds."""
    assignment = assignments.load("backprop")
    calls = [call for seed in range(seeds) for call in assignment.draw(seed)]
    walls = sandbox.start(sandbox.DEFAULT)
    run = engine.run(walls, Submission("a.py", solution.path.read_bytes()), calls, assignment.SIGNATURE, PATIENT)
    walls.close()
    return Counter(
        judge.judge(call, run.outcomes[n], assignment.reference(call), 1e-5).kind for n, call in enumerate(calls)
    )


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--seeds", type=int, default=80)
    seeds = parser.parse_args().seeds
    total: Counter[str] = Counter()
    for solution in solutions():
        if solution.right:
            total += verdicts(solution, seeds)
            print(
                f"{solution.path.parent.name:28} {sum(total.values()):7} compared, {sum(total.values()) - total['right']} rejected"
            )
    sys.exit(total.keys() != {"right"})


if __name__ == "__main__":
    main()
