"""Neighbours: what is chosen by the same customers, and what follows what. Both are counted, not learned.

A block of items at a time, so that a shop of a million items needs no more memory for it than its links.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import Histories
from retailor.retrieval.item_to_item import ItemToItem, stacked, strongest

PAIRS = 20_000_000
"""Pairs of events that are in memory at once while neighbours are counted."""
COUNTING = 1
"""Of what is saved; another when links are counted otherwise, be it in the last digit of a sum."""


@dataclass(frozen=True)
class Following:
    """A pair of events of one history counts weight / gap ** distance, up to `window` events apart.

    `backward` is what a pair counts for in the order that did not happen. Links are divided by
    (events of both items) ** popularity, which keeps best-sellers from following everything.
    """

    window: int = 20
    distance: float = 0.5
    backward: float = 0.5
    popularity: float = 0.3

    def scale(self, n_events: NDArray[np.integer]) -> NDArray[np.float32]:
        """What the links of items with so many events are multiplied by."""
        return n_events.clip(1).astype(np.float32) ** np.float32(-self.popularity)

    def width(self, histories: Histories) -> int:
        """The largest gap that there is."""
        return min(self.window, int(histories.lengths().max(initial=0)) - 1)


FOLLOWING = Following()


def fit_item_knn(matrix: sp.csr_matrix, *, n_links: int = 200, shrink: float = 0.0) -> ItemToItem:
    """Cosine of item columns of `matrix` [U, I], `shrink` added to the denominator; n_links kept an item.

    A block of items at a time, of PAIRS pairs at most (or one item), so that all pairs never exist at once.
    """
    by_item = matrix.T.tocsr()
    norms = norms_of(matrix.indices, matrix.data, matrix.shape[1])
    n_pairs = (by_item != 0) @ np.diff(matrix.indptr)
    blocks = []
    for rows in blocks_of(n_pairs):
        pairs = (by_item[rows] @ matrix).tocoo()
        pairs.data[pairs.row + rows.start == pairs.col] = 0
        pairs.data = pairs.data / (norms[pairs.row + rows.start] * norms[pairs.col] + shrink)
        found: sp.csr_matrix = pairs.tocsr().astype(np.float32)
        found.eliminate_zeros()
        blocks.append(strongest(found, n_links))
    return ItemToItem(stacked(blocks), decay=0.0)


def norms_of(items: NDArray[np.integer], weights: NDArray[np.float32], n_items: int) -> NDArray[np.float32]:
    """The length of each item's column [I], summed in the order in which the customers come."""
    squares = np.zeros(n_items, np.float32)
    np.add.at(squares, items, np.asarray(weights**2, np.float32))
    return np.sqrt(squares)


def blocks_of(n_pairs: NDArray[Any]) -> list[slice]:
    """Ranges of rows with PAIRS pairs at most each, or of one row; one range at least."""
    ends = np.cumsum(n_pairs, dtype=np.float64)
    found: list[slice] = []
    start, n = 0, len(ends)
    while start < n or not found:
        done = ends[start - 1] if start else 0.0
        stop = min(max(start + 1, int(np.searchsorted(ends, done + PAIRS, side="right"))), n)
        found.append(slice(start, stop))
        start = stop
    return found


def fit_sequential_knn(
    histories: Histories,
    n_items: int,
    *,
    dials: Following = FOLLOWING,
    decay: float = 1.0,
    n_links: int = 400,
) -> ItemToItem:
    """Items that follow each other in histories, nearer counting more."""
    scale = dials.scale(np.bincount(histories.items, minlength=n_items))
    width = dials.width(histories)
    order = np.argsort(histories.items, kind="stable")
    first = np.searchsorted(histories.items[order], np.arange(n_items + 1))
    events = Events.of(histories)
    blocks = []
    for rows in blocks_of(np.diff(first) * (2 * max(width, 0))):
        own = order[first[rows.start] : first[rows.stop]]
        together = _follows(events, own, rows, n_items, width, dials)
        whole = sp.diags(scale[rows]) @ together @ sp.diags(scale)
        blocks.append(strongest(whole.tocsr().astype(np.float32), n_links))
    return ItemToItem(stacked(blocks), decay)


@dataclass(frozen=True)
class Events:
    """The events of histories: items and weights [E], and where the history of each begins and ends [E]."""

    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    starts: NDArray[np.integer]
    ends: NDArray[np.integer]

    @classmethod
    def of(cls, histories: Histories) -> Self:
        lengths = histories.lengths()
        offsets = histories.offsets.astype(sp.get_index_dtype(maxval=len(histories.items)))
        starts, ends = (np.repeat(each, lengths) for each in (offsets[:-1], offsets[1:]))
        return cls(histories.items, histories.weights, starts, ends)

    def pairs(
        self, own: NDArray[np.integer], gap: int, distance: float
    ) -> tuple[NDArray[np.integer], NDArray[Any]]:
        """Which of the events `own` have one `gap` places behind (before, where it is negative) in the same
        history, and what each of these pairs counts for."""
        at = own + gap
        there = own[(at >= self.starts[own]) & (at < self.ends[own])]
        return there, np.sqrt(self.weights[there] * self.weights[there + gap]) / abs(gap) ** distance


def _follows(
    events: Events,
    own: NDArray[np.integer],
    rows: slice,
    n_items: int,
    width: int,
    dials: Following,
) -> sp.csr_matrix:
    """How often, and how near, each item of `rows` came before each other one [len(rows), I], and `backward`
    × after it; `own` are the events of those items, each item's in order.

    What is summed is summed in the order of the customers and of their events, gap after gap: a row is the
    same whatever rows are counted beside it.
    """
    items, shape = events.items, (rows.stop - rows.start, n_items)

    def step(gap: int) -> sp.csr_matrix:
        there, values = events.pairs(own, gap, dials.distance)
        return _in_order(values, items[there] - rows.start, items[there + gap], shape)

    together = sp.csr_matrix(shape, dtype=np.float32)
    for gap in range(1, width + 1):
        after = step(gap)
        before = after.T if shape[0] == n_items else step(-gap)
        together = together + after + before * np.float32(dials.backward)
    places = together.tocoo()
    other = places.row + rows.start != places.col
    cells = (places.data[other], (places.row[other], places.col[other]))
    return sp.csr_matrix(cells, shape=shape, dtype=np.float32)


def _in_order(
    values: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]
) -> sp.csr_matrix:
    """The table of these cells; those of one place are summed in the order given. (As SciPy makes a table of
    cells, it sorts each row, and not in a stable way: the last digit of a sum would depend on its row.)"""
    cells = sp.coo_matrix((values.astype(np.float32), (rows, columns)), shape=shape)
    cells.has_canonical_format = True  # not to be summed yet
    table = cells.tocsc().tocsr()  # both ways keep the order of equals
    table.has_canonical_format = False
    table.sum_duplicates()
    return table


def latest_within(lengths: NDArray[np.integer], max_pairs: int) -> int | None:
    """Of how many latest events of each customer there are no more than `max_pairs` pairs, two at least; None
    where that is all. `lengths[n]` customers have n events; the last of them is not 0.

    So that customers with long histories cannot make counting neighbours cost more than the shop has events.
    """
    sizes = np.arange(len(lengths))
    squares = np.cumsum(lengths * sizes.astype(np.float64) ** 2)
    beyond = lengths.sum() - np.cumsum(lengths)
    fits = np.flatnonzero(squares + beyond * sizes.astype(np.float64) ** 2 <= max_pairs)
    n = max(int(fits[-1]) if len(fits) else 0, 2)
    return None if n >= len(lengths) - 1 else n
