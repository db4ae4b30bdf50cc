"""How a mistake in backprop is recognised besides by its formula: by where it shows, by the points at which
sigma and dsigma were called, and by what the student's own other answers give.

It knows names of mistakes, and not what is said of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from grader.assignments.backprop import Network

# Where a mistake shows, of layer l in a network of these widths.


def patterns(l: int, widths: Sequence[int]) -> Iterator[tuple[str, str, bool]]:
    """By the name of a mistake and its reading, whether it shows in this layer of this network."""
    L, before, here = len(widths) - 1, widths[l - 1], widths[l]
    yield from (("hard_coded_depth", f"only for L = {depth}", depth != L) for depth in range(3, 6))
    yield from (("hard_coded_depth", f"up to L = {depth}", depth < L) for depth in range(3, 5))
    yield from (("right_for_smallest_depth", f"up to L = {depth}", depth < L) for depth in range(1, 3))
    yield from (("hard_coded_width", f"only after {width}", width != before) for width in range(2, 5))
    yield from _output_patterns(L) if l == L else _hidden_patterns(l, L, before, here, widths)


def _output_patterns(L: int) -> Iterator[tuple[str, str, bool]]:
    yield "L1_special_case", "", L == 1


def _hidden_patterns(l: int, L: int, before: int, here: int, widths: Sequence[int]) -> Iterator[tuple[str, str, bool]]:
    yield "boundary_layer", "", l == 1
    yield "right_in_last_hidden_layer", "", l < L - 1
    yield "right_for_one_unit", "", here != 1
    yield "right_for_smallest_depth", "only for L = 2", L != 2
    yield from (("hard_coded_depth", f"layer {k} taken for the last", l == k) for k in range(2, 5))
    yield from (("hard_coded_depth", f"layer {k} in the chain taken for the last", l <= k < L) for k in range(2, 5))
    yield from (("hard_coded_depth", f"a chain of {n}", L - l > n) for n in range(2, 4))
    yield from (("hard_coded_width", f"only {n} units", here != n) for n in range(2, 5))
    yield from (("hard_coded_width", f"only networks of {n}", set(widths[1:-1]) != {n}) for n in range(2, 5))
    yield "squeeze_width1", "before", before == 1
    yield "square_only", "before", before != here
    for name, layers in (("from here", range(l, L)), ("above", range(l + 1, L))):
        yield "squeeze_width1", name, any(widths[k] == 1 for k in layers)
        yield "square_only", name, any(widths[k] != widths[k - 1] for k in layers)
    yield "squeeze_width1", "here", here == 1


# What the points at which sigma and dsigma were called tell.


def suspects(l: int, net: Network, of_sigma: Any, of_dsigma: Any) -> set[str]:
    """The mistakes that would have called them there and nowhere else; nothing where they were called rightly."""
    z = np.concatenate([net.z(k) for k in range(l, net.L)])
    if not len(of_dsigma):
        return {"sigma_instead_of_sigma_prime"} if len(of_sigma) and _within(of_sigma, z) else set()
    if _within(of_dsigma, z) or _within(z, of_dsigma):
        return set()
    layers = range(1, net.L)
    wrong = {
        "sigma_prime_at_activation": np.concatenate([net.y[k] for k in layers]),
        "bias_dropped": np.concatenate([net.A[k] @ net.y[k - 1] for k in layers]),
        "off_by_one_layer": np.concatenate([net.z(k) for k in range(1, net.L + 1)]),
        "sign": -z,
    }
    return {slug for slug, points in wrong.items() if _within(of_dsigma, points)}


def _within(points: Any, others: Any) -> bool:
    return bool((np.abs(points[:, None] - others).min(axis=1) <= 1e-9).all())


# What the student's own other answers give.

RESTS_ON: Mapping[str, Sequence[str]] = {"b2": ("a2", "a3", "a4")}


def carried(l: int, net: Network, own: Mapping[tuple[str, Any], Any]) -> Any:
    """dy_L/dA_l from the student's own dy_l/db_l and dy_k/dy_{k-1}, by part and layer: right where those are."""
    g = own["a2", net.L]
    for k in range(net.L - 1, l, -1):
        g = g @ own["a4", k]
    return np.outer(g @ own["a3", l], net.y[l - 1])
