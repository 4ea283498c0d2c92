"""Off-policy evaluation: what another order would have been worth, from what was shown and chosen.

A policy's value is how many items are chosen an answer. Under the item-position model (a choice depends on
the item and its place, not on what stands around it; Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay & Wen
2018) an item that the log showed at place k with probability p and that the policy shows there with
probability π weighs w = π / p. Three estimates (Horvitz & Thompson 1952; Hájek 1971; Dudík, Langford & Li
2011):

    ips    mean over answers of Σ_k w r
    snips  Σ_k Σ w r / Σ w, the weights of each place summed over the answers
    dr     mean over answers of Σ_k [ Σ_a π(a, k) q(a, k) + w (r − q) ]

with r 1 where the item was chosen, and q what a model of other customers' answers expects. Intervals are of
the normal kind, with answers of one customer taken together, Student's t with the effective number of
customers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from retailor.errors import DataError

F64 = NDArray[np.float64]
LEAST_ANSWERS = 100.0
"""Effective sample size below which nothing is said."""
LEAST_COVER = 0.95
"""The share of what a policy would show that the log must have shown too, at every place."""


@dataclass(frozen=True)
class Logged:
    """n answers of up to K places, beside a policy; where an answer is shorter, `is_there` is false."""

    customers: NDArray[np.int64]
    """Whose each answer is [n]; answers of nobody known have numbers of their own."""
    is_there: NDArray[np.bool_]
    propensities: F64
    """[n, K]; NaN where nobody knows."""
    chosen: F64
    """[n, K], 0 or 1."""
    policy: F64
    """How probable it is that the policy puts the item that was shown there [n, K]."""
    predicted: F64
    """What a model expects of the item that was shown [n, K]."""
    expected: F64
    """What it expects of the policy at each place [n, K]."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """What a policy is worth."""

    n_answers: int
    n_customers: int
    effective: float
    """The effective sample size in answers, of the place where it is least."""
    cover: float
    """The share of what the policy would show that the log has, of the place where it is least."""
    shown: Estimate
    """What was chosen of what was shown, an answer."""
    ips: Estimate
    snips: Estimate
    dr: Estimate
    gain: Estimate
    """The doubly robust estimate less what was chosen of what was shown, pair by pair."""


def evaluate(logged: Logged) -> Evaluation:
    """The value of a policy. Raises DataError, which says why, where the log cannot tell it."""
    _check_propensities(logged)
    w = np.where(logged.is_there, logged.policy / np.where(logged.is_there, logged.propensities, 1.0), 0.0)
    effective, cover = _overlap(w, logged)
    r = np.where(logged.is_there, logged.chosen, 0.0)
    shown = r.sum(axis=1)
    ips = (w * r).sum(axis=1)
    dr = (logged.expected + w * (r - np.where(logged.is_there, logged.predicted, 0.0))).sum(axis=1)
    df = max(1.0, _effective(_by_customer(w.sum(axis=1), logged.customers)) - 1)
    return Evaluation(
        n_answers=len(w),
        n_customers=len(np.unique(logged.customers)),
        effective=effective,
        cover=cover,
        shown=_mean(shown, logged.customers, df),
        ips=_mean(ips, logged.customers, df),
        snips=_self_normalised(w, r, logged, df),
        dr=_mean(dr, logged.customers, df),
        gain=_mean(dr - shown, logged.customers, df),
    )


def _check_propensities(logged: Logged) -> None:
    if not len(logged.customers):
        raise DataError("the log has no answers to evaluate a policy by: see [serve.impressions].")
    told = logged.propensities[logged.is_there]
    bad = ~(np.isfinite(told) & (told > 0) & (told <= 1 + 1e-9))
    if bad.any():
        raise DataError(
            f"{int(bad.sum()):,} of {len(told):,} items were shown with no known propensity, so nothing can "
            "be said of what another policy would have been worth; leave those answers out, or log them.",
            column="propensities",
        )


def _overlap(w: F64, logged: Logged) -> tuple[float, float]:
    """Effective sample size and cover, each of the worst place. DataError where they are too small."""
    n = logged.is_there.sum(axis=0)
    # Where few answers are as long as that, a place says nothing of the policy.
    used = n >= 0.5 * n.max()
    sizes = np.array([_effective(column) for column in w.T[used]])
    covers = w.sum(axis=0)[used] / n[used]
    errors = w.std(axis=0)[used] / np.sqrt(n[used])
    least = int(np.argmin(sizes))
    if sizes[least] < LEAST_ANSWERS:
        raise DataError(
            f"at place {least + 1} the {int(n[used][least]):,} answers are worth {sizes[least]:.0f} of this "
            f"policy's own, and {LEAST_ANSWERS:.0f} are needed; wait for more answers, or evaluate a policy "
            "that is nearer to what is served.",
            value=float(sizes[least]),
        )
    worst = int(np.argmin(covers))
    if covers[worst] + 3 * errors[worst] < LEAST_COVER:
        raise DataError(
            f"at place {worst + 1} the log can have shown only {covers[worst]:.0%} of what this policy would "
            f"show, and {LEAST_COVER:.0%} are needed: what was never shown cannot be valued. Explore more, "
            "or evaluate a policy that is nearer to what is served.",
            value=float(covers[worst]),
        )
    return float(sizes[least]), float(min(covers[worst], 1.0))


def _effective(w: F64) -> float:
    """How many equal weights would be worth as much (Kish 1965)."""
    squares = float((w**2).sum())
    return float(w.sum()) ** 2 / squares if squares else 0.0


def _by_customer(values: F64, customers: NDArray[np.int64]) -> F64:
    rows = np.unique(customers, return_inverse=True)[1]
    return np.asarray(np.bincount(rows, weights=values), np.float64)


def _mean(values: F64, customers: NDArray[np.int64], df: float) -> Estimate:
    """The mean of the answers' values [n]."""
    return _around(float(values.mean()), values - values.mean(), customers, df)


def _self_normalised(w: F64, r: F64, logged: Logged, df: float) -> Estimate:
    total = w.sum(axis=0)
    used = total > 0
    rates = (w * r).sum(axis=0)[used] / total[used]
    # Places that not all answers have count as often as they are there.
    share = logged.is_there.mean(axis=0)[used]
    influence = (w[:, used] * (r[:, used] - rates) / (total[used] / len(w)) * share).sum(axis=1)
    return _around(float((rates * share).sum()), influence, logged.customers, df)


def _around(value: float, influence: F64, customers: NDArray[np.int64], df: float) -> Estimate:
    """The interval of a value by the influence of each answer on it [n], which sums to zero."""
    sums = _by_customer(influence, customers)
    n_customers, n = len(sums), len(influence)
    if n_customers < 2:
        return Estimate(value, -np.inf, np.inf)
    error = float(np.sqrt((sums**2).sum() * n_customers / (n_customers - 1))) / n
    half = float(stats.t.ppf(0.975, df)) * error
    return Estimate(value, value - half, value + half)
