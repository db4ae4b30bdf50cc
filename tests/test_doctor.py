"""`grade doctor`: what it says of this machine. That its attempts do get through where a layer is gone is in hostile/."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from grader import doctor
from grader.cli import doctor as command
from grader.sandbox import layers


def examined(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "grader", "doctor", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_every_layer_has_one_attempt():
    assert [probe.layer for probe in doctor.PROBES] == list(layers.ALL)


def test_it_proves_this_machine_s_layers():
    ran = examined("--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["sound"] is True
    states = {finding["layer"]: finding["state"] for finding in found["layers"]}
    assert list(states) == list(layers.ALL)
    assert set(states.values()) <= {"proved", "not needed"} | ({"absent"} if "CI" not in os.environ else set())
    assert (found["python"], found["interpreter"]) == (sys.version.split()[0], sys.executable)
    assert found["numpy"].count(".") == 2
    assert 0 < found["timing"]["median"] <= found["timing"]["first"]


def test_it_says_so_in_a_table():
    ran = examined()
    assert (ran.returncode, ran.stderr) == (0, "")
    for layer in layers.ALL:
        assert layer in ran.stdout
    assert "ms behind the walls" in ran.stdout


def finding(layer, state):
    return doctor.Finding(layer, state, "listing the files of /", "do this" if state in ("absent", "broken") else None)


def an_examination(*findings, refusal=None):
    return doctor.Examination("zygote", refusal, findings, "python", "3.11.7", None, "Linux", None)


@pytest.mark.parametrize(
    ("examination", "sound"),
    [
        (an_examination(finding("landlock", "proved")), True),
        (an_examination(finding("landlock", "absent")), True),
        (an_examination(finding("landlock", "broken")), False),
        (an_examination(refusal="no Landlock"), False),
    ],
)
def test_a_broken_layer_or_a_refusal_is_unsound(examination, sound):
    assert examination.sound is sound


def test_what_is_absent_is_told_with_what_to_do():
    told = list(command._facts(an_examination(finding("landlock", "absent"), finding("seccomp", "proved"))))
    assert "landlock: absent; do this" in told
    assert not any(line.startswith("seccomp") for line in told)


def test_the_complaint_names_what_is_broken():
    complaint = command._complaint(an_examination(finding("landlock", "broken"), finding("seccomp", "proved")))
    assert "what these forbid got through: landlock;" in complaint
    assert command._complaint(an_examination(refusal="no Landlock here")) == "no Landlock here"
