"""Figures of a ledger: scores over seeds and test cases, what a row gained, and the verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.interval import bounds
from retailor.seeds import stream

Floats = NDArray[np.float64]
N_RESAMPLES = 2000


@dataclass(frozen=True)
class Cost:
    """What a row took, means over seeds; `shared_seconds` are spent once, whatever the number of labels."""

    seconds: float
    examples_seen: float
    parameters_trained: int
    shared_seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """One step with one number of labels."""

    step: str
    n_labels: int
    score: float
    low: float
    high: float
    spread: float
    """Standard deviation over seeds."""
    against: str | None
    """The row above, None for the first."""
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    cost: Cost
    n_test: int
    n_seeds: int

    def told_apart(self) -> bool:
        """Whether the interval of the gain excludes zero."""
        if self.gain_low is None or self.gain_high is None:
            return False
        return self.gain_low > 0 or self.gain_high < 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def row_of(
    step: str, n_labels: int, hits: Floats, cost: Cost, above: tuple[str, Floats] | None, *, seed: int = 0
) -> Row:
    """The row of hits [S, n], compared with the (name, hits) above it on the same seeds and test cases."""
    low, high = interval(hits, seed=seed)
    gain, gain_low, gain_high = None, None, None
    if above is not None:
        difference = hits - above[1]
        gain = float(difference.mean())
        gain_low, gain_high = interval(difference, seed=seed)
    return Row(
        step=step,
        n_labels=n_labels,
        score=float(hits.mean()),
        low=low,
        high=high,
        spread=float(hits.mean(axis=1).std(ddof=1)) if len(hits) > 1 else 0.0,
        against=None if above is None else above[0],
        gain=gain,
        gain_low=gain_low,
        gain_high=gain_high,
        cost=cost,
        n_test=hits.shape[1],
        n_seeds=len(hits),
    )


def interval(values: Floats, *, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of values [S, n], over seeds and test cases at once.

    Seeds and cases are both drawn with replacement (Efron & Tibshirani, 1993): which texts were labelled and
    which were tested are both chance. With one seed, over cases alone.
    """
    rng = stream(seed, "prove", "interval")
    n_seeds, n = values.shape
    means = np.empty(N_RESAMPLES)
    for i in range(N_RESAMPLES):
        chosen = np.bincount(rng.integers(0, n_seeds, n_seeds), minlength=n_seeds) / n_seeds
        counts = rng.multinomial(n, np.full(n, 1 / n)) / n
        means[i] = chosen @ values @ counts
    return bounds(means)


def verdict(step: str, rows: Sequence[Row]) -> str:
    """One sentence on a step over all numbers of labels, the few first."""
    parts = [_part(row) for row in rows if row.step == step and row.gain is not None]
    return f"{step}: {', '.join(parts)}" if parts else f"{step}: nothing to compare it with"


def _part(row: Row) -> str:
    assert row.gain is not None and row.gain_low is not None and row.gain_high is not None
    half = (row.gain_high - row.gain_low) / 2
    labels = f"with {row.n_labels:,} labels"
    if not row.told_apart():
        return f"not distinguishable from zero {labels} ({100 * row.gain:+.1f} ± {100 * half:.1f})"
    return f"{100 * row.gain:+.1f} ± {100 * half:.1f} points {labels}"
