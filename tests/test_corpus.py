"""The grade is true: every solution of the corpus gets the verdict it is known to deserve, on ten seeds."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import solutions

from grader import grading
from grader.values import Submission

SEEDS = range(10)
CORPUS = solutions()


@pytest.fixture(scope="module")
def reports(backprop, default_rubric, walls):
    """Every solution graded on every seed, by as many threads as there are cores."""

    def grade(task):
        solution, seed = task
        submission = Submission(solution.path.name, solution.path.read_bytes())
        return grading.grade(submission, backprop, default_rubric, seed=seed, sandbox=walls)

    tasks = [(solution, seed) for solution in CORPUS for seed in SEEDS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        graded = list(pool.map(grade, tasks))
    gathered = {solution.path: [] for solution in CORPUS}
    for (solution, _), report in zip(tasks, graded, strict=True):
        gathered[solution.path].append(report)
    return gathered


@pytest.mark.parametrize("solution", CORPUS, ids=lambda solution: solution.path.parent.name)
def test_every_part_gets_the_verdict_it_deserves(solution, reports):
    for report in reports[solution.path]:
        found = {criterion.id: criterion.verdict == "right" for criterion in report.criteria}
        flagged = {criterion.id: "finite_differences" in criterion.flags for criterion in report.criteria}
        if solution.finite_differences:
            assert all(found.values())
            assert all(flagged.values())
        else:
            assert found == solution.parts
            assert not any(flagged.values())


# Two mistakes that are one formula: a row flattened into a column is the row laid out as a column.
SYNONYMS = {("flattened", "b1"): "gradient_layout"}


@pytest.mark.parametrize("solution", CORPUS, ids=lambda solution: solution.path.parent.name)
def test_every_wrong_part_is_named_rightly_and_nothing_else_is_named(solution, reports):
    for report in reports[solution.path]:
        for criterion in report.criteria:
            known = None if criterion.verdict == "right" else solution.misconception
            assert criterion.misconception == SYNONYMS.get((known, criterion.id), known), criterion.id


@pytest.mark.parametrize("solution", CORPUS, ids=lambda solution: solution.path.parent.name)
def test_every_wrong_value_has_a_counterexample(solution, reports):
    for criterion in (criterion for report in reports[solution.path] for criterion in report.criteria):
        shown = criterion.counterexample
        assert shown is not None or criterion.verdict != "wrong"
        if shown is not None:
            assert criterion.verdict != "right"
            assert shown.yours != shown.right


def test_the_corpus_is_whole():
    assert sum(solution.right for solution in CORPUS) == 20
    assert len(CORPUS) == 94
    assert not any(set(solution.parts) != {"a1", "a2", "a3", "a4", "b1", "b2"} for solution in CORPUS)
