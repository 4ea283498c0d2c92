"""Orders to choose from, each with a known probability: so the propensity of what is shown is a sum, not an
estimate.

An answer is one of finitely many lists: that of the task itself with the probability `held`, that of the
posterior's mean, and one for each draw of a panel, which stands still between two updates. Which one is shown
is drawn anew each time. Given the panel, the probability that an item stands at a place is the sum of the
probabilities of those lists that have it there: nothing is estimated by drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from retailor.live.settings import BanditSettings

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
TOWARDS_BASE = (0.0, 0.25, 0.5, 0.75)
"""How far an order may be moved towards the task's own one, until it keeps the floor; then it is that one."""


@dataclass(frozen=True)
class Mixture:
    """Lists over a pool, by their places in the task's own order, and how probable each is."""

    lists: I64
    """[1 + 1 + draws, k]: the task's own, that of the mean, those of the draws."""
    weights: F64

    @classmethod
    def of(cls, scores: F64, k: int, settings: BanditSettings) -> Self:
        """From the scores [1 + draws, n] of the mean and the draws, of a pool of n ≥ k in its order."""
        own = np.arange(k)[None]
        lists = np.concatenate([own, floored(scores, k, settings.floor)])
        n_draws = len(scores) - 1
        rest = 1 - settings.held
        weights = np.full(len(lists), rest * settings.explore / n_draws)
        weights[0], weights[1] = settings.held, rest * (1 - settings.explore)
        return cls(lists, weights)

    def draw(self, uniform: float) -> int:
        """The number of a list, drawn by a number from 0 to 1."""
        edges = np.cumsum(self.weights)
        return int(min(np.searchsorted(edges, uniform * edges[-1], side="right"), len(edges) - 1))

    def propensities(self, places: I64) -> F64:
        """How probable it is that each item of a list [k] stands where it does [k]."""
        return np.asarray(self.weights @ (self.lists[:, : len(places)] == places), np.float64)


def by_name(number: int) -> str:
    """Whose order a list of a mixture is."""
    return ("base", "mean")[number] if number < 2 else "draw"


def floored(scores: F64, k: int, floor: float) -> I64:
    """The k best by each row of scores [l, n], moved towards the order 0, 1, 2 … until each keeps the floor.

    What is promised: Σ_j d_j d_{list_j} ≥ floor · Σ_j d_j² with d_j = 1 / log2(2 + j), j = 0 … k − 1, for
    every list: the discounted gain, where what an item is worth is the discount of its place in the task's
    order.
    """
    n_lists, n = scores.shape
    ranks = np.empty((n_lists, n))
    order = np.argsort(-scores, axis=1, kind="stable")
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(n, dtype=np.float64), order.shape), axis=1)
    lists = np.broadcast_to(np.arange(k), (n_lists, k)).copy()
    left = np.ones(n_lists, bool)
    for share in TOWARDS_BASE:
        moved = (1 - share) * ranks[left] + share * np.arange(n)
        tried = np.argsort(moved, axis=1, kind="stable")[:, :k]
        good = kept_gain(tried) >= floor
        places = np.flatnonzero(left)[good]
        lists[places] = tried[good]
        left[places] = False
        if not left.any():
            break
    return lists


def kept_gain(lists: I64) -> F64:
    """Of each list [l, k]: its share of the discounted gain of the list 0 … k − 1."""
    discount = 1 / np.log2(2 + np.arange(lists.shape[1]))
    kept: F64 = (1 / np.log2(2 + lists)) @ discount / (discount @ discount)
    return kept
