"""Popularity and neighbours kept up to date: of new events only what they change is counted again.

An event changes its item's links, and those of each neighbour to that item. So the rows of items whose events
are others than before are counted from the histories of their customers, and in the rows of their neighbours
the links to them are put in place. Of a full row that loses a link nobody knows what was next: it is counted
again too. What comes out is, to the last digit, what `neighbours` counts of all histories.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.histories import F32, Histories
from retailor.retrieval.item_to_item import ItemToItem, links_of
from retailor.retrieval.neighbours import (
    FOLLOWING,
    blocks_of,
    fit_item_knn,
    fit_sequential_knn,
    latest_within,
    norms_of,
)
from retailor.retrieval.popularity import fit_popularity
from retailor.retrieval.ragged import Ragged
from retailor.retrieval.recount import Cells, Sums, with_cells

I64 = NDArray[np.int64]
TOO_MANY = 0.5
"""Where so large a share of all pairs would be counted again, all are."""


@dataclass(frozen=True)
class How:
    """What neighbours were counted by: links kept an item, and latest events a customer (None: all)."""

    n_links: int
    latest: int | None

    @classmethod
    def of(cls, histories: Histories, n_links: int, max_pairs: int) -> Self:
        """Where there are `max_pairs` pairs of events at most."""
        return cls(n_links, latest_within(np.bincount(histories.lengths()), max_pairs))


@dataclass(frozen=True)
class Changed:
    """Customers whose histories are others than before: what these were, what they are, and which events are
    new among them (those of an event that was taken in, and has been cut off already, too)."""

    rows: I64  # [m], the customers' rows in all histories; those who are new come last
    before: Histories  # m
    now: Histories  # m
    fresh: Histories  # m


@dataclass(frozen=True)
class Counts:
    """What is counted of all histories, and what it takes to count on. Nothing that is here is written to."""

    how: How
    lengths: I64
    """How many customers have so many events."""
    holders: Ragged
    """The customers of each item, in order."""
    popular: F32  # [I]
    norms: F32  # [I], of the columns of customers and their latest events
    n_events: NDArray[np.int32]  # [I], of these too
    item_knn: Ragged
    sequential: Ragged

    @classmethod
    def of(cls, histories: Histories, n_items: int, n_links: int, max_pairs: int) -> Self:
        """All counted."""
        matrix, how = histories.matrix(n_items), How.of(histories, n_links, max_pairs)
        latest = how.latest
        near = histories if latest is None else histories.latest(latest)
        knn = fit_item_knn(matrix if latest is None else near.matrix(n_items), n_links=n_links)
        after = fit_sequential_knn(near, n_items, n_links=n_links)
        return cls.known(histories, how, knn, after)

    @classmethod
    def known(cls, histories: Histories, how: How, item_knn: ItemToItem, sequential: ItemToItem) -> Self:
        """Where the links are those of these histories, counted in this way: they are not counted again."""
        n_items = item_knn.n_items
        matrix = histories.matrix(n_items)
        near = histories if how.latest is None else histories.latest(how.latest)
        own = matrix if how.latest is None else near.matrix(n_items)
        by_item = matrix.tocsc()
        return cls(
            how,
            np.bincount(histories.lengths()),
            Ragged(by_item.indptr.astype(np.int64), {"customers": by_item.indices}),
            fit_popularity(matrix).counts,
            norms_of(own.indices, own.data, n_items),
            np.bincount(near.items, minlength=n_items).astype(np.int32),
            *(x.links if isinstance(x.links, Ragged) else links_of(x.links) for x in (item_knn, sequential)),
        )

    @property
    def n_total(self) -> int:
        """Events in all histories."""
        return int(self.lengths @ np.arange(len(self.lengths)))

    def widened(self, n_items: int) -> Counts:
        """The same with n items in all, nobody having chosen the new ones."""
        more = n_items - len(self.holders)
        if not more:
            return self
        return replace(
            self,
            holders=self.holders.widened(n_items),
            item_knn=self.item_knn.widened(n_items),
            sequential=self.sequential.widened(n_items),
            popular=np.append(self.popular, np.zeros(more, np.float32)),
            norms=np.append(self.norms, np.zeros(more, np.float32)),
            n_events=np.append(self.n_events, np.zeros(more, np.int32)),
        )

    def after(self, histories: Ragged, changed: Changed, n_links: int, max_pairs: int) -> Counts | None:
        """What is counted of `histories`, in which the customers `changed` are others than before.

        None where all must be counted again: other numbers of links or of latest events are due, or what is
        to be counted again is most of all there is.
        """
        lengths = self._lengths_after(changed)
        latest = self.how.latest
        if How(n_links, latest_within(lengths, max_pairs)) != self.how:
            return None
        near = changed
        if latest is not None:
            near = replace(changed, before=changed.before.latest(latest), now=changed.now.latest(latest))
        items, beside = _items_of(near)
        counted = replace(
            self._with_holders(changed), lengths=lengths, n_events=_counted(self.n_events, near)
        )
        sizes = counted._sizes(histories, items)
        return None if sizes.sum() > TOO_MANY * counted.n_pairs else counted._linked(histories, items, beside)

    @property
    def n_pairs(self) -> float:
        """Pairs of events of one customer that are counted."""
        sizes = np.arange(len(self.lengths), dtype=np.float64)
        if self.how.latest is not None:
            sizes = np.minimum(sizes, self.how.latest)
        return float(self.lengths @ sizes**2)

    def _sizes(self, histories: Ragged, items: I64) -> I64:
        """Events of the customers of each item, as many as are counted."""
        offsets, found = self.holders.gathered(items)
        lengths = histories.lengths(found["customers"])
        if self.how.latest is not None:
            lengths = np.minimum(lengths, self.how.latest)
        return np.diff(np.concatenate([[0], np.cumsum(lengths)])[offsets])

    def _sums(self, histories: Ragged, items: I64) -> Sums:
        """What the histories of the customers of these items say of them, some items at a time."""
        found = []
        for rows in blocks_of(self._sizes(histories, items)):
            some = items[rows]
            customers = np.unique(self.holders.gathered(some)[1]["customers"])
            offsets, events = histories.gathered(customers)
            near = Histories(offsets, events["items"], events["weights"])
            found.append(Sums.of(near if self.how.latest is None else near.latest(self.how.latest), some))
        return Sums.joined(found)

    def _linked(self, histories: Ragged, items: I64, beside: I64) -> Counts:
        """With the links of and to `items` as they are now, all else being so; `beside` are items that may
        have lost a link to one of them."""
        sums = self._sums(histories, items)
        norms = self.norms.copy()
        norms[items] = sums.norms
        made = replace(self, norms=norms)
        kept = self.how.n_links

        def alike(some: I64) -> Cells:
            return made._cosines(made._sums(histories, some).together)

        def next_to(some: I64) -> Cells:
            return made._scaled(made._sums(histories, some).after)

        own = made._cosines(sums.together)
        knn = with_cells(self.item_knn, items, own, own.turned(), beside, kept, alike)
        own, others = made._scaled(sums.after), made._scaled(sums.before.turned())
        after = with_cells(self.sequential, items, own, others, beside, kept, next_to)
        return replace(made, item_knn=knn, sequential=after)

    def _cosines(self, sums: Cells) -> Cells:
        found = sums.with_values(sums.values / (self.norms[sums.rows] * self.norms[sums.columns]))
        return found.at(found.values != 0)

    def _scaled(self, sums: Cells) -> Cells:
        own, other = (FOLLOWING.scale(self.n_events[rows]) for rows in (sums.rows, sums.columns))
        return sums.with_values((own * sums.values) * other)

    def _lengths_after(self, changed: Changed) -> I64:
        known = changed.rows < self.lengths.sum()
        before, now = changed.before.lengths()[known], changed.now.lengths()
        lengths = np.zeros(max(len(self.lengths), int(now.max(initial=0)) + 1), np.int64)
        lengths[: len(self.lengths)] = self.lengths
        np.add.at(lengths, now, 1)
        np.subtract.at(lengths, before, 1)
        return lengths

    def _with_holders(self, changed: Changed) -> Counts:
        """With the customers of each item, and how many they are."""
        n = len(self.holders)
        before, now = (
            np.unique(changed.rows[some.owners()] * n + some.items) for some in (changed.before, changed.now)
        )
        new, gone = np.setdiff1d(now, before), np.setdiff1d(before, now)
        popular = self.popular.copy()
        np.add.at(popular, new % n, 1)
        np.subtract.at(popular, gone % n, 1)
        items = np.unique(np.concatenate([new, gone]) % n)
        offsets, found = self.holders.gathered(items)
        keys = np.repeat(items, np.diff(offsets)), found["customers"].astype(np.int64)
        lost = np.isin(keys[1] * n + keys[0], gone) if len(gone) else np.zeros(len(keys[0]), bool)
        whose = np.concatenate([keys[0][~lost], new % n])
        customers = np.concatenate([keys[1][~lost], new // n])
        order = np.lexsort((customers, whose))
        ends = np.searchsorted(whose[order], np.append(items, n))
        holders = self.holders.replaced(items, ends, {"customers": customers[order]})
        return replace(self, popular=popular, holders=holders)


def _items_of(changed: Changed) -> tuple[I64, I64]:
    """The items with other events than before, and what lay beside those that were cut off."""
    kept = np.maximum(changed.now.lengths() - changed.fresh.lengths(), 0)
    before = changed.before
    cut = before.ages() > np.repeat(kept, before.lengths())
    items = np.unique(np.concatenate([changed.fresh.items, before.items[cut]])).astype(np.int64)
    with_cut = np.isin(before.owners(), before.owners()[cut])
    return items, np.unique(before.items[with_cut]).astype(np.int64)


def _counted(n_events: NDArray[np.int32], changed: Changed) -> NDArray[np.int32]:
    """Events of each item with those of the changed histories in place of what they were."""
    made = n_events.copy()
    np.add.at(made, changed.now.items, 1)
    np.subtract.at(made, changed.before.items, 1)
    return made
