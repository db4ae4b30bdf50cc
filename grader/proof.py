"""`grade verify`: the references of an assignment proved, and the wrong readings of them refuted.

Three ways, each on its own: with sympy (symbolic entries, an undefined sigma), by complex steps, and
by central differences on random problems. The only module to import sympy; it knows nothing of
rubrics or of how code is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from grader.assignments import Assignment, Derivative

RANDOM_PROBLEMS = 20  # of each shape
COMPLEX_STEP = 1e-30
COMPLEX_TOLERANCE = 1e-12
DIFFERENCE_STEP = 1e-6
DIFFERENCE_TOLERANCE = 1e-6  # truncation and cancellation are both below 1e-8 at this step
REFUTED = 1e-3  # a reading is refuted when it is further off than this, on every problem


@dataclass(frozen=True)
class Finding:
    """One part or reading at one place of one network. `error` is None where the difference is identically zero."""

    subject: str
    method: str
    network: object
    error: float | None
    agrees: bool
    seconds: float


@dataclass(frozen=True)
class Row:
    """All findings of one subject by one method. `error` is the worst of them: the largest, or the smallest for a
    wrong reading.
    """

    subject: str
    method: str
    networks: int
    error: float | None
    agrees: bool
    seconds: float


@dataclass(frozen=True)
class Check:
    """A method on one problem, still to be run."""

    title: str
    run: Callable[[], Iterator[Finding]]


def checks(assignment: Assignment) -> list[Check]:
    """Everything there is to check, the slow ones first."""
    symbolic = [
        Check(f"sympy, widths {'-'.join(map(str, shape))}", partial(_symbolic, assignment, shape))
        for shape in sorted(assignment.SYMBOLIC_SHAPES, key=sum, reverse=True)
    ]
    numeric = [
        Check(f"numbers, widths {'-'.join(map(str, shape))}", partial(_numeric, assignment, shape))
        for shape in assignment.SHAPES
    ]
    return symbolic + numeric


def table(findings: Iterable[Finding]) -> list[Row]:
    """The findings gathered by subject and method."""
    gathered: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        gathered.setdefault((finding.method, finding.subject), []).append(finding)
    return [_row(subject, method, found) for (method, subject), found in sorted(gathered.items())]


def _row(subject: str, method: str, found: Sequence[Finding]) -> Row:
    errors = [finding.error for finding in found if finding.error is not None]
    worst = min if method == "wrong reading" else max
    agrees = all(finding.agrees for finding in found)
    return Row(
        subject,
        method,
        len({id(f.network) for f in found}),
        worst(errors, default=None),
        agrees,
        sum(f.seconds for f in found),
    )


# With numbers.


def _numeric(assignment: Assignment, shape: tuple[int, ...]) -> Iterator[Finding]:
    random = Random(0)
    for _ in range(RANDOM_PROBLEMS):
        problem = assignment.draw_problem(shape, random)
        for derivative in assignment.derivatives(problem):
            for method in NUMERIC:
                yield _compare(derivative, method, problem)
        for name, reading in assignment.wrong_readings(problem):
            yield _refute(name, reading, problem)


def _compare(derivative: Derivative, method: str, problem: object) -> Finding:
    started = perf_counter()
    jacobian, tolerance = NUMERIC[method]
    error = _error(derivative.reference(), jacobian(derivative.primal, derivative.variable))
    return Finding(derivative.part, method, problem, error, error <= tolerance, perf_counter() - started)


def _refute(name: str, reading: Derivative, problem: object) -> Finding:
    started = perf_counter()
    exact = complex_step(reading.primal, reading.variable)
    try:
        error = _error(reading.reference(), exact)
    except ValueError:  # the factors of the product do not conform
        error = float("inf")
    subject = f"{reading.part}: {name}"
    return Finding(subject, "wrong reading", problem, error, not error <= REFUTED, perf_counter() - started)


def _error(answer: Any, exact: Any) -> float:
    """max|S - R| / max|R|; infinite for another number of entries."""
    if answer.size != exact.size:
        return float("inf")
    return float(np.abs(answer.reshape(-1) - exact.reshape(-1)).max() / np.abs(exact).max())


def complex_step(primal: Callable[[Any], Any], at: Any) -> Any:
    """The Jacobian of `primal`, Im f(v + ih e_j)/h: exact to rounding (Squire and Trapp, 1998)."""
    return _columns(lambda step: primal(at + 1j * step).imag, at, COMPLEX_STEP)


def central_differences(primal: Callable[[Any], Any], at: Any) -> Any:
    """The Jacobian of `primal`, (f(v + h e_j) - f(v - h e_j))/2h."""
    return _columns(lambda step: (primal(at + step) - primal(at - step)) / 2, at, DIFFERENCE_STEP)


def _columns(along: Callable[[Any], Any], at: Any, step: float) -> Any:
    return np.stack([along(step * unit) / step for unit in np.eye(at.size)], axis=-1)


NUMERIC = {
    "complex step": (complex_step, COMPLEX_TOLERANCE),
    "central differences": (central_differences, DIFFERENCE_TOLERANCE),
}


# With symbols.


def _symbolic(assignment: Assignment, shape: tuple[int, ...]) -> Iterator[Finding]:
    import sympy

    def entries(name: str, *sizes: int) -> Any:
        count = int(np.prod(sizes))
        return np.array(sympy.symbols([f"{name}{n}" for n in range(count)]), dtype=object).reshape(sizes)

    sigma, dsigma = _undefined_function()
    problem = assignment.problem(shape, entries, sigma, dsigma)
    for derivative in assignment.derivatives(problem):
        started = perf_counter()
        agrees = _is_jacobian(derivative)
        error = None if agrees else float("inf")
        yield Finding(derivative.part, "sympy", problem, error, agrees, perf_counter() - started)


def _undefined_function() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """An elementwise sigma of which nothing is known but that its derivative is called dsigma."""
    import sympy

    dsigma = sympy.Function("dsigma")

    class sigma(sympy.Function):  # type: ignore[misc]  # noqa: N801  # sympy has no types; its functions are classes
        def fdiff(self, argindex: int = 1) -> Any:  # noqa: ARG002 sympy's signature
            return dsigma(self.args[0])

    return np.frompyfunc(sigma, 1, 1), np.frompyfunc(dsigma, 1, 1)


def _is_jacobian(derivative: Derivative) -> bool:
    """Whether reference minus derivative is identically zero.

    The map is differentiated at symbols of its own, which are then replaced by what stands there:
    y_{l-1} is itself an expression, and one does not differentiate by an expression.
    """
    import sympy

    own = sympy.symbols([f"v{n}" for n in range(len(derivative.variable))])
    back = dict(zip(own, derivative.variable, strict=True))
    values = derivative.primal(np.array(own, dtype=object))
    exact = [sympy.diff(value, symbol).xreplace(back) for value in values for symbol in own]
    found = list(derivative.reference().reshape(-1))
    return len(found) == len(exact) and all(sympy.expand(f - e) == 0 for f, e in zip(found, exact, strict=True))
