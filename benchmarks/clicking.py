"""The demo shop's customers before a bandit: what they are shown, what they choose, what they miss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.live.beliefs import Beliefs, Panel, features_of, looks
from retailor.live.mixture import floored
from retailor.seeds import stream
from retailor.shop.demo.clicks import DemoClicks

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass
class Street:
    """Customers who come again and again, each with a pool of items in a recommender's order."""

    shop: DemoClicks
    pools: I64
    """Rows of items [U, n], the recommender's best first."""
    traits: F64
    """[I, t]"""
    customers: F64
    """What each customer's items have in common [U, t]."""
    k: int = 10
    features: F64 = field(init=False)
    """[U, n, dim]"""

    def __post_init__(self) -> None:
        ranks = np.arange(1, self.pools.shape[1] + 1, dtype=np.float64)
        self.features = np.array(
            [
                features_of(self.traits[pool], customer, ranks)
                for pool, customer in zip(self.pools, self.customers, strict=True)
            ]
        )
        self.ids = np.array(self.shop.item_ids)

    def worth(self, users: I64, places: I64) -> F64:
        """How many items each customer [n] chooses, on average, of a list of places in the pool [n, k]."""
        lists = np.take_along_axis(self.pools[users], places, axis=1)
        return self.shop.probable(users, lists).sum(axis=1)

    def best(self, users: I64) -> F64:
        """The same of the best list there is in each customer's pool [n]."""
        liked = self.shop.attraction[users[:, None], self.pools[users]]
        return self.worth(users, np.argsort(-liked, axis=1, kind="stable")[:, : self.k])


Order = Callable[[Panel, Street, int, np.random.Generator], I64]
"""The places of a pool that a customer is shown [k]."""


def base(panel: Panel, street: Street, user: int, rng: np.random.Generator) -> I64:
    """As the recommender has it."""
    return np.arange(street.k)


def greedy(panel: Panel, street: Street, user: int, rng: np.random.Generator, floor: float = 0.0) -> I64:
    """By what is thought best: no exploration."""
    return floored(scores_of(panel, street, user)[:1], street.k, floor)[0]


def epsilon(share: float) -> Order:
    """By what is thought best, in a share of the answers by chance."""

    def order(panel: Panel, street: Street, user: int, rng: np.random.Generator) -> I64:
        if rng.random() < share:
            return rng.permutation(street.pools.shape[1])[: street.k]
        return greedy(panel, street, user, rng)

    return order


def thompson(floor: float = 0.0, explore: float = 1.0) -> Order:
    """By a draw of what may be true."""

    def order(panel: Panel, street: Street, user: int, rng: np.random.Generator) -> I64:
        scores = scores_of(panel, street, user)
        row = 1 + rng.integers(len(scores) - 1) if rng.random() < explore else 0
        return floored(scores[[row]], street.k, floor)[0]

    return order


def scores_of(panel: Panel, street: Street, user: int) -> F64:
    return panel.scores(street.features[user], street.ids[street.pools[user]])


@dataclass(frozen=True)
class Walk:
    """What came of it."""

    regret: F64
    """Choices missed an answer [n]."""
    beliefs: Beliefs
    seen: Sequence[Any] = ()


def walk(
    street: Street,
    order: Order,
    n: int,
    seed: int,
    *,
    every: int = 50,
    draws: int = 64,
    beliefs: Beliefs | None = None,
    look_at: Callable[[Panel], Any] | None = None,
) -> Walk:
    """n answers; what was chosen is learned from after each `every` of them."""
    rng = stream(seed, "walk")
    beliefs = beliefs or Beliefs(street.features.shape[2])
    look, regret, seen = looks(1, street.k), [], []
    for start in range(0, n, every):
        panel = beliefs.panel(draws, seed * 1_000_003 + start)
        if look_at is not None:
            seen.append(look_at(panel))
        users = rng.integers(len(street.pools), size=min(every, n - start))
        places = np.array([order(panel, street, int(user), rng) for user in users])
        lists = np.take_along_axis(street.pools[users], places, axis=1)
        clicked = street.shop.clicks(users, lists, rng)
        regret.append(street.best(users) - street.worth(users, places))
        features = street.features[users[:, None], places]  # [B, k, dim]
        many = np.tile(look, len(users))
        ids = street.ids[lists]
        beliefs.add_shown(features.reshape(len(many), -1), ids.ravel().tolist(), many)
        beliefs.add_chosen(features[clicked], ids[clicked].tolist(), many.reshape(ids.shape)[clicked])
    return Walk(np.concatenate(regret), beliefs, seen)
