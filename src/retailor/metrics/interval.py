"""Intervals: percentile bootstrap of a mean, and of a paired difference (Efron & Tibshirani 1993)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retailor.metrics.scores import Score
from retailor.seeds import stream


def bootstrap_means(values: ArrayLike, *, n_resamples: int = 1000, seed: int = 0) -> NDArray[np.float64]:
    """The means of `n_resamples` resamples of `values` [n], drawn with replacement."""
    array = np.asarray(values, dtype=np.float64)
    rng = stream(seed, "bootstrap")
    means = np.empty(n_resamples)
    # Poisson counts stand in for the multinomial: the same limit, and no [resamples, n] index.
    for i in range(n_resamples):
        counts = rng.poisson(1.0, len(array))
        total = counts.sum()
        means[i] = (counts @ array) / total if total else array.mean()
    return means


def interval(values: ArrayLike, *, n_resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of `values` [n]; (nan, nan) when there are none."""
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        return float("nan"), float("nan")
    low, high = np.quantile(bootstrap_means(array, n_resamples=n_resamples, seed=seed), [0.025, 0.975])
    return float(low), float(high)


def paired_interval(a: ArrayLike, b: ArrayLike, *, seed: int = 0) -> tuple[float, float, float]:
    """Mean of a − b [n] over the same test cases, with its 95 % bootstrap interval: (mean, low, high)."""
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    low, high = interval(difference, seed=seed)
    return float(difference.mean()) if difference.size else float("nan"), low, high


def score_mean(
    row: str, metric: str, values: ArrayLike, *, bucket: str = "all", seconds: float = 0.0, seed: int = 0
) -> Score:
    """A Score of the mean of per-case values [n], with its interval."""
    array = np.asarray(values, dtype=np.float64)
    low, high = interval(array, seed=seed)
    value = float(array.mean()) if array.size else float("nan")
    return Score(row, metric, value, low, high, int(array.size), seconds, bucket)
