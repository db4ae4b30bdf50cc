"""`grade export` as it is typed: the guide's commands, what is printed, and what is refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil

import pytest
import typed
from conftest import ROOT
from platforms import canvas as canvases
from platforms import lti as ltis
from platforms import moodle as moodles
from test_export import SAMPLES

from grader import batch, grading, lms

GUIDE = (ROOT / "docs" / "gradebooks.md").read_text()
ALL = re.findall(r"^    grade (export .+)$", GUIDE, re.MULTILINE)
COMMANDS, LIVE = [one for one in ALL if "--at" not in one], [one for one in ALL if "--at" in one]
SOLUTIONS = {"000123": "right.py", "000124": "sigma_prime_at_activation.py", "000125": "right.py"}
ROSTER = "id,name,email\n000123,Ana,ana@x.edu\n000124,Seán,sean@x.edu\n000125,Li,li@x.edu\n000126,Łucja,lucja@x.edu\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what the guide speaks of: two batches, and a gradebook of each platform."""
    desk = tmp_path_factory.mktemp("desk")
    (desk / "class").mkdir()
    for key, name in SOLUTIONS.items():
        shutil.copy(ROOT / "submissions" / "backprop" / name, desk / "class" / f"{key}.py")
    (desk / "roster.csv").write_text(ROSTER)
    loaded = grading.load(str(ROOT / "rubrics" / "backprop.toml"))
    batch.run(batch.Plan(desk / "class", desk / "graded", *loaded, "zygote", 1, desk / "roster.csv"))
    moodle = SAMPLES / "moodle" / "submissions_folders.zip"
    batch.run(batch.Plan(moodle, desk / "graded-of-moodle", *loaded, "zygote", 1))
    for name, sample in {
        "canvas.csv": "canvas/gradebook_export.csv", "moodle.csv": "moodle/offline_worksheet.csv",
        "blackboard.xls": "blackboard/gc_fullgc.xls", "brightspace.csv": "brightspace/gradebook_export.csv",
    }.items():  # fmt: skip
        shutil.copy(SAMPLES / sample, desk / name)
    return desk


def run(desk, command, **environment):
    arguments = shlex.split(command) if isinstance(command, str) else command
    return typed.ran(arguments, desk, {**os.environ, **environment})


def test_there_are_commands():
    assert len(COMMANDS) >= 12


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_guide_runs(command, desk):
    """What is blocked in these gradebooks is allowed, for who reads the guide has others."""
    allowed = [
        f"--force={kind}"
        for kind in ("lowered", "unmatched", "locked")
        if "--template" in command and "--dry-run" not in command
    ]
    shutil.rmtree(desk / "tried", ignore_errors=True)
    shutil.copytree(desk / "graded", desk / "tried")
    ran = run(desk, [*shlex.split(command.replace("export graded ", "export tried ")), *allowed])
    assert ran.returncode == 0, ran.stderr
    for out in re.findall(r"--out (\S+)", command):
        assert (desk / out).stat().st_size > 0
        (desk / out).unlink()


def test_the_dry_run_of_the_guide_is_true(desk):
    shown = re.search(r"--dry-run\n\n((?:    .*\n|\n)+?)\n`--json`", GUIDE)[1]
    command = next(command for command in COMMANDS if "--dry-run" in command)
    expected = [" ".join(line.split()) for line in shown.splitlines() if line.strip()]
    assert [" ".join(line.split()) for line in run(desk, command).stdout.splitlines() if line.strip()] == expected


def test_json_has_every_student(desk):
    ran = run(desk, "export graded --to canvas --template canvas.csv --column 'Homework 2' --dry-run --json")
    told = json.loads(ran.stdout)
    assert told["counts"] == {"new": 1, "lowered": 1, "unchanged": 1, "missing": 1}
    assert told["blocked"] == ["lowered"]
    assert [change["student"] for change in told["changes"]] == ["000123", "000124", "000125", "000126"]
    assert [one["row"] for one in told["not_in_the_batch"]] == ["9005"]


def test_a_dry_run_writes_nothing(desk):
    before = {path: path.read_bytes() for path in desk.rglob("*") if path.is_file()}
    run(desk, "export graded --to canvas --template canvas.csv --column 'Homework 1' --dry-run --out nothing.csv")
    assert {path: path.read_bytes() for path in desk.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("export graded --to canvas --dry-run", "there is no template"),
        ("export graded --to canvas --template canvas.csv", "--out: it is missing"),
        ("export graded --to canvas --template canvas.csv --column 'Homework 2' --out x.csv", "nothing is written, for some grades are lowered"),
        ("export graded --to canvas --template canvas.csv --dry-run", "the column to fill: it has 2"),
        ("export graded --to canvs --template canvas.csv --dry-run", "did you mean canvas"),
        ("export graded --to sakaii --dry-run", "did you mean sakai"),
        ("export graded --to sakai --dry-run", "name it with --column"),
        ("export graded --to sakai --dry-run --force lower", "did you mean lowered"),
        ("export graded --to sakai --dry-run --missing nought", "expected zero"),
        ("export graded --to xlsx --dry-run", "name the file"),
        ("export class --to sakai --column x --dry-run", "it is not what a batch leaves"),
        ("export graded --to canvas --template none.csv --dry-run", "it cannot be read"),
    ],
)  # fmt: skip
def test_what_is_refused_says_what_to_do(command, why, desk):
    ran = run(desk, command)
    assert (ran.returncode, ran.stdout.count("Traceback"), why in ran.stderr) == (2, 0, True), ran.stderr
    assert not (desk / "x.csv").exists()


def test_a_lower_grade_in_a_file_that_is_made_is_blocked_too(desk, tmp_path):
    shutil.copytree(desk / "graded", tmp_path / "graded")
    assert run(tmp_path, "export graded --to sakai --column hw --out first.csv").returncode == 0
    shutil.copytree(desk / "class", tmp_path / "class")
    shutil.copy(ROOT / "submissions" / "backprop" / "transposed.py", tmp_path / "class" / "000123.py")
    loaded = grading.load(str(ROOT / "rubrics" / "backprop.toml"))
    batch.run(batch.Plan(tmp_path / "class", tmp_path / "graded", *loaded, "zygote", 1, desk / "roster.csv"))
    ran = run(tmp_path, "export graded --to sakai --column hw --out second.csv")
    assert (ran.returncode, "some grades are lowered" in ran.stderr) == (2, True)
    assert not (tmp_path / "second.csv").exists()
    assert run(tmp_path, "export graded --to sakai --column hw --out second.csv --force lowered").returncode == 0


def test_names_alone_are_confirmed_in_a_table(desk, tmp_path):
    shutil.copytree(desk / "graded", tmp_path / "graded")
    (tmp_path / "canvas.csv").write_text(
        "Student,ID,Section,Homework 1 (1)\n    Points Possible,,,10\nAna,9001,A,\nSeán,9002,A,\nLi,9003,A,\n"
    )
    command = "export graded --to canvas --template canvas.csv --matches who.csv --out filled.csv"
    assert "unmatched" in run(tmp_path, command).stderr
    table = tmp_path / "who.csv"
    table.write_text(re.sub(r",$", ",yes", table.read_text(), flags=re.MULTILINE))
    ran = run(tmp_path, command)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "filled.csv").read_text().splitlines()[2:] == [
        "Ana,9001,A,10",
        "Seán,9002,A,6.85",
        "Li,9003,A,10",
    ]


def test_a_name_that_begins_as_a_formula_does_is_written_as_it_is_and_told(desk, tmp_path):
    shutil.copytree(desk / "graded", tmp_path / "graded")
    grades = tmp_path / "graded" / "grades.csv"
    grades.write_text(grades.read_text().replace(",Ana,", ",'=Ana(),"))
    ran = run(tmp_path, "export graded --to sakai --column hw --out made.csv")
    assert "=Ana(): begins as a formula does" in ran.stderr
    assert '"=Ana()"' in (tmp_path / "made.csv").read_text()


# Servers.

NAMES = {"000123": "Ana", "000124": "Seán", "000125": "Li", "000126": "Łucja"}


@pytest.fixture
def servers():
    """A course of the desk's students on each platform, and what signs in there."""
    canvas = canvases.Canvas(
        *(canvases.Student(9000 + n, name, sis=key) for n, (key, name) in enumerate(NAMES.items()))
    )
    moodle = moodles.Moodle(
        *(moodles.Student(500 + n, name, idnumber=key) for n, (key, name) in enumerate(NAMES.items()))
    )
    lti = ltis.Lti(*(ltis.Student(f"u{n}", name, sourced=key) for n, (key, name) in enumerate(NAMES.items())))
    with canvas.running(), moodle.running(), lti.running():
        yield {
            "canvas": (canvas, {"GRADER_CANVAS_TOKEN": canvases.TOKEN}),
            "moodle": (moodle, {"GRADER_MOODLE_TOKEN": moodles.TOKEN}),
            "lti": (lti, {f"GRADER_LTI_{name.upper()}": text for name, text in lti.account.items()}),
        }


@pytest.mark.parametrize("command", LIVE)
def test_every_command_of_the_guide_speaks_to_its_server(command, desk, servers, tmp_path):
    shutil.copytree(desk / "graded", tmp_path / "graded")
    server, secrets = servers[re.search(r"--to (\w+)", command)[1]]
    ran = run(tmp_path, re.sub(r"--at \S+", f"--at '{server.at}'", command), **secrets)
    assert ran.returncode == 0, ran.stderr
    assert "3 new, 1 missing" in ran.stdout
    told = "3 grades and 3 comments written" if "--comments" in command else "3 grades written"
    assert bool(server.written()) == ("--dry-run" not in command) == (told in ran.stderr)


def test_every_server_is_in_the_guide():
    assert {re.search(r"--to (\w+)", command)[1] for command in LIVE} == set(lms.lives())


def test_json_has_what_came_of_everybody(desk, servers, tmp_path):
    shutil.copytree(desk / "graded", tmp_path / "graded")
    server, secrets = servers["canvas"]
    server.students[9001].closed = True
    ran = run(tmp_path, f"export graded --to canvas --at {server.at} --json", **secrets)
    document = json.loads(ran.stdout)
    assert [one["written"] for one in document["changes"]] == [True, False, True, False]
    told = {one["student"]: one["state"] for one in document["outcomes"]}
    assert told == {"000123": "written", "000124": "failed", "000125": "written", "000126": "skipped"}
    assert (ran.returncode, "1 of 3 grades are left" in ran.stderr) == (3, True)
    assert "000124: failed: Canvas refused it" in ran.stderr


def test_secrets_may_be_in_a_file_nobody_else_reads(desk, servers, tmp_path):
    server, _ = servers["canvas"]
    file = tmp_path / "accounts.toml"
    file.write_text(f'[canvas]\ntoken = "{canvases.TOKEN}"\n')
    command = f"export graded --to canvas --at {server.at} --dry-run"
    assert "there is no token" in run(desk, command, GRADER_HOME=str(tmp_path / "other")).stderr
    file.chmod(0o644)
    for options, home in ((f" --account {file}", tmp_path / "other"), ("", tmp_path)):
        ran = run(desk, command + options, GRADER_HOME=str(home))
        assert (ran.returncode, "expected 0600" in ran.stderr, canvases.TOKEN in ran.stderr) == (2, True, False)
    file.chmod(0o600)
    for options, home in ((f" --account {file}", tmp_path / "other"), ("", tmp_path)):
        assert run(desk, command + options, GRADER_HOME=str(home)).returncode == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("--to canvas --out x.csv", "--out: it has no use together with --at"),
        ("--to canvas --column 'Homework 1'", "--column: it has no use together with --at"),
        ("--to sakai", "no platform of this name that takes grades over the network"),
        ("--to canvass", "did you mean canvas"),
        ("--to canvas --account none.toml", "none.toml: it is not there"),
        ("--to canvas", "set GRADER_CANVAS_TOKEN in the environment, or write token ="),
        ("--to lti", "there is no client_id; expected the client id that the platform gave the tool"),
    ],
)
def test_what_is_refused_of_servers_says_what_to_do(options, why, desk, tmp_path):
    ran = run(
        desk,
        f"export graded {options} --at https://x.example.edu/courses/1/assignments/2 --dry-run",
        GRADER_HOME=str(tmp_path),
    )
    assert (ran.returncode, ran.stdout, why in ran.stderr) == (2, "", True), ran.stderr


@pytest.mark.parametrize("option", ["--comments", "--criteria", "--matches who.csv", "--account x.toml"])
def test_an_option_that_would_do_nothing_is_refused(option, desk):
    ran = run(desk, f"export graded --to sakai --column x --dry-run {option}")
    assert (ran.returncode, "it has no use together with a file" in ran.stderr) == (2, True)


def test_a_platform_of_servers_alone_says_so(desk):
    assert "with --at" in run(desk, "export graded --to lti --dry-run").stderr
    assert "with --at" in run(desk, "export graded --to lti --template canvas.csv --dry-run").stderr
