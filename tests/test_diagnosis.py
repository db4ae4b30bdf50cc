"""Mistakes are recognised by what they compute, in code nobody has seen, and nothing else is given a name."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from grader import diagnosis
from grader.values import Judged, Outcome, Verdict

RIGHT = """
import numpy as np

def z(l, A, b, y):
    return A[l] @ y[l - 1] + b[l]

def dy_db(l, A, b, y, sigma, dsigma):
    return np.eye(1) if l == len(A) - 1 else np.diag(dsigma(z(l, A, b, y)))

def dy_dyprev(l, A, b, y, sigma, dsigma):
    return A[l] if l == len(A) - 1 else np.diag(dsigma(z(l, A, b, y))) @ A[l]

def dyL_dA(l, A, b, y, sigma, dsigma):
    L = len(A) - 1
    delta = np.ones(1)
    for k in range(L, l, -1):
        delta = A[k].T @ delta * (dsigma(z(k - 1, A, b, y)))
    return np.outer(delta, y[l - 1])
"""
SIGNATURE = "(l, A, b, y, sigma, dsigma):\n    L, s = len(A) - 1, lambda k: dsigma(A[k] @ y[k - 1] + b[k])\n"
DB, DYPREV, DA = (f"def {name}{SIGNATURE}" for name in ("dy_db", "dy_dyprev", "dyL_dA"))
CHAIN = """
    delta = np.ones(1)
    for k in range(L, l, -1): delta = {step}
    return {result}
"""
STEP, RESULT = "s(k - 1) * (A[k].T @ delta)", "np.outer(delta, y[l - 1])"


def chain(step=STEP, result=RESULT):
    """dyL_dA by a backward recursion, as no formula of the catalogue is written."""
    return DA + CHAIN.format(step=step, result=result)


# The wrong part, its name, and one function that makes the mistake, in other words than the catalogue's.
MISTAKES = [
    ("a1", "constant_derivative", DB + "    return [[0]] if l == L else np.diag(s(l))"),
    ("a1", "wrong_variable", DB + "    return A[L] if l == L else np.diag(s(l))"),
    ("a1", "sigma_prime_at_output", DB + "    return s(l) * np.eye(len(b[l]))"),
    ("a2", "gradient_layout", DYPREV + "    return A[l].transpose() if l == L else s(l)[:, None] * A[l]"),
    ("a2", "sigma_prime_at_output", DYPREV + "    return np.einsum('i,ij->ij', s(l), A[l])"),
    ("a3", "vector_not_diagonal", DB + "    return [1.0] if l == L else s(l).reshape(-1, 1)"),
    ("a3", "vector_not_diagonal", DB + "    return [1.0] if l == L else list(s(l))"),
    ("a3", "sigma_prime_missing", DB + "    return np.identity(len(b[l]))"),
    ("a3", "bias_dropped", DB + "    return np.eye(1) if l == L else np.diag(dsigma(A[l].dot(y[l - 1])))"),
    ("a3", "assumes_sigmoid", DB + "    return np.eye(1) if l == L else np.diag(y[l] - y[l] * y[l])"),
    ("a3", "only_positive_preactivations",
     DB + "    return np.eye(1) if l == L else np.diag(np.where(z(l, A, b, y) > 0, s(l), 0))"),
    ("a3", "sum_not_diag", DB + "    return np.eye(1) if l == L else np.eye(len(b[l])) * np.sum(s(l))"),
    ("a3", "off_by_one_layer", DB + "    return np.eye(1) if l == L else np.diag(s(l - 1) if l > 1 else s(l))"),
    ("a3", "constant_factor", DB + "    return np.eye(1) if l == L else np.diag(s(l)) * 0.7"),
    ("a3", "sign", DB + "    return np.eye(1) if l == L else -np.diag(s(l))"),
    ("a3", "output_layer_misidentified", DB + "    return np.eye(1) if A[l].shape[0] == 1 else np.diag(s(l))"),
    ("a3", "hard_coded_width", DB + "    return np.eye(1) if l == L else np.eye(3) * s(l)"),
    ("a3", "boundary_layer", DB + "    return np.eye(1) if l == L else np.diag(s(l) if l > 1 else dsigma(b[l]))"),
    ("a4", "order_swapped", DYPREV + "    return A[l] if l == L else A[l] @ np.diag(s(l))"),
    ("a4", "hadamard_columns", DYPREV + "    return A[l] if l == L else np.multiply(s(l), A[l])"),
    ("a4", "vector_not_diagonal", DYPREV + "    return A[l] if l == L else A[l].T @ s(l)"),
    ("a4", "sigma_prime_missing", DYPREV + "    return A[l]"),
    ("a4", "A_missing", DYPREV + "    return A[l] if l == L else np.eye(len(b[l])) * s(l)"),
    ("a4", "inverse", DYPREV + "    return A[l] if l == L else A[l] / s(l)[:, None]"),
    ("a4", "sigma_prime_of_matrix", DYPREV + "    return A[l] if l == L else dsigma(A[l]) * A[l]"),
    ("a4", "bias_in_derivative", DYPREV + "    return A[l] if l == L else (s(l) * b[l])[:, None] * A[l]"),
    ("a4", "constant_factor", DYPREV + "    return A[l] if l == L else s(l)[:, None] * A[l] / len(y[l - 1])"),
    ("b1", "off_by_one_layer", chain(result="np.outer(delta, y[0])")),
    ("b1", "off_by_one_layer", chain(result="y[l][None, :] if l == L else np.outer(delta, y[l - 1])")),
    ("b1", "constant_derivative", chain(result="1.0 if l == L else np.outer(delta, y[l - 1])")),
    ("b1", "constant_factor", chain(result="np.outer(delta, y[l - 1]) / (len(y[l - 1]) if l == L else 1)")),
    ("a2", "bias_in_derivative", DYPREV + "    return A[l] * b[l] if l == L else s(l)[:, None] * A[l]"),
    ("a4", "value_not_derivative", DYPREV + "    return A[l] if l == L else z(l, A, b, y)"),
    ("a4", "order_swapped", DYPREV + "    return A[l] if l == L else A[l] @ s(l)"),
    ("a4", "hard_coded", DYPREV + "    return A[l] if l == L else np.full(A[l].shape, 0.37)"),
    ("a4", "output_layer_misidentified", DYPREV + "    return A[l] if l >= L - 1 else s(l)[:, None] * A[l]"),
    ("b2", "value_not_derivative", chain(result="y[l] if l < L else y[l - 1]")),
    ("b2", "constant_factor", chain(result="np.outer(delta, y[l - 1]) / (L if l < L else 1)")),
    ("a3", "mutates_inputs", DB + "    if l == L: return 1\n    y[l][:] = s(l)\n    return np.diag(y[l])"),
    ("b1", "loss_gradient_mixed_in", chain(result="y[L] * np.outer(delta, y[l - 1])")),
    ("b1", "sign", chain(result="-np.outer(delta, y[l - 1])")),
    ("b2", "sign", chain(result="np.outer(delta, y[l - 1]) * (1 if l == L else -1)")),
    ("b2", "gradient_layout", chain(result="np.outer(y[l - 1], delta) if l < L else y[l - 1]")),
    ("b2", "transposed_then_reshaped", chain(result="np.outer(y[l - 1], delta).reshape(len(delta), -1)")),
    ("b2", "off_by_one_layer", chain(result="np.outer(delta, y[0] if l < L else y[l - 1])")),
    ("b2", "sigma_prime_at_activation", chain(step="dsigma(y[k - 1]) * (A[k].T @ delta)")),
    ("b2", "sigma_instead_of_sigma_prime", chain(step="y[k - 1] * (A[k].T @ delta)")),
    ("b2", "bias_dropped", chain(step="dsigma(A[k - 1] @ y[k - 2]) * (A[k].T @ delta)")),
    ("b2", "sigma_prime_missing", chain(step="A[k].T @ delta")),
    ("b2", "sigma_prime_twice", chain(step="s(k - 1) ** 2 * (A[k].T @ delta)")),
    ("b2", "assumes_tanh", chain(step="(1 - np.square(y[k - 1])) * (A[k].T @ delta)")),
    ("b2", "sigma_prime_at_output",
     chain(step="s(k - 1) * (A[k].T @ (delta if k < L else s(L)))", result="np.outer(delta, y[l - 1])")),
    ("b2", "chain_factor_missing", DA + "    return np.outer(s(l) if l < L else 1, y[l - 1])"),
    ("b2", "chain_too_short", DA + """
    g = np.eye(1) if l == L else A[L]
    for k in range(L - 1, l + 1, -1): g = g @ (s(k)[:, None] * A[k])
    return np.outer(g[0] * (s(l) if l < L else 1), y[l - 1])"""),
    ("b2", "three_tensor", DA + "    return y[l - 1] if l == L else np.einsum('ij,k->ijk', np.diag(s(l)), y[l - 1])"),
    ("b2", "flattened", chain(result="np.outer(delta, y[l - 1]).ravel()")),
    ("b2", "output_formula_in_hidden", DA + "    return np.repeat(y[l - 1][None, :], len(b[l]), axis=0)"),
    ("b2", "pre_activation_not_activation",
     chain(result="np.outer(delta, y[0] if l == 1 else z(l - 1, A, b, y) if l < L else y[l - 1])")),
    ("a3", "sum_not_diag", DB + "    return np.eye(1) if l == L else np.eye(len(b[l])) * np.mean(s(l))"),
    ("a3", "bias_dropped", DB + """
    h = y[0]
    for k in range(1, l): h = sigma(A[k] @ h)
    return np.eye(1) if l == L else np.diag(dsigma(A[l] @ h))"""),
    ("b2", "sum_not_diag", chain(result="np.outer(delta, y[l - 1]) if l == L else np.outer(s(l) * (delta / s(l)).sum(), y[l - 1])")),
    ("b2", "sigma_prime_of_matrix", DA + """
    g = np.eye(1) if l == L else A[L]
    for k in range(L - 1, l, -1): g = g @ (dsigma(A[k]) * A[k])
    return np.outer(g[0] * (s(l) if l < L else 1), y[l - 1])"""),
    ("b2", "boundary_layer", chain(result="np.outer(delta, y[l - 1] if l > 1 else np.ones(len(y[0])))")),
    ("b2", "hard_coded_depth", chain(result="np.outer(delta, y[l - 1]) * (L < 4 or l == L)")),
    ("b2", "squeeze_width1", DA + """
    g = A[L].squeeze()
    for k in range(L - 1, l, -1): g = (g @ (s(k)[:, None] * A[k])).squeeze()
    return np.outer(g * s(l) if l < L else 1, y[l - 1])"""),
]  # fmt: skip


def named(report, part):
    (criterion,) = (criterion for criterion in report.criteria if criterion.id == part)
    return criterion


def test_numbers_too_large_to_be_compared_have_no_name(grade):
    report = grade(RIGHT + DB + "    return np.full((len(b[l]), len(b[l])), (1.7e308 + 1.7e308j) * (1 - l / 100))")
    assert {criterion.id: criterion.misconception for criterion in report.criteria}["a3"] is None


@pytest.mark.parametrize(("part", "name", "function"), MISTAKES, ids=[f"{part} {name}" for part, name, _ in MISTAKES])
def test_a_mistake_is_named(part, name, function, grade):
    criterion = named(grade(f"{RIGHT}\n{function}\n"), part)
    assert criterion.verdict != "right"
    assert criterion.misconception == name


# What is wrong without being one of these.
UNNAMED = {
    "writes into its inputs and knows nothing": DB + "    b[l][0] = 0",
    "writes and is wrong besides": DB + "    b[l][0] = 0\n    return np.ones(len(b[l]))",
    "random": DB + "    return np.random.randn(len(b[l]), len(b[l]))",
    "random signs": DB + "    return np.diag(s(l)) * np.random.choice([-1, 1])",
    "right at first and random later": "c = []\n" + DB + "    c.append(0)\n    return np.diag(s(l)) if len(c) == 1 else np.random.randn(len(b[l]), len(b[l]))",
    "not a number": DB + "    return np.full((len(b[l]),) * 2, np.nan)",
    "nothing but zeros": DB + "    return np.zeros((len(b[l]),) * 2)",
    "not written": DB + "    raise NotImplementedError",
    "written for L = 2 only": DB + "    return np.eye(1) if l == L else np.diag(s(l)) if L == 2 else np.zeros((len(b[l]),) * 2)",
    "another size altogether": DB + "    return np.ones((7, 7))",
}  # fmt: skip


@pytest.mark.parametrize("function", UNNAMED.values(), ids=UNNAMED)
def test_what_is_none_of_these_gets_no_name_and_no_credit(function, grade):
    criterion = named(grade(f"{RIGHT}\n{function}\n"), "a3")
    assert criterion.verdict != "right"
    assert (criterion.misconception, criterion.credit, criterion.points) == (None, None, 0)


def test_two_names_are_none(backprop, grade):
    """For one-unit layers of slope one, say, all would be alike: a name is given only where no other fits."""
    calls = [call for call in backprop.draw(1) if call.part.id == "a1"]
    answers = [Outcome("value", value=np.zeros((1, 1)), shape=(1, 1)) for _ in calls]
    judged = [
        Judged(call, answer, np.ones((1, 1)), Verdict("wrong", "")) for call, answer in zip(calls, answers, strict=True)
    ]

    class Ambiguous:
        MISCONCEPTIONS: ClassVar = {"one": None, "other": None}
        HINTS: ClassVar = {}

        @staticmethod
        def wrong_answers(part):
            return [(name, lambda call: np.zeros((1, 1))) for name in Ambiguous.MISCONCEPTIONS]

        @staticmethod
        def patterns(call):
            return []

        @staticmethod
        def suspects(call, visited):
            return set()

    assert diagnosis.diagnose(Ambiguous, judged, 1e-5).mistake is None
    del Ambiguous.MISCONCEPTIONS["other"]
    assert diagnosis.diagnose(Ambiguous, judged, 1e-5).mistake == "one"
