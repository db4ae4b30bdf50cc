"""Whatever a student hands in gets a report, and the report says what was wrong in words."""

from __future__ import annotations

import pytest
from conftest import SOLUTIONS

FUNCTIONS = ("dy_db", "dy_dyprev", "dyL_dA")
SIGNATURE = "(l, A, b, y, sigma, dsigma)"


def verdicts(report):
    return {criterion.id: criterion.verdict for criterion in report.criteria}


def messages(report):
    return "\n".join(criterion.message for criterion in report.criteria)


def first(report):
    return report.criteria[0]


# Files that cannot be loaded.


@pytest.mark.parametrize("source", ["", "   \n\t\n"])
def test_an_empty_file(grade, source):
    report = grade(source)
    assert (report.status, report.points, first(report).verdict) == ("unreadable", 0, "missing")
    assert first(report).message == "the file could not be loaded: it is empty"


def test_what_is_not_python(grade):
    report = grade("Dear professor,\n\nmy dog ate it.\n", name="letter.py")
    assert (report.status, report.points) == ("unreadable", 0)
    assert first(report).message == "the file could not be loaded: SyntaxError: invalid syntax (letter.py, line 1)"


def test_a_syntax_error_shows_line_and_caret(grade):
    report = grade("import numpy as np\n\ndef dy_db(l A):\n    pass\n")
    assert set(verdicts(report).values()) == {"exception"}
    shown = first(report).traceback.splitlines()
    assert shown[0].strip() == 'File "homework.py", line 3'
    assert shown[1].strip() == "def dy_db(l A):"
    assert set(shown[2].strip()) == {"^"}
    assert "SyntaxError" in shown[3]


def test_nul_bytes(grade):
    report = grade(b"x = 1\0\n")
    assert report.status == "unreadable"
    assert "null bytes; it has NUL bytes, so it is not a text file in UTF-8: save it as UTF-8" in first(report).message


def test_utf_16(grade):
    report = grade("x = 1\n".encode("utf-16"))
    assert report.status == "unreadable"
    assert "save it as UTF-8" in first(report).message


def test_not_utf_8(grade):
    report = grade("# fine\nname = 'caf\xe9'\nx = 1\n".encode("latin-1"))
    assert report.status == "unreadable"
    assert (
        "line 2 is not UTF-8: save the file as UTF-8, or name its encoding in its first line" in first(report).message
    )


def test_an_encoding_that_does_not_exist(grade):
    report = grade("# -*- coding: klingon -*-\nx = 1\n")
    assert report.status == "unreadable"
    assert "klingon" in first(report).message


def test_a_coding_line_is_obeyed(grade, right_source):
    text = "# -*- coding: latin-1 -*-\nname = 'caf\xe9'\nassert len(name) == 4\n" + right_source.decode()
    assert grade(text.encode("latin-1")).points == 10


def test_a_byte_order_mark_is_no_mistake(grade, right_source):
    assert grade(b"\xef\xbb\xbf" + right_source).points == 10


def test_windows_line_ends_are_no_mistake(grade, right_source):
    assert grade(right_source.replace(b"\n", b"\r\n")).points == 10


def test_an_exception_at_import(grade):
    report = grade("import numpy as np\n\nweights = np.zeros(3) @ np.zeros(4)\n")
    assert (report.status, report.points) == ("unreadable", 0)
    assert first(report).message.startswith("the file could not be loaded: ValueError: matmul: ")
    assert 'File "homework.py", line 3, in <module>' in first(report).traceback
    assert "harness" not in first(report).traceback


def test_a_slow_import_has_the_submission_s_time(grade, right_source):
    assert grade(b"import time\ntime.sleep(2.5)\n" + right_source).points == 10


def test_a_module_that_does_not_exist(grade):
    assert (
        "ModuleNotFoundError: No module named 'torch_lightning_xyz'"
        in first(grade("import torch_lightning_xyz")).message
    )


@pytest.mark.parametrize(
    ("statement", "verdict", "said"),
    [
        ("import sys; sys.exit(0)", "exit", "it ended itself (SystemExit: 0): remove that"),
        ("import os; os._exit(0)", "exit", "it ended itself with exit status 0"),
        ("while True: pass", "timeout", "not loaded within 10 s"),
        ("import os; os.abort()", "crash", "it was killed by SIGSEGV"),
        ("raise MemoryError", "memory", "it needed too much memory (MemoryError)"),
        ("raise KeyboardInterrupt", "exception", "KeyboardInterrupt"),
    ],
)
def test_what_ends_the_import(grade, statement, verdict, said):
    report = grade(statement)
    assert (report.status, set(verdicts(report).values())) == ("unreadable", {verdict})
    assert first(report).message == f"the file could not be loaded: {said}"


# Functions that cannot be called.


def without(source, function):
    return source.decode().replace(f"def {function}(", f"def _{function}(")


def test_a_missing_function_costs_its_own_parts(grade, right_source):
    report = grade(without(right_source, "dyL_dA"))
    assert verdicts(report) == {
        "a1": "right",
        "a2": "right",
        "a3": "right",
        "a4": "right",
        "b1": "missing",
        "b2": "missing",
    }
    assert report.points == 6
    assert report.criteria[4].message == "the file has no function dyL_dA"


def test_a_misspelt_function_is_told_the_name(grade, right_source):
    report = grade(right_source.decode().replace("def dyL_dA(", "def dYl_dA("))
    assert report.criteria[4].message == "the file has no function dyL_dA; it has dYl_dA: did you mean that?"


def test_a_name_that_is_no_function(grade, right_source):
    report = grade(without(right_source, "dyL_dA") + "\ndyL_dA = 3\n")
    assert report.criteria[4].verdict == "missing"
    assert report.criteria[4].message == "dyL_dA is not a function but of type int"


def test_other_parameters(grade, right_source):
    report = grade(right_source.decode().replace(f"def dyL_dA{SIGNATURE}", "def dyL_dA(l, A, b)"))
    assert report.criteria[4].verdict == "exception"
    assert (
        "takes 3 positional arguments but 6 were given; it is called as dyL_dA(l, A, b, y, sigma, dsigma)"
        in report.criteria[4].message
    )
    assert report.points == 6


def test_a_type_error_inside_is_not_taken_for_other_parameters(grade, right_source):
    report = grade(right_source.decode().replace("    return np.outer(", "    len(3)\n    return np.outer("))
    assert "it is called as" not in report.criteria[5].message


def test_parameters_may_have_other_names_and_defaults(grade, right_source):
    text = right_source.decode().replace(f"def dy_db{SIGNATURE}", "def dy_db(*everything, extra=None)")
    text = text.replace(
        "def dy_db(*everything, extra=None):",
        "def dy_db(*everything, extra=None):\n    l, A, b, y, sigma, dsigma = everything",
    )
    assert grade(text).points == 10


# Calls that end badly.


def in_hidden(function, statement):
    """A right solution but that one function does this in a hidden layer."""
    body = {
        "dy_db": "return np.diag(dsigma(z(l, A, b, y)))",
        "dy_dyprev": "return np.diag(dsigma(z(l, A, b, y))) @ A[l]",
    }
    lines = ["import numpy as np, os, sys, time", "def z(l, A, b, y): return A[l] @ y[l-1] + b[l]"]
    for name, output, hidden in (
        ("dy_db", "np.eye(1)", body["dy_db"]),
        ("dy_dyprev", "A[l]", body["dy_dyprev"]),
        (
            "dyL_dA",
            "y[l-1][None, :]",
            "return dy_db(l, A, b, y, sigma, dsigma) @ g(l, A, b, y, dsigma).T @ y[l-1][None, :]",
        ),
    ):
        lines += [f"def {name}{SIGNATURE}:", f"    if l == len(A) - 1: return {output}"]
        lines.append(f"    {statement if name == function else hidden}")
    lines += [
        "def g(l, A, b, y, dsigma):",
        "    g = A[-1]",
        "    for k in range(len(A) - 2, l, -1): g = g @ (dsigma(z(k, A, b, y))[:, None] * A[k])",
        "    return g",
    ]
    return "\n".join(lines)


def test_the_pattern_of_these_tests_is_right(grade):
    assert grade(in_hidden(None, None)).points == 10


@pytest.mark.parametrize(
    ("statement", "verdict", "said"),
    [
        ("sys.exit()", "exit", "it ended itself (SystemExit)"),
        ("os._exit(0)", "exit", "it ended itself with exit status 0"),
        ("os.abort()", "crash", "it was killed by SIG"),
        ("while True: pass", "timeout", "no answer within 2 s"),
        ("time.sleep(100)", "timeout", "no answer within 2 s"),
        ("bytearray(2**33)", "memory", "it needed too much memory"),
        ("return np.ones((10**6, 10**6))", "memory", "it needed too much memory"),
        ("while True: print('spam' * 1000)", "output", "it printed more than 8 MiB"),
        ("return dy_dyprev(l, A, b, y, sigma, dsigma)", "exception", "RecursionError"),
        ("return [[1], [2, 3]]", "wrong_type", "yours was a ragged list"),
        ("return {'a': 1}", "wrong_type", "yours was dict"),
        (
            "return np.array([['x']])",
            "wrong_shape",
            "row i, column j is ∂(y_l)_i/∂(y_{l-1})_j: yours was (1, 1) for a layer of 3 units after one of 2",
        ),
        ("return A[l].astype(str)", "wrong_type", "yours was an array of dtype <U32"),
        ("return A[l].astype(object)", "wrong_type", "yours was an array of dtype object"),
        ("return np.zeros((500, 500))", "wrong_shape", "yours was (500, 500)"),
        ("return 1j * A[l]", "wrong_type", "must be real"),
        ("return A[l] * np.inf", "not_finite", "infinity"),
        ("pass", "wrong_type", "yours was None; does every path through the function end in a return?"),
    ],
)
def test_one_bad_function_leaves_the_others_their_points(grade, statement, verdict, said):
    report = grade(in_hidden("dy_dyprev", statement))
    assert verdicts(report) == {
        "a1": "right",
        "a2": "right",
        "a3": "right",
        "a4": verdict,
        "b1": "right",
        "b2": "right",
    }
    assert report.points == 8
    assert said in report.criteria[3].message


def test_a_traceback_shows_the_student_s_lines_only(grade):
    report = grade(in_hidden("dy_dyprev", "return np.linalg.inv(np.zeros((2, 2)))"))
    trace = report.criteria[3].traceback
    assert trace.startswith('Traceback (most recent call last):\n  File "homework.py", line ')
    assert "numpy" not in trace.replace("numpy.linalg", "").replace("np.linalg", "")
    assert trace.rstrip().endswith("LinAlgError: Singular matrix")


def test_what_is_printed_is_shown_without_what_a_terminal_would_obey(grade, right_source):
    report = grade(right_source + b"\nimport sys\nprint('\\x1b[31mhello\\x07')\nprint('oops', file=sys.stderr)\n")
    assert report.stdout == "hello\noops\n"
    assert report.points == 10


# What a student's code may try with its inputs and its memory of earlier calls.


def test_inputs_written_to_are_flagged(grade):
    report = grade(in_hidden("dy_dyprev", "y[l][:] = 0"))
    assert report.criteria[3].flags == ("mutates_inputs",)
    assert "inputs may not be changed in place" in report.criteria[3].message
    assert report.criteria[2].flags == ()


@pytest.mark.parametrize("trick", ["y[l].setflags(write=True)", "y[l].flags.writeable = True"])
def test_inputs_cannot_be_made_writable(grade, trick):
    assert verdicts(grade(in_hidden("dy_dyprev", trick)))["a4"] == "exception"


@pytest.mark.parametrize("trick", ["A[:] = [None] * 9", "del y[0]", "A[1].shape = (A[1].size,)", "y.clear()"])
def test_what_a_call_does_to_its_lists_reaches_no_other(grade, trick):
    report = grade(in_hidden("dy_dyprev", f"answer = dsigma(z(l, A, b, y))[:, None] * A[l]; {trick}; return answer"))
    assert report.points == 10


def test_an_answer_that_changes_is_wrong_and_flagged(grade):
    counting = "import itertools\ncount = itertools.count()\n" + in_hidden(
        "dy_db", "return np.diag(dsigma(z(l, A, b, y))) + (next(count) > 15)"
    )
    report = grade(counting)
    assert (report.criteria[2].verdict, report.criteria[2].flags) == ("wrong", ("nondeterministic",))
    assert report.criteria[2].message.endswith("; 14 of 15 calls right")


def test_a_tiny_change_is_flagged_and_right(grade):
    report = grade(in_hidden("dy_db", "return np.diag(dsigma(z(l, A, b, y))) * (1 + 1e-9 * np.random.rand())"))
    assert (report.criteria[2].verdict, report.criteria[2].flags) == ("right", ("nondeterministic",))


def test_sigma_takes_numbers_arrays_and_complex_numbers(grade):
    checks = (
        "assert isinstance(float(dsigma(0.5)), float) and dsigma(np.zeros((2, 2))).shape == (2, 2); "
        "assert sigma(1j).imag != 0 and dsigma(1) > 0 and len(sigma([1, 2])) == 2; "
        "return np.diag(np.array([dsigma(float(v)) for v in z(l, A, b, y)]))"
    )
    assert grade(in_hidden("dy_db", checks)).points == 10


@pytest.mark.parametrize("place", ["l == 3 and L == 3", "l == 1 and L == 2"])
def test_noise_is_found_in_small_networks_and_in_large_ones(grade, place):
    noise = f"(1e-7 * np.random.rand() if {place.replace('L', '(len(A) - 1)').replace('l == 3', 'l == 4').replace('== 3', '== 5')} else 0)"
    report = grade(in_hidden("dy_db", f"return np.diag(dsigma(z(l, A, b, y))) * (1 + {noise})"))
    assert (report.criteria[2].verdict, report.criteria[2].flags) == ("right", ("nondeterministic",))


def test_a_call_that_dies_when_made_again_costs_nothing(grade):
    """Every call is right the first time; the next one never returns, and gave no other answer."""
    hanging = "return np.diag(dsigma(z(l, A, b, y))) if next(count) < 15 else time.sleep(100)"
    report = grade("import itertools\ncount = itertools.count()\n" + in_hidden("dy_db", hanging))
    assert report.points == 10
    assert {criterion.flags for criterion in report.criteria} == {()}


@pytest.mark.parametrize(
    "statement",
    ["M = np.array(A[l]); np.diagonal(M)[:] = 1; return M", "v = np.broadcast_to(1.0, (2, 2)); v[0] = 2; return v"],
)
def test_one_s_own_read_only_arrays_are_no_inputs(grade, statement):
    report = grade(in_hidden("dy_dyprev", statement))
    assert (report.criteria[3].verdict, report.criteria[3].flags) == ("exception", ())
    assert "inputs may not be changed" not in report.criteria[3].message


MIXED = """
import numpy as np
def z(l, A, b, y): return A[l].astype("f4") @ y[l-1] + b[l]
def dy_db(l, A, b, y, sigma, dsigma):
    sigma(1.0)
    return np.eye(1) if l == len(A) - 1 else np.diag(dsigma(z(l, A, b, y)))
def dy_dyprev(l, A, b, y, sigma, dsigma):
    return A[l] if l == len(A) - 1 else dsigma(z(l, A, b, y))[:, None] * A[l]
def dyL_dA(l, A, b, y, sigma, dsigma):
    if l == len(A) - 1: return y[l-1][None, :]
    g = A[-1][0]
    for k in range(len(A) - 2, l, -1): g = (g * dsigma(z(k, A, b, y))) @ A[k]
    return np.outer(g * dsigma(z(l, A, b, y)), y[l-1])
"""


def test_mixed_precision_is_not_taken_for_differences(grade):
    report = grade(MIXED)
    assert report.points == 10
    assert {criterion.flags for criterion in report.criteria} == {()}


def test_differences_are_found_behind_many_honest_calls(grade):
    source = (SOLUTIONS / "wrong" / "w91_fd_central_6e-6" / "solution.py").read_text()
    warm = "    for _ in range(300): sigma(A[l] @ y[l-1] + b[l])\n    L = len(A) - 1\n    s = sigma"
    report = grade(source.replace("    L = len(A) - 1\n    s = sigma", warm))
    assert all("finite_differences" in criterion.flags for criterion in report.criteria[:4])


def test_a_huge_point_is_no_matter(grade):
    report = grade(in_hidden("dy_db", "sigma(1e300); sigma(np.inf); return np.diag(dsigma(z(l, A, b, y)))"))
    assert report.points == 10


@pytest.mark.parametrize(
    ("statement", "verdict", "said"),
    [
        ("return np.zeros((1,) * 20)", "wrong_shape", "yours was (1, 1, 1, 1,"),
        ("return np.broadcast_to(1.0, (2**33,))", "wrong_shape", "yours was (8589934592,)"),
        ("return np.full(A[l].shape, 1e308) * (-1) ** np.arange(A[l].shape[1])", "wrong", "largest entry"),
        ("return np.ma.array(np.diag(dsigma(z(l, A, b, y))) @ A[l], mask=True)", "not_finite", "yours has NaN"),
        ("from fractions import Fraction; return [[Fraction(1, 2)] * A[l].shape[1]] * A[l].shape[0]", "wrong_type",
         "yours was an array of Fraction objects; make each of its entries a float"),
        ("os.kill(os.getpid(), 9)", "exception", "PermissionError: [Errno 1] Operation not permitted"),
        ("f = open('x.txt', 'w'); f.write('data'); f.close()", "exception", "there are no files and no network here"),
        ("import tempfile; tempfile.TemporaryFile()", "exception", "there are no files and no network here"),
        ("os.closerange(3, 99)", "exit", "it ended itself with exit status 1"),
    ],
)  # fmt: skip
def test_more_bad_answers(grade, statement, verdict, said):
    report = grade(in_hidden("dy_dyprev", statement))
    assert (report.criteria[3].verdict, report.points) == (verdict, 8)
    assert said in report.criteria[3].message
    assert "harness" not in report.stdout


def test_a_coroutine_is_told_as_one_and_warns_of_nothing(grade):
    report = grade(f"async def dy_db{SIGNATURE}: return 1\n")
    assert report.criteria[0].message.startswith("∂y_L/∂b_L must be an array of numbers: yours was coroutine")
    assert report.stdout == ""


def test_exit_is_known_where_python_knows_it(grade):
    assert first(grade("exit()")).message == "the file could not be loaded: it ended itself (SystemExit): remove that"


def test_a_notebook_is_told_to_be_exported(grade):
    report = grade('{"cells": [], "nbformat": 4, "nbformat_minor": 5}', name="hw.ipynb")
    assert (report.status, first(report).verdict) == ("unreadable", "missing")
    assert (
        first(report).message == "the file could not be loaded: it is a notebook, not Python: export it as a .py file"
    )
