"""Which networks catch which wrong answers, and how far right answers are from the tolerance.

    .venv/bin/python tests/benchmarks/kill_matrix.py [--seed N]

One line a wrong (solution, part) pair: the networks that catch it, of the eight, smallest first (x: caught,
.: the part is right there, -: the part does not occur there). Then every right solution's worst error.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from conftest import ROOT, Solution, solutions

from grader import assignments, engine, grading, judge, rubric, sandbox
from grader.assignments.backprop import SHAPES
from grader.values import Submission, Verdict

# Appended to a solution, it makes every call with inputs in single precision.
IN_SINGLE_PRECISION = b"""

def _in_single_precision(function):
    def called(l, A, b, y, sigma, dsigma):
        A, b, y = ([None if v is None else v.astype("f4") for v in values] for values in (A, b, y))
        return function(l, A, b, y, sigma, dsigma)
    return called


dy_db, dy_dyprev, dyL_dA = map(_in_single_precision, (dy_db, dy_dyprev, dyL_dA))
"""


def judged(solution: Solution, seed: int, appended: bytes = b"") -> list[tuple[str, str, Verdict]]:
    """Part, widths and verdict of every call of one solution."""
    assignment = assignments.load("backprop")
    grading_rubric = rubric.read(ROOT / "rubrics" / "backprop.toml")
    calls = grading.plan(assignment, grading_rubric, seed)
    submission = Submission("solution.py", solution.path.read_bytes() + appended)
    walls = sandbox.start(sandbox.DEFAULT)
    run = engine.run(walls, submission, calls, assignment.SIGNATURE, grading_rubric.execution_limits())
    walls.close()
    return [
        (
            call.part.id,
            call.place.rpartition(" ")[2],
            judge.judge(call, run.outcomes[n], assignment.reference(call), 1e-5),
        )
        for n, call in enumerate(calls)
        if n in run.outcomes
    ]


def kills(solution: Solution, seed: int) -> dict[str, dict[str, bool]]:
    """For each part that is wrong, for each widths whether it was caught there."""
    caught: dict[str, dict[str, bool]] = defaultdict(dict)
    for part, widths, verdict in judged(solution, seed):
        if not solution.parts[part]:
            caught[part][widths] = caught[part].get(widths, False) or verdict.kind != "right"
    return caught


def worst_error(solution: Solution, seed: int, appended: bytes = b"") -> float:
    errors = [verdict.error for _, _, verdict in judged(solution, seed, appended)]
    return max(float("inf") if error is None else error for error in errors)


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    widths = ["-".join(map(str, shape)) for shape in SHAPES]
    corpus = [solution for solution in solutions() if not solution.finite_differences]
    print("networks:", "  ".join(widths))
    least, pairs = len(widths), 0
    for solution in corpus:
        for part, caught in kills(solution, seed).items():
            marks = "".join("-" if w not in caught else "x" if caught[w] else "." for w in widths)
            print(f"{solution.path.parent.name:34} {part}  {marks}  {sum(caught.values())}")
            least, pairs = min(least, sum(caught.values())), pairs + 1
    print(f"{pairs} wrong pairs, each caught by at least {least} networks\n")
    print(f"{'worst error, and the tolerance over it':34} {'float64':>16} {'float32':>16}")
    for solution in corpus:
        if solution.right:
            errors = (worst_error(solution, seed), worst_error(solution, seed, IN_SINGLE_PRECISION))
            told = "".join(f" {error:8.0e} {1e-5 / max(error, 1e-17):7.0e}" for error in errors)
            print(f"{solution.path.parent.name:34}{told}")


if __name__ == "__main__":
    main()
