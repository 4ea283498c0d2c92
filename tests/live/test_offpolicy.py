"""Off-policy evaluation: intervals hold the true value, which the demo shop knows, and what cannot be said is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.live.offpolicy import Evaluation, Logged, evaluate
from retailor.seeds import stream
from retailor.shop.demo.clicks import LOOKS, demo_clicks

F64 = NDArray[np.float64]
ESTIMATES = ("ips", "snips", "dr")


@dataclass(frozen=True)
class World:
    """The demo shop's customers, lists that a logger draws from, and the list of another policy."""

    lists: NDArray[np.int64]
    """Of each customer, each equally probable [U, L, k]."""
    target: NDArray[np.int64]
    """[U, k]"""
    worth: F64
    """How probable each item is chosen at the first place [U, I]."""
    model: F64
    """What a model thinks of that, which is wrong [U, I]."""

    @property
    def value(self) -> float:
        places = np.arange(self.target.shape[1])
        rows = np.arange(len(self.target))[:, None]
        return float((self.worth[rows, self.target] * LOOKS**places).sum(axis=1).mean())

    def logged(self, n: int, rng: np.random.Generator, *, each: int = 1) -> Logged:
        """n answers, so many each of customers drawn from all."""
        customers = np.arange(n) // each
        users = rng.integers(len(self.lists), size=n // each + 1)[customers]
        chosen_list = rng.integers(self.lists.shape[1], size=n)
        shown = self.lists[users, chosen_list]
        k = shown.shape[1]
        look, guess = LOOKS ** np.arange(k), 1 / np.log2(2 + np.arange(k))
        clicks = rng.random(shown.shape) < self.worth[users[:, None], shown] * look
        return Logged(
            customers=customers,
            is_there=np.ones(shown.shape, bool),
            propensities=(self.lists[users] == shown[:, None]).mean(axis=1),
            chosen=clicks.astype(float),
            policy=(self.target[users] == shown).astype(float),
            predicted=self.model[users[:, None], shown] * guess,
            expected=self.model[users[:, None], self.target[users]] * guess,
        )


def world(seed: int, *, k: int = 5, pool: int = 10, n_lists: int = 200, noise: float = 0.8) -> World:
    shop, rng = demo_clicks(60, seed), stream(seed, "lists")
    worth = shop.attraction
    n = len(worth)
    tasks = np.log(worth + 0.01) + rng.normal(0, 1.0, worth.shape)
    pools = np.argsort(-tasks, axis=1)[:, :pool]
    scores = np.take_along_axis(tasks, pools, axis=1)
    drawn = scores[:, None] + rng.gumbel(0, noise, (n, n_lists, pool))
    lists = np.take_along_axis(pools[:, None], np.argsort(-drawn, axis=2)[:, :, :k], axis=2)
    better = scores + rng.normal(0, 0.5, scores.shape)
    target = np.take_along_axis(pools, np.argsort(-better, axis=1)[:, :k], axis=1)
    # Where no list has the target's item at a place, a list of the logger is the target's own.
    lists[:, 0] = target
    model = np.broadcast_to(worth.mean(axis=0), worth.shape)
    return World(lists, target, worth, model)


def held(found: Evaluation, value: float) -> list[bool]:
    return [getattr(found, name).low <= value <= getattr(found, name).high for name in ESTIMATES]
