"""The default backend as its callers see it: workers, threads, scipy, lost zygotes, and machines that lack something."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from conftest import ROOT, asked
from hostile import remains

from grader import engine, sandbox
from grader.errors import GraderFault
from grader.sandbox import layers, packing, preload, zygote
from grader.sandbox.channel import KINDS, PLAIN, RICHER, WITH_LIBRARY, WITH_SCIPY
from grader.sandbox.exchange import Fate, Request
from grader.values import Call, Limits, Part

CALL = Call(Part("p", "f", "", "", ""), (0,), "", "")
REQUEST = Request(engine.pack([CALL]), 1, 5.0)
LONG = REQUEST._replace(seconds=3600.0)
RIGHT = ROOT / "submissions" / "backprop" / "right.py"


def answer_of(walls, source, limits=Limits()):  # noqa: B008 a frozen value
    exchange = asked(walls, packing.text("a.py") + source.encode(), [REQUEST], limits)
    assert exchange.fate is Fate.DONE, (exchange.fate, exchange.detail, exchange.output)
    _, _, raw = packing.Cursor(exchange.answers[0].frame.payload).array()
    return float(np.frombuffer(raw)[0])


def process_of(walls, n=0):
    return remains.process_of(walls._all[n]._sealed[PLAIN].pidfd)


@pytest.fixture(scope="module")
def walls():
    with closing(zygote.start()) as backend:
        yield backend


# Workers and threads.


def test_it_says_how_many_workers_there_are():
    with closing(sandbox.start("zygote", 3)) as three:
        assert three.workers == 3


def test_several_threads_share_it():
    def squared(n):
        return answer_of(shared, f"import time\ndef f(x):\n    time.sleep(0.01)\n    return {n} ** 2")

    with closing(zygote.start(2)) as shared, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(squared, range(40))) == [n**2 for n in range(40)]
        assert process_of(shared, 0) != process_of(shared, 1)


def filtered_children():
    """The children that run a submission now: only they are behind the filter."""
    return {process for process in remains.descendants(os.getpid()) if is_filtered(process)}


def is_filtered(process):
    try:
        return "\nSeccomp:\t2\n" in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_as_many_submissions_run_at_once_as_there_are_workers():
    waiting = "import time\ndef f(x):\n    time.sleep(3600)\n    return 1"
    patient = Limits(call_seconds=3600, submission_seconds=3600)
    others = filtered_children()  # of other tests' sandboxes, perhaps just ending
    with closing(zygote.start(2)) as two, ThreadPoolExecutor(2) as threads:
        source = packing.text("a.py") + waiting.encode()
        running = [threads.submit(asked, two, source, [LONG], patient) for _ in range(2)]
        while len(filtered_children() - others) < 2:
            assert not any(one.done() for one in running)
            time.sleep(0.01)
        while not all(one.done() for one in running):
            time.sleep(0.3)  # until the calls have begun
            for process in filtered_children() - others:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        assert {one.result(60).fate for one in running} == {Fate.MEMORY}


def test_it_outlives_the_thread_that_started_it():
    with closing(zygote.start()) as walls:
        thread = Thread(target=answer_of, args=(walls, "def f(x): return 1"))
        thread.start()
        thread.join()
        process = process_of(walls)
        assert answer_of(walls, "def f(x): return 2") == 2
        assert process_of(walls) == process


def test_it_may_be_closed_twice_and_unused():
    backend = zygote.start()
    backend.close()
    backend.close()


def test_after_it_was_closed_nothing_starts_again():
    backend = zygote.start()
    backend.close()
    with pytest.raises(GraderFault, match="it was closed; expected to be open; start another one"):
        answer_of(backend, "def f(x): return 1")
    assert not backend._all[0]._sealed


def test_a_worker_that_is_busy_while_it_is_closed_leaves_no_zygote():
    backend = zygote.start()
    with backend._worker() as worker:
        worker.seal(PLAIN)
        backend._walls.closed = True  # as close() does first; it may come to this worker before that has begun
    assert not worker._sealed
    backend.close()


def test_all_submissions_draw_other_random_numbers(walls):
    drawing = "import numpy as np, random\ndef f(x): return np.random.rand() + random.random()"
    assert len({answer_of(walls, drawing) for _ in range(5)}) == 5


def descriptors():
    return [int(path.name) for path in Path("/proc/self/fd").iterdir()]


def test_a_pipe_that_cannot_be_made_leaves_none_behind():
    with closing(zygote.start()) as walls:
        answer_of(walls, "def f(x): return 1")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        held = len(descriptors())
        failed = 0
        for spare in range(8):  # descriptors to spare: too few, wherever that is noticed, and at last enough
            walls._all[0].seal(PLAIN)
            free = sorted(set(range(1000)) - set(descriptors()))
            resource.setrlimit(resource.RLIMIT_NOFILE, (free[spare], hard))
            try:
                assert answer_of(walls, "def f(x): return 1") == 1
            except GraderFault as fault:
                failed += bool(re.search("a child cannot be started|its zygote was lost", str(fault)))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            walls._all[0].stop()
        assert failed
        assert len(descriptors()) <= held


def answer_elsewhere(walls, told):
    with closing(walls):
        told.put((answer_of(walls, "def f(x): return 5"), remains.descendants(os.getpid())))


def test_in_another_process_it_has_zygotes_of_its_own_and_the_same_stem():
    processes = multiprocessing.get_context("spawn")
    told = processes.SimpleQueue()
    with closing(zygote.start()) as walls:
        process = processes.Process(target=answer_elsewhere, args=(walls, told))
        process.start()
        assert told.get() == (5, [])
        process.join(60)
        assert answer_of(walls, "def f(x): return 6") == 6


# What can be imported.


def test_scipy_is_there_for_who_names_it(walls):
    answer_of(walls, "def f(x): return 1")
    process = process_of(walls)
    assert answer_of(walls, "from scipy.stats import norm\ndef f(x): return norm.cdf(0)") == 0.5
    assert answer_of(walls, "def f(x): return 1") == 1
    assert process_of(walls) == process  # each has its own


def needed_and_left_out():
    """Every module that a zygote has only where a submission names it, as one might import it."""
    return (*preload.MORE_NUMPY, *preload.NUMERIC, *preload.FAILS_IN_ITS_CALL)


@pytest.mark.parametrize("module", needed_and_left_out())
def test_who_names_a_module_gets_the_zygote_that_has_it(module):
    package, _, name = module.rpartition(".")
    assert preload.needed(f"import {module}\n".encode()) == WITH_LIBRARY
    assert not package or preload.needed(f"from {package} import {name}\n".encode()) == WITH_LIBRARY


@pytest.mark.parametrize("module", [*preload.NUMPY, *preload.BASICS])
def test_what_nearly_all_can_do_with_needs_no_other(module, walls):
    source = f"import {module}\ndef f(x): return 1"
    assert preload.needed(source.encode()) == PLAIN
    assert answer_of(walls, source) == 1


def test_right_answers_are_right_whatever_the_zygote_has_imported(walls):
    right = RIGHT.read_bytes()
    assert preload.needed(right) == PLAIN
    assert preload.needed(right + b"# socket") == WITH_LIBRARY
    assert preload.needed(right + b"# scipy") == WITH_SCIPY


UNNAMED = (
    "p = 'sub' + 'process'\ndef f(x): return len([__import__(p)])",
    "from importlib import import_module as m\ndef f(x): return len([m('soc' 'ket')])",
    "from numpy import *\ndef f(x): return ones(1)[0]",
    "import numpy as np\ndef f(x): return np.core.umath.add(0, 1)",
    "import numpy as np\ndef f(x): return len({n: hasattr(np, n) for n in np.__all__}) > 100",
    "import inspect, numpy as np\ndef f(x): return len(inspect.getmembers(np)) > 100",
    "def f(x): return len(bytes('a', 'cp1252'))",
    "import os\ndef f(x):\n    try: os.popen('ls')\n    except PermissionError: return 1",
    "try: import quite_unknown\nexcept ImportError: pass\ndef f(x): return 1",
    "s = __import__('sci' + 'py.linalg')\ndef f(x): return s.linalg.norm([x + 1])",
    "def f(x):\n    try: import quite_unknown\n    except ImportError: return 1",
)  # fmt: skip


@pytest.mark.parametrize("source", UNNAMED)
def test_who_imports_without_naming_it_gets_it_all_the_same(source, walls):
    """The guess by words is wrong here: it is begun anew, in a zygote that has more."""
    assert answer_of(walls, source) == 1


def test_everything_of_numpy_s_is_there(walls):
    every = "import numpy as np\ndef f(x):\n    for name in np.__all__: getattr(np, name)\n    return 1"
    assert preload.needed(every.encode()) == PLAIN
    assert answer_of(walls, every) == 1


BOILERPLATE = (
    "import os\nHERE = os.path.dirname(os.path.abspath(__file__))",
    "import os\nos.getcwd()",
    "from pathlib import Path\nHERE = Path(__file__).resolve().parent",
    "import sys\nsys.stdout.reconfigure(encoding='utf-8')\nprint('é')",
    "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
    "# vim: set fileencoding=cp1252 :",
    "# -*- coding: gb2312 -*-",
    "# -*- coding: iso-8859-7 -*-",
)


@pytest.mark.parametrize("line", BOILERPLATE)
def test_what_stands_in_many_files_and_does_no_harm_costs_nothing(line, walls):
    assert answer_of(walls, f"{line}\ndef f(x): return 1") == 1


def test_the_time_of_children_that_were_begun_anew_is_counted(walls):
    """A file could else have its seconds three times, and run again where it has seen its deadline come."""
    source = "import os, sys, time\nlacking = {b'numpy': 75, b'library': 76}.get(getattr(sys.meta_path[-1], '_kind', None))\n"
    source += "time.sleep(0.3)\ndef f(x): os._exit(lacking) if lacking else None; return 1"
    exchange = asked(walls, packing.text("a.py") + source.encode(), [REQUEST], Limits())
    assert exchange.fate is Fate.DONE
    assert 0.5 < exchange.wasted < exchange.total_seconds - 0.2  # of 0.6 and 0.3, heard when this process has its turn


@pytest.mark.parametrize("status", sorted(RICHER))
def test_who_ends_as_if_something_lacked_has_ended(status, walls):
    source = packing.text("a.py") + f"import os\ndef f(x): os._exit({status})".encode()
    exchange = asked(walls, source, [REQUEST], Limits())
    assert (exchange.fate, exchange.status) == (Fate.EXIT, status)


def test_the_grader_is_not_there(walls):
    source = """
found = 0
for name in ("grader", "grader.judge", "grader.sandbox.harness"):
    try: __import__(name); found += 1
    except ImportError: pass
def f(x): return found
"""
    assert answer_of(walls, source) == 0


def test_a_package_nobody_promised_is_a_plain_import_error(grade):
    report = grade("import torch")
    assert report.criteria[0].message == (
        "the file could not be loaded: ModuleNotFoundError: No module named 'torch'; there is numpy here, scipy where it is "
        "installed, and what comes with Python: use those"
    )


@pytest.mark.parametrize(
    "module",
    ["collections", "dataclasses", "functools", "itertools", "math", "typing", "random", "statistics", "fractions",
     "decimal", "numpy.linalg", "numpy.polynomial.chebyshev", "numpy.ma", "numpy.testing", "ctypes", "asyncio",
     "multiprocessing.shared_memory", "concurrent.futures", "subprocess", "socket", "sqlite3", "zipfile"],
)  # fmt: skip
def test_what_students_import_can_be_imported(module, walls):
    assert answer_of(walls, f"import {module}\ndef f(x): return 1") == 1


def test_a_broad_run_of_numpy_needs_nothing_that_is_forbidden(walls):
    source = """
import numpy as np, warnings, time, random
from numpy.polynomial import Polynomial
def f(x):
    rng = np.random.default_rng(1)
    m = rng.normal(size=(300, 300))
    print(np.linalg.svd(m)[1][:3], np.linalg.eigh(m + m.T)[0][:3], np.linalg.qr(m)[0].shape, np.linalg.det(m))
    print(np.fft.fft2(m).sum(), np.sort(m, axis=None)[:3], (m @ m).trace(), np.linalg.solve(m, m).trace())
    print(np.einsum("ij,jk->ik", m, m).shape, np.convolve(m[0], m[1]).sum(), Polynomial([1, 2, 3]).roots())
    print(np.random.rand(2), random.random(), np.unique(m.round()), np.histogram(m), np.percentile(m, 50))
    print(np.array2string(m), repr(m), m.astype("f4").dtype, np.datetime64("2026-01-01"), np.lib.stride_tricks)
    np.log(np.zeros(2)); np.float32(1e38) * np.float32(10)
    time.sleep(0.001); time.perf_counter(); time.localtime()
    print(f"{m[0, 0]:.3f}", "%s" % m[:1], "\\N{GREEK SMALL LETTER SIGMA}", "é".encode("latin-1"))
    return 1
"""
    assert answer_of(walls, source) == 1


# What it gives and takes.


def test_memory_is_counted_from_what_the_zygote_has(walls):
    limits = Limits(memory_bytes=256 * 2**20)
    taking = (
        "import numpy as np\ndef f(x):\n    try: return np.ones({} * 2**17).size > 0\n    except MemoryError: return 0"
    )
    assert answer_of(walls, taking.format(200), limits) == 1
    assert answer_of(walls, taking.format(300), limits) == 0


# A zygote that is lost.


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_lost_zygote_is_replaced_between_submissions(kind):
    with closing(zygote.start()) as walls:
        source = {PLAIN: "", WITH_LIBRARY: "import socket", WITH_SCIPY: "import scipy"}[kind] + "\ndef f(x): return 2"
        answer_of(walls, source)
        [process] = walls._all[0]._sealed.values()
        process.kill()
        with pytest.raises(GraderFault, match="its zygote was lost"):  # nobody else holds its end of the channel
            use_up(process)
        assert answer_of(walls, source) == 2


def use_up(process):
    while True:
        process.child().close()


def test_a_stem_that_has_ended_is_not_given_to_another_process():
    with closing(zygote.start()) as walls:
        stem = walls._walls.stem()
        stem._popen.kill()
        stem._popen.wait()
        _, (_, _, given) = walls.__reduce__()
        assert given is not stem
        assert not given.has_ended


def test_a_lost_stem_costs_no_zygote_and_the_next_comes_from_another():
    with closing(zygote.start()) as walls:
        answer_of(walls, "def f(x): return 1")
        process, stem = process_of(walls), walls._walls.stem()
        stem._popen.kill()
        stem._popen.wait()
        assert answer_of(walls, "def f(x): return 2") == 2
        assert process_of(walls) == process
        assert answer_of(walls, "import socket\ndef f(x): return 3") == 3
        assert walls._walls.stem() is not stem


def test_a_submission_whose_zygote_is_lost_is_tried_once_more():
    with closing(zygote.start()) as walls, ThreadPoolExecutor(1) as threads:
        answer_of(walls, "def f(x): return 1")
        first = process_of(walls)
        slow = threads.submit(answer_of, walls, "import time\ntime.sleep(0.5)\ndef f(x): return 3")
        time.sleep(0.1)
        os.kill(first, signal.SIGKILL)
        assert slow.result(60) == 3
        assert process_of(walls) != first


def test_a_submission_that_loses_every_zygote_is_our_fault():
    with closing(zygote.start()) as walls, ThreadPoolExecutor(1) as threads:
        answer_of(walls, "def f(x): return 1")
        slow = threads.submit(
            answer_of, walls, "import time\ntime.sleep(30)\ndef f(x): return 3", Limits(submission_seconds=60)
        )
        killed = set()
        while len(killed) < 2:
            assert not slow.done()
            time.sleep(0.01)
            process = walls._all[0]._sealed.get(PLAIN)
            if process and process not in killed:
                time.sleep(0.2)  # until the submission runs in it
                killed.add(process)
                process.kill()
        with pytest.raises(GraderFault, match="its zygote was lost"):
            slow.result(60)
        assert answer_of(walls, "def f(x): return 4") == 4  # the next finds a new one


def test_a_zygote_that_cannot_start_is_our_fault(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with closing(zygote.start()) as walls, pytest.raises(GraderFault, match="a child cannot be started"):
        answer_of(walls, "def f(x): return 1")


def test_a_zygote_with_weaker_walls_than_the_others_is_not_taken(monkeypatch):
    with closing(zygote.start()) as walls:
        standing = walls.layers
        walls._all[0].stop()
        weaker = [layer for layer in standing if layer != layers.NETWORK]
        walls._all[0]._wanted = tuple(weaker)
        with pytest.raises(GraderFault, match="a new zygote lacks network namespace, which others have"):
            answer_of(walls, "def f(x): return 1")
        assert walls.layers == standing


# Machines that lack something. What a kernel lacks is feigned by the kernel itself, for one process and its children.

WITHOUT_USER_NAMESPACES = """
from grader.sandbox import linux
user, group = os.getuid(), os.getgid()
linux.unshare(linux.CLONE_NEWUSER)
open("/proc/self/setgroups", "w").write("deny")
open("/proc/self/gid_map", "w").write(f"{group} {group} 1")
open("/proc/self/uid_map", "w").write(f"{user} {user} 1")
open("/proc/sys/user/max_user_namespaces", "w").write("0")
"""
# A user namespace can be entered and not mapped: /proc cannot be written, as some systems have it.
WITHOUT_MAPS = """
from grader.sandbox import linux
import ctypes, struct
WRITING = 2
rules = linux._system_call("create", 444, struct.pack("<Q", WRITING), ctypes.c_size_t(8), ctypes.c_uint(0))
for folder in [f"/{name}" for name in os.listdir("/") if name not in ("proc", "sys") and os.path.isdir(f"/{name}")]:
    path = struct.pack("<Qi", WRITING, os.open(folder, os.O_PATH))
    linux._system_call("add", 445, ctypes.c_int(rules), ctypes.c_int(1), path, ctypes.c_uint(0))
linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
linux.landlock_restrict(rules)
"""
WITHOUT_LANDLOCK = """
from grader.sandbox import linux
import struct
linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
I = lambda code, value, yes=0, no=0: struct.pack("<HBBI", code, yes, no, value)
linux.install_filter(I(0x20, 0) + I(0x15, 444, 0, 1) + I(0x06, 0x00050026) + I(0x06, 0x7FFF0000))
"""
WITHOUT_SECCOMP = """
from grader.sandbox import linux
import struct
linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
I = lambda code, value, yes=0, no=0: struct.pack("<HBBI", code, yes, no, value)
prctl = {"x86_64": 157, "aarch64": 167}[os.uname().machine]
linux.install_filter(
    I(0x20, 0) + I(0x15, prctl, 0, 3) + I(0x20, 16) + I(0x15, 22, 0, 1) + I(0x06, 0x00050016) + I(0x06, 0x7FFF0000)
)
"""


def grade_on_a_machine(lack, *arguments):
    code = f"import os, sys\nsys.path.insert(0, {str(ROOT)!r})\n{lack}\nos.execv(sys.executable, [sys.executable, '-m', 'grader', *sys.argv[1:]])"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("lack", [WITHOUT_USER_NAMESPACES, WITHOUT_MAPS], ids=["namespaces", "maps"])
def test_without_user_namespaces_the_other_layers_stand_and_the_report_says_so(lack):
    ran = grade_on_a_machine(lack, "submit", RIGHT, "--seed", 1, "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["points"] == 10
    namespaces = {layers.USER, layers.NETWORK, layers.IPC, layers.UTS, layers.CGROUP, layers.PID, layers.ROOT}
    assert namespaces <= set(report["sandbox"]["missing"])
    assert {layers.LANDLOCK, layers.SECCOMP, layers.RLIMITS} <= set(report["sandbox"]["layers"])
    assert namespaces.isdisjoint(report["sandbox"]["layers"])
    shown = grade_on_a_machine(lack, "submit", RIGHT, "--seed", 1).stdout
    assert re.search(r"sandbox zygote \(without (separate user, )?user namespace, network", " ".join(shown.split()))


def test_who_started_the_grader_ignoring_its_children_gets_a_grade_too():
    ran = grade_on_a_machine("import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)", "submit", RIGHT, "--json")
    assert json.loads(ran.stdout)["points"] == 10, ran.stderr


def test_without_user_namespaces_a_student_s_code_is_still_held():
    for source, verdict in (("import os\nos.listdir('/')", "exception"), ("import os\nos.kill(-1, 9)", "exception")):
        ran = grade_on_a_machine(
            f"{WITHOUT_USER_NAMESPACES}\nopen('/dev/null')", "submit", write(source), "--seed", 1, "--json"
        )
        assert json.loads(ran.stdout)["criteria"][0]["verdict"] == verdict


@pytest.fixture(autouse=True)
def folder(tmp_path):
    write.folder = tmp_path


def write(source):
    path = write.folder / "attack.py"
    path.write_text(source)
    return path


@pytest.mark.parametrize(
    ("lack", "said"),
    [(WITHOUT_LANDLOCK, "this kernel has no Landlock"), (WITHOUT_SECCOMP, "the walls cannot be put up")],
    ids=["Landlock", "seccomp"],
)
def test_without(lack, said):
    ran = grade_on_a_machine(lack, "submit", RIGHT)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert said in ran.stderr
    assert "grade doctor" in ran.stderr
    assert "Traceback" not in ran.stderr
    examined = grade_on_a_machine(lack, "doctor", "--json")
    assert examined.returncode == 3
    found = json.loads(examined.stdout)
    assert said in found["refusal"]
    assert {finding["state"] for finding in found["layers"]} == {"not tried"}
    chosen = grade_on_a_machine(lack, "submit", RIGHT, "--sandbox", "unconfined", "--json")
    assert json.loads(chosen.stdout)["sandbox"]["backend"] == "unconfined"


def test_another_system_is_told_what_it_lacks(monkeypatch):
    monkeypatch.setattr(sys, "platform", "sunos5")
    with pytest.raises(GraderFault, match="this is sunos5; expected Linux.*--sandbox unconfined"):
        zygote.start()
