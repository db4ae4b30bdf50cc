"""∂y_L/∂A_l leaves out a layer of the chain: right for the last hidden layer, and wrong below it."""

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
    return np.diag(dsigma_at(l, A, b, y, dsigma)) @ A[l]


def dyL_dA(l, A, b, y, sigma, dsigma):
    L = len(A) - 1
    if l == L:
        return y[L - 1]
    gradient = A[L]
    for k in range(L - 1, l + 1, -1):
        gradient = gradient @ dy_dyprev(k, A, b, y, sigma, dsigma)
    return np.outer(gradient @ dy_db(l, A, b, y, sigma, dsigma), y[l - 1])
