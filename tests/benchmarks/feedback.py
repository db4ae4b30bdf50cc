"""What is said of the corpus's wrong solutions: names, counterexamples, and what they cost.

    .venv/bin/python tests/benchmarks/feedback.py [--seeds N]

For each known mistake, which name its wrong parts get; then the counterexamples' sizes; then the time of grading with and without
explanations, of wrong and of right solutions, in turns in one run.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from grader import assignments, explanation, grading, sandbox
from grader import rubric as rubrics
from grader.values import Submission

if TYPE_CHECKING:
    from grader.report import Report

ROOT = Path(__file__).parent.parent.parent
SOLUTIONS = ROOT / "tests" / "data" / "solutions"
BACKPROP = assignments.load("backprop")
RUBRIC = rubrics.read(ROOT / "rubrics" / "backprop.toml")
UNEXPLAINED = ("missing", "timeout", "crash", "exit", "memory", "forbidden", "output", "protocol")


def corpus(kind: str) -> list[tuple[Submission, dict[str, Any]]]:
    found = []
    for expected in sorted((SOLUTIONS / kind).glob("*/expected.json")):
        source = (expected.parent / "solution.py").read_bytes()
        found.append((Submission(f"{expected.parent.name}.py", source), json.loads(expected.read_text())))
    return found


def graded(submission: Submission, walls: sandbox.Sandbox, seed: int) -> Report:
    return grading.grade(submission, BACKPROP, RUBRIC, seed=seed, sandbox=walls)


def confusion(walls: sandbox.Sandbox, seeds: int) -> dict[tuple[str, str], Counter[str]]:
    """By known mistake and part, the names it was given."""
    table: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for submission, known in corpus("wrong"):
        for seed in range(seeds):
            for criterion in graded(submission, walls, seed).criteria:
                if not known["parts"][criterion.id]:
                    name = (
                        "finite_differences"
                        if "finite_differences" in criterion.flags
                        else str(criterion.misconception)
                    )
                    table[str(known["misconception"]), f"{submission.name} {criterion.id}"][name] += 1
    for submission, _ in corpus("correct"):
        for criterion in graded(submission, walls, 0).criteria:
            table["right", f"{submission.name} {criterion.id}"][str(criterion.misconception)] += 1
    return table


def entries(value: Any) -> int:
    return sum(map(entries, value)) if isinstance(value, list) else 1


def seconds(work: Any) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def costs(walls: sandbox.Sandbox, kind: str) -> tuple[float, float]:
    """Median seconds of a grading without and with explanations, in turns."""
    explain = explanation.explain
    taken: dict[bool, list[float]] = {False: [], True: []}
    for submission, _ in corpus(kind):
        for explained in (False, True) * 3:
            explanation.explain = explain if explained else lambda task, judged: {}
            taken[explained].append(seconds(lambda: graded(submission, walls, 0)))  # noqa: B023 called at once
    explanation.explain = explain
    return median(taken[False]), median(taken[True])


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    with closing(sandbox.start("zygote")) as walls:
        table = confusion(walls, seeds)
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        for (known, _), names in table.items():
            sums[known] += names
        for known, names in sorted(sums.items()):
            print(f"{known:32}", ", ".join(f"{name} {count}" for name, count in names.most_common()))
        for (known, where), names in table.items():
            if set(names) != {"None" if known == "right" else known}:
                print(f"  not named so: {known:28} {where:40}", dict(names))
        shown = [
            criterion
            for submission, known in corpus("wrong")
            for criterion in graded(submission, walls, 0).criteria
            if criterion.verdict in ("wrong", "wrong_shape", "not_finite", "exception")
        ]
        sizes = [
            entries([c.counterexample.model_dump()[key] for key in ("x", "A", "b")]) for c in shown if c.counterexample
        ]
        values = [c for c in shown if c.verdict == "wrong"]
        print(f"{len(values)} wrong by value, {sum(c.counterexample is None for c in values)} without a counterexample")
        print(f"{len(sizes)} counterexamples: {median(sizes):g} numbers in the median, {max(sizes)} at most")
        integer = sum(c.counterexample is not None and c.counterexample.model_dump()["sigma"] == "z**2" for c in shown)
        print(f"{integer} with integers, {len(sizes) - integer} with decimals")
        for kind in ("correct", "wrong"):
            without, with_ = costs(walls, kind)
            print(
                f"{kind:8} {1000 * without:6.1f} ms without, {1000 * with_:6.1f} ms with explanations, {with_ / without:.2f} x"
            )


if __name__ == "__main__":
    main()
