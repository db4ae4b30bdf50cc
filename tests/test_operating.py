"""What the guide and its examples say of running the service is so."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import databases
import httpx
import pytest
from conftest import ROOT, lacking
from served import ended, eventually, kept, ran, served_at, serving, started
from test_service_work import RIGHT

DEPLOY = ROOT / "docs" / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
GUIDE = (ROOT / "docs" / "operating.md").read_text()
SOMEBODY_S = "postgresql://grader@db.example.edu/grader"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def commands(text):
    return [shlex.split(line) for line in re.findall(r"^ +(?:\./grade\.sh|grade) (.+)$", text, re.MULTILINE)]


def test_the_readme_s_way_from_one_machine_to_many(tmp_path):
    """Its commands, in their order, with a database of ours in the place of somebody's."""
    told = [
        one for one in commands((ROOT / "README.md").read_text()) if one[0] in ("backup", "restore", "serve", "worker")
    ]
    assert [one[0] for one in told] == ["serve", "backup", "restore", "serve", "worker"]
    with databases.url_of("postgresql", tmp_path) as url:
        alone, backup, restore, server, worker = [
            [url if word == SOMEBODY_S else str(tmp_path / word) if word.endswith(".backup") else word for word in one]
            for one in told
        ]
        with serving(tmp_path, *alone[1:]) as (_, link):
            _, path, headers = served_at(f"sqlite:///{tmp_path}/service/grader.db", link)
            first = httpx.post(path, files={"file": ("right.py", RIGHT)}, headers=headers).json()["id"]
            assert ran(tmp_path, *backup)[0] == 0
        assert ran(tmp_path, *restore)[0] == 0
        grading = started(tmp_path, *worker)
        with serving(tmp_path, *server[1:]) as (_, link):
            path = re.sub(r"http://[^/]+", link.partition("/enter")[0], path)
            second = httpx.post(path, files={"file": ("right.py", RIGHT)}, headers=headers).json()["id"]
            eventually(lambda: kept(url) == ({first: "graded", second: "graded"}, sorted([first, second])))
        ended(grading)


@pytest.mark.parametrize("command", commands(GUIDE), ids=" ".join)
def test_the_options_of_the_guide_are_there(command, tmp_path):
    assert unknown_options(command, tmp_path) == set()


def unknown_options(command, home):
    code, told, _ = ran(home, command[0], "--help")
    assert code == 0
    return {word for word in command if word.startswith("--")} - set(re.findall(r"--[\w-]+", told))


# Units of systemd's.


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_one(unit, tmp_path):
    if shutil.which("systemd-analyze") is None:
        lacking("no systemd-analyze on this machine, which reads units")
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace("/opt/grader/.venv/bin/grade", str(Path(sys.executable).parent / "grade")))
    checked = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_what_a_unit_starts_is_a_command_and_ends_as_it_says(unit, tmp_path):
    settings = dict(line.split("=", 1) for line in unit.read_text().splitlines() if re.match(r"\w+=", line))
    program, *command = shlex.split(settings["ExecStart"])
    assert (Path(program).name, unknown_options(command, tmp_path)) == ("grade", set())
    with databases.opened("sqlite", tmp_path) as engine:
        process = started(
            tmp_path, command[0], "--database", engine.url, *(["--port", "0"] if command[0] == "serve" else [])
        )
        process.stderr.readline()
        ended(process)
    assert process.returncode in {0, int(settings.get("SuccessExitStatus", 0))}


# The container.


CONTAINER = dict(re.findall(r"^([A-Z]+) (.+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE))


def test_the_container_has_all_it_needs_and_starts_a_command(tmp_path):
    [extra] = re.findall(r"/opt/grader\[(\w+)\]", CONTAINER["RUN"])
    assert extra in PROJECT["optional-dependencies"]
    assert CONTAINER["ENTRYPOINT"] in [f'["{name}"]' for name in PROJECT["scripts"]]
    assert unknown_options([word.strip('" ') for word in CONTAINER["CMD"].strip("[]").split(",")], tmp_path) == set()
    assert CONTAINER["ENV"] == f"GRADER_HOME={CONTAINER['VOLUME']}"


def test_from_what_the_container_copies_the_whole_package_is_made(tmp_path):
    for line in re.findall(r"^COPY (.+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE):
        *names, place = line.split()
        for name in names:
            target = tmp_path / place.removeprefix("/opt/grader").lstrip("/")
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "made"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    [wheel] = (tmp_path / "made").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"grader/rubrics/backprop.toml", "grader/store/migrations/versions/0001_first.py"} <= names
    assert "constraints.txt" in [path.name for path in tmp_path.iterdir()]
