"""The documents are true: every command of the README runs, and prints what stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from grader import assignments

DOCUMENTS = sorted(path for path in ROOT.rglob("*.md") if ".venv" not in path.parts)
CONSOLES = "".join(
    console for path in DOCUMENTS for console in re.findall(r"```console\n(.*?)```", path.read_text(), re.DOTALL)
)
EXAMPLES = re.findall(r"^\$ (.+)\n((?:(?!\$ |```).*\n)*)", CONSOLES, re.MULTILINE)


def settled(text):
    """A printed report without what changes from run to run: seconds, and blanks at the ends of lines."""
    return re.sub(r"\d+\.\d+ s$", "0 s", "\n".join(line.rstrip() for line in text.splitlines()), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def test_there_are_examples():
    assert len(EXAMPLES) >= 10
    assert sum(bool(output) for _, output in EXAMPLES) >= 1


@pytest.mark.parametrize(("command", "output"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_every_command_of_the_readme_runs(command, output, home):
    if command == "./test.sh":
        command += " --collect-only -q tests/test_wire.py"  # all of it would run this test again
    environment = {**os.environ, "GRADER_HOME": str(home), "COLUMNS": "80"}
    folders = [ROOT / name for name in re.findall(r"--out (\S+)", command)]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    ran = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    written = [ROOT / name for name in re.findall(r"--(?:html|gradescope) (\S+)", command)]
    assert all(file.is_file() for file in written)
    for file in written:
        file.unlink()
    for folder in folders:
        assert (folder / "index.html").is_file()
        shutil.rmtree(folder)
    assert ran.returncode == 0, ran.stderr
    assert settled(ran.stdout) == settled(output) or not output


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))
def test_every_program_of_the_readme_runs(code, home):
    environment = {**os.environ, "GRADER_HOME": str(home)}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("10")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_every_benchmark_is_documented():
    told = (ROOT / "tests" / "benchmarks" / "README.md").read_text()
    for script in (ROOT / "tests" / "benchmarks").glob("*.py"):
        assert f".venv/bin/python tests/benchmarks/{script.name}" in told


def test_the_map_is_whole():
    told = (ROOT / "ARCHITECTURE.md").read_text()
    for module in (ROOT / "grader").iterdir():
        if module.suffix == ".py" and module.stem != "__init__":
            assert f"`{module.stem}`" in told, module
        elif module.is_dir() and module.name != "__pycache__":
            assert f"`{module.name}/`" in told, module


def test_every_example_submission_is_told_of():
    told = (ROOT / "submissions" / "backprop" / "README.md").read_text()
    for example in (ROOT / "submissions" / "backprop").glob("*.py"):
        assert f"| `{example.name}` |" in told


def test_no_file_carries_an_address_of_one_machine_or_registry():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in {".md", ".toml", ".txt", ".sh", ".py", ""} and path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            assert not re.search(r"index-url\s*=|--index-url|find-links", text) or path == Path(__file__), name


def test_every_mistake_is_listed_with_its_credit():
    told = (ROOT / "docs" / "mistakes.md").read_text()
    feedback = assignments.load("backprop").feedback()
    for slug, known in feedback.MISCONCEPTIONS.items():
        assert f"| `{slug}` | {known.question} | {known.step} | {known.credit} |" in told
    for slug, hint in feedback.HINTS.items():
        assert f"| `{slug}` | {hint.question} | {hint.step} |" in told
