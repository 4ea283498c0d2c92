"""How much more data is worth: a curve over few sizes of the data, carried on, with an interval.

A learning curve is c − a · n^(−b): what is left to learn falls by a power of the data (Hestness et al. 2017;
Viering and Loog 2021 compare the forms). With few sizes the data do not tell b, so every b of a grid is
carried on as far as it is likely, and the interval holds them all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retailor.prove.figures import Row
from retailor.seeds import stream

Floats = NDArray[np.float64]
POWERS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
LEVEL = (0.1, 0.9)
"""Of the interval: 80 %."""
N_DRAWS = 600
LEAST_SIZES = 3
WOBBLE = 0.04
"""Of a score about its curve, beside the noise of the draws: a share of the range of the scores."""
FARTHER = 0.3
"""So much more of that for each doubling of the data."""
CAUTIONS = {
    "labels": "",
    "events": "A forecast by events is surer than it should be: of 81 that were held against the truth, in "
    "three shops, .556 of the 80 % intervals held it (benchmarks/results/forecast.json). Read its middle, "
    "not its interval.",
}
"""Unit of data to what is to be said of the intervals of forecasts by it; by labels they hold."""
UNCHECKED = (
    "Forecasts by this unit of data were never held against the truth: of the 80 % intervals by labels .914 "
    "held it, by events .556 (benchmarks/results/forecast.json)."
)
FARTHEST = 32
"""Times the data that there is: no forecast goes beyond."""


@dataclass(frozen=True)
class Forecast:
    """What a step would score with more data, and what a gain would take."""

    step: str
    n: int
    """So much data there is."""
    times: int
    """So many times as much is forecast."""
    score: float
    low: float
    high: float
    """An 80 % interval."""
    gain: float
    """Points that are asked for, as a share."""
    more: int | None
    """So much more data for them; None: not within FARTHEST times the data."""
    more_low: int | None
    more_high: int | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Curve:
    """Draws of curves that fit what was seen: each is c − a · (n / n_seen)^(−b)."""

    n_seen: float
    tops: Floats  # [D]
    slopes: Floats  # [D]
    powers: Floats  # [D]
    noise: float
    """Standard deviation of a score about its curve."""

    @classmethod
    def of(cls, n: ArrayLike, scores: ArrayLike, errors: ArrayLike, *, seed: int = 0) -> Curve:
        """The curves of scores [k] with so much data [k], whose standard errors are `errors` [k].

        A normal prior holds top and slope to the range of scores; among the powers the evidence chooses.
        """
        sizes, y, error = (np.asarray(each, dtype=np.float64) for each in (n, scores, errors))
        spread = max(float(np.ptp(y)), float(error.max()), 1e-6)
        variance = error**2 + (WOBBLE * spread) ** 2
        last = sizes.max()
        rng = stream(seed, "prove", "forecast")
        fits = [_regressed((sizes / last) ** -power, y, variance, spread) for power in POWERS]
        evidence = np.array([fit[2] for fit in fits])
        weights = np.exp(evidence - evidence.max())
        counts = rng.multinomial(N_DRAWS, weights / weights.sum())
        drawn = [
            (rng.multivariate_normal(mean, covariance, count), power)
            for (mean, covariance, _), count, power in zip(fits, counts, POWERS, strict=True)
            if count
        ]
        both = np.concatenate([draws for draws, _ in drawn])
        powers = np.concatenate([np.full(len(draws), power) for draws, power in drawn])
        # More data do not make it worse: a falling draw is a flat one.
        return cls(float(last), both[:, 0], np.maximum(both[:, 1], 0), powers, float(np.sqrt(variance[-1])))

    def at(self, n: ArrayLike) -> Floats:
        """The scores with so much data [m], a row a draw: [D, m]."""
        sizes = np.atleast_1d(np.asarray(n, dtype=np.float64)) / self.n_seen
        return self.tops[:, None] - self.slopes[:, None] * sizes[None, :] ** -self.powers[:, None]

    def score(self, n: float, *, seed: int = 0) -> tuple[float, float, float]:
        """The middle of a measured score with so much data, and its 80 % interval."""
        rng = stream(seed, "prove", "noise")
        # The farther, the less a curve of this form is what happens.
        noise = self.noise * (1 + FARTHER * max(np.log2(n / self.n_seen), 0))
        draws = self.at(n)[:, 0] + rng.normal(0, noise, len(self.tops))
        low, middle, high = np.quantile(draws, [LEVEL[0], 0.5, LEVEL[1]])
        return float(middle), float(low), float(high)

    def needed(self, gain: float) -> tuple[float | None, float | None, float | None]:
        """How many times the data a gain takes: the middle and an 80 % interval; None: beyond FARTHEST."""
        grid = np.geomspace(1, FARTHEST, 200)
        reached = self.at(grid * self.n_seen) - self.at(self.n_seen) >= gain  # [D, 200]
        first = np.where(reached.any(axis=1), grid[reached.argmax(axis=1)], np.inf)
        low, middle, high = np.quantile(first, [LEVEL[0], 0.5, LEVEL[1]], method="nearest")
        return tuple(float(one) if np.isfinite(one) else None for one in (middle, low, high))  # type: ignore[return-value]


def _regressed(falling: Floats, y: Floats, variance: Floats, spread: float) -> tuple[Floats, Floats, float]:
    """Mean and covariance of (top, slope) given n^(−b), and the log evidence of that b."""
    design = np.stack([np.ones_like(falling), -falling], axis=1)
    prior_mean = np.array([y.max() + spread / 2, spread / 2])
    prior = np.diag([(2 * spread) ** 2, (2 * spread) ** 2])
    precision = design.T / variance @ design + np.linalg.inv(prior)
    covariance = np.linalg.inv(precision)
    mean = covariance @ (design.T / variance @ y + np.linalg.solve(prior, prior_mean))
    whole = design @ prior @ design.T + np.diag(variance)
    left = y - design @ prior_mean
    evidence = -0.5 * float(left @ np.linalg.solve(whole, left) + np.linalg.slogdet(whole)[1])
    return np.asarray(mean, np.float64), np.asarray(covariance, np.float64), evidence


def forecasts(rows: Sequence[Row], *, times: int = 2) -> tuple[Forecast, ...]:
    """A forecast a step of those that were tried on LEAST_SIZES sizes of the data at the least.

    The gain that is asked for is two points, or a twentieth of a score below 0.3.
    """
    found = []
    for step in dict.fromkeys(row.step for row in rows):
        own = sorted((row for row in rows if row.step == step), key=lambda row: row.n)
        if len({row.n for row in own}) < LEAST_SIZES:
            continue
        curve, last = curve_of(own), own[-1]
        gain = 0.02 if last.score >= 0.3 else last.score / 20
        more = [None if each is None else max(1, round((each - 1) * last.n)) for each in curve.needed(gain)]
        found.append(Forecast(step, last.n, times, *curve.score(times * last.n), gain, *more))
    return tuple(found)


def curve_of(rows: Sequence[Row]) -> Curve:
    """The curve of one step, by its rows of several sizes of the data."""
    return Curve.of([row.n for row in rows], [row.score for row in rows], [_error(row) for row in rows])


def _error(row: Row) -> float:
    """The standard error over seeds; of one seed a third of half the interval: all sizes share its cases."""
    if row.n_seeds > 1:
        return max(row.spread / math.sqrt(row.n_seeds), 1e-4)
    return max((row.high - row.low) / 6, 1e-4)


def caution(found: Sequence[Forecast], unit: str) -> tuple[str, ...]:
    """What is to be said of the intervals of such forecasts; nothing of those that hold, nor of none."""
    said = CAUTIONS.get(unit, UNCHECKED)
    return (said,) if found and said else ()


def foretold(one: Forecast, unit: str) -> str:
    """A forecast in words."""
    ahead = f"with {one.times * one.n:,} {unit} about {one.score:.3f} (80 %: {one.low:.3f} – {one.high:.3f})"
    asked = f"+{100 * one.gain:.1f} points take"
    if one.more is None:
        return f"{one.step}: {ahead}, {asked} more than {FARTHEST} times the data"
    most = f"{one.more_high:,}" if one.more_high is not None else f"≥ {(FARTHEST - 1) * one.n:,}"
    return f"{one.step}: {ahead}, {asked} about {one.more:,} more ({one.more_low:,} – {most})"
