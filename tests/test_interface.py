"""The grader from Python does what the command does."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from itertools import count, islice

import pytest
from conftest import ROOT

import grader
from grader import grade, grade_many
from grader.errors import UsageError
from grader.values import Submission

EXAMPLES = ROOT / "submissions" / "backprop"
RIGHT = EXAMPLES / "right.py"


def test_one_file_is_graded():
    report = grade(RIGHT, student="ada", seed=7)
    assert (report.points, report.student, report.seed, report.audience) == (10, "ada", 7, "instructor")
    assert grade(str(RIGHT)).points == 10
    assert grade(Submission("x.py", b"x = 1")).points == 0


def test_lateness_and_another_rubric_are_heeded(tmp_path):
    text = (ROOT / "rubrics" / "backprop.toml").read_text()
    (tmp_path / "late.toml").write_text(text + "\n[late]\ndeadline = 2026-10-10T12:00:00Z\npercent_per_day = 10\n")
    report = grade(RIGHT, rubric=str(tmp_path / "late.toml"), submitted=datetime(2026, 10, 10, 13, tzinfo=UTC))
    assert report.points == 9


def test_what_cannot_be_graded_is_told(tmp_path):
    with pytest.raises(UsageError, match="there is no such file"):
        grade(tmp_path / "none.py")
    with pytest.raises(UsageError, match="it is not there"):
        grade_many(tmp_path / "none")
    with pytest.raises(UsageError, match="rubric 'none'"):
        grade(RIGHT, rubric="none")


def test_a_folder_is_graded_before_it_returns_and_comes_in_order(tmp_path):
    source = tmp_path / "class"
    source.mkdir()
    for name in ("bob", "ada"):
        (source / f"{name}.py").write_bytes(RIGHT.read_bytes())
    reports = grade_many(source, out=tmp_path / "out", jobs=1)
    assert (tmp_path / "out" / "grades.csv").exists()
    assert [report.student for report in reports] == ["ada", "bob"]
    assert [report.student for report in grade_many(source, jobs=1)] == ["ada", "bob"]


def test_files_are_graded_as_they_are_asked_for():
    asked = []

    def files():
        for n in count():
            asked.append(n)
            yield Submission(f"{n}.py", RIGHT.read_bytes() + b"# %d" % n, str(n))

    reports = list(islice(grade_many(files(), jobs=1), 5))
    assert [report.student for report in reports] == ["0", "1", "2", "3", "4"]
    assert len(asked) < 40


def test_several_processes_grade_files_too():
    reports = list(grade_many([RIGHT, EXAMPLES / "order_swapped.py"], jobs=2))
    assert sorted((report.submission.name, float(report.points)) for report in reports) == [
        ("order_swapped.py", 8.05), ("right.py", 10.0),
    ]  # fmt: skip


def test_the_package_has_no_other_names_and_imports_nothing_before_it_is_asked():
    code = "import grader, sys; print(sorted(m for m in sys.modules if m.startswith(('grader.', 'numpy', 'pydantic'))))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = grader.nothing
