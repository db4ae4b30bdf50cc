"""Networks to explain a mistake on: the same for everybody, small enough for pencil and paper, smallest first.

sigma(z) = z² and integers in ±{1, 2, 3}, for zeros hide the structure. Where a mistake shows on none of
them (a fixed depth, a fixed width, squeezed shapes), there are some with a sigma of their own and one decimal. None
of them ever grades, so that whoever learns their numbers by heart has learnt nothing that counts.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.assignments.backprop import SHAPES, Network, calls, forward, problem
from grader.formula import Formula

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.values import Array, Call

# By layers, then by units. Two of some, for one alone may be an accident. Nearly every mistake shows on the first.
FIRST_SHAPES = (
    (1, 1), (1, 1), (2, 1), (2, 1), (1, 1, 1), (1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 2, 1), (2, 2, 1),
    (1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 2, 1), (1, 2, 1, 1), (1, 2, 2, 1),
)  # fmt: skip
LATER_SHAPES = (
    (3, 1), (1, 3, 1), (2, 3, 1), (1, 2, 2, 1), (2, 2, 2, 1), (1, 2, 3, 1), (1, 3, 2, 1), (1, 1, 1, 1, 1),
    (1, 1, 2, 2, 1), (1, 2, 2, 2, 1), (1, 2, 2, 2, 1), (1, 2, 3, 2, 1), (1, 1, 1, 1, 1, 1),
)  # fmt: skip
LARGEST = 4  # of the pre-activations in the hidden layers
TRIALS = 60  # of a unit; then another network is begun


@cache
def examples() -> tuple[tuple[Call, ...], ...]:
    """Every call on every network, in batches."""
    random = Random("networks that explain")
    first, later = ([_drawn(widths, random) for widths in shapes] for shapes in (FIRST_SHAPES, LATER_SHAPES))
    return tuple(tuple(call for net in nets for call in calls(net)) for nets in (first, [*later, *_general(random)]))


def shown(call: Call) -> dict[str, Any]:
    """A call as a person reads it: widths, sigma, x, A_1..A_L, b_1..b_L and l, integers as such."""
    l, A, b, y, sigma, _ = call.arguments
    net = {"x": y[0], "A": A[1:], "b": b[1:]}  # type: ignore[index]  # as `calls` packed them
    widths = [len(y[0]), *map(len, b[1:])]  # type: ignore[index]
    return {"widths": widths, "sigma": sigma.text, **{name: _plain(value) for name, value in net.items()}, "l": l}  # type: ignore[attr-defined]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return (value.astype(int) if (value == value.round()).all() else value).tolist()


def _drawn(widths: Sequence[int], random: Random) -> Network:
    """A network whose hidden pre-activations are readable, drawn a unit at a time until one is found."""
    sigma, dsigma = Formula("z**2", {}), Formula("2*z", {})
    while True:
        A, b, x = [], [], _integers(random, widths[0])
        y = x
        for width in widths[1:-1]:
            units = _readable_units(random, y, width)
            A.append(np.array([row for row, _ in units]))
            b.append(np.array([bias for _, bias in units]))
            if len(units) < width:
                break
            y = sigma(A[-1] @ y + b[-1])
        else:
            A, b = [*A, _integers(random, len(y))[None, :]], [*b, _integers(random, 1)]
            return Network((None, *A), (None, *b), forward((None, *A), (None, *b), x, sigma), sigma, dsigma)


def _readable_units(random: Random, y: Array, width: int) -> list[tuple[Array, float]]:
    """So many units with pre-activations that are small, apart, and neither 0 nor 1, where z² hides mistakes."""
    units: dict[float, tuple[Array, float]] = {}
    for _ in range(TRIALS):
        row, (bias,) = _integers(random, len(y)), _integers(random, 1)
        z = float(row @ y + bias)
        if z not in (0, 1) and abs(z) <= LARGEST:
            units.setdefault(abs(z), (row, bias))
        if len(units) == width:
            break
    return list(units.values())


def _integers(random: Random, count: int) -> Array:
    return np.array([float(random.choice((-3, -2, -1, 1, 2, 3))) for _ in range(count)])


def _general(random: Random) -> Iterator[Network]:
    sigma, dsigma = Formula("0.5*z + 0.2*sin(z + 1)", {}), Formula("0.5 + 0.2*cos(z + 1)", {})
    for widths in SHAPES:
        yield problem(widths, lambda _, *shape: _decimals(random, shape), sigma, dsigma)


def _decimals(random: Random, shape: Sequence[int]) -> Array:
    count = int(np.prod(shape))
    return np.array([random.choice((-1, 1)) * random.randint(5, 15) / 10 for _ in range(count)]).reshape(shape)
