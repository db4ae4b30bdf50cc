"""The command as its user runs it: what goes where, exit codes, and the words of a refusal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typed
from conftest import ROOT

from grader import cli, rubric
from grader.assignments import backprop

EXAMPLES = ROOT / "submissions" / "backprop"
RIGHT = EXAMPLES / "right.py"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def surroundings(home, environment):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("GRADER_", "FORCE_", "NO_COLOR"))}
    return {**clean, "GRADER_HOME": str(home), "COLUMNS": "100", **environment}


@pytest.fixture(scope="module")
def grade(home):
    def _grade(*arguments, cwd=ROOT, **environment):
        return typed.ran(arguments, cwd, surroundings(home, environment))

    return _grade


@pytest.fixture(scope="module")
def process(home):
    """The command as a process: for what comes before the command line is read, or after it is done."""

    def _process(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "grader", *map(str, arguments)],
            capture_output=True, text=True, check=False, cwd=ROOT, env=surroundings(home, environment),
        )  # fmt: skip

    return _process


def document(ran):
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


# grade submit.


def test_a_report_in_the_terminal(process):
    ran = process("submit", RIGHT)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("right.py: 10 of 10 points\n")
    for part in ("a1", "a2", "a3", "a4", "b1", "b2"):
        assert f"✓  {part}  " in ran.stdout
    assert "sandbox zygote" in ran.stdout
    assert "\x1b" not in ran.stdout


def test_colour_where_it_is_wanted_and_not_where_it_is_not(grade):
    assert "\x1b[" in grade("submit", RIGHT, FORCE_COLOR="1", TERM="xterm").stdout
    assert "\x1b[3" not in grade("submit", RIGHT, FORCE_COLOR="1", TERM="xterm", NO_COLOR="1").stdout


def test_json_is_one_document(grade):
    report = document(grade("submit", RIGHT, "--json", "--student", "ada", "--seed", 7))
    assert (report["student"], report["seed"], report["points"], report["audience"]) == ("ada", 7, 10.0, "instructor")


def test_the_seed_is_the_installation_s_and_the_file_s(grade, tmp_path):
    first, again = (document(grade("submit", RIGHT, "--json"))["seed"] for _ in range(2))
    other = document(grade("submit", EXAMPLES / "transposed.py", "--json"))["seed"]
    elsewhere = document(grade("submit", RIGHT, "--json", GRADER_HOME=str(tmp_path)))["seed"]
    assert first == again
    assert len({first, other, elsewhere}) == 3


def test_a_seed_reproduces_the_report(grade):
    first, again = (document(grade("submit", EXAMPLES / "square_only.py", "--json", "--seed", 3)) for _ in range(2))
    first["seconds"] = again["seconds"] = 0
    assert first == again


@pytest.mark.parametrize(
    ("name", "points"),
    [("right", 10), ("sigma_prime_at_activation", 6.85), ("transposed", 9.6), ("square_only", 7), ("in_place", 6.5), ("endless", 8),
     ("order_swapped", 8.05), ("chain_too_short", 8.2), ("hostile", 8),
     ("syntax_error", 0)],
)  # fmt: skip
def test_the_examples_get_what_their_readme_says(grade, name, points):
    assert document(grade("submit", EXAMPLES / f"{name}.py", "--json"))["points"] == points
    assert f"`{name}.py`" in (EXAMPLES / "README.md").read_text()


def test_an_unreadable_file_is_told_once(grade):
    ran = grade("submit", EXAMPLES / "syntax_error.py")
    assert ran.returncode == 0
    assert ran.stdout.count("never closed") == 2  # the message, and the traceback's last line
    assert 'File "syntax_error.py", line 13' in ran.stdout


def test_a_submission_s_markup_is_not_obeyed(grade, tmp_path):
    (tmp_path / "[bold]x.py").write_text("print('[red]hi[/red] :smile:')\nraise ValueError('[link=x]')")
    ran = grade("submit", tmp_path / "[bold]x.py")
    assert "[bold]x.py: 0 of 10" in ran.stdout
    assert "[red]hi[/red] :smile:" in ran.stdout
    assert "ValueError: [link=x]" in ran.stdout


def test_long_outputs_are_cut_in_the_terminal_only(grade, tmp_path):
    (tmp_path / "long.py").write_text("for n in range(1000): print('line', n)")
    said = grade("submit", tmp_path / "long.py").stdout
    assert "line 39" in said
    assert "line 40" not in said
    assert "[960 more lines; --json has them]" in said
    assert document(grade("submit", tmp_path / "long.py", "--json"))["stdout"].count("\n") == 1000


HIDING = (ROOT / "rubrics" / "backprop.toml").read_text().replace("points = 3", "points = 3\nvisible = false")


def test_hidden_criteria_are_for_instructors(grade, tmp_path):
    (tmp_path / "hiding.toml").write_text(HIDING)
    said = grade("submit", RIGHT, "--rubric", tmp_path / "hiding.toml").stdout
    assert "7 of 7 points" in said
    assert "b2" not in said
    for audience, points in ((None, 10), ("instructor", 10), ("student", 7)):
        chosen = ["--audience", audience] if audience else []
        assert (
            document(grade("submit", RIGHT, "--rubric", tmp_path / "hiding.toml", "--json", *chosen))["points"]
            == points
        )
    shown = grade("submit", RIGHT, "--rubric", tmp_path / "hiding.toml", "--audience", "instructor").stdout
    assert "(hidden from students)" in shown
    assert "b2" not in grade("rubric", "show", tmp_path / "hiding.toml").stdout


def test_a_late_submission_is_told_so(grade, tmp_path):
    late = (
        HIDING.replace("visible = false", "") + "\n[late]\ndeadline = 2026-10-11T23:59:00+09:00\npercent_per_day = 10\n"
    )
    (tmp_path / "late.toml").write_text(late)
    ran = grade("submit", RIGHT, "--rubric", tmp_path / "late.toml", "--submitted", "2026-10-12T17:00:00+00:00")
    assert "Late by 1 d 2 h 1 min: 20% of each criterion lost." in ran.stdout
    assert "8 of 10 points" in ran.stdout


def test_a_rubric_of_the_working_folder_comes_first(grade, tmp_path):
    (tmp_path / "rubrics").mkdir()
    (tmp_path / "rubrics" / "mine.toml").write_text(HIDING)
    assert document(grade("submit", RIGHT, "--rubric", "mine", "--json", cwd=tmp_path))["max_points"] == 10.0


def test_a_rubric_of_the_working_folder_does_not_bring_code(grade, tmp_path):
    (tmp_path / "rubrics").mkdir()
    (tmp_path / "rubrics" / "backprop.toml").write_text(
        HIDING.replace('assignment = "backprop"', 'assignment = "own.py"')
    )
    (tmp_path / "rubrics" / "own.py").write_text("open('sprung', 'w')")
    refused(
        grade("submit", RIGHT, cwd=tmp_path), "found a Python file", "give its path: --rubric rubrics/backprop.toml"
    )
    assert not (tmp_path / "sprung").exists()


def test_a_page_and_a_file_for_gradescope_are_written_beside_the_report(grade, tmp_path):
    page, results = tmp_path / "report.html", tmp_path / "results.json"
    ran = grade("submit", EXAMPLES / "order_swapped.py", "--seed", 1, "--html", page, "--gradescope", results)
    assert ran.stdout.startswith("order_swapped.py: 8.05 of 10 points")
    assert "8.05 <span" in page.read_text()
    assert json.loads(results.read_text())["score"] == 8.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "results.json"]


def test_a_page_is_for_students_unless_somebody_else_is_named(grade, tmp_path):
    (tmp_path / "hiding.toml").write_text(HIDING)
    pages = {}
    for audience in ("", "student", "instructor"):
        pages[audience] = tmp_path / f"{audience}.html"
        options = ["--audience", audience] if audience else []
        ran = grade("submit", RIGHT, "--rubric", tmp_path / "hiding.toml", "--html", pages[audience], *options)
        assert ran.returncode == 0, ran.stderr
    told = {audience: "hidden from students" in page.read_text() for audience, page in pages.items()}
    assert told == {"": False, "student": False, "instructor": True}


@pytest.mark.parametrize("option", ["--html", "--gradescope"])
def test_where_nothing_can_be_written_is_told(grade, tmp_path, option):
    ran = grade("submit", RIGHT, option, tmp_path / "nowhere" / "file")
    refused(ran, f"{tmp_path}/nowhere/file: it cannot be written (no such file or directory); expected")


def test_no_file_is_lost_to_a_report(grade, tmp_path):
    submission, target = tmp_path / "mine.py", tmp_path / "target.html"
    submission.write_bytes(RIGHT.read_bytes())
    refused(grade("submit", submission, "--html", submission), "it is the submission itself; expected another file")
    refused(grade("submit", submission, "--html", tmp_path), "it is no regular file; expected a file to write to")
    refused(grade("submit", submission, "--gradescope", "/dev/null"), "/dev/null: it is no regular file")
    refused(grade("submit", submission, "--html", ""), "it is no regular file")
    refused(grade("submit", submission, "--html", target, "--gradescope", target), "it is named twice")
    assert submission.read_bytes() == RIGHT.read_bytes()
    (tmp_path / "link.html").symlink_to(target)
    assert grade("submit", submission, "--html", tmp_path / "link.html").returncode == 0
    assert (tmp_path / "link.html").is_symlink()
    assert "10 <span" in target.read_text()


def test_a_counterexample_in_the_terminal(grade):
    ran = grade("submit", EXAMPLES / "order_swapped.py", "--seed", 1)
    assert (
        "ask yourself: Does the slope of unit i belong to row i or to column i of the matrix? (S8: entry (i, j))"
        in (" ".join(ran.stdout.split()))
    )
    assert "points: 40% in spite of the mistake: order_swapped" in ran.stdout
    assert re.search(r"on which a4 is wrong *\n  widths 1-2-2-1, l = 2, σ\(z\) = z\^2, x = \(-3\) *\n", ran.stdout)
    assert re.search(r"8  -6 +8 +-12 +0 +6 ✗", ran.stdout)


def test_a_deadline_without_a_time_is_told_of(grade, tmp_path):
    late = HIDING + "\n[late]\ndeadline = 2026-10-11T23:59:00+09:00\npercent_per_day = 10\n"
    (tmp_path / "late.toml").write_text(late)
    ran = grade("submit", RIGHT, "--rubric", tmp_path / "late.toml", "--json")
    assert document(ran)["late"] is None
    assert "without --submitted nothing is late" in ran.stderr


# Refusals.


def refused(ran, *said):
    assert ran.returncode == 2, ran.stderr
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    for words in said:
        assert words in ran.stderr


def test_no_such_file(grade):
    refused(
        grade("submit", "nowhere.py"),
        "grade: nowhere.py: there is no such file; expected a Python file; correct the path",
    )


def test_a_folder(grade):
    refused(
        grade("submit", EXAMPLES), f"grade: {EXAMPLES}: it is a folder; expected a Python file; name the file in it"
    )


def test_a_file_that_is_too_large(grade, tmp_path):
    (tmp_path / "large.py").write_bytes(b"#" * 1_000_001)
    refused(
        grade("submit", tmp_path / "large.py"),
        "it is larger than 1 MB; expected some kilobytes of Python; take the data out of it",
    )
    (tmp_path / "large.py").write_bytes(b"#" * 1_000_000)
    assert grade("submit", tmp_path / "large.py").returncode == 0


def test_what_is_no_regular_file(grade, tmp_path):
    refused(
        grade("submit", "/dev/zero"), "/dev/zero: it is no regular file; expected a Python file; save it as one first"
    )
    os.mkfifo(tmp_path / "pipe.py")
    refused(grade("submit", tmp_path / "pipe.py"), "it is no regular file")


def test_a_name_that_no_file_can_have(grade):
    refused(grade("submit", "x" * 5000 + ".py"), "it cannot be read (file name too long)")


def test_a_student_s_id_may_be_any_bytes(process):
    assert document(process("submit", RIGHT, "--json", "--student", "a\udcffb"))["student"] == "ab"
    assert process("submit", RIGHT, "--student", "ada").stdout.startswith("right.py (ada): 10 of 10 points")


def test_a_terminal_without_our_letters(process):
    plain = {"PYTHONIOENCODING": "ascii"}
    assert "\\u2713" in process("submit", RIGHT, **plain).stdout
    assert document(process("submit", RIGHT, "--json", **plain))["criteria"][0]["title"] == "∂y_L/∂b_L"


def shell(command, home, **options):
    environment = {**os.environ, "GRADER_HOME": str(home)}
    command = command.replace("grade ", f"{sys.executable} -m grader ")
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, **options
    )


def test_an_output_that_is_closed_full_or_no_longer_read(home):
    for command in ("grade submit submissions/backprop/right.py", "grade rubric schema", "grade starter backprop"):
        for options in ("", " --json") if "submit" in command else ("",):
            closed = shell(f"{command}{options} >&-", home)
            assert (closed.returncode, closed.stderr) == (0, "")
        left = shell(f"{command} | true; exit ${{PIPESTATUS[0]}}", home)
        assert (left.returncode, left.stderr) == (0, "")
        full = shell(f"{command} > /dev/full", home)
        assert full.returncode == 3
        assert "the output: it cannot be written (No space left on device)" in full.stderr


def prepared(process):
    """Wait until the command catches signals: before that, Python itself answers them."""
    caught, until = 0, time.monotonic() + 60
    while not caught >> signal.SIGHUP - 1 & 1:  # the last one that it sees to
        assert time.monotonic() < until
        time.sleep(0.01)
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(re.search(r"^SigCgt:\t(\w+)$", status, re.MULTILINE)[1], 16)


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
@pytest.mark.parametrize("after", [0, 1.5])
def test_an_interrupted_grading_leaves_nothing(home, tmp_path, ending, code, after):
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(60)")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "GRADER_HOME": str(home), "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "grader", "submit", tmp_path / "sleeps.py"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as grading:
        prepared(grading)
        time.sleep(after)  # while the command is imported, and in the middle of a call
        grading.send_signal(ending)
        _, said = grading.communicate(timeout=60)
    assert grading.returncode == code
    assert b"Error" not in said
    assert list(temporary.iterdir()) == []


def test_being_interrupted_twice_is_no_worse(home, tmp_path):
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(60)")
    command = [sys.executable, "-m", "grader", "submit", tmp_path / "sleeps.py"]
    with subprocess.Popen(command, env={**os.environ, "GRADER_HOME": str(home)}, stderr=subprocess.PIPE) as grading:
        prepared(grading)
        time.sleep(1.5)
        for _ in range(5):
            grading.send_signal(signal.SIGINT)
            time.sleep(0.01)
        _, said = grading.communicate(timeout=60)
    assert grading.returncode == 130
    assert b"Traceback" not in said


def test_a_machine_without_room_for_a_child_is_our_fault(home, tmp_path):
    ran = shell("ulimit -n 9; grade submit submissions/backprop/right.py", home)
    assert ran.returncode == 3, ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_last_of_two_sandboxes_counts(process):
    refused(process("submit", RIGHT, "--sandbox", "unconfined", "--sandbox", "bogus"), "sandbox 'bogus'")


def test_markup_in_a_rubric_is_shown_as_it_is(grade, tmp_path):
    text = (ROOT / "rubrics" / "backprop.toml").read_text()
    (tmp_path / "r.toml").write_text(text.replace('title = "Backprop', 'title = "[l] :smile: [/red] Backprop'))
    assert "[l] :smile: [/red] Backprop" in grade("rubric", "show", tmp_path / "r.toml").stdout


def test_a_file_that_cannot_be_opened(grade, tmp_path):
    (tmp_path / "loop.py").symlink_to("loop.py")
    refused(grade("submit", tmp_path / "loop.py"), "it cannot be read (", "expected a Python file; mend that")


@pytest.mark.parametrize("time", ["yesterday", "2026-10-11T22:15:00"])
def test_a_time_without_its_zone(grade, time):
    refused(
        grade("submit", RIGHT, "--submitted", time),
        f"--submitted: found '{time}'; expected a date and time with its zone",
    )


def test_an_unknown_sandbox(process):
    refused(
        process("submit", RIGHT, "--sandbox", "unconfind"),
        "sandbox 'unconfind': there is none of this name",
        "did you mean 'unconfined'?",
    )
    refused(
        process("submit", RIGHT, GRADER_SANDBOX="docker"), "sandbox 'docker'", "leave --sandbox out for the default"
    )


def test_an_unknown_rubric(grade):
    refused(
        grade("submit", RIGHT, "--rubric", "backprob"), "rubric 'backprob': there is none", "did you mean 'backprop'?"
    )
    refused(grade("submit", RIGHT, "--rubric", "x/y.toml"), "rubric x/y.toml: no such file or directory")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("", "x = = 1\n"), "broken.toml:1: it is not TOML"),
        (('assignment = "backprop"', 'assignment = "sorting"'), "broken.toml:4: assignment: assignment 'sorting': there is none of this name; expected one of: backprop"),
        (('function = "dy_db"', 'function = "dy_dz"'), "criteria[0].function: found 'dy_dz'; expected one of: dy_db, dy_dyprev, dyL_dA"),
        (('id = "a1"', 'id = "c1"'), "criteria[0].id: found 'c1'; expected one of: a1, a2"),
    ],
)  # fmt: skip
def test_a_broken_rubric(grade, tmp_path, change, said):
    old, new = change
    text = (ROOT / "rubrics" / "backprop.toml").read_text()
    (tmp_path / "broken.toml").write_text(text.replace(old, new, 1) if old else new + text)
    refused(grade("submit", RIGHT, "--rubric", tmp_path / "broken.toml"), said)
    refused(grade("rubric", "check", tmp_path / "broken.toml"), said)


@pytest.mark.parametrize(
    "arguments",
    [["submit"], ["submit", RIGHT, "--nonsense"], ["nonsense"], ["starter"], ["submit", RIGHT, "--seed", "-1"]],
)
def test_usage(grade, arguments):
    assert grade(*arguments).returncode == 2


def test_an_unknown_assignment(grade):
    refused(
        grade("starter", "backprob"), "assignment 'backprob': there is none of this name", "did you mean 'backprop'?"
    )
    refused(grade("verify", "backprob"), "did you mean 'backprop'?")


def test_a_fault_of_the_grader_is_3_and_no_report(process, tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0o600)
    ran = process("submit", RIGHT, GRADER_HOME=str(tmp_path))
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "found 1 bytes; expected 32" in ran.stderr


def test_a_defect_of_the_grader_is_told_as_one(monkeypatch, capsys):
    def broken(*arguments):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli.rubric.grading.rubrics, "find", broken)
    monkeypatch.setattr(sys, "argv", ["grade", "rubric", "check"])
    assert cli.run() == 3
    assert "a fault of the grader's own, not of the submission: ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.setenv("GRADER_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli.run()


# The other commands.


def test_starter(grade):
    ran = grade("starter", "backprop")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, backprop.STARTER, "")


def test_verify(grade):
    ran = grade("verify", "backprop")
    assert ran.returncode == 0
    assert ran.stdout.count("identically zero") == 6
    assert ran.stdout.count("agrees") == 18
    assert ran.stdout.count("refuted") == 7


def test_rubric_check(grade):
    ran = grade("rubric", "check")
    assert ran.stdout == "rubrics/backprop.toml: good: 6 criteria of assignment backprop, 10 points\n"


def test_rubric_show(grade):
    said = grade("rubric", "show").stdout
    for criterion in rubric.read(ROOT / "rubrics" / "backprop.toml").criteria:
        assert criterion.title in said
    assert "10 points in all" in said


def test_rubric_schema(grade):
    assert json.loads(grade("rubric", "schema").stdout) == json.loads(
        (ROOT / "rubrics" / "rubric.schema.json").read_text()
    )


def test_help_and_version(grade):
    assert grade("--version").stdout.startswith("grade ")
    for command in ((), ("submit",), ("starter",), ("verify",), ("rubric",), ("rubric", "check")):
        ran = grade(*command, "--help")
        assert ran.returncode == 0
        assert "Usage: " in ran.stdout


def test_the_child_started_early_does_not_outlive_a_refusal(process, tmp_path):
    assert process("submit", "nowhere.py", TMPDIR=str(tmp_path)).returncode == 2
    assert list(tmp_path.iterdir()) == []
