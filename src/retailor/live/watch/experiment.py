"""Experiments: which arm a customer is in, who reached the goal, and what may be said of it at any time.

Intervals are asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2021,
"Time-uniform central limit theory and asymptotic confidence sequences", Theorem 2.2): after t customers the
mean of φ is within

    σ̂_t · sqrt( 2 (t ρ² + 1) / (t² ρ²) · ln( sqrt(t ρ² + 1) / α ) )

of its estimate for all t at once, however often one looks. φ is the doubly robust score of a customer whose
arm was drawn with known shares: the difference of the arms' means, plus (y − ȳ_arm) / share, with the sign of
the arm. ρ makes the interval tightest at the planned number of customers.

It is a limit for many customers: where few of an arm have reached the goal, σ̂ is too small by chance, and of
500 experiments without a difference (2 % buy, 10 % treated) 62 were decided. With LEAST_EACH none was.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from retailor.live.settings import ExperimentSettings
from retailor.live.shapes import Line

LEAST_EACH = 10
"""Customers with the goal, and without it, that each arm must have before there is an interval."""
SRM_ALPHA = 0.01
"""False alarms of the check of sample ratios, over all looks."""
SRM_PRIOR = 10_000.0
"""How near to the planned shares the alternative is thought to be: a prior of so many customers."""


def arm_of(settings: ExperimentSettings, user_id: str) -> str:
    """The customer's arm: the same in every process, today and after a restart."""
    text = f"{settings.name}\x1f{user_id}".encode()
    place = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") / 2**64
    arms, edge = list(settings.arms), 0.0
    for arm in arms:
        edge += settings.arms[arm]
        if place < edge:
            return arm
    return arms[-1]


def exposure(settings: ExperimentSettings, user_id: str, at: datetime) -> Line:
    """The line of the log that the customer was answered by an arm; a customer has one an experiment."""
    who = hashlib.blake2b(user_id.encode(), digest_size=12).hexdigest()
    body = {"experiment": settings.name, "arm": arm_of(settings, user_id)}
    return Line(f"exposed:{settings.name}:{who}", "exposed", at, user_id, body=body)


@dataclass(frozen=True)
class Arm:
    """How an arm does; the last three are beside the first arm: None for itself, and with too few."""

    name: str
    share: float
    n: int
    """Customers whose days are over."""
    rate: float
    """The share of them that reached the goal."""
    lift: float | None = None
    low: float | None = None
    high: float | None = None

    def decides(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Outcome:
    """An experiment as it stands."""

    name: str
    arms: tuple[Arm, ...]
    n_exposed: Mapping[str, int]
    """Customers an arm, those whose days are not over too."""
    mismatch: float
    """Evidence that customers were not drawn by the shares: a likelihood ratio, 1 for none."""

    def is_mismatched(self) -> bool:
        """Whether nothing that the arms say can be trusted: some customers are missing from one of them."""
        return self.mismatch >= 1 / SRM_ALPHA


def outcome_of(lines: Iterable[Line], settings: ExperimentSettings, now: datetime) -> Outcome:
    """The experiment of the settings, from the lines of the log in any order."""
    first: dict[str, tuple[datetime, str]] = {}
    reached: dict[str, list[datetime]] = {}
    for line in lines:
        if line.what == "exposed" and line.user_id and line.body.get("experiment") == settings.name:
            known = first.get(line.user_id)
            if known is None or line.time < known[0]:
                first[line.user_id] = line.time, str(line.body["arm"])
        elif line.what == "event" and line.user_id and line.kind in settings.goal:
            reached.setdefault(line.user_id, []).append(line.time)
    window = timedelta(days=settings.days)
    done = sorted((at, who, arm) for who, (at, arm) in first.items() if at + window <= now)
    y = [any(at <= time < at + window for time in reached.get(who, ())) for at, who, _ in done]
    names = list(settings.arms)
    arm = np.array([names.index(each) if each in names else -1 for _, _, each in done], np.int64)
    counts = {name: sum(each == name for _, each in first.values()) for name in names}
    arms = _arms(np.array(y, np.float64), arm, settings)
    return Outcome(settings.name, arms, counts, mismatch(list(counts.values()), list(settings.arms.values())))


def _arms(y: NDArray[np.float64], arm: NDArray[np.int64], settings: ExperimentSettings) -> tuple[Arm, ...]:
    found = []
    alpha = (1 - settings.confidence) / max(1, len(settings.arms) - 1)
    for i, (name, share) in enumerate(settings.arms.items()):
        mine = y[arm == i]
        rate = float(mine.mean()) if len(mine) else math.nan
        lift = low = high = None
        if i and min(len(mine), int((arm == 0).sum())) >= settings.least:
            # The customers of these two arms alone: their shares are those among them.
            both = np.isin(arm, (0, i))
            treated = share / (share + next(iter(settings.arms.values())))
            d, half = sequence(y[both], arm[both] == i, treated, alpha=alpha, planned=settings.planned)
            if math.isfinite(half[-1]):
                lift, low, high = float(d[-1]), float(d[-1] - half[-1]), float(d[-1] + half[-1])
        found.append(Arm(name, share, len(mine), rate, lift, low, high))
    return tuple(found)


def sequence(
    y: ArrayLike, treated: ArrayLike, share: float, *, alpha: float = 0.05, planned: int = 2_000
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The difference of means after each customer, and half the width of its interval: two arrays [..., t].

    The last axis is the order in which customers came. The width is infinite before each arm has LEAST_EACH
    values above 0 and below 1.
    """
    values, inside = np.asarray(y, np.float64), np.asarray(treated, bool)
    t = np.arange(1, values.shape[-1] + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        one, zero = (_running(values, each) for each in (inside, ~inside))
        variance = one[1] / share + zero[1] / (1 - share)
        half = np.sqrt(variance) * half_width(t, alpha=alpha, planned=planned)
    seen = [
        np.cumsum(side & kind, axis=-1) for side in (inside, ~inside) for kind in (values > 0, values < 1)
    ]
    return one[0] - zero[0], np.where(np.minimum.reduce(seen) < LEAST_EACH, np.inf, half)


def half_width(t: ArrayLike, *, alpha: float = 0.05, planned: int = 2_000) -> Any:
    """Half the width of the interval after t customers, as a multiple of σ̂ [as t]."""
    n = np.asarray(t, np.float64)
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / planned
    return np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha))


def _running(
    values: NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of those inside, after each; NaN for fewer than two."""
    n = np.cumsum(inside, axis=-1).astype(np.float64)
    n[n < 2] = np.nan
    mean = np.cumsum(values * inside, axis=-1) / n
    square = np.cumsum(values**2 * inside, axis=-1) / n
    return mean, np.maximum(square - mean**2, 0) * n / (n - 1)


def mismatch(counts: ArrayLike, shares: ArrayLike) -> float:
    """The evidence that counts were not drawn by the shares: above 1 / α with probability α at most, at
    whatever moments one looks (Lindon & Malek 2022, "Anytime-valid inference for multinomial count data").

    The ratio of the likelihood under a Dirichlet prior around the shares to that under the shares themselves.
    """
    n, p = np.asarray(counts, np.float64), np.asarray(shares, np.float64)
    prior = SRM_PRIOR * p
    log = gammaln(prior.sum()) - gammaln(prior.sum() + n.sum())
    log += float((gammaln(prior + n) - gammaln(prior)).sum() - (n * np.log(p)).sum())
    return float(np.exp(min(log, 700.0)))
