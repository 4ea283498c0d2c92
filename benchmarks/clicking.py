"""The demo shop's customers before a bandit: what they are shown, what they choose, what they miss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.live.bandits.beliefs import Beliefs, Panel, features_of, looks
from retailor.live.bandits.mixture import floored
from retailor.seeds import stream
from retailor.shop.demo.clicks import DemoClicks

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
DRAWS, EVERY = 16, 50


@dataclass
class ClickModel:
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

    def known(self) -> I64:
        """The list of each customer that a linear model would show if it knew all [U, k]: by least squares
        over every pool, with an effect of each item."""
        n_users, n = self.pools.shape
        items = np.eye(len(self.ids))[self.pools.ravel()]
        design = np.concatenate([self.features.reshape(n_users * n, -1), items], axis=1)
        liked = np.take_along_axis(self.shop.attraction, self.pools, axis=1)
        system = design.T @ design + 1e-3 * np.eye(design.shape[1])
        fitted = design @ np.linalg.solve(system, design.T @ liked.ravel())
        return np.argsort(-fitted.reshape(n_users, n), axis=1, kind="stable")[:, : self.k]

    def best(self, users: I64) -> F64:
        """The same of the best list there is in each customer's pool [n]."""
        liked = self.shop.attraction[users[:, None], self.pools[users]]
        return self.worth(users, np.argsort(-liked, axis=1, kind="stable")[:, : self.k])


Order = Callable[[Panel, ClickModel, I64, np.random.Generator], I64]
"""The places of their pools that some customers [B] are shown [B, k]."""


def base(panel: Panel, model: ClickModel, users: I64, rng: np.random.Generator) -> I64:
    """As the recommender has it."""
    return np.tile(np.arange(model.k), (len(users), 1))


def mean(floor: float = 0.0, chance: float = 0.0) -> Order:
    """By what is thought best; in a share of the answers by chance."""

    def order(panel: Panel, model: ClickModel, users: I64, rng: np.random.Generator) -> I64:
        lists = floored(scores_of(panel, model, users)[:, 0], model.k, floor)
        for row in np.flatnonzero(rng.random(len(users)) < chance):
            lists[row] = rng.permutation(model.pools.shape[1])[: model.k]
        return lists

    return order


def thompson(floor: float = 0.0, explore: float = 1.0) -> Order:
    """By a draw of what may be true, in a share of the answers."""

    def order(panel: Panel, model: ClickModel, users: I64, rng: np.random.Generator) -> I64:
        scores = scores_of(panel, model, users)
        rows = 1 + rng.integers(scores.shape[1] - 1, size=len(users))
        rows[rng.random(len(users)) >= explore] = 0
        return floored(scores[np.arange(len(users)), rows], model.k, floor)

    return order


def scores_of(panel: Panel, model: ClickModel, users: I64) -> F64:
    """What the mean and each draw think of each item of each customer's pool [B, 1 + draws, n]."""
    pools = model.pools[users]
    found = panel.scores(model.features[users].reshape(pools.size, -1), model.ids[pools].ravel().tolist())
    return found.reshape(len(found), *pools.shape).transpose(1, 0, 2)


@dataclass(frozen=True)
class Simulated:
    """What came of it."""

    missed: F64
    """Choices missed, an answer [n]."""
    beliefs: Beliefs
    seen: Sequence[Any] = ()


def simulate(
    model: ClickModel,
    order: Order,
    n: int,
    seed: int,
    *,
    boldness: float = 1.0,
    beliefs: Beliefs | None = None,
    look_at: Callable[[Panel], Any] | None = None,
) -> Simulated:
    """n answers; what was chosen is learned from after each EVERY of them."""
    rng = stream(seed, "walk")
    beliefs = beliefs or Beliefs(model.features.shape[2])
    look, missed, seen = looks(1, model.k), [], []
    for start in range(0, n, EVERY):
        panel = beliefs.panel(DRAWS, seed * 1_000_003 + start, boldness=boldness)
        if look_at is not None:
            seen.append(look_at(panel))
        users = rng.integers(len(model.pools), size=min(EVERY, n - start))
        places = order(panel, model, users, rng)
        lists = np.take_along_axis(model.pools[users], places, axis=1)
        clicked = model.shop.clicks(users, lists, rng)
        missed.append(model.best(users) - model.worth(users, places))
        features = model.features[users[:, None], places]  # [B, k, dim]
        many, ids = np.tile(look, (len(users), 1)), model.ids[lists]
        beliefs.add_shown(features.reshape(many.size, -1), ids.ravel().tolist(), many.ravel())
        beliefs.add_chosen(features[clicked], ids[clicked].tolist(), many[clicked])
    return Simulated(np.concatenate(missed), beliefs, seen)


def seasons(
    model: ClickModel, n: int, seed: int, *, size: int = 20, late: float = 0.35, new: int = 6
) -> list[ClickModel]:
    """The model over n seasons, in which a share of the items arrives one by one.

    A pool has the recommender's best of what is there by then; items that arrived stand at its end, `new` of
    them at most: it was fitted before anybody had seen them.
    """
    rng, n_items = stream(seed, "arrivals"), len(model.ids)
    arrives = np.where(rng.random(n_items) < late, rng.random(n_items), 0.0)
    found = []
    for season in range(n):
        pools = []
        for pool in model.pools:
            old = [item for item in pool if not arrives[item]]
            came = [item for item in pool if 0 < arrives[item] <= season / n][:new]
            row = old[: size - len(came)] + came
            pools.append(row + [item for item in pool if item not in row][: size - len(row)])
        found.append(ClickModel(model.shop, np.array(pools), model.traits, model.customers, model.k))
    return found


def simulate_seasons(
    models: Sequence[ClickModel], order: Order, n: int, seed: int, *, boldness: float = 1.0
) -> F64:
    """Choices missed, an answer, over all seasons [n]; what was learned is kept."""
    beliefs, missed = None, []
    for number, model in enumerate(models):
        one = simulate(
            model, order, n // len(models), seed * 1_000 + number, boldness=boldness, beliefs=beliefs
        )
        beliefs = one.beliefs
        missed.append(one.missed)
    return np.concatenate(missed)


def rises(
    model: ClickModel,
    item: int,
    has_text: bool,
    n: int,
    seed: int,
    *,
    boldness: float = 1.0,
    near: float = 3.0,
) -> float:
    """Answers until a new item, last in every pool, stands on average where it belongs, or nearer than `near`
    places; n where it did not within n. At least one batch."""
    rest = np.array([[each for each in pool if each != item][: len(pool) - 1] for pool in model.pools])
    before = ClickModel(model.shop, rest, model.traits, model.customers, model.k)
    beliefs = simulate(before, thompson(), n, seed, boldness=boldness).beliefs
    traits = model.traits.copy()
    traits[item] *= has_text
    pools = np.concatenate([rest, np.full((len(rest), 1), item)], axis=1)
    after = ClickModel(model.shop, pools, traits, model.customers, model.k)
    liked = np.take_along_axis(model.shop.attraction, pools, axis=1)
    true = float((liked[:, :-1] > liked[:, -1:]).sum(axis=1).mean())
    asked = stream(seed, "asked").permutation(len(rest))[:60]

    def place(panel: Panel) -> float:
        scores = scores_of(panel, after, asked)[:, 0]
        return float((scores[:, :-1] > scores[:, -1:]).sum(axis=1).mean())

    more = simulate(after, thompson(), n, seed + 1, boldness=boldness, beliefs=beliefs, look_at=place)
    there = np.flatnonzero(np.abs(np.array(more.seen) - true) <= near)
    return float(EVERY * max(1, there[0] if len(there) else len(more.seen)))
