"""What is believed of how much customers like items, from what was shown and chosen: a linear model with an
effect of its own for every item.

An item a shown to a customer x at place k is chosen with about e_k · (θ·φ(x, a) + b_a), where e_k is how
likely the place is looked at. θ and all b have independent normal priors; the joint posterior of the linear
model with noise σ² is exact, and its effects are eliminated item by item (Henderson's mixed model equations):

    A = λI + Σ e²φφᵀ − Σ_a s_a s_aᵀ / (n_a + λ),  h = Σ e·φ·chosen − Σ_a s_a y_a / (n_a + λ),
    θ ~ N(A⁻¹ h, σ² A⁻¹),  b_a | θ ~ N((y_a − s_a·θ) / (n_a + λ), σ² / (n_a + λ))

with n_a = Σ e², s_a = Σ e²φ, y_a = Σ e·chosen over the times that a was shown, and λ = σ² / prior variance.
With the share r of looks that end in a choice, σ² = r (1 − r), and priors have deviations of r times a
factor: how much the traits of texts tell in this shop, and how much items differ beyond them, are the
factors in SPREADS that make what was seen most probable (the model's evidence in closed form). The prior
mean is the task's own order. Thompson sampling with a linear model: Agrawal & Goyal 2013; with effects of
items: the hybrid model of Li, Chu, Langford & Schapire 2010.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from retailor.seeds import stream

F64 = NDArray[np.float64]
N_NOISES = 8192
"""Rows of noise that items' effects are drawn with: an item's is that of its hash."""
PRIOR_LOOKS, PRIOR_CHOICES = 20.0, 1.0
SPREADS = (0.125, 0.25, 0.5, 1.0, 2.0)
GROWN = 1.2
"""The factors are chosen anew when there is so many times as much to choose by."""
GROWS_BY = 256


def looks(first: int, n: int) -> F64:
    """How likely n places from `first` on are looked at [n], beside the first: 1 / log2(1 + place)."""
    return 1 / np.log2(1 + np.arange(first, first + n, dtype=np.float64))


@dataclass
class Beliefs:
    """The sums of what was shown and chosen. Not safe from several threads."""

    dim: int
    gram: F64 = field(init=False)
    target: F64 = field(init=False)
    rows: dict[str, int] = field(default_factory=dict)
    n_looks: float = 0.0
    n_chosen: int = 0

    def __post_init__(self) -> None:
        self.gram, self.target = np.zeros((self.dim, self.dim)), np.zeros(self.dim)
        self._n, self._y = np.zeros(GROWS_BY), np.zeros(GROWS_BY)
        self._s = np.zeros((GROWS_BY, self.dim))
        self._spreads: tuple[float, float] | None = None
        self._spread_at = 0.0

    def add_shown(self, features: F64, item_ids: Sequence[str], look: F64) -> None:
        """Items shown: their features [n, dim] and how likely each was looked at [n]."""
        rows, squares = self._rows(item_ids), look**2
        weighted = squares[:, None] * features
        self.gram += features.T @ weighted
        np.add.at(self._n, rows, squares)
        np.add.at(self._s, rows, weighted)
        self.n_looks += float(look.sum())

    def add_chosen(self, features: F64, item_ids: Sequence[str], look: F64) -> None:
        """Those of the items shown that were chosen, each once."""
        self.target += look @ features
        np.add.at(self._y, self._rows(item_ids), look)
        self.n_chosen += len(item_ids)

    def _rows(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        found = [self.rows.setdefault(each, len(self.rows)) for each in item_ids]
        lacking = len(self.rows) - len(self._n)
        if lacking > 0:
            more = max(lacking, len(self._n))
            self._n, self._y = np.pad(self._n, (0, more)), np.pad(self._y, (0, more))
            self._s = np.pad(self._s, ((0, more), (0, 0)))
        return np.array(found, np.int64)

    @property
    def rate(self) -> float:
        """Of the looks at an item, the share that ends in a choice; never 0 or 1."""
        share = (self.n_chosen + PRIOR_CHOICES) / (self.n_looks + PRIOR_LOOKS)
        return float(np.clip(share, 1e-4, 0.9))

    def panel(self, n_draws: int, seed: int, *, boldness: float = 1.0) -> Panel:
        """The mean of the posterior, and draws whose deviation is so many times that of the posterior."""
        if self._spreads is None or self.n_looks > GROWN * self._spread_at:
            pairs = ((traits, items) for traits in SPREADS for items in SPREADS)
            self._spreads = max(pairs, key=lambda pair: self._solved(*pair).evidence)
            self._spread_at = self.n_looks
        found, used = self._solved(*self._spreads), len(self.rows)
        n, s, y = found.n[:used], self._s[:used], self._y[:used]
        deviation = boldness * np.sqrt(self.rate * (1 - self.rate))
        noise = stream(seed, "bandit").standard_normal((self.dim + N_NOISES, n_draws))
        draws = found.mean[:, None] + deviation * np.linalg.solve(found.lower.T, noise[: self.dim])
        weights = np.concatenate([found.mean[:, None], draws], axis=1)
        effects = (y[:, None] - s @ weights) / n[:, None]
        prior = boldness * self.rate * self._spreads[1]
        return Panel(weights, dict(self.rows), effects, deviation / np.sqrt(n), prior, noise[self.dim :])

    def _solved(self, traits: float, items: float) -> _Solved:
        """The posterior under priors whose deviations are these multiples of the rate."""
        variance = self.rate * (1 - self.rate)
        own = variance / (self.rate * items) ** 2
        ridge = np.full(self.dim, variance / (self.rate * traits) ** 2)
        ridge[:N_PLAIN] = variance / self.rate**2
        start = np.zeros(self.dim)
        start[BASE] = BASE_WORTH * self.rate
        n, s, y = self._n + own, self._s, self._y
        system = self.gram + np.diag(ridge) - s.T @ (s / n[:, None])
        right = self.target + ridge * start - s.T @ (y / n)
        lower: F64 = np.asarray(np.linalg.cholesky((system + system.T) / 2), np.float64)
        half = np.linalg.solve(lower, right)
        fit = half @ half + (y**2 / n).sum() - (ridge * start**2).sum()
        volume = 2 * np.log(np.diag(lower)).sum() - np.log(ridge).sum() + np.log(n / own).sum()
        return _Solved(np.linalg.solve(lower.T, half), lower, n, float(fit / variance - volume) / 2)


@dataclass(frozen=True)
class _Solved:
    mean: F64
    lower: F64
    """The triangular root of A."""
    n: F64
    evidence: float
    """The logarithm of the probability of what was seen, but for a constant."""


@dataclass(frozen=True)
class Panel:
    """A posterior as it stood: its mean first, then draws; the same until the next one is made."""

    weights: F64
    """[dim, 1 + draws]"""
    rows: dict[str, int]
    effects: F64
    """What each known item is worth beside its features, given each of the weights [items, 1 + draws]."""
    scale: F64
    """The deviation of that [items]."""
    prior: float
    """The deviation for an item that was never shown."""
    noise: F64

    def scores(self, features: F64, item_ids: Sequence[str]) -> F64:
        """How much each item is liked, by the mean and by each draw [1 + draws, n]."""
        rows = np.array([self.rows.get(each, -1) for each in item_ids], np.int64)
        known = rows >= 0
        found = features @ self.weights
        found[known] += self.effects[rows[known]]
        scale = np.full(len(rows), self.prior)
        scale[known] = self.scale[rows[known]]
        found[:, 1:] += scale[:, None] * self.noise[[noise_row(each) for each in item_ids]]
        return found.T


BASE, N_PLAIN = 1, 3
"""The feature that is the place in the list of the task itself; features before those of the traits."""
BASE_WORTH = 2.0
"""What that feature is thought to be worth before anything is seen, as a multiple of the rate: its mean is
about one half, so all that is chosen is put down to it."""


def features_of(traits: F64, customer: F64, ranks: F64) -> F64:
    """φ [n, 3 + 2 t] of items with traits [n, t] for a customer with traits [t], zero for nobody known.

    1, the discount of the item's place in the task's own list (from 1) [n], how near item and customer are,
    the item's traits, and their products with the customer's.
    """
    n, width = traits.shape
    shared = traits * customer / max(1.0, np.sqrt(width))
    return np.concatenate(
        [
            np.ones((n, 1)),
            (1 / np.log2(1 + ranks))[:, None],
            shared.sum(axis=1, keepdims=True),
            traits / max(1.0, np.sqrt(width)),
            shared,
        ],
        axis=1,
    )


def noise_row(item_id: str) -> int:
    """The same in every process."""
    return int.from_bytes(hashlib.blake2b(item_id.encode(), digest_size=8).digest(), "little") % N_NOISES
