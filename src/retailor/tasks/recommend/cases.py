"""Questions with a known answer: events that are held out of the histories, and those of a test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.retrieval.histories import Histories
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.recommend.catalogue import Catalogue
from retailor.tasks.recommend.customers import Customers, weighed_events
from retailor.tasks.recommend.settings import RecommendSettings

SCORES_AT_ONCE = 60_000_000
UNSOLD_A_CASE = 10
"""So many items that nobody has chosen stand beside each that a case asks for: its odds are then theirs."""


def n_scored(n: int, n_items: int, *, least: int = 30) -> int:
    """Of n cases so many that their scores of every item fit in memory."""
    return min(n, max(least, SCORES_AT_ONCE // max(n_items, 1)))


@dataclass(frozen=True)
class Cases:
    """Questions with a known answer: whose history (row, −1 a new customer), and the item that came next."""

    customers: NDArray[np.int64]
    targets: NDArray[np.int64]
    """−1: the item is not in the catalogue, so that nobody can find it."""

    def __len__(self) -> int:
        return len(self.targets)

    def first(self, n: int) -> Cases:
        """The first n."""
        return Cases(self.customers[:n], self.targets[:n])


def hold_out(
    histories: Histories, n: int, seed: int, *, repeats: bool = False, n_unsold: int = 0
) -> tuple[Histories, Cases]:
    """The histories without the last event of n customers at most, and those events as cases.

    Only customers whose last item is new to them and not their first are asked. `n_unsold` items of the
    catalogue have no event: of items that are left without one, at most one in UNSOLD_A_CASE of that many is
    asked for. With fewer unsold items, to have no event would itself be a sign of the answer; and if no such
    item were asked for, a shop of many unsold items would choose its weights on the easy cases alone.

    Of histories in baskets the whole last one is held out, since its other items would give the answer away,
    and one item of it, drawn, is the case.
    """
    if histories.baskets is not None:
        return _last_baskets(histories, n, seed, n_unsold)
    last = histories.offsets[1:] - 1
    lengths = histories.lengths()
    asked = np.flatnonzero(lengths > 0)
    again = np.zeros(len(histories), np.int64)
    if len(asked):
        same = histories.items == np.repeat(histories.items[last[asked]], lengths[asked])
        again[asked] = np.add.reduceat(same, histories.offsets[asked], dtype=np.int64)
    able = np.flatnonzero((lengths > 1) & (repeats | (again == 1)))
    chosen = stream(seed, "validation").permutation(able)[:n]
    held = histories.items[last[chosen]]
    n_items = int(histories.items.max(initial=-1)) + 1
    n_left = np.bincount(histories.items, minlength=n_items) - np.bincount(held, minlength=n_items)
    new = n_left[held] == 0
    chosen = np.sort(chosen[~new | (np.cumsum(new) <= n_unsold // UNSOLD_A_CASE)])
    keep = np.ones(len(histories.items), bool)
    keep[last[chosen]] = False
    lengths[chosen] -= 1
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rest = histories.events(keep, offsets)
    return rest, Cases(chosen, histories.items[last[chosen]].astype(np.int64))


def _last_baskets(histories: Histories, n: int, seed: int, n_unsold: int) -> tuple[Histories, Cases]:
    owners, in_last = histories.owners(), histories.basket_ages() == 1
    earlier = np.bincount(owners[~in_last], minlength=len(histories))
    chosen = stream(seed, "validation").permutation(np.flatnonzero(earlier))[:n]
    drawn = np.zeros(len(histories), np.int64)
    mixed = stream(seed, "validation items").permutation(np.flatnonzero(in_last))
    drawn[owners[mixed]] = mixed
    held = histories.items[drawn[chosen]]
    left = ~(in_last & np.isin(owners, chosen))
    new = np.bincount(histories.items[left], minlength=int(histories.items.max(initial=-1)) + 1)[held] == 0
    chosen = np.sort(chosen[~new | (np.cumsum(new) <= n_unsold // UNSOLD_A_CASE)])
    keep = ~(in_last & np.isin(owners, chosen))
    lengths = np.bincount(owners[keep], minlength=len(histories))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return histories.events(keep, offsets), Cases(chosen, histories.items[drawn[chosen]].astype(np.int64))


def read_cases(
    shop: Shop, catalogue: Catalogue, customers: Customers, settings: RecommendSettings
) -> tuple[Cases, dict[str, int]]:
    """Each event of `shop` as a case, given the customers' known histories, and how many were left out why.

    An item that the customer already has is not asked for, since it is masked, unless `repeats` count; an
    event that repeats another of `shop` is asked once.
    """
    events = (
        weighed_events(shop, settings)
        .sort("user_id", "time", maintain_order=True)
        .unique(["user_id", "item_id"], keep="first", maintain_order=True)
    )
    n_all = len(events)
    users = np.array(events["user_id"].unique().sort(), dtype=object)
    users = stream(settings.seed, "test").permutation(users)
    events = events.filter(pl.col("user_id").is_in(users[: settings.n_test].tolist()))
    n_sampled = len(events)
    histories = customers.histories
    rows = np.array([customers.ix.get(one, -1) for one in events["user_id"]], np.int64)
    targets = np.array([catalogue.ix.get(one, -1) for one in events["item_id"]], np.int64)
    seen = np.zeros(len(rows), bool)
    for i, (row, target) in enumerate(zip(rows, targets, strict=True)):
        if row >= 0:
            own = histories.items[histories.offsets[row] : histories.offsets[row + 1]]
            seen[i] = bool((own == target).any())
    if settings.repeats:
        seen[:] = False
    counts = {"events": n_all, "not drawn": n_all - n_sampled, "already in the history": int(seen.sum())}
    return Cases(rows[~seen], targets[~seen]), counts
