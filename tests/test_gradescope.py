"""What Gradescope is handed: a file of its format, nothing hidden told, and scripts that make it in its folders."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT

from grader.render import gradescope
from grader.rubric import Feedback, Late, Rubric

SCHEMA = json.loads((Path(__file__).parent / "data" / "gradescope.schema.json").read_text())
EXAMPLES = ROOT / "submissions" / "backprop"


def changed(rubric, **tables):
    return Rubric.model_construct(**{**dict(rubric), **tables})


def results(report):
    document = json.loads(gradescope.results(report))
    jsonschema.validate(document, SCHEMA)
    return document


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "endless.py"))
def test_every_example_gives_a_file_of_the_format(example, grade):
    report = grade((EXAMPLES / example).read_bytes(), name=example)
    document = results(report)
    assert document["score"] == float(report.points)
    assert sum(test["score"] for test in document["tests"]) == pytest.approx(document["score"])
    assert [test["status"] for test in document["tests"]] == [
        "passed" if criterion.verdict == "right" else "failed" for criterion in report.criteria
    ]


def test_the_schema_is_strict():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"tests": [{"status": "skipped"}]}, SCHEMA)


def test_a_hidden_criterion_is_a_hidden_test_that_counts(grade, default_rubric):
    criteria = tuple(c.model_copy(update={"visible": c.id != "b2"}) for c in default_rubric.criteria)
    document = results(
        grade((EXAMPLES / "order_swapped.py").read_bytes(), rubric=changed(default_rubric, criteria=criteria))
    )
    by_number = {test["number"]: test for test in document["tests"]}
    assert by_number["b2"]["visibility"] == "hidden"
    assert {test["visibility"] for number, test in by_number.items() if number != "b2"} == {"visible"}
    assert document["score"] == pytest.approx(sum(test["score"] for test in document["tests"]))


def test_what_is_printed_while_a_hidden_criterion_is_graded_is_not_shown(grade, default_rubric):
    criteria = tuple(c.model_copy(update={"visible": c.id != "a3"}) for c in default_rubric.criteria)
    source = "def dy_db(l, A, *rest):\n    print('hidden' if l < len(A) - 1 else 'shown')\n"
    output = results(grade(source, rubric=changed(default_rubric, criteria=criteria)))["output"]
    assert "shown" in output
    assert "hidden" not in output


def test_without_hints_there_are_none(grade, default_rubric):
    rubric = changed(default_rubric, feedback=Feedback(hints=False, counterexamples=False))
    document = results(grade((EXAMPLES / "order_swapped.py").read_bytes(), rubric=rubric))
    told = "".join(test["output"] for test in document["tests"]) + document["output"]
    assert "order_swapped" not in told
    assert "Ask yourself" not in told
    assert "smallest network" not in told


def test_lateness_is_told(grade, default_rubric):
    from datetime import UTC, datetime, timedelta
    from decimal import Decimal

    now = datetime.now(UTC)
    rubric = changed(default_rubric, late=Late(deadline=now - timedelta(hours=3), percent_per_day=Decimal(10)))
    assert "10% of each criterion lost" in results(grade("", rubric=rubric, submitted=now))["output"]


# The scripts, in folders as Gradescope's.


@pytest.fixture
def container(tmp_path):
    """What Gradescope lays out, with this repository as it stands in place of a clone."""
    for folder in ("source", "submission", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "source" / "grader").symlink_to(ROOT)
    due = {"created_at": "2020-01-01T00:00:00-04:00"}  # another of this name, and all on one line
    metadata = {"assignment": due, "created_at": "2026-10-10T23:40:02.365935-04:00", "users": []}
    (tmp_path / "submission_metadata.json").write_text(json.dumps(metadata))
    return tmp_path


def run(script, container, **variables):
    environment = {**os.environ, "AUTOGRADER": str(container), "GRADER_HOME": str(container / "home"), **variables}
    script = ROOT / "docs" / "gradescope" / script
    return subprocess.run([script], env=environment, capture_output=True, text=True, check=False)


def test_the_scripts_set_up_and_grade(container):
    built = run("setup.sh", container)
    assert built.returncode == 0, built.stderr
    assert "sandbox      zygote: runs" in built.stdout
    shutil.copy(EXAMPLES / "order_swapped.py", container / "submission")
    ran = run("run_autograder", container)
    assert (ran.returncode, ran.stderr) == (0, "")
    document = json.loads((container / "results" / "results.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["score"] == 8.05


def test_the_time_of_the_submission_is_gradescope_s(container):
    late = "\n[late]\ndeadline = 2026-10-10T23:00:00-04:00\npercent_per_day = 20\n"
    (container / "late.toml").write_text((ROOT / "rubrics" / "backprop.toml").read_text() + late)
    shutil.copy(EXAMPLES / "right.py", container / "submission")
    assert run("run_autograder", container, RUBRIC=str(container / "late.toml")).returncode == 0
    assert json.loads((container / "results" / "results.json").read_text())["score"] == 8.0


def test_without_its_time_a_submission_is_in_time(container):
    (container / "submission_metadata.json").unlink()
    shutil.copy(EXAMPLES / "right.py", container / "submission")
    assert run("run_autograder", container).returncode == 0
    assert json.loads((container / "results" / "results.json").read_text())["score"] == 10.0


def test_a_link_is_not_followed_and_a_large_file_is_told_so(container):
    (container / "submission" / "l.py").symlink_to("/etc/passwd")
    assert run("run_autograder", container).returncode == 0
    assert "No Python file" in (container / "results" / "results.json").read_text()
    (container / "submission" / "LARGE.PY").write_text("#" * 1_200_000)
    assert run("run_autograder", container).returncode == 0
    assert "larger than 1 MB" in (container / "results" / "results.json").read_text()


@pytest.mark.parametrize(
    ("files", "said"), [([], "No Python file"), (["a.py", "b.py"], "2 Python files were submitted")]
)
def test_a_submission_that_is_not_one_file_is_told_so(container, files, said):
    for name in files:
        (container / "submission" / name).write_text("x = 1")
    assert run("run_autograder", container).returncode == 0
    document = json.loads((container / "results" / "results.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["output"].startswith(said)


def test_a_fault_of_the_grader_writes_no_results(container):
    (container / "submission" / "a.py").write_text("x = 1")
    (container / "home").write_text("no folder, so no secret either")
    ran = run("run_autograder", container)
    assert ran.returncode == 3
    assert list((container / "results").iterdir()) == []
