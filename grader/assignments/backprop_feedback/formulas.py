"""What each known mistake in backprop computes: wrong formulas, executable, by part.

Each takes a layer and a network and gives the wrong answer, not always a matrix, or raises where it cannot be
evaluated. The same mistake has several formulas, for it can be made in front, in the chain, or in both, and written
as a matrix product or with broadcasting. Whether one was made, and what to say of it, is not known here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.assignments.backprop_feedback.pieces import (
    SLOPES,
    SLOPES_OF_ANOTHER_LAYER,
    VALUES,
    between,
    by_broadcast,
    by_matmul,
    chain,
    diagonal,
    fitted,
    jacobian,
    slope,
    weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from grader.assignments.backprop import Network
    from grader.assignments.backprop_feedback.pieces import Slope, Times, Wrong


def _scalings() -> Iterator[tuple[str, Slope, Times]]:
    yield from ((slug, factor, by_broadcast) for slug, factor in SLOPES)
    yield from (("off_by_one_layer", factor, times) for factor in SLOPES_OF_ANOTHER_LAYER for times in _WAYS)


_WAYS = (by_matmul, by_broadcast)


# The output layer.


def _a1() -> Iterator[tuple[str, Wrong]]:
    yield "sigma_prime_at_output", diagonal
    yield "constant_derivative", lambda l, net: np.zeros((1, 1))
    yield "sign", lambda l, net: -np.ones((1, 1))
    yield "value_not_derivative", lambda l, net: net.b[l][None, :]
    yield "value_not_derivative", lambda l, net: net.y[l][None, :]
    yield "wrong_variable", lambda l, net: net.A[l]
    yield "wrong_variable", lambda l, net: net.y[l - 1][None, :]
    yield from (("off_by_one_layer", _diagonal_of(factor)) for factor in SLOPES_OF_ANOTHER_LAYER)


def _a2() -> Iterator[tuple[str, Wrong]]:
    yield "sigma_prime_at_output", jacobian
    yield "gradient_layout", lambda l, net: net.A[l].T
    yield "off_by_one_layer", lambda l, net: net.A[l - 1]
    yield "off_by_one_layer", lambda l, net: net.A[l - 1] if l > 1 else net.A[l]
    yield "off_by_one_layer", lambda l, net: net.A[l - 1] if l > 1 else np.zeros_like(net.A[l])
    yield "value_not_derivative", lambda l, net: net.A[l] * net.y[l - 1]
    yield "value_not_derivative", lambda l, net: net.y[l][None, :]
    yield "value_not_derivative", lambda l, net: fitted(l, net)[None, :]
    yield "bias_in_derivative", lambda l, net: net.A[l] + net.b[l]
    yield "bias_in_derivative", lambda l, net: net.A[l] * net.b[l]
    yield "constant_factor", lambda l, net: net.A[l] / net.A[l].size
    yield "constant_derivative", lambda l, net: np.zeros_like(net.A[l])
    yield "constant_derivative", lambda l, net: np.ones_like(net.A[l])
    yield "wrong_variable", lambda l, net: net.y[l - 1][None, :]
    yield "constant_derivative", lambda l, net: np.ones((1, 1))
    yield "sign", lambda l, net: np.abs(net.A[l])
    yield "sign", lambda l, net: -net.A[l]


def _b1() -> Iterator[tuple[str, Wrong]]:
    yield "sigma_prime_at_output", lambda l, net: slope(l, net) * net.y[l - 1][None, :]
    yield "gradient_layout", lambda l, net: net.y[l - 1][:, None]
    yield "wrong_variable", lambda l, net: net.A[l]
    yield "constant_derivative", lambda l, net: np.ones((1, 1))
    yield "pre_activation_not_activation", lambda l, net: (net.A[l - 1] @ net.y[l - 2] + net.b[l - 1])[None, :]
    yield "pre_activation_not_activation", lambda l, net: net.z(l - 1)[None, :] if l > 1 else net.y[0][None, :]
    yield from (("off_by_one_layer", partial(_row_of, offset)) for offset in (0, -2))
    yield "off_by_one_layer", lambda l, net: net.y[0][None, :]
    yield "off_by_one_layer", lambda l, net: net.y[l - 2][None, :] if l > 1 else net.y[0][None, :]
    yield "chain_too_long", lambda l, net: net.A[l] * net.y[l - 1]
    yield "loss_gradient_mixed_in", lambda l, net: net.y[l] * net.y[l - 1][None, :]
    yield "loss_gradient_mixed_in", lambda l, net: 2 * net.y[l] * net.y[l - 1][None, :]
    yield "constant_derivative", lambda l, net: np.zeros_like(net.A[l])
    yield "constant_derivative", lambda l, net: np.ones_like(net.A[l])
    yield "bias_in_derivative", lambda l, net: net.y[l - 1][None, :] + net.b[l]
    yield "bias_in_derivative", lambda l, net: net.y[l - 1][None, :] * net.b[l]
    yield "constant_factor", lambda l, net: net.y[l - 1][None, :] / len(net.y[l - 1])
    yield "value_not_derivative", lambda l, net: fitted(l, net)[None, :]
    yield "sign", lambda l, net: -net.y[l - 1][None, :]
    yield "sign", lambda l, net: np.abs(net.y[l - 1])[None, :]


def _row_of(offset: int, l: int, net: Network) -> Any:
    return net.y[l + offset][None, :]


# A hidden layer.


def _diagonal_of(factor: Slope) -> Wrong:
    return lambda l, net: np.diag(factor(l, net))


def _a3() -> Iterator[tuple[str, Wrong]]:
    yield from ((slug, _diagonal_of(factor)) for slug, factor in SLOPES)
    yield from (("off_by_one_layer", _diagonal_of(factor)) for factor in SLOPES_OF_ANOTHER_LAYER)
    yield "vector_not_diagonal", slope
    yield "vector_not_diagonal", lambda l, net: slope(l, net)[:, None]
    yield "vector_not_diagonal", lambda l, net: slope(l, net)[None, :]
    yield "full_not_diagonal", lambda l, net: np.tile(slope(l, net)[:, None], len(net.b[l]))
    yield "full_not_diagonal", lambda l, net: np.tile(slope(l, net), (len(net.b[l]), 1))
    yield "full_not_diagonal", lambda l, net: np.outer(slope(l, net), slope(l, net))
    yield "full_not_diagonal", lambda l, net: np.ones((len(net.b[l]),) * 2)
    yield "wrong_variable", jacobian
    yield "wrong_variable", lambda l, net: net.A[l]
    yield "wrong_variable", lambda l, net: np.outer(slope(l, net), net.y[l - 1])
    yield "value_not_derivative", lambda l, net: net.z(l)
    yield "value_not_derivative", lambda l, net: net.y[l]
    yield "sigma_prime_of_matrix", lambda l, net: net.dsigma(net.A[l])
    yield "bias_in_derivative", lambda l, net: diagonal(l, net) + net.b[l]
    yield "output_layer_misidentified", lambda l, net: np.eye(1) if l == net.L - 1 else diagonal(l, net)
    yield "output_layer_misidentified", lambda l, net: np.eye(len(net.b[l])) if l == net.L - 1 else diagonal(l, net)
    yield "output_layer_misidentified", lambda l, net: np.eye(1) if len(net.b[l]) == 1 else diagonal(l, net)


def _a4() -> Iterator[tuple[str, Wrong]]:
    for slug, factor, times in _scalings():
        yield slug, partial(_scaled, factor, times)
    yield "gradient_layout", lambda l, net: jacobian(l, net).T
    yield "gradient_layout", lambda l, net: diagonal(l, net) @ net.A[l].T
    yield "transposed_then_reshaped", lambda l, net: jacobian(l, net).T.reshape(net.A[l].shape)
    yield "transposed_then_reshaped", lambda l, net: slope(l, net)[:, None] * net.A[l].T.reshape(net.A[l].shape)
    yield "order_swapped", lambda l, net: net.A[l] @ diagonal(l, net)
    yield "hadamard_columns", lambda l, net: slope(l, net) * net.A[l]
    yield "vector_not_diagonal", lambda l, net: slope(l, net) @ net.A[l]
    yield "vector_not_diagonal", lambda l, net: slope(l, net)[None, :] @ net.A[l]
    yield "A_missing", diagonal
    yield "A_missing", slope
    yield "wrong_variable", lambda l, net: np.outer(slope(l, net), net.y[l - 1])
    yield "sigma_prime_of_matrix", lambda l, net: net.dsigma(net.A[l]) * net.A[l]
    yield "sigma_prime_of_matrix", lambda l, net: net.dsigma(net.A[l])
    yield "bias_in_derivative", lambda l, net: jacobian(l, net) + net.b[l][:, None]
    yield from (("value_not_derivative", value) for value in VALUES)
    yield "bias_in_derivative", lambda l, net: slope(l, net)[:, None] * (net.A[l] + net.b[l][:, None])
    yield "order_swapped", lambda l, net: net.A[l] @ slope(l, net)
    yield "output_layer_misidentified", lambda l, net: net.A[l] if l == net.L - 1 else jacobian(l, net)
    yield "value_not_derivative", lambda l, net: net.A[l] * net.y[l - 1]
    yield "value_not_derivative", lambda l, net: jacobian(l, net) * net.y[l - 1]
    yield "off_by_one_layer", lambda l, net: diagonal(l, net) @ net.A[l + 1]
    yield "off_by_one_layer", lambda l, net: diagonal(l, net) @ net.A[l - 1]
    yield "off_by_one_layer", lambda l, net: jacobian(l - 1, net)
    yield "off_by_one_layer", lambda l, net: jacobian(l + 1, net)
    yield "sign", lambda l, net: np.abs(jacobian(l, net))
    yield "sign", lambda l, net: slope(l, net)[:, None] * np.abs(net.A[l])
    yield "output_layer_misidentified", _told_by_width


def _scaled(factor: Slope, times: Times, l: int, net: Network) -> Any:
    return times(factor(l, net), net.A[l])


def _told_by_width(l: int, net: Network) -> Any:
    return net.A[l] if len(net.b[l]) == 1 else jacobian(l, net)


def _b2() -> Iterator[tuple[str, Wrong]]:
    for slug, factor, times in _scalings():
        yield slug, partial(_wrong_slope, factor, jacobian, times)
        yield slug, partial(_wrong_slope, slope, partial(_scaled, factor, times), times)
        yield slug, partial(_wrong_slope, factor, partial(_scaled, factor, times), times)
    for slug, of_layer in _CHAINS:
        yield slug, partial(_wrong_chain, of_layer)
    for slug, layers in _RANGES:
        for times in _WAYS:
            yield slug, partial(_wrong_range, layers, times)
    yield from (("value_not_derivative", value) for value in VALUES)
    yield from _B2


def _wrong_slope(factor: Slope, of_layer: Wrong, times: Times, l: int, net: Network) -> Any:
    return np.outer(times(factor(l, net), chain(net, between(l, net), of_layer)[0]), net.y[l - 1])


def _wrong_chain(of_layer: Wrong, l: int, net: Network) -> Any:
    return weights(l, net, g=chain(net, between(l, net), of_layer))


_CHAINS: tuple[tuple[str, Wrong], ...] = (
    ("gradient_layout", lambda k, net: diagonal(k, net) @ net.A[k].T),
    ("gradient_layout", lambda k, net: jacobian(k, net).T),
    ("order_swapped", lambda k, net: net.A[k] @ diagonal(k, net)),
    ("hadamard_columns", lambda k, net: slope(k, net) * net.A[k]),
    ("sigma_prime_of_matrix", lambda k, net: net.dsigma(net.A[k]) * net.A[k]),
    ("A_missing", diagonal),
    ("output_layer_misidentified", _told_by_width),
)


def _wrong_range(layers: Callable[[int, Network], Iterable[int]], times: Times, l: int, net: Network) -> Any:
    return np.outer(times(slope(l, net), chain(net, layers(l, net))[0]), net.y[l - 1])


_RANGES: tuple[tuple[str, Callable[[int, Network], Iterable[int]]], ...] = (
    ("chain_too_short", lambda l, net: range(net.L - 1, l + 1, -1)),
    ("chain_too_short", lambda l, net: range(net.L - 2, l, -1)),
    ("chain_too_short", lambda l, net: ()),
    ("chain_too_long", lambda l, net: range(net.L - 1, l - 1, -1)),
    ("chain_reversed", lambda l, net: range(l + 1, net.L)),
)


def _reversed_product(l: int, net: Network) -> Any:
    product = np.eye(len(net.b[l]))
    for k in range(l + 1, net.L):
        product = product @ jacobian(k, net)
    return weights(l, net, g=net.A[net.L] @ product)


def _without_output(l: int, net: Network) -> Any:
    return weights(l, net, g=chain(net, between(l, net), output=np.ones_like(net.A[net.L])))


def _hadamard(of_layer: Wrong, l: int, net: Network) -> Any:
    return np.outer(chain(net, between(l, net), of_layer)[0], net.y[l - 1]) * slope(l, net)


def _gradient(l: int, net: Network) -> Any:
    return chain(net, between(l, net))[0]


def _by_width(of_layer: Wrong, l: int, net: Network) -> Any:
    if len(net.b[l]) == 1:
        return net.y[l - 1][None, :]
    return weights(l, net, g=chain(net, between(l, net), of_layer))


def _tensor(l: int, net: Network) -> Any:
    """All derivatives of y_l by A_l: unit, row, column."""
    return diagonal(l, net)[:, :, None] * net.y[l - 1]


def _a_layer_below(times: Times, l: int, net: Network) -> Any:
    return np.outer(times(slope(l - 1, net), _gradient(l, net)), net.y[l - 2])


def _input(l: int, net: Network, offset: int) -> Any:
    return weights(l, net, y=net.y[l + offset])


_B2: tuple[tuple[str, Wrong], ...] = (
    ("sigma_prime_at_output", lambda l, net: weights(l, net, g=chain(net, range(net.L, l, -1), output=np.eye(1)))),
    ("output_formula_in_hidden", lambda l, net: np.tile(net.y[l - 1], (len(net.b[l]), 1))),
    ("output_formula_in_hidden", lambda l, net: net.y[l - 1][None, :]),
    ("gradient_layout", lambda l, net: weights(l, net).T),
    ("transposed_then_reshaped", lambda l, net: weights(l, net).T.reshape(net.A[l].shape)),
    ("hadamard_columns", partial(_hadamard, jacobian)),
    ("hadamard_columns", partial(_hadamard, lambda k, net: slope(k, net) * net.A[k])),
    ("sum_not_diag", lambda l, net: np.tile((slope(l, net) @ _gradient(l, net)) * net.y[l - 1], (len(net.b[l]), 1))),
    ("sum_not_diag", lambda l, net: (slope(l, net) @ _gradient(l, net)) * net.y[l - 1][None, :]),
    ("sum_not_diag", lambda l, net: np.outer(slope(l, net) * _gradient(l, net).sum(), net.y[l - 1])),
    ("chain_too_short", _without_output),
    ("chain_factor_missing", lambda l, net: np.outer(slope(l, net), net.y[l - 1])),
    ("chain_reversed", _reversed_product),
    ("off_by_one_layer", partial(_input, offset=0)),
    ("off_by_one_layer", partial(_input, offset=-2)),
    ("off_by_one_layer", lambda l, net: weights(l, net, y=net.y[l - 2] if l > 1 else net.y[0])),
    ("off_by_one_layer", lambda l, net: weights(l, net, y=net.y[0])),
    ("off_by_one_layer", lambda l, net: weights(l, net, y=net.dsigma(net.y[l - 1]) * net.y[l - 1])),
    ("off_by_one_layer", partial(_a_layer_below, by_matmul)),
    ("off_by_one_layer", partial(_a_layer_below, by_broadcast)),
    ("off_by_one_layer", lambda l, net: weights(l - 1, net) if l > 1 else 1 / 0),
    ("off_by_one_layer", lambda l, net: weights(l + 1, net)),
    ("pre_activation_not_activation", lambda l, net: weights(l, net, y=net.A[l - 1] @ net.y[l - 2] + net.b[l - 1])),
    ("pre_activation_not_activation", lambda l, net: weights(l, net, y=net.z(l - 1) if l > 1 else net.y[0])),
    ("pre_activation_not_activation", lambda l, net: weights(l, net, y=net.z(l))),
    ("flattened", lambda l, net: weights(l, net).ravel()),
    ("flattened", lambda l, net: weights(l, net).reshape(1, -1)),
    ("flattened", lambda l, net: weights(l, net).reshape(-1, 1)),
    ("flattened", lambda l, net: weights(l, net).T.ravel()),
    ("three_tensor", _tensor),
    ("three_tensor", lambda l, net: _tensor(l, net).reshape(len(net.b[l]), -1)),
    ("three_tensor", lambda l, net: _tensor(l, net).transpose(1, 2, 0)),
    ("loss_gradient_mixed_in", lambda l, net: net.y[net.L] * weights(l, net)),
    ("loss_gradient_mixed_in", lambda l, net: 2 * net.y[net.L] * weights(l, net)),
    ("bias_in_derivative", lambda l, net: weights(l, net) + net.b[l][:, None]),
    ("constant_factor", lambda l, net: weights(l, net) / net.L),
    ("constant_factor", lambda l, net: weights(l, net) / len(net.y[0])),
    ("constant_factor", lambda l, net: weights(l, net) / net.A[l].size),
    ("output_layer_misidentified", lambda l, net: net.y[l - 1][None, :] if l == net.L - 1 else weights(l, net)),
    ("sign", lambda l, net: np.abs(weights(l, net))),
    ("output_layer_misidentified", partial(_by_width, jacobian)),
    ("output_layer_misidentified", partial(_by_width, _told_by_width)),
)  # fmt: skip

WRONG = {
    part: tuple(formulas())
    for part, formulas in {"a1": _a1, "a2": _a2, "a3": _a3, "a4": _a4, "b1": _b1, "b2": _b2}.items()
}
