"""Neighbours: what is chosen by the same customers, and what follows what. Both are counted, not learned.

A block of items at a time, so that a shop of a million items needs no more memory for it than its links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import Histories
from retailor.retrieval.item_to_item import ItemToItem, strongest

PAIRS = 20_000_000
"""Pairs of events that are in memory at once while neighbours are counted."""


def fit_item_knn(matrix: sp.csr_matrix, *, n_links: int = 200, shrink: float = 0.0) -> ItemToItem:
    """Cosine of item columns of `matrix` [U, I], `shrink` added to the denominator; n_links kept an item.

    A block of items at a time, of PAIRS pairs at most (or one item), so that all pairs never exist at once.
    """
    by_item = matrix.T.tocsr()
    squares = np.zeros(matrix.shape[1], np.float32)
    np.add.at(squares, matrix.indices, np.asarray(matrix.data**2, np.float32))
    norms = np.sqrt(squares)
    n_pairs = (by_item != 0) @ np.diff(matrix.indptr)
    blocks = []
    for rows in _blocks(n_pairs):
        pairs = (by_item[rows] @ matrix).tocoo()
        pairs.data[pairs.row + rows.start == pairs.col] = 0
        pairs.data = pairs.data / (norms[pairs.row + rows.start] * norms[pairs.col] + shrink)
        found: sp.csr_matrix = pairs.tocsr().astype(np.float32)
        found.eliminate_zeros()
        blocks.append(strongest(found, n_links))
    return ItemToItem(sp.vstack(blocks, format="csr"), decay=0.0)


def _blocks(n_pairs: NDArray[Any]) -> list[slice]:
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
    window: int = 20,
    distance: float = 0.5,
    backward: float = 0.5,
    popularity: float = 0.3,
    decay: float = 1.0,
    n_links: int = 400,
) -> ItemToItem:
    """Items that follow each other in histories, nearer counting more: weight / gap ** distance.

    `backward` is what a pair counts for in the order that did not happen. Links are divided by
    (customers of both items) ** popularity, which keeps best-sellers from following everything.
    """
    items = histories.items
    width = min(window, int(histories.lengths().max(initial=0)) - 1)
    scale = np.bincount(items, minlength=n_items).clip(1).astype(np.float32) ** np.float32(-popularity)
    if len(items) * max(width, 0) <= PAIRS:
        made: Iterable[tuple[slice, sp.csr_matrix]] = [
            (slice(0, n_items), _follows(histories, n_items, width, distance, backward))
        ]
    else:
        made = _follows_by_block(histories, n_items, width, distance, backward)
    blocks = []
    for rows, together in made:
        whole = sp.diags(scale[rows]) @ together @ sp.diags(scale)
        blocks.append(strongest(whole.tocsr().astype(np.float32), n_links))
    return ItemToItem(sp.vstack(blocks, format="csr"), decay)


def _follows(
    histories: Histories, n_items: int, width: int, distance: float, backward: float
) -> sp.csr_matrix:
    """How often, and how near, each item came before each other one [I, I], and `backward` × after it."""
    owners, items = histories.owners(), histories.items
    together = sp.csr_matrix((n_items, n_items), dtype=np.float32)
    for gap in range(1, width + 1):
        same = np.flatnonzero(owners[gap:] == owners[:-gap])
        earlier, later = items[same], items[same + gap]
        value = np.sqrt(histories.weights[same] * histories.weights[same + gap]) / gap**distance
        step = sp.csr_matrix((value, (earlier, later)), shape=together.shape, dtype=np.float32)
        together = together + step + step.T * np.float32(backward)
    together.setdiag(0)
    together.eliminate_zeros()
    return together


def _follows_by_block(
    histories: Histories, n_items: int, width: int, distance: float, backward: float
) -> Iterator[tuple[slice, sp.csr_matrix]]:
    """The same, some rows at a time, from the events of their items; sums may differ in the last digit."""
    items, weights = histories.items, histories.weights
    order = np.argsort(items, kind="stable")
    first = np.searchsorted(items[order], np.arange(n_items + 1))
    before = histories.offsets[:-1].repeat(histories.lengths())
    after = histories.offsets[1:].repeat(histories.lengths())
    for rows in _blocks(np.diff(first) * (2 * width)):
        own = order[first[rows.start] : first[rows.stop]]
        found: list[tuple[NDArray[Any], ...]] = []
        for gap, share in [(g * s, w) for g in range(1, width + 1) for s, w in ((1, 1.0), (-1, backward))]:
            at = own + gap
            there = own[(at >= before[own]) & (at < after[own])]
            value = np.sqrt(weights[there] * weights[there + gap]) * np.float32(share / abs(gap) ** distance)
            found.append((items[there] - rows.start, items[there + gap], value))
        row, column, value = (np.concatenate(part) for part in zip(*found, strict=True))
        other = row + rows.start != column
        shape = (rows.stop - rows.start, n_items)
        yield rows, sp.csr_matrix((value[other], (row[other], column[other])), shape=shape, dtype=np.float32)
