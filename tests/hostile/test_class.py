"""A class with attackers in it: each ends in their own report, and every honest student's is what it would be without them."""

from __future__ import annotations

import pytest
from conftest import ROOT

from grader import batch, grading, journal
from grader.report import Report

from .attacks import FOLDER, is_as_expected
from .remains import at_rest, settled

ATTACKS = (
    "fork_bomb_2", "cpu_spin", "memory_bomb_np", "mem_50gb", "print_1gb", "kill_1_9", "recursion_c", "loop_import",
    "close_stdout_print", "read_secret", "wreck_numpy_in_place", "object_array_pickle_bomb",
)  # fmt: skip
HONEST = sorted((ROOT / "submissions" / "backprop").glob("*.py"))


@pytest.fixture
def rubric(tmp_path):
    text = (ROOT / "rubrics" / "backprop.toml").read_text()
    for known, changed in (
        ("[partial_credit]\nenabled = true", "[partial_credit]\nenabled = false"),
        ("call_seconds = 2.0", "call_seconds = 1.0"),
        ("submission_seconds = 10.0", "submission_seconds = 4.5"),
    ):
        assert known in text
        text = text.replace(known, changed)
    (tmp_path / "impatient.toml").write_text(text)
    return grading.load(str(tmp_path / "impatient.toml"))


def graded(source, out, rubric):
    batch.run(batch.Plan(source, out, *rubric, "zygote", 2))
    lines = (out / journal.JOURNAL).read_text().splitlines()
    reports = [Report.model_validate_json(line).model_copy(update={"seconds": 0.0}) for line in lines]
    return {report.student: report for report in reports}


def test_attackers_harm_nobody_but_themselves(tmp_path, rubric):
    names = [name for name in ATTACKS if (FOLDER / f"{name}.py").exists()]
    assert len(names) >= 10
    source = tmp_path / "class"
    source.mkdir()
    for n, path in enumerate(path for path in HONEST if path.stem != "endless"):
        (source / f"honest{n}.py").write_bytes(path.read_bytes())
    alone = graded(source, tmp_path / "alone", rubric)
    for name in names:
        (source / f"{name}.py").write_bytes((FOLDER / f"{name}.py").read_bytes())
    before = at_rest()
    together = graded(source, tmp_path / "together", rubric)
    assert {student: together[student] for student in alone} == alone
    assert set(together) == set(alone) | set(names)
    assert [name for name in names if not is_as_expected(together[name], name)] == []
    assert settled(before) == before
