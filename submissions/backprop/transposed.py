"""dy_L/dA_L as a column."""

import numpy as np


def dsigma_at(l, A, b, y, dsigma):
    return dsigma(A[l] @ y[l - 1] + b[l])


def dy_db(l, A, b, y, sigma, dsigma):
    L = len(A) - 1
    if l == L:
        return np.eye(1)
    return np.diag(dsigma_at(l, A, b, y, dsigma))


def dy_dyprev(l, A, b, y, sigma, dsigma):
    L = len(A) - 1
    if l == L:
        return A[L]
    return dsigma_at(l, A, b, y, dsigma)[:, None] * A[l]


def dyL_dA(l, A, b, y, sigma, dsigma):
    L = len(A) - 1
    if l == L:
        return y[L - 1][:, None]
    gradient = A[L][0]
    for k in range(L - 1, l, -1):
        gradient = gradient @ dy_dyprev(k, A, b, y, sigma, dsigma)
    return np.outer(gradient * dsigma_at(l, A, b, y, dsigma), y[l - 1])
