"""Backprop for a multilayer perceptron: write the three functions below.

For x in R^{n_0}, A_l in R^{n_l x n_{l-1}}, b_l in R^{n_l}, n_L = 1 and an elementwise,
differentiable sigma, the network is

    y_0 = x,   y_l = sigma(A_l y_{l-1} + b_l)  for l = 1, ..., L-1,   y_L = A_L y_{L-1} + b_L.

Row i, column j of dy/dx is dy_i/dx_j, and row i, column j of dy_L/dA_l is dy_L/d(A_l)_ij.

The lists follow the paper: A[1], ..., A[L] and b[1], ..., b[L] (A[0] and b[0] are None), y[0] = x,
..., y[L], so L = len(A) - 1. Vectors are 1-D arrays. Nothing may be changed in place. sigma and
dsigma (its derivative) take numbers and arrays of any shape. Each function must work for every l
that its docstring names. numpy is there to be used, and scipy where the grader has it; no other package.

Check your work before you submit it:   python FILE
"""

import numpy as np


def dy_db(l, A, b, y, sigma, dsigma):
    """dy_l/db_l, an n_l x n_l array, for l = 1, ..., L."""
    raise NotImplementedError


def dy_dyprev(l, A, b, y, sigma, dsigma):
    """dy_l/dy_{l-1}, an n_l x n_{l-1} array, for l = 2, ..., L (for l = 1 when L = 1)."""
    raise NotImplementedError


def dyL_dA(l, A, b, y, sigma, dsigma):
    """dy_L/dA_l, an n_l x n_{l-1} array, for l = 1, ..., L."""
    raise NotImplementedError


# Below: a check by finite differences on two small networks. The grader uses others, and another sigma.


def check(widths, h=1e-6):
    def draw(*shape):
        return random.choice([-1, 1], shape) * random.uniform(0.5, 1.5, shape)

    def forward(A, b, x, start=0):
        y = [None] * start + [x]
        for k in range(start + 1, L + 1):
            z = A[k] @ y[-1] + b[k]
            y.append(sigma(z) if k < L else z)
        return y

    def differences(f, at):
        steps = h * np.eye(at.size).reshape(at.size, *at.shape)
        return np.stack([(f(at + step) - f(at - step)) / (2 * h) for step in steps], axis=-1)

    def put(values, l, value):
        return [*values[:l], value, *values[l + 1:]]

    def compare(function, l, expected):
        try:
            found = np.asarray(function(l, A, b, y, sigma, dsigma), float)
        except Exception as error:
            return f"{type(error).__name__} {error}"
        if found.shape != expected.shape and found.shape != expected.squeeze().shape:
            return f"its shape is {found.shape}, not {expected.shape}"
        same = np.allclose(found.reshape(expected.shape), expected, 1e-4, 1e-6)
        return "looks right" if same else "differs from finite differences"

    random, L = np.random.default_rng(), len(widths) - 1
    sigma, dsigma = lambda z: 0.6 * z + 0.3 * np.sin(z + 1), lambda z: 0.6 + 0.3 * np.cos(z + 1)
    A = [None] + [draw(widths[l], widths[l - 1]) for l in range(1, L + 1)]
    b = [None] + [draw(widths[l]) for l in range(1, L + 1)]
    y = forward(A, b, draw(widths[0]))
    print(f"widths {widths}")
    for l in range(1, L + 1):
        by_b = differences(lambda v: forward(A, put(b, l, v), y[l - 1], l - 1)[l], b[l])
        by_y = differences(lambda v: forward(A, b, v, l - 1)[l], y[l - 1])
        by_A = differences(lambda v: forward(put(A, l, v), b, y[l - 1], l - 1)[L], A[l]).reshape(A[l].shape)
        print(f"  dy_db      l = {l}: {compare(dy_db, l, by_b)}")
        if l > 1 or L == 1:
            print(f"  dy_dyprev  l = {l}: {compare(dy_dyprev, l, by_y)}")
        print(f"  dyL_dA     l = {l}: {compare(dyL_dA, l, by_A)}")


if __name__ == "__main__":
    check((2, 3, 2, 1))
    check((3, 1))
