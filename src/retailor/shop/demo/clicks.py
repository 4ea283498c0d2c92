"""What customers of the demo shop would choose of a list: the truth that bandits are held to.

A customer looks at place k of a list with probability LOOKS^(k − 1), and chooses an item that is looked at
with a probability that grows with the same liking by which the shop's events were made. So the true value of
any order of any list is a sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from retailor.shop.demo.catalogue import make_items
from retailor.shop.demo.customers import likings, make_customers

F64 = NDArray[np.float64]
LOOKS = 0.85
N_LIKED, RATE = 10, 0.15
"""The likings are scaled so that customers choose this share of the ten items that they like best."""


@dataclass(frozen=True)
class DemoClicks:
    """U customers, I items."""

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    attraction: F64
    """[U, I]: how probable it is that a customer who looks at an item chooses it."""

    @cached_property
    def ix(self) -> dict[str, int]:
        """item_id to row."""
        return {item_id: row for row, item_id in enumerate(self.item_ids)}

    def probable(self, users: NDArray[np.int64], lists: NDArray[np.int64]) -> F64:
        """How probable each item of a list [n, k] is chosen by its customer [n]."""
        found: F64 = self.attraction[users[:, None], lists] * LOOKS ** np.arange(lists.shape[-1])
        return found

    def clicks(self, users: NDArray[np.int64], lists: NDArray[np.int64], rng: Generator) -> NDArray[np.bool_]:
        """What is chosen [n, k]."""
        return rng.random(lists.shape) < self.probable(users, lists)


def demo_clicks(size: int = 200, seed: int = 0) -> DemoClicks:
    """What the customers of `demo_shop(size, seed)` would choose."""
    items, customers = make_items(size, seed), make_customers(2 * size, seed)
    liking = likings(items, customers)
    best = np.sort(liking, axis=1)[:, -N_LIKED:]
    low, high = 1e-6, 1e6
    for _ in range(100):  # 1 − exp(−s · liking) grows with s
        scale = np.sqrt(low * high)
        if (1 - np.exp(-scale * best)).mean() < RATE:
            low = scale
        else:
            high = scale
    ids = tuple(each.user_id for each in customers), tuple(each.item_id for each in items)
    return DemoClicks(*ids, 1 - np.exp(-scale * liking))
