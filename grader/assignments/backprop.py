"""Backprop for a multilayer perceptron: the network, its derivatives, and the networks to grade on.

The statement (E. Ryu, Mathematical Foundations of Deep Neural Networks, SNU M1407.001200,
Homework 4, Problem 6). For x in R^{n_0}, A_l in R^{n_l x n_{l-1}}, b_l in R^{n_l}, n_L = 1 and an
elementwise differentiable sigma,

    y_0 = x,   y_l = sigma(z_l) for l = 1..L-1,   y_L = z_L (linear),   z_l = A_l y_{l-1} + b_l.

Row i, column j of dy/dx is dy_i/dx_j (numerator layout), and [dy_L/dA_l]_ij = dy_L/d(A_l)_ij.
A vector is a 1-D array; A[l], b[l] and y[l] are those of the paper (A[0] and b[0] are None).

The same code answers for numbers (float64, float32, complex) and for sympy's symbols, so what
grades is what is proved. It knows nothing of rubrics or of how code is run.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from math import prod
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from grader.assignments import Derivative
from grader.errors import GraderFault
from grader.formula import Formula
from grader.values import Call, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from grader.assignments import Feedback
    from grader.values import Array

ID = "backprop"
SIGNATURE = "l, A, b, y, sigma, dsigma"
STARTER = (Path(__file__).parent / "starters" / "backprop.py").read_text(encoding="utf-8")

_OUTPUT, _HIDDEN = "in the output layer", "in a hidden layer"
PARTS = (
    Part("a1", "dy_db", f"∂y_L/∂b_L {_OUTPUT}", "∂y_L/∂b_L", "1 × 1", "row i, column j is ∂(y_L)_i/∂(b_L)_j"),
    Part("a2", "dy_dyprev", f"∂y_L/∂y_{{L-1}} {_OUTPUT}", "∂y_L/∂y_{L-1}", "1 × n_{L-1}",
         "row i, column j is ∂(y_L)_i/∂(y_{L-1})_j"),
    Part("a3", "dy_db", f"∂y_l/∂b_l {_HIDDEN}", "∂y_l/∂b_l", "n_l × n_l", "row i, column j is ∂(y_l)_i/∂(b_l)_j"),
    Part("a4", "dy_dyprev", f"∂y_l/∂y_{{l-1}} {_HIDDEN}", "∂y_l/∂y_{l-1}", "n_l × n_{l-1}",
         "row i, column j is ∂(y_l)_i/∂(y_{l-1})_j"),
    Part("b1", "dyL_dA", f"∂y_L/∂A_L {_OUTPUT}", "∂y_L/∂A_L", "1 × n_{L-1}", "row i, column j is ∂y_L/∂(A_L)_ij"),
    Part("b2", "dyL_dA", f"∂y_L/∂A_l {_HIDDEN}", "∂y_L/∂A_l", "n_l × n_{l-1}", "row i, column j is ∂y_L/∂(A_l)_ij"),
)  # fmt: skip
_PART = {part.id: part for part in PARTS}

# Square layers show the value of a transpose, rectangular ones square-only code, a one-unit hidden
# layer a squeezed or misnamed output, L = 1 the order of special cases, L >= 4 a fixed depth.
SHAPES = (
    (2, 1), (3, 1), (2, 3, 1), (4, 2, 3, 1), (3, 3, 3, 1), (3, 2, 1, 2, 1), (3, 3, 3, 3, 1), (2, 3, 3, 1, 2, 1),
)  # fmt: skip
SYMBOLIC_SHAPES = (
    (3, 1),
    (2, 2, 1),
    (2, 3, 1),
    (3, 1, 1),
    (3, 2, 3, 1),
    (4, 4, 4, 1),
    (2, 1, 2, 2, 1),
    (3, 3, 3, 3, 1),
)


MOST_REMEMBERED = 600  # networks: those of a batch
MOST_CANCELLED = 10  # times a gradient may be smaller than without its terms' signs


class Network(NamedTuple):
    """One network with its forward pass: tuples A[0..L], b[0..L], y[0..L], and sigma with its derivative."""

    A: tuple[Any, ...]
    b: tuple[Any, ...]
    y: tuple[Any, ...]
    sigma: Callable[[Any], Any]
    dsigma: Callable[[Any], Any]

    @property
    def L(self) -> int:
        return len(self.A) - 1

    def z(self, l: int) -> Any:
        """The pre-activation A_l y_{l-1} + b_l (step S2)."""
        return self.A[l] @ self.y[l - 1] + self.b[l]

    def slope(self, l: int) -> Any:
        """sigma'(z_l), a number a unit (step S4)."""
        return self.dsigma(self.z(l))

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.A[1].shape[1], *(len(b) for b in self.b[1:]))


class _Remembering(Network):
    """The same, with each slope computed once."""

    def slope(self, l: int) -> Any:
        known = self.__dict__
        if (name := f"slope {l}") not in known:
            known[name] = super().slope(l)
        return known[name]


# The references. Each takes y as it is given and never recomputes the forward pass.


def a1(l: int, net: Network) -> Any:  # noqa: ARG001 all references are called alike
    """dy_L/db_L = 1; 1 x 1; l = L. S1: the output layer is linear. S3: dz_i/db_j = delta_ij."""
    return np.ones((1, 1))


def a2(l: int, net: Network) -> Any:
    """dy_L/dy_{L-1} = A_L; 1 x n_{L-1}; l = L. S1: the output layer is linear. S6: dz_i/dy_j = A_ij."""
    return net.A[l]


def a3(l: int, net: Network) -> Any:
    """dy_l/db_l = diag(sigma'(z_l)); n_l x n_l; l = 1..L-1. S3 with S4, the chain rule through sigma: S5."""
    return np.diag(net.slope(l))


def a4(l: int, net: Network) -> Any:
    """dy_l/dy_{l-1} = diag(sigma'(z_l)) A_l; n_l x n_{l-1}; l = 2..L-1. S6, S7: s_i A_ij; S8: the product is that."""
    return net.slope(l)[:, None] * net.A[l]  # diag(s) A: row i times s_i


def b1(l: int, net: Network) -> Any:
    """dy_L/dA_L = y_{L-1}^T; 1 x n_{L-1}; l = L. S1, then S9 with the identity for sigma."""
    return net.y[l - 1][None, :]


def b2(l: int, net: Network) -> Any:
    """dy_L/dA_l = diag(sigma'(z_l)) (dy_L/dy_l)^T y_{l-1}^T; n_l x n_{l-1}; l = 1..L-1.

    S9: dy_l/dA_ij = s_i y_j e_i. S10: the chain rule from y_l to y_L. S11: g e_i = g_i. S12: the matrix.
    """
    return (net.slope(l) * output_gradient(l, net)[0])[:, None] * net.y[l - 1]  # diag(s) g^T y^T: entry s_i g_i y_j


def output_gradient(l: int, net: Network) -> Any:
    """dy_L/dy_l = (dy_L/dy_{L-1}) ... (dy_{l+1}/dy_l); 1 x n_l; l = 1..L-1. S13: the product of layer Jacobians."""
    gradient = a2(net.L, net)
    for k in range(net.L - 1, l, -1):
        gradient = gradient @ a4(k, net)
    return gradient


REFERENCES: dict[str, Callable[[int, Network], Any]] = {"a1": a1, "a2": a2, "a3": a3, "a4": a4, "b1": b1, "b2": b2}


def reference(call: Call) -> Array:
    """The right answer of a call."""
    return REFERENCES[call.part.id](*layer_of(call))  # type: ignore[no-any-return]  # numbers, for a network of numbers


_networks: dict[int, Network] = {}  # by the identity of their A, which each of them keeps from being another's


def layer_of(call: Call) -> tuple[int, Network]:
    """The layer and the network of a call, as `calls` packed them; all calls of a network share what it remembers."""
    l, A, *rest = call.arguments
    net = _networks.get(id(A))
    if net is None or net.A is not A:
        if len(_networks) >= MOST_REMEMBERED:
            _networks.clear()
        net = _networks[id(A)] = _Remembering(A, *rest)  # type: ignore[arg-type]  # as they were packed
    return l, net  # type: ignore[return-value]  # l is a number


def feedback() -> Feedback:
    """What helps to understand a wrong answer; imported when there is one."""
    from grader.assignments import backprop_feedback

    return backprop_feedback


# The calls, and the networks they are made on.


def draw(seed: int) -> tuple[Call, ...]:
    """Every call on eight networks, smallest first: the same, bit for bit, for the same seed."""
    random = Random(seed)
    return tuple(call for widths in SHAPES for call in calls(draw_problem(widths, random)))


def draw_problem(widths: Sequence[int], random: Random) -> Network:
    """A network with entries in +-[.5, 1.5] and a sigma of its own, drawn until it is fit to grade on."""
    for _ in range(10_000):
        net = _random_network(widths, random)
        if _is_generic(net) and _is_well_conditioned(net):
            return net
    raise GraderFault(
        f"backprop: no network of widths {widths} was fit to grade on in 10,000 draws; expected one "
        "in about ten; this is a defect of the grader, please report it"
    )


def calls(net: Network) -> Iterator[Call]:
    """Every call the homework asks for on one network, layer by layer."""
    sites = np.concatenate([net.z(l) for l in range(1, net.L + 1)])
    widths = net.widths
    shape = "-".join(map(str, widths))
    for part_id, l in _parts(net.L):
        before, here = widths[l - 1 : l + 1]
        place = f"l = {l}, widths {shape}"
        units = "1 unit" if here == 1 else f"{here} units"
        scale = f"a layer of {units} after one of {before}"
        yield Call(_PART[part_id], (l, *net), place, scale, sites if l < net.L else None)


def _parts(L: int) -> Iterator[tuple[str, int]]:
    """The parts a network of L layers has, each with its l."""
    for l in range(1, L):
        yield from (("a3", l), ("b2", l)) if l == 1 else (("a3", l), ("a4", l), ("b2", l))
    yield from (("a1", L), ("a2", L), ("b1", L))


def _random_network(widths: Sequence[int], random: Random) -> Network:
    p, q, w, s = (random.uniform(*bounds) for bounds in ((0.5, 0.6), (0.2, 0.25), (1.0, 2.0), (0.4, 1.2)))
    constants = {"p": p, "q": q, "w": w, "s": s}
    sigma = Formula("p*z + q/w*sin(w*z + s)", constants)  # entire, unguessable, never even, sigma' in [.25, .85]
    dsigma = Formula("p + q*cos(w*z + s)", constants)
    count = widths[0] + sum(here * (before + 1) for before, here in pairwise(widths))
    numbers, taken = _signed(random, count), 0

    def next_ones(_: str, *shape: int) -> Array:
        nonlocal taken
        start, taken = taken, taken + prod(shape)
        return numbers[start:taken].reshape(shape)

    return problem(widths, next_ones, sigma, dsigma)


def problem(widths: Sequence[int], entries: Callable[..., Any], sigma: Any, dsigma: Any) -> Network:
    """The network of these widths whose A_l, b_l and x are what `entries(name, *shape)` gives."""
    A = (None, *(entries(f"A{l}_", here, before) for l, (before, here) in enumerate(pairwise(widths), 1)))
    b = (None, *(entries(f"b{l}_", here) for l, here in enumerate(widths[1:], 1)))
    return Network(A, b, forward(A, b, entries("x", widths[0]), sigma), sigma, dsigma)


def forward(A: Sequence[Any], b: Sequence[Any], x: Any, sigma: Callable[[Any], Any], start: int = 0) -> tuple[Any, ...]:
    """The activations y_0..y_L from y_start = x on; those before are None."""
    y = [None] * start + [x]
    for l in range(start + 1, len(A)):
        z = A[l] @ y[-1] + b[l]
        y.append(z if l == len(A) - 1 else sigma(z))
    return tuple(y)


def _signed(random: Random, count: int) -> Array:
    """Entries of either sign and never near zero, so that no structure hides behind one: +-[.5, 1.5)."""
    number = random.random
    uniform: Array = np.array([number() for _ in range(count)]) * 2 - 1  # [-1, 1)
    return uniform + np.copysign(0.5, uniform)


def _is_generic(net: Network) -> bool:
    """Both signs of z in every hidden layer of two units or more: a ReLU's derivative would show."""
    return all(len(net.b[l]) == 1 or min(z := net.z(l).tolist()) < 0 < max(z) for l in range(1, net.L))


def _is_well_conditioned(net: Network) -> bool:
    """The references in float32 are within 1e-6: honest single precision stays far from the tolerance.

    Those of the output layer are 1, A_L and y_{L-1}, and always are.
    """
    double = _Remembering(*net)
    if _cancels(double):
        return False
    single = _Remembering(_single(net.A), _single(net.b), _single(net.y), net.sigma, net.dsigma)
    pairs = ((REFERENCES[part](l, single), REFERENCES[part](l, double)) for part, l in _parts(net.L) if l < net.L)
    return all(abs(rough - exact).max() <= 1e-6 * abs(exact).max() for rough, exact in pairs)


def _cancels(net: Network) -> bool:
    """Whether a gradient is small only because large terms cancel: whoever computes it otherwise would lose digits."""
    gradient = net.A[net.L]
    without_signs = np.abs(gradient)
    for l in range(net.L - 1, 0, -1):
        if np.abs(gradient).max() * MOST_CANCELLED < without_signs.max():
            return True
        jacobian = a4(l, net)
        gradient, without_signs = gradient @ jacobian, without_signs @ np.abs(jacobian)
    return False


def _single(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(None if value is None else value.astype(np.float32) for value in values)


# What the references are the derivatives of, and readings of the written solution that are not.


def derivatives(net: Network) -> Iterator[Derivative]:
    """Every reference of the network with the map it is the Jacobian of."""
    for part, l in _parts(net.L):
        yield _derivative(part, l, net, partial(REFERENCES[part], l, net))


def wrong_readings(net: Network) -> Iterator[tuple[str, Derivative]]:
    """Misreadings that circulate in copies of the written solution; each must differ from the derivative."""
    readings: tuple[tuple[str, str, Callable[[int, Network], Any]], ...] = (
        ("∂y_l/∂y_l for ∂y_L/∂y_l", "b2", _own_gradient_for_output_gradient),
        ("diag(sigma(z_l)) without the prime", "a3", lambda l, net: np.diag(net.sigma(net.z(l)))),
        ("diag(sigma(z_l)) without the prime", "a4", lambda l, net: np.diag(net.sigma(net.z(l))) @ net.A[l]),
        ("sigma' at the linear output layer", "a1", a3),
        ("sigma' at the linear output layer", "a2", a4),
        ("the formula for l < L at l = L", "a1", a3),
        ("the formula for l < L at l = L", "b1", lambda l, net: a3(l, net) @ b1(l, net)),
    )
    for name, part, reading in readings:
        for l in [l for known, l in _parts(net.L) if known == part]:
            yield name, _derivative(part, l, net, partial(reading, l, net))


def _own_gradient_for_output_gradient(l: int, net: Network) -> Any:
    return np.diag(net.slope(l)) @ np.eye(net.widths[l]).T @ net.y[l - 1][None, :]


def _derivative(part: str, l: int, net: Network, reference: Callable[[], Any]) -> Derivative:
    primal, variable = _primal(part, l, net)
    return Derivative(part, f"l = {l}", primal, variable, reference)


def _primal(part: str, l: int, net: Network) -> tuple[Callable[[Any], Any], Any]:
    """The map a part differentiates and the point at which it does; A_l is flattened row by row."""
    A, b, y = net.A[l], net.b[l], net.y[l - 1]
    activation = net.sigma if l < net.L else lambda z: z

    def output_of(flat: Any) -> Any:
        weights = (*net.A[:l], flat.reshape(A.shape), *net.A[l + 1 :])
        return forward(weights, net.b, y, net.sigma, start=l - 1)[-1]

    return {
        "∂b": (lambda v: activation(A @ y + v), b),
        "∂y": (lambda v: activation(A @ v + b), y),
        "∂A": (output_of, A.reshape(-1)),
    }[_PART[part].quantity.split("/")[1][:2]]
