"""The corpus of attacks, how one is graded, and what its points must be.

Attacks run behind the zygote's walls and nowhere else.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from conftest import ROOT

from grader import assignments, grading, rubric
from grader.sandbox import preload
from grader.sandbox.channel import PLAIN, WITH_LIBRARY, WITH_SCIPY
from grader.values import Submission
from hostile import remains

FOLDER = Path(__file__).parent.parent / "data" / "attacks"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
BACKPROP = assignments.load("backprop")
WHOLE = rubric.read(ROOT / "rubrics" / "backprop.toml")
RUBRIC = WHOLE.model_copy(update={"partial_credit": rubric.PartialCredit(enabled=False)})  # right or not, and no more
IMPATIENT = RUBRIC.model_copy(
    update={
        "limits": RUBRIC.limits.model_copy(update={"call_seconds": Decimal(1), "submission_seconds": Decimal("4.5")})
    }
)
RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_bytes()

# What runs until a limit ends it: seconds each.
ENDLESS = {
    "sigsegv_handler_loop", "memory_bomb_np", "memory_bomb_string", "swallow_memoryerror_for_ever",
    "int_to_str_quadratic", "cpu_spin", "sleep_for_ever_all_signals_masked",
    "ignore_sigxcpu_sigterm_and_spin_past_rlimit_cpu", "loop_import", "loop_func", "fork_bomb_2", "mem_50gb",
    "recursion_c", "import_the_grader_s_modules",
}  # fmt: skip


# What an honest grader may give differs for these; behind all of these walls it is this, so that a change shows.
POINTS = {
    "os_listdir_symlink": 10, "raw_rt_sigqueueinfo": 10, "sigkill_to_self_tgkill_1_1_9": 10, "close_stdout_print": 7,
    "chroot": 7, "prctl_dumpable_pdeathsig": 10, "mprotect_x_on_own_data": 10, "personality_read_implies_exec": 10,
    "inherited_fds": 10, "wreck_numpy_in_place": 7,
    "object_array_pickle_bomb": 10, "high_resolution_timer_present": 10, "shmget_sysv": 10, "mq_open": 10,
    "splice_vmsplice_sendfile": 10, "write_to_stdin_dev_null_and_ioctl": 10, "mlockall_map_locked": 10,
    "clock_settime": 10, "print_1gb": 7, "thread_forever": 7, "read_secret": 9, "open_socket": 10, "object_dtype": 0,
    "np_matrix": 10, "nested_lists": 10, "torch_like": 10, "non_utf8": 7,
}  # fmt: skip

KINDS = (PLAIN, WITH_LIBRARY, WITH_SCIPY)
NAMES = {PLAIN: b"", WITH_LIBRARY: b"# socket", WITH_SCIPY: b"# scipy"}


def graded(walls, name):
    """The report of one attack, with little patience."""
    submission = Submission(f"{name}.py", (FOLDER / f"{name}.py").read_bytes())
    return grading.grade(submission, BACKPROP, IMPATIENT, seed=1, sandbox=walls)


def control(walls, kind=PLAIN):
    """The report of a right submission that needs this kind of zygote."""
    source = RIGHT + NAMES[kind]
    assert preload.needed(source) == kind
    return grading.grade(Submission("right.py", source), BACKPROP, RUBRIC, seed=1, sandbox=walls)


def functions_right(report):
    verdicts = {}
    for criterion in report.criteria:
        verdicts.setdefault(criterion.function, []).append(criterion.verdict == "right")
    return sum(map(all, verdicts.values()))


def is_as_expected(report, name):
    known = EXPECTED[name]
    if "points" in known:
        least, most = known["points"]
        return least <= report.points <= most
    return functions_right(report) in known["functions_right"]


def zygotes_of(walls):
    """The process numbers of a sandbox's zygotes, by kind; it has one of each."""
    (worker,) = walls._all
    return {kind: remains.process_of(worker.seal(kind).pidfd) for kind in KINDS}


def grade_source(walls, source, patience=1):
    """The report of a source text, with this many seconds for a call and some more for all."""
    limits = RUBRIC.limits.model_copy(
        update={"call_seconds": Decimal(patience), "submission_seconds": Decimal(3 * patience + 3)}
    )
    rubric = RUBRIC.model_copy(update={"limits": limits})
    return grading.grade(Submission("attack.py", source.encode()), BACKPROP, rubric, seed=1, sandbox=walls)
