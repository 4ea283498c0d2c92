"""How well a linear model of features could explain labels, without fitting one by hand: LogME."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
ROUNDS, TOLERANCE, TINY = 100, 1e-6, 1e-12


def logme(features: ArrayLike, labels: ArrayLike) -> float:
    """The log evidence a text of a Bayesian linear model, mean over classes; higher transfers better.

    `features` [n, D], `labels` [n] of class numbers. Each class is a target of zeros and ones; the precisions
    of prior and noise are those of the greatest evidence, found by fixed-point steps. LogME: You et al.,
    ICML 2021. Comparable between models on the same texts alone; nan for fewer than two classes.
    """
    rows, y = np.asarray(features, dtype=np.float64), np.asarray(labels)
    classes = np.unique(y)
    if len(classes) < 2:
        return math.nan
    left, sizes, _ = np.linalg.svd(rows, full_matrices=False)
    found = [_evidence(left, sizes**2, (y == one).astype(np.float64), rows.shape[1]) for one in classes]
    return float(np.mean(found))


def _evidence(left: Floats, squares: Floats, target: Floats, dim: int) -> float:
    """The greatest log evidence a text of one target [n]; `left` [n, k] and `squares` [k] are of the SVD."""
    n = len(target)
    onto = (left.T @ target) ** 2  # [k]
    beyond = max(float(target @ target - onto.sum()), 0.0)
    alpha = beta = 1.0
    for _ in range(ROUNDS):
        gamma, length, residual = _moments(squares, onto, beyond, alpha / beta)
        before = alpha / beta
        alpha, beta = gamma / (length + TINY), (n - gamma) / (residual + TINY)
        if abs(alpha / beta - before) <= TOLERANCE * before:
            break
    _, length, residual = _moments(squares, onto, beyond, alpha / beta)
    spread = np.log(alpha + beta * squares).sum() + (dim - len(squares)) * math.log(alpha)
    total = dim * math.log(alpha) + n * math.log(beta) - spread - n * math.log(2 * math.pi)
    return float(total - beta * residual - alpha * length) / 2 / n


def _moments(squares: Floats, onto: Floats, beyond: float, ratio: float) -> tuple[float, float, float]:
    """Effective number of weights, squared length of their mean, and squared residual, at alpha / beta."""
    gamma = float((squares / (squares + ratio)).sum())
    length = float((squares * onto / (squares + ratio) ** 2).sum())
    residual = float((onto * (ratio / (squares + ratio)) ** 2).sum()) + beyond
    return gamma, length, residual
