"""∂y_l/∂y_{l-1} has its factors in the wrong order, and ∂y_L/∂A_l is made of it."""

import numpy as np


def dsigma_at(l, A, b, y, dsigma):
    return dsigma(A[l] @ y[l - 1] + b[l])


def dy_db(l, A, b, y, sigma, dsigma):
    if l == len(A) - 1:
        return np.eye(1)
    return np.diag(dsigma_at(l, A, b, y, dsigma))


def dy_dyprev(l, A, b, y, sigma, dsigma):
    if l == len(A) - 1:
        return A[l]
    return A[l] @ np.diag(dsigma_at(l, A, b, y, dsigma))


def dyL_dA(l, A, b, y, sigma, dsigma):
    L = len(A) - 1
    gradient = np.eye(1)
    for k in range(L, l, -1):
        gradient = gradient @ dy_dyprev(k, A, b, y, sigma, dsigma)
    return np.outer(gradient @ dy_db(l, A, b, y, sigma, dsigma), y[l - 1])
