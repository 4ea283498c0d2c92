"""What customers did, and what every scorer makes of it: a score for each item.

An item's row number means nothing to a scorer: permute the items, and the scores are permuted alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.ragged import Ragged

F32 = NDArray[np.float32]
Tensors = dict[str, NDArray[Any]]
EVENTS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Histories:
    """What each of n customers did, end to end: item rows [E], oldest first, and each event's weight [E].

    `reviews` [E], if given, is the row of the customer's review of the item in some table; −1 for none.
    `baskets` [E], if given, is the number of the basket that the event is of: it grows with each.
    """

    offsets: NDArray[np.int64]  # [n + 1]
    items: NDArray[np.int32]
    weights: F32
    reviews: NDArray[np.int32] | None = None
    baskets: NDArray[np.int32] | None = None

    @classmethod
    def of(cls, histories: Sequence[Sequence[int]], weights: Sequence[Sequence[float]] | None = None) -> Self:
        """From lists of item rows, each event weighing 1 unless `weights` says otherwise."""
        lengths = [len(one) for one in histories]
        items = np.fromiter((ix for one in histories for ix in one), np.int32, sum(lengths))
        flat = np.ones(len(items), np.float32)
        if weights is not None:
            flat = np.fromiter((w for one in weights for w in one), np.float32, sum(lengths))
        return cls(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), items, flat)

    @classmethod
    def of_rows(cls, rows: Ragged) -> Self:
        """From the table that `rows` gives: `offsets` and columns."""
        flat = rows.flat()
        found = flat.columns
        return cls(flat.offsets, found["items"], found["weights"], found.get("reviews"), found.get("baskets"))

    def rows(self) -> Ragged:
        """A table of a row each, whose rows can be replaced; nothing is copied."""
        named = {"items": self.items, "weights": self.weights}
        more = {"reviews": self.reviews, "baskets": self.baskets}
        there: dict[str, NDArray[Any]] = {name: each for name, each in more.items() if each is not None}
        return Ragged(self.offsets, named | there)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> NDArray[np.int64]:
        """Events a customer [n]."""
        return np.diff(self.offsets)

    def owners(self) -> NDArray[np.int64]:
        """The customer's row of each event [E]."""
        return np.repeat(np.arange(len(self)), self.lengths())

    def ages(self) -> NDArray[np.int64]:
        """How many events ago each event was [E]: 1 is the customer's last."""
        return np.repeat(self.offsets[1:], self.lengths()) - np.arange(len(self.items))

    def basket_ages(self) -> NDArray[np.int64]:
        """How many baskets ago each event was [E]: 1 is the customer's last basket.

        Without baskets every event is one.
        """
        if self.baskets is None or not len(self.items):
            return self.ages()
        owners, numbers = self.owners(), self.baskets.astype(np.int64)
        new = np.ones(len(numbers), bool)
        new[1:] = (numbers[1:] != numbers[:-1]) | (owners[1:] != owners[:-1])
        counted = np.cumsum(new)
        last = np.zeros(len(self), np.int64)
        np.maximum.at(last, owners, counted)
        ages: NDArray[np.int64] = last[owners] - counted + 1
        return ages

    def at(self, rows: NDArray[np.integer] | slice) -> Histories:
        """The histories of some customers, in the order of `rows`."""
        starts = self.offsets[:-1][rows]
        lengths = self.offsets[1:][rows] - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return self.events(at, offsets)

    def events(self, at: NDArray[Any], offsets: NDArray[np.int64]) -> Histories:
        """Histories of some of the events, rows or a mask, that begin at `offsets`."""
        reviews = None if self.reviews is None else self.reviews[at]
        baskets = None if self.baskets is None else self.baskets[at]
        return Histories(offsets, self.items[at], self.weights[at], reviews, baskets)

    def latest(self, n: int) -> Histories:
        """The last n events of each customer."""
        keep = self.ages() <= n
        lengths = np.minimum(self.lengths(), n)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return self.events(keep, offsets)

    def weighed(self, decay: float = 0.0) -> tuple[NDArray[np.int64], NDArray[np.int32], F32]:
        """Customer, item and weight / age ** decay of each event, in order; the largest of an item's."""
        values = self.weights / self.ages().astype(np.float32) ** np.float32(decay)
        owners = self.owners()
        order = np.lexsort((-values, self.items, owners))
        owners, items, values = owners[order], self.items[order], values[order]
        first = np.ones(len(order), bool)
        first[1:] = (owners[1:] != owners[:-1]) | (items[1:] != items[:-1])
        return owners[first], items[first], values[first]

    def matrix(self, n_items: int, *, decay: float = 0.0) -> sp.csr_matrix:
        """`weighed` as a table, customers by items [n, I]; made for some customers at a time."""
        items, values = np.empty(len(self.items), np.int32), np.empty(len(self.items), np.float32)
        places = np.zeros(len(self) + 1, sp.get_index_dtype(maxval=len(self.items)))
        steps = np.searchsorted(self.offsets, np.arange(0, len(self.items), EVENTS_AT_ONCE))
        edges = np.unique(np.append(steps, len(self)))
        at = 0
        for start, stop in itertools.pairwise(np.append(0, edges[edges > 0]).tolist()):
            owners, chosen, worth = self.at(slice(start, stop)).weighed(decay)
            ends = np.cumsum(np.bincount(owners, minlength=stop - start))
            places[start + 1 : stop + 1] = at + ends
            items[at : at + len(chosen)], values[at : at + len(chosen)] = chosen, worth
            at += len(chosen)
        return sp.csr_matrix((values[:at], items[:at], places), shape=(len(self), n_items))


class Scorer(Protocol):
    """Histories in, a score for every item out; a history without events scores 0 everywhere."""

    def scores(self, histories: Histories) -> F32: ...  # [B, I]
