"""Attacks on the protocol itself, by code that knows the harness: the most it wins is the answer it was asked for."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from grader.sandbox import layers, zygote
from hostile.attacks import control, grade_source

# How a student finds the pipe and the nonce: the harness's own frames are on the stack.
FINDING = """
import os, struct, sys, time
import numpy as np

def the_harness():
    frame = sys._getframe()
    while "nonce" not in frame.f_locals or "response" not in frame.f_locals:
        frame = frame.f_back
    return frame

def header(kind, length, sequence=None, nonce=None):
    there = the_harness().f_locals
    at = there.get("sequence", -1) + 1 if sequence is None else sequence
    return struct.pack("<4sBIQQI", b"GRD1", kind, at, there["nonce"] if nonce is None else nonce, 0, length)

def send(data):
    os.write(the_harness().f_locals["response"], data)

def number(x, shape=(1, 1)):
    dimensions = bytes([len(shape)]) + b"".join(struct.pack("<Q", n) for n in shape)
    return bytes([0]) + dimensions + np.full(shape, x).tobytes() + b"\\0"

VALUE = 18
"""
HONEST = """
def honest_db(l, A, b, y, sigma, dsigma):
    return np.eye(1) if l == len(A) - 1 else np.diag(dsigma(A[l] @ y[l - 1] + b[l]))

def honest_dyprev(l, A, b, y, sigma, dsigma):
    return honest_db(l, A, b, y, sigma, dsigma) @ A[l]

def honest_dA(l, A, b, y, sigma, dsigma):
    g = np.eye(1)
    for k in range(len(A) - 1, l, -1):
        g = g @ honest_dyprev(k, A, b, y, sigma, dsigma)
    return np.outer(g @ honest_db(l, A, b, y, sigma, dsigma), y[l - 1])

def dy_db(*arguments):
    attack()
    return honest_db(*arguments)

dy_dyprev, dyL_dA = honest_dyprev, honest_dA
"""

# Each is the body of attack(), made at every call of dy_db (worth 3 points), and the verdict of its first part.
ATTACKS = {
    "a forged nonce": ("send(header(VALUE, 0, nonce=1))", "protocol"),
    "a forged sequence": ("send(header(VALUE, 0, sequence=0))", "protocol"),
    "a kind of the parent's": ("send(header(1, 0))", "protocol"),
    "a second LOADED": ("send(header(17, 0))", "protocol"),
    "an unknown kind": ("send(header(99, 0))", "protocol"),
    "a giant frame": ("send(header(VALUE, 2**31 - 1))", "protocol"),
    "garbage": ("send(os.urandom(4096))", "protocol"),
    "zeros": ("send(bytes(10**5))", "protocol"),
    "a truncated frame": ("send(header(VALUE, 100) + b'half'); os._exit(0)", "exit"),
    "half a frame, then silence": ("send(header(VALUE, 100) + b'half'); time.sleep(60)", "timeout"),
    "a dripped frame": (
        "frame = header(VALUE, 100) + bytes(100)\n    for n in range(len(frame)): send(frame[n:n+1]); time.sleep(0.1)",
        "timeout",
    ),
    "a closed pipe": ("os.close(the_harness().f_locals['response']); time.sleep(60)", "protocol"),
    "every descriptor closed": ("os.closerange(0, 64); time.sleep(60)", "protocol"),
    "a doubled frame": ("answer = number(1.0); send(2 * (header(VALUE, len(answer)) + answer))", "protocol"),
    "an array of absurd shape": (
        "answer = bytes([0, 2]) + struct.pack('<QQ', 2**62, 4) + b'\\0'; send(header(VALUE, len(answer)) + answer)",
        "protocol",
    ),
    "an array without entries, of absurd shape": (
        "answer = bytes([0, 2]) + struct.pack('<QQ', 0, 2**62) + b'\\0'; send(header(VALUE, len(answer)) + answer)",
        "protocol",
    ),
    "an answer of the right shape, said to be too large": (
        "answer = bytes([2]) + struct.pack('<QQ', 1, 1); send(header(20, len(answer)) + answer); time.sleep(60)", "protocol",
    ),
    "an array shorter than its shape": (
        "answer = bytes([0, 1]) + struct.pack('<Q', 100) + bytes(8); send(header(VALUE, len(answer)) + answer)",
        "protocol",
    ),
    "a text longer than its frame": (
        "answer = struct.pack('<I', 2**32 - 1) + b'x'; send(header(21, len(answer)) + answer)", "protocol",
    ),
    "an endless stream of frames": (
        "answer = number(1.0)\n    while True: send(header(VALUE, len(answer)) + answer)", "protocol",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("attack", "verdict"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_on_the_frames_costs_its_own_part(attack, verdict, walls):
    report = grade_source(walls, f"{FINDING}{HONEST}\ndef attack():\n    {attack}\n")
    by_function = {criterion.id: criterion.verdict for criterion in report.criteria}
    assert by_function["a1"] == verdict
    assert [by_function[part] for part in ("a2", "a4", "b1", "b2")] == ["right"] * 4
    assert report.points == 7
    assert control(walls).points == 10


@pytest.mark.parametrize("statement", ["send(header(VALUE, 0, sequence=1))", "send(header(16, 0, sequence=1))"])
def test_an_answer_while_the_file_is_loaded_is_refused(statement, walls):
    report = grade_source(walls, f"{FINDING}{HONEST}\ndef attack(): pass\n{statement}")
    assert (report.status, report.criteria[0].verdict) == ("unreadable", "protocol")


def test_forging_what_is_still_to_be_asked_is_only_answering_it(walls):
    """All answers of the exchange at once, before the questions are put: wrong ones are wrong."""
    forging = """
def attack():
    answer = number(1.0)
    there = the_harness().f_locals
    at = there["sequence"] + 1
    for n in range(at, 200):
        send(header(VALUE, len(answer), sequence=n) + answer)
"""
    report = grade_source(walls, f"{FINDING}{HONEST}{forging}")
    verdicts = {criterion.id: criterion.verdict for criterion in report.criteria}
    assert verdicts["a1"] == "right"  # 1 is the right answer there
    assert {verdicts[part] for part in ("a3", "a4", "b1", "b2")} <= {"wrong", "wrong_shape", "protocol"}
    assert control(walls).points == 10


def test_reading_ahead_finds_questions_and_no_answers(walls):
    """All that can be reached from the harness's frames, by way of gc: code and data of the grader that knows answers?"""
    looking = """
import gc

def everything():
    seen, new = set(), [sys._getframe(), *sys.modules.values(), *gc.get_objects()]
    while new and len(seen) < 400_000:
        found = []
        for o in new:
            if id(o) not in seen:
                seen.add(id(o))
                if isinstance(o, type) or callable(o):
                    names.add(str(getattr(o, "__module__", "")))
                found += gc.get_referents(o)
        new = found
    return names

names = set()
done = []
def attack():
    if not done:
        done.append(1)
        print(*sorted(name for name in everything() if name.startswith("grader")))
"""
    report = grade_source(walls, f"{FINDING}{HONEST}{looking}", patience=20)
    assert "grader.sandbox.harness" in report.stdout
    for module in ("assignments", "judge", "grading", "engine", "rubric", "scoring"):
        assert f"grader.{module}" not in report.stdout


def test_nobody_finds_another_student_s_source(walls):
    """A search through frames, modules, caches and objects; the positive control finds its own."""
    secret = "Xylophone" + "Quartz"
    searching = """
import gc

def holds(o):
    try:
        return isinstance(o, (str, bytes)) and (o.encode() if isinstance(o, str) else o).find(needle) >= 0
    except Exception:
        return False

def search():
    seen, new, hits = set(), [sys._getframe(), *sys.modules.values(), *gc.get_objects()], 0
    while new and len(seen) < 400_000:
        found = []
        for o in new:
            if id(o) not in seen:
                seen.add(id(o))
                hits += o is not needle and holds(o)
                found += gc.get_referents(o)
        new = found
    return hits

needle = b"Xylophone" + b"Quartz"
done = []
def attack():
    if not done:
        done.append(1)
        print("found", search())
"""
    own = grade_source(walls, f"{FINDING}{HONEST}{searching}\nmine = '{secret}'", patience=20)
    assert "found 0" not in own.stdout
    assert "found" in own.stdout
    other = grade_source(walls, f"{FINDING}{HONEST}{searching}", patience=20)
    assert "found 0" in other.stdout


WRECKING = {
    "the harness's functions": "g = the_harness().f_globals\n    for name in list(g): g[name] = None",
    "the frames' maker": "the_harness().f_globals['encode'] = lambda *a: b'GRD1' + bytes(25)",
    "the packing of values": "the_harness().f_globals['packing'].array = lambda *a: b'x' * 100",
    "numpy, emptied": "for name in list(vars(np)):\n        if not name.startswith('_'): vars(np)[name] = None",
    "numpy's comparisons": "np.array_equal = np.allclose = np.all = lambda *a, **k: True",
    "os.write": "os.write = lambda *a: 0",
    "the builtins": "import builtins\n    vars(builtins).clear()",
    "the modules": "sys.modules.clear()",
    "the standard streams": "sys.stdout = sys.stderr = sys.__stdout__ = None",
    "the traceback module": "import traceback\n    traceback.TracebackException = None\n    1/0",
}


@pytest.mark.parametrize("attack", WRECKING.values(), ids=WRECKING)
def test_wrecking_the_child_wins_nothing_and_lasts_no_longer_than_it(attack, walls):
    report = grade_source(walls, f"{FINDING}{HONEST}\ndef attack():\n    {attack}\n")
    assert report.status == "graded"
    wrong = grade_source(
        walls, f"{FINDING}{HONEST.replace('np.eye(1)', '2 * np.eye(1)')}\ndef attack():\n    {attack}\n"
    )
    assert {criterion.id: criterion.verdict for criterion in wrong.criteria}["a1"] != "right"
    assert control(walls).points == 10


# Doors that are no files.


def gate():
    """The two bytes of `int 0x80`, by chance somewhere in the C library's code or Python's: from which function on."""
    for anchor in ("ctypes.CDLL(None).printf", "ctypes.pythonapi.Py_GetVersion"):
        address = ctypes.cast(eval(anchor), ctypes.c_void_p).value
        for line in Path("/proc/self/maps").read_text().splitlines():
            start, end = (int(bound, 16) for bound in line.split()[0].split("-"))
            if start <= address < end:
                at = ctypes.string_at(start, end - start).find(b"\xcd\x80")
                if at >= 0:
                    return anchor, start + at - address
    return None


@pytest.mark.parametrize(("removed", "verdict"), [((), "forbidden"), ((layers.SECCOMP,), "crash")], ids=str)
def test_the_old_gate_for_32_bit_code_is_closed(removed, verdict):
    """It would reach other calls by other numbers. (Without the filter the call is made, and what follows it is no code.)"""
    if os.uname().machine != "x86_64" or not (found := gate()):
        pytest.skip("no such bytes in the code of this machine")
    anchor, distance = found
    entering = f"""
import ctypes
def attack():
    address = ctypes.cast({anchor}, ctypes.c_void_p).value + {distance}
    ctypes.CFUNCTYPE(ctypes.c_int)(address)()
"""
    with closing(zygote.Zygote(1, set(layers.ALL) - set(removed))) as walls:
        report = grade_source(walls, f"{FINDING}{HONEST}{entering}")
        assert report.criteria[0].verdict == verdict, report.criteria[0].message


def connecting(name):
    return f"""
import socket
def attack():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect({name!r})
    s.send(b"stolen")
"""


@pytest.mark.parametrize(
    ("removed", "reached"),
    [
        ((), False),
        ((layers.SECCOMP, layers.RLIMITS), False),  # the network namespace holds
        ((layers.SECCOMP, layers.RLIMITS, layers.NETWORK), False),  # Landlock holds, since its version 6
        ((layers.SECCOMP, layers.RLIMITS, layers.NETWORK, layers.LANDLOCK), True),  # the positive control
    ],
    ids=["all layers", "without seccomp", "without seccomp and network namespace", "without Landlock either"],
)
def test_an_abstract_socket_is_out_of_reach(removed, reached):
    name = f"\0grader-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        server.settimeout(0.2)
        with closing(zygote.Zygote(1, set(layers.ALL) - set(removed))) as walls:
            report = grade_source(walls, f"{FINDING}{HONEST}{connecting(name)}")
        assert (report.criteria[0].verdict == "right") == reached
        try:
            server.accept()[0].close()
            assert reached
        except TimeoutError:
            assert not reached


# Where the grader is started.


def test_a_hostile_folder_and_environment_do_not_reach_the_child(tmp_path, monkeypatch):
    for name in ("numpy", "sitecustomize", "usercustomize", "grader", "struct"):
        (tmp_path / f"{name}.py").write_text("print('sprung')\n")
    monkeypatch.chdir(tmp_path)
    for variable in ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "struct.py"))
    monkeypatch.setenv("LD_PRELOAD", str(tmp_path / "nowhere.so"))
    monkeypatch.setenv("SECRET_TOKEN", "sesame")
    clean = {"PYTHONPATH": str(tmp_path), "LD_PRELOAD": os.environ["LD_PRELOAD"]}
    trap = subprocess.run(
        [sys.executable, "-c", "import numpy"], env=clean, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "sprung" in trap.stdout  # the positive control: an ordinary interpreter walks into it
    assert "nowhere.so" in trap.stderr
    showing = "import os, numpy\nprint(sorted(os.environ), numpy.__file__, sys.path, sys.argv)\ndef attack(): pass\n"
    with closing(zygote.start()) as walls:
        report = grade_source(walls, f"{FINDING}{HONEST}{showing}")
    assert report.points == 10
    for trace in ("sprung", "SECRET", "PYTHON", "LD_PRELOAD", str(tmp_path)):
        assert trace not in report.stdout
