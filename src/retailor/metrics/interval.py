"""Intervals: percentile bootstrap of a mean, and of a paired difference (Efron & Tibshirani 1993).

Every interval of Retailor is of 95 %, and ends in `bounds`; of several that are looked at together each is
wider, so that all of them hold at once in 95 % of the cases (Bonferroni).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retailor.metrics.scores import Score, Scores
from retailor.seeds import stream

TAILS = (0.025, 0.975)


def bounds(draws: ArrayLike, *, around: float | None = None, n_looks: int = 1) -> tuple[float, float]:
    """The 95 % percentile interval of a figure's `draws`, widened to hold `around`; NaN for no draws.

    `n_looks` figures are looked at together: each tail gets that part of its 2.5 %. Draws that are NaN are
    left out. A figure that is biased under resampling (ECE is, upwards) can lie outside the percentiles of
    its own draws: that is what `around` is for.
    """
    known = np.asarray(draws, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return (np.nan, np.nan) if around is None else (around, around)
    tails = (TAILS[0] / n_looks, 1 - (1 - TAILS[1]) / n_looks)
    low, high = (float(edge) for edge in np.quantile(known, tails))
    return (low, high) if around is None else (min(low, around), max(high, around))


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
    return bounds(bootstrap_means(array, n_resamples=n_resamples, seed=seed) if array.size else [])


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
    if not array.size:
        return Score(row, metric, np.nan, np.nan, np.nan, 0, seconds, bucket)
    draws = bootstrap_means(array, seed=seed)
    return Score(row, metric, float(array.mean()), *bounds(draws), array.size, seconds, bucket, draws)


def difference(a: Score, b: Score) -> Score | None:
    """a − b over the same test cases, row 'A less B', with its paired 95 % interval.

    None where the two cannot be paired: another metric or bucket, other cases, or figures out of a file.
    """
    if a.draws is None or b.draws is None or (a.metric, a.bucket, a.n) != (b.metric, b.bucket, b.n):
        return None
    if a.draws.shape != b.draws.shape or not np.isfinite(a.draws - b.draws).any():
        return None
    name = f"{a.row} less {b.row}"
    return Score(name, a.metric, a.value - b.value, *bounds(a.draws - b.draws), a.n, 0.0, a.bucket)


def differences(scores: Scores, row: str = "retailor") -> Scores:
    """The paired differences of `row` and every other row, a figure each, wherever they can be paired."""
    ours = {(score.metric, score.bucket): score for score in scores if score.row == row}
    found = (
        difference(ours[score.metric, score.bucket], score)
        for score in scores
        if score.row != row and (score.metric, score.bucket) in ours
    )
    return Scores(tuple(score for score in found if score is not None))


def wilson(n_hits: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % interval of each share n_hits / n [k] (Wilson 1927): (low, high); (0, 1) where n is 0."""
    hits, total = np.asarray(n_hits, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z = 1.959964
    known = np.maximum(total, 1)
    share = hits / known
    middle = (share + z * z / (2 * known)) / (1 + z * z / known)
    half = z * np.sqrt(share * (1 - share) / known + z * z / (4 * known * known)) / (1 + z * z / known)
    low, high = np.clip(middle - half, 0, None), np.clip(middle + half, None, 1)
    return np.where(total > 0, low, 0.0), np.where(total > 0, high, 1.0)
