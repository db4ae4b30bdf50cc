"""`grade verify` proves, and would notice if there were nothing to prove."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader import assignments, proof


@pytest.fixture(scope="module")
def rows(backprop):
    return proof.table(finding for check in proof.checks(backprop) for finding in check.run())


def test_every_part_is_proved_in_three_ways(rows, backprop):
    methods = {row.subject: set() for row in rows}
    for row in rows:
        methods[row.subject].add(row.method)
    for part in backprop.PARTS:
        assert methods[part.id] == {"sympy", "complex step", "central differences"}
    assert all(row.agrees for row in rows)


def test_the_symbolic_difference_is_identically_zero(rows):
    assert all(row.error is None for row in rows if row.method == "sympy")
    assert sum(row.networks for row in rows if row.method == "sympy") >= 30


def test_numbers_agree_to_rounding(rows):
    assert all(row.error < 1e-13 for row in rows if row.method == "complex step")
    assert all(row.error < 1e-7 for row in rows if row.method == "central differences")


def test_every_wrong_reading_is_refuted(rows):
    readings = {row.subject for row in rows if row.method == "wrong reading"}
    assert {name.split(": ")[1] for name in readings} == {
        "∂y_l/∂y_l for ∂y_L/∂y_l", "diag(sigma(z_l)) without the prime", "sigma' at the linear output layer",
        "the formula for l < L at l = L",
    }  # fmt: skip


def test_the_symbolic_widths_are_square_rectangular_thin_shallow_and_deep(backprop):
    shapes = backprop.SYMBOLIC_SHAPES
    assert {len(shape) - 1 for shape in shapes} == {1, 2, 3, 4}
    assert any(1 in shape[1:-1] for shape in shapes)
    assert any(len(set(shape[:-1])) == 1 and len(shape) > 2 for shape in shapes)
    assert any(len(set(shape[:-1])) > 1 for shape in shapes)


@pytest.mark.parametrize("shape", [(2, 2, 1), (2, 3, 1), (3, 2, 3, 1)], ids=str)
def test_a_wrong_reading_is_not_identically_right(shape, backprop):
    """The symbolic method can fail: it refutes each reading that has the right shape."""
    random_problem = backprop.draw_problem(shape, __import__("random").Random(1))
    assert list(backprop.wrong_readings(random_problem))
    sigma, dsigma = proof._undefined_function()
    problem = backprop.problem(shape, symbols, sigma, dsigma)
    for name, reading in backprop.wrong_readings(problem):
        if "∂y_l/∂y_l" not in name:
            assert not proof._is_jacobian(reading), name
    for derivative in backprop.derivatives(problem):
        assert proof._is_jacobian(derivative)
        assert not proof._is_jacobian(derivative._replace(reference=lambda d=derivative: -d.reference()))


def symbols(name, *sizes):
    import numpy as np
    import sympy

    return np.array(sympy.symbols([f"{name}{n}" for n in range(int(np.prod(sizes)))]), dtype=object).reshape(sizes)


@pytest.mark.parametrize(
    ("right", "wrong", "part"),
    [
        ("gradient = gradient @ a4(k, net)", "gradient = gradient @ net.A[k]", "b2"),
        ("return np.diag(net.slope(l))\n", "return np.diag(net.dsigma(net.y[l]))\n", "a3"),
    ],
)
def test_a_broken_reference_exits_with_3(tmp_path, right, wrong, part):
    original = assignments.load("backprop")
    text = Path(original.__file__).read_text()
    assert right in text
    starters = Path(original.__file__).parent
    text = text.replace(right, wrong).replace("Path(__file__).parent", f"Path({str(starters)!r})")
    (tmp_path / "broken.py").write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "grader", "verify", str(tmp_path / "broken.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 3
    assert f"{part} by complex step" in ran.stderr
    assert f"{part} by sympy" in ran.stderr
    assert "DISAGREES" in ran.stdout


def test_sympy_is_not_imported_by_anything_else():
    code = "import sys, grader.cli, grader.grading, grader.assignments.backprop; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
