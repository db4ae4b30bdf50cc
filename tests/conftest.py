"""What the tests share: the homework, its rubric, the walls, and the corpus of solutions."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from grader import assignments, grading, rubric, sandbox
from grader.values import Submission

# A law holds on a slow machine too.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).parent.parent
SOLUTIONS = Path(__file__).parent / "data" / "solutions"


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is
def pytest_xdist_auto_num_workers():
    """Two workers a core: half of the time of many tests is waiting, for a deadline or for a process."""
    return 2 * len(os.sched_getaffinity(0))


def asked(walls, source, requests, limits):
    """What comes of a source that is put some requests, once."""
    with walls.session(source) as session:
        return session.ask(requests, limits)


@dataclass(frozen=True)
class Solution:
    """One file of the corpus and what is known about it."""

    path: Path
    parts: dict[str, bool]
    misconception: str | None

    @property
    def finite_differences(self) -> bool:
        return self.misconception == "finite_differences"

    @property
    def right(self) -> bool:
        return all(self.parts.values())


def lacking(what: str) -> None:
    """Skip a test for want of something on this machine; in CI that is a failure."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


def solutions() -> list[Solution]:
    found = []
    for expected in sorted(SOLUTIONS.glob("*/*/expected.json")):
        known = json.loads(expected.read_text())
        found.append(Solution(expected.parent / "solution.py", known["parts"], known["misconception"]))
    return found


@pytest.fixture(scope="session")
def backprop():
    return assignments.load("backprop")


@pytest.fixture(scope="session")
def default_rubric():
    return rubric.read(ROOT / "rubrics" / "backprop.toml")


@pytest.fixture(scope="session")
def walls():
    backend = sandbox.start(sandbox.DEFAULT)
    yield backend
    backend.close()


@pytest.fixture(scope="session")
def right_source():
    return (ROOT / "submissions" / "backprop" / "right.py").read_bytes()


@pytest.fixture
def grade(backprop, default_rubric, walls):
    """Grade a source text; anything but the text has a default."""

    def _grade(source, *, name="homework.py", seed=1, rubric=default_rubric, submitted=None):
        data = source.encode() if isinstance(source, str) else source
        submission = Submission(name, data, submitted=submitted)
        return grading.grade(submission, backprop, rubric, seed=seed, sandbox=walls)

    return _grade
