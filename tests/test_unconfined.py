"""The backend `unconfined`: what its child has and has not, and that nothing of it is left."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import asked

from grader import engine, sandbox
from grader.sandbox import packing
from grader.sandbox.exchange import Request
from grader.values import Call, Limits, Part

CALL = Call(Part("p", "f", "", "", ""), (0,), "", "")


def said_by(source, **limits):
    """What a submission prints when it is loaded."""
    walls = sandbox.start("unconfined")
    exchange = asked(
        walls, packing.text("a.py") + source.encode(), [Request(engine.pack([CALL]), 1, 5.0)], Limits(**limits)
    )
    return exchange.output.decode()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_has_a_clean_environment(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "sesame")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    said = said_by("import os\nprint(sorted(os.environ))")
    assert "SECRET" not in said
    assert "PYTHON" not in said
    assert "GRADER" not in said


def test_it_starts_in_an_empty_folder_of_its_own():
    here, listed = said_by("import os\nprint(os.getcwd(), os.listdir())").split()
    assert listed == "[]"
    assert not Path(here).exists()


def test_it_cannot_import_the_grader():
    assert "ModuleNotFoundError" in said_by(
        "try: import grader.assignments\nexcept ImportError as e: print(type(e).__name__)"
    )
    assert "ModuleNotFoundError" in said_by("try: import grader\nexcept ImportError as e: print(type(e).__name__)")


def test_it_holds_no_answer():
    said = said_by(
        "import gc, sys\n"
        "names = {n for n in sys.modules if 'grader' in n or 'sympy' in n or 'pydantic' in n}\n"
        "objects = {type(o).__module__ for o in gc.get_objects()}\n"
        "print(names, sorted(o for o in objects if o.startswith('grader')))"
    )
    assert "{'grader'}" in said
    assert "assignments" not in said
    assert "judge" not in said


def test_it_has_scipy_where_scipy_is_installed():
    assert said_by("import scipy.sparse as s\nprint(s.eye(2).toarray().sum())") == "2.0\n"


def test_it_reads_nothing_from_its_input():
    assert "EOFError" in said_by("try: input()\nexcept EOFError as e: print('EOFError')")


def test_it_writes_no_file():
    assert "[Errno 27]" in said_by(
        "try: open('x', 'w', buffering=0) if 0 else open('x', 'wb', 0).write(b'1')\nexcept OSError as e: print(e)"
    )


def test_its_memory_is_limited():
    assert "MemoryError" in said_by(
        "try: bytearray(2**30)\nexcept MemoryError: print('MemoryError')", memory_bytes=2**27
    )


def test_it_may_write_to_closed_and_replaced_streams():
    assert said_by("import sys\nsys.stdout.close()\nsys.stdout = None\ndef f(n): return n") == ""


def test_what_a_submission_started_dies_with_it():
    said = said_by(
        "import os, time\ntry: pid = os.fork()\nexcept OSError: pid = None\nif pid == 0: time.sleep(60)\nprint(pid)"
    )
    if said == "None\n":
        assert os.getuid() != 0  # an ordinary user's submission may start nothing at all
    else:
        assert eventually(lambda: not is_alive(int(said)))


def test_it_leaves_no_descriptor_and_no_folder_behind(tmp_path, monkeypatch):
    said_by("pass")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for source in ("print(__import__('os').getcwd())", "1/0", "import os; os._exit(1)", "open('x', 'w')"):
        assert str(tmp_path) in said_by(source) or "getcwd" not in source
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a child die with its parent")
def test_it_dies_with_a_grader_that_is_killed(tmp_path):
    submission = tmp_path / "sleeps.py"
    submission.write_text("import time\ntime.sleep(60)")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "grader", "submit", submission, "--seed", "1", "--sandbox", "unconfined"]
    grader = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert eventually(lambda: children_in(tmp_path))
    time.sleep(1)  # until the student's code sleeps, if the machine is quick; the walls must hold before that too
    grader.kill()
    grader.wait(30)
    grader.stdout.close()
    assert eventually(lambda: not children_in(tmp_path))


def eventually(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def children_in(folder):
    """The processes whose home is in this folder: only a submission's is."""
    return [process.name for process in Path("/proc").glob("[0-9]*") if f"HOME={folder}" in environment_of(process)]


def environment_of(process):
    try:
        return (process / "environ").read_text()
    except OSError:
        return ""


@pytest.mark.parametrize(
    "statement",
    [
        "import os; os.rmdir(os.getcwd())",
        "import os; os.rename(os.getcwd(), os.getcwd() + 'x')",
        "import os; os.mkdir('a'); os.mkdir('a/b'); os.chmod('a', 0)",
        "import os; os.chmod('.', 0o700); d = os.getcwd(); os.rmdir(d); os.symlink('/etc', d)",
    ],
)
def test_what_becomes_of_the_working_folder_is_no_fault(statement, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mode = Path("/etc").stat().st_mode
    assert said_by(f"{statement}\nprint('done')") == "done\n"
    assert Path("/etc").stat().st_mode == mode
    assert list(tmp_path.iterdir()) == []
