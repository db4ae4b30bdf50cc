"""The homework as an instructor writes it for gradescope-utils: its reference, eight networks, np.allclose.

It is one of the others that `batch.py` measures; it runs a student's code beside the answers, as they do.
"""

from __future__ import annotations

import io
import sys
import unittest
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np

SHAPES = ((2, 1), (3, 1), (2, 3, 1), (4, 2, 3, 1), (3, 3, 3, 1), (3, 2, 1, 2, 1), (3, 3, 3, 3, 1), (2, 3, 3, 1, 2, 1))


def network(widths, random):
    A = [None] + [random.normal(size=(n, m)) for m, n in pairwise(widths)]
    b = [None] + [random.normal(size=n) for n in widths[1:]]
    y = [random.normal(size=widths[0])]
    for l in range(1, len(A)):
        z = A[l] @ y[-1] + b[l]
        y.append(z if l == len(A) - 1 else np.tanh(z))
    return A, b, y


def slope(z):
    return 1 - np.tanh(z) ** 2


def answers(l, A, b, y):
    L = len(A) - 1
    jacobian = {k: np.diag(slope(A[k] @ y[k - 1] + b[k])) for k in range(1, L)}
    if l == L:
        return np.eye(1), A[L], y[L - 1][None, :]
    gradient = A[L]
    for k in range(L - 1, l, -1):
        gradient = gradient @ jacobian[k] @ A[k]
    return jacobian[l], jacobian[l] @ A[l], jacobian[l] @ gradient.T @ y[l - 1][None, :]


def agrees(position, function):
    """Whether one of the three functions is right on all networks."""
    random = np.random.default_rng(0)
    for widths in SHAPES:
        A, b, y = network(widths, random)
        for l in range(1, len(A)):
            found = function(l, list(A), list(b), list(y), np.tanh, slope)
            if not np.allclose(found, answers(l, A, b, y)[position]):
                return False
    return True


def tests(student):
    from gradescope_utils.autograder_utils.decorators import number, weight

    class Homework(unittest.TestCase):
        pass

    def add(n, function, position):
        @weight(2)
        @number(str(n))
        def test(self):
            assert agrees(position, student.get(function))

        setattr(Homework, f"test_{function}", test)

    for n, function in enumerate(("dy_db", "dy_dyprev", "dyL_dA")):
        add(n, function, n)
    return unittest.defaultTestLoader.loadTestsFromTestCase(Homework)


def main():
    from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner

    student: dict[str, object] = {}
    with suppress(Exception):  # what a file that cannot be loaded lacks, fails its tests
        exec(compile(Path(sys.argv[1]).read_bytes(), sys.argv[1], "exec"), student)
    results = io.StringIO()
    JSONTestRunner(stream=results, visibility="visible").run(tests(student))
    print(results.getvalue())


if __name__ == "__main__":
    main()
