"""What wrong formulas of backprop are made of: the right pieces, and what is put in the place of one of them.

By far the most mistakes are made in one spot: what stands where sigma'(z_l) belongs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from grader.assignments.backprop import Network

    Wrong = Callable[[int, Network], Any]  # an answer for layer l
    Slope = Callable[[int, Network], Any]  # what stands where sigma'(z_l) belongs: one number a unit
    Times = Callable[[Any, Any], Any]  # how a slope multiplies the rows of a matrix


# The right pieces that wrong formulas are made of.


def slope(l: int, net: Network) -> Any:
    return net.slope(l)


def diagonal(l: int, net: Network) -> Any:
    return np.diag(slope(l, net))


def jacobian(l: int, net: Network) -> Any:
    return slope(l, net)[:, None] * net.A[l]


def chain(net: Network, layers: Iterable[int], of_layer: Wrong = jacobian, output: Any = None) -> Any:
    """A_L times the Jacobians of these layers, from left to right."""
    g = net.A[net.L] if output is None else output
    for k in layers:
        g = g @ of_layer(k, net)
    return g


def between(l: int, net: Network) -> range:
    """The layers between l and the output, the last first."""
    return range(net.L - 1, l, -1)


def weights(l: int, net: Network, *, g: Any = None, factor: Any = None, y: Any = None) -> Any:
    """dy_L/dA_l, with another gradient, factor or activation in it."""
    g = chain(net, between(l, net)) if g is None else g
    return np.outer((slope(l, net) if factor is None else factor) * g[0], net.y[l - 1] if y is None else y)


def by_matmul(factor: Any, matrix: Any) -> Any:
    return np.diag(factor) @ matrix


def by_broadcast(factor: Any, matrix: Any) -> Any:
    """The same where the lengths fit; where one of them is 1, numpy stretches it."""
    return (factor[:, None] if matrix.ndim == 2 else factor) * matrix


# What may stand where sigma'(z_l) belongs.


def fitted(l: int, net: Network) -> Any:
    return net.A[l] @ net.y[l - 1]


def _without_biases(l: int, net: Network) -> Any:
    """The pre-activation of a forward pass that knows none."""
    z = net.A[1] @ net.y[0]
    for k in range(2, l + 1):
        z = net.A[k] @ net.sigma(z)
    return z


def _logistic(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


SLOPES: tuple[tuple[str, Slope], ...] = (
    ("sigma_instead_of_sigma_prime", lambda l, net: net.sigma(net.z(l))),
    ("sigma_instead_of_sigma_prime", lambda l, net: net.sigma(net.y[l])),
    ("sigma_prime_at_activation", lambda l, net: net.dsigma(net.y[l])),
    ("bias_dropped", lambda l, net: net.dsigma(fitted(l, net))),
    ("bias_dropped", lambda l, net: net.dsigma(_without_biases(l, net))),
    ("sum_not_diag", lambda l, net: np.full(len(net.b[l]), slope(l, net).sum())),
    ("sum_not_diag", lambda l, net: np.full(len(net.b[l]), slope(l, net).mean())),
    ("sigma_prime_missing", lambda l, net: np.ones(len(net.b[l]))),
    ("sigma_prime_twice", lambda l, net: slope(l, net) ** 2),
    ("sigma_prime_twice", lambda l, net: net.dsigma(slope(l, net))),
    ("inverse", lambda l, net: 1 / slope(l, net)),
    ("sign", lambda l, net: -slope(l, net)),
    ("sign", lambda l, net: net.dsigma(-net.z(l))),
    ("sign", lambda l, net: net.dsigma(np.abs(net.z(l)))),
    ("sign", lambda l, net: net.dsigma(fitted(l, net) - net.b[l])),
    ("sign", lambda l, net: net.dsigma(net.b[l] - fitted(l, net))),
    ("assumes_sigmoid", lambda l, net: net.y[l] * (1 - net.y[l])),
    ("assumes_sigmoid", lambda l, net: _logistic(net.z(l)) * (1 - _logistic(net.z(l)))),
    ("assumes_sigmoid", lambda l, net: net.z(l) * (1 - net.z(l))),
    ("assumes_tanh", lambda l, net: 1 - net.y[l] ** 2),
    ("assumes_tanh", lambda l, net: 1 - np.tanh(net.z(l)) ** 2),
    ("assumes_tanh", lambda l, net: 1 - net.z(l) ** 2),
    ("assumes_relu", lambda l, net: 1.0 * (net.z(l) > 0)),
    ("assumes_relu", lambda l, net: 1.0 * (net.y[l] > 0)),
    ("only_positive_preactivations", lambda l, net: slope(l, net) * (net.z(l) > 0)),
    ("only_positive_preactivations", lambda l, net: slope(l, net) * (net.y[l] > 0)),
    ("only_positive_preactivations", lambda l, net: net.dsigma(np.maximum(net.z(l), 0))),
    ("transpose_in_preactivation", lambda l, net: net.dsigma(net.A[l].T @ net.y[l - 1] + net.b[l])),
    ("bias_in_derivative", lambda l, net: slope(l, net) * net.b[l]),
    ("bias_in_derivative", lambda l, net: slope(l, net) + net.b[l]),
    ("value_not_derivative", lambda l, net: net.z(l)),
    ("value_not_derivative", lambda l, net: net.b[l]),
    ("constant_factor", lambda l, net: slope(l, net) / len(net.b[l])),
    ("constant_factor", lambda l, net: slope(l, net) / len(net.y[l - 1])),
    ("constant_factor", lambda l, net: slope(l, net) * len(net.b[l])),
    ("constant_factor", lambda l, net: 2 * slope(l, net)),
)

# Of another layer, so that the length may be another too, and the two ways to multiply differ.
SLOPES_OF_ANOTHER_LAYER: tuple[Slope, ...] = (
    lambda l, net: net.dsigma(net.A[l - 1] @ net.y[l - 2] + net.b[l - 1]),
    lambda l, net: slope(l - 1, net) if l > 1 else slope(l, net),
    lambda l, net: slope(l - 1, net) if l > 1 else net.dsigma(net.y[0]),
    lambda l, net: net.dsigma(net.A[l + 1] @ net.y[l] + net.b[l + 1]),
    lambda l, net: net.dsigma(net.y[l - 1]),
    lambda l, net: net.dsigma(net.A[l] @ net.y[l] + net.b[l]),
    lambda l, net: net.dsigma(net.A[l] @ net.y[0] + net.b[l]),
    lambda l, net: net.dsigma(net.A[l] @ net.y[l - 1] + net.b[l - 1]),
    lambda l, net: net.dsigma(net.A[l] @ net.y[l - 1] + net.b[l + 1]),
    lambda l, net: net.dsigma(net.A[l] @ net.y[l - 2] + net.b[l]),
    lambda l, net: net.dsigma(net.A[l - 1] @ net.y[l - 1] + net.b[l]),
)

# The quantity itself instead of how it changes.
VALUES: tuple[Wrong, ...] = (
    fitted,
    lambda l, net: net.z(l),
    lambda l, net: net.y[l],
    lambda l, net: net.b[l],
)
