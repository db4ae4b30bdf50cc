"""Every attack of the corpus behind all layers, and a right submission right after it, from the same zygote."""

from __future__ import annotations

import pytest
from conftest import ROOT

from hostile import remains
from hostile.attacks import EXPECTED, FOLDER, KINDS, POINTS, control, graded, is_as_expected, zygotes_of


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left(walls):
    control(walls)
    before = remains.at_rest()
    yield
    assert remains.settled(before) == before


@pytest.mark.parametrize("name", EXPECTED)
def test_an_attack_gains_nothing_and_harms_nobody(name, walls):
    zygotes = zygotes_of(walls)
    report = graded(walls, name)
    assert is_as_expected(report, name), (report.points, [criterion.message for criterion in report.criteria])
    if not walls.missing:
        assert report.points == POINTS.get(name, report.points)
    assert all(control(walls, kind).points == 10 for kind in KINDS)
    assert zygotes_of(walls) == zygotes


def test_the_corpus_is_whole():
    told = (ROOT / "SECURITY.md").read_text()
    assert f"{len(EXPECTED)} attacks (" in told
    assert sorted(EXPECTED) == sorted(path.stem for path in FOLDER.glob("*.py"))
