"""Links of some items counted from the histories of their customers, and put in place among all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import F32, Histories
from retailor.retrieval.item_to_item import strongest
from retailor.retrieval.neighbours import FOLLOWING, Events, Following, norms_of
from retailor.retrieval.ragged import Ragged

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Cells:
    """Entries of a table: rows, columns and values [n]."""

    rows: I64
    columns: I64
    values: F32

    def turned(self) -> Cells:
        return Cells(self.columns, self.rows, self.values)

    def with_values(self, values: F32) -> Cells:
        return replace(self, values=values)

    def at(self, which: NDArray[np.bool_]) -> Cells:
        return Cells(self.rows[which], self.columns[which], self.values[which])

    def of_rows(self, rows: I64) -> sp.csr_matrix:
        """The rows of the table, which ascend and have all its entries, columns in order."""
        shape = (len(rows), int(self.columns.max(initial=-1)) + 1)
        return sp.csr_matrix((self.values, (np.searchsorted(rows, self.rows), self.columns)), shape=shape)

    @classmethod
    def joined(cls, some: Sequence[Cells]) -> Self:
        names = ("rows", "columns", "values")
        return cls(*(np.concatenate([getattr(each, name) for each in some]) for name in names))


@dataclass(frozen=True)
class Sums:
    """Of some items (rows) with each other one: what customers of both have in common, how often and how near
    it came after them, and before them (this last one as it is in the row of the other). And the lengths of
    the items' columns. Sums are added up in the order in which `neighbours` does."""

    norms: F32
    together: Cells
    after: Cells
    before: Cells

    @classmethod
    def of(cls, near: Histories, items: I64, dials: Following = FOLLOWING) -> Self:
        """`near`: the histories of all customers of the items (which ascend), in order."""
        norms, together = _together(near, items)
        return cls(norms, together, *_follows(near, items, dials))

    @classmethod
    def joined(cls, some: Sequence[Sums]) -> Self:
        cells = (
            Cells.joined([getattr(each, name) for each in some]) for name in ("together", "after", "before")
        )
        return cls(np.concatenate([each.norms for each in some]), *cells)


def _places(items: I64, found: NDArray[np.integer]) -> tuple[I64, NDArray[np.bool_]]:
    """Where in `items`, which ascend, each of `found` is, and whether it is there."""
    if not len(items):
        return np.zeros(len(found), np.int64), np.zeros(len(found), bool)
    spot = np.minimum(np.searchsorted(items, found), len(items) - 1)
    return spot, items[spot] == found


def _together(near: Histories, items: I64) -> tuple[F32, Cells]:
    owners, found, weights = near.weighed()
    known, columns = np.unique(found, return_inverse=True)
    begun = np.searchsorted(owners, np.arange(len(near) + 1))
    matrix = sp.csr_matrix((weights, columns, begun), shape=(len(near), len(known)))
    place, own = _places(items, found)
    by_item = sp.csr_matrix((weights[own], (place[own], owners[own])), shape=(len(items), len(near)))
    pairs = (by_item @ matrix).tocoo()
    other = known[pairs.col] != items[pairs.row]
    cells = Cells(items[pairs.row[other]], known[pairs.col[other]].astype(np.int64), pairs.data[other])
    return norms_of(place[own], weights[own], len(items)), cells


def _follows(near: Histories, items: I64, dials: Following) -> tuple[Cells, Cells]:
    events = Events.of(near)
    known, columns = np.unique(near.items, return_inverse=True)
    place, is_own = _places(items, near.items)
    own = np.flatnonzero(is_own)
    keys, values = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for gap in range(1, dials.width(near) + 1):
        for signed in (gap, -gap):
            there, counted = events.pairs(own, signed, dials.distance)
            keys.append(place[there] * len(known) + columns[there + signed])
            values.append(np.asarray(counted, np.float32))
    found, at = np.unique(np.concatenate(keys), return_inverse=True)
    ends = np.cumsum([len(each) for each in keys])
    after, before = np.zeros(len(found), np.float32), np.zeros(len(found), np.float32)
    backward = np.float32(dials.backward)
    for step in range(1, len(keys), 2):
        later, earlier = (_summed(at[ends[i - 1] : ends[i]], values[i], len(found)) for i in (step, step + 1))
        after = after + later + earlier * backward
        before = before + earlier + later * backward
    rows, others = items[found // max(len(known), 1)], known[found % max(len(known), 1)].astype(np.int64)
    apart = rows != others
    return Cells(rows, others, after).at(apart), Cells(rows, others, before).at(apart)


def _summed(at: NDArray[np.integer], values: F32, n: int) -> F32:
    sums = np.zeros(n, np.float32)
    np.add.at(sums, at, values)
    return sums


def with_cells(
    links: Ragged,
    items: I64,
    own: Cells,
    others: Cells,
    beside: I64,
    n_links: int,
    count: Callable[[I64], Cells],
) -> Ragged:
    """The links with those of `items` (`own`, whole rows) and to them (`others`, whole columns) as they are.

    Of each row the `n_links` strongest stay, and what ties with the last; `count` gives whole rows. `beside`
    are rows that may have a link to one of the items which is in `others` no more.
    """
    rows = np.setdiff1d(np.union1d(others.rows, beside), items)
    others = others.at(~_places(items, others.rows)[1])
    offsets, found = links.gathered(rows)
    lengths = np.diff(offsets)
    place = np.repeat(np.arange(len(rows)), lengths)
    to_items = _places(items, found["indices"])[1]
    is_full = lengths >= n_links
    least = np.full(len(rows), -np.inf, np.float32)
    if len(place):
        least[lengths > 0] = np.minimum.reduceat(found["data"], offsets[:-1][lengths > 0])
        # What a full row lacks is weaker than the weakest of what it has; another one lacks nothing.
        least[~is_full] = -np.inf
    there = np.searchsorted(rows, others.rows)
    strong = others.values >= least[there]
    others, there = others.at(strong), there[strong]
    n = np.bincount(place[~to_items], minlength=len(rows)) + np.bincount(there, minlength=len(rows))
    short = is_full & (n < n_links)
    touched = np.zeros(len(rows), bool)
    touched[place[to_items]] = touched[there] = True
    put = touched & ~short
    kept = ~to_items & put[place]
    cells = [
        Cells(rows[place[kept]], found["indices"][kept].astype(np.int64), found["data"][kept]),
        others.at(put[there]),
        own,
    ]
    if short.any():
        cells.append(count(rows[short]))
    made = np.sort(np.concatenate([rows[put], rows[short], items]))
    table = strongest(Cells.joined(cells).of_rows(made), n_links)
    columns = {"indices": table.indices.astype(np.int32), "data": table.data}
    return links.replaced(made, table.indptr.astype(np.int64), columns)
