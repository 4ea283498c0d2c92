"""Links from item to item: what EASE and neighbours leave, and how its sparse rows are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import F32, Histories, Tensors


@dataclass(frozen=True)
class ItemToItem:
    """score(u, i) = Σ over u's events of weight / age ** decay × links[its item, i]; links sparse [I, I]."""

    links: sp.csr_matrix
    decay: float
    inverse_diagonal: F32 | None = None
    """Of a closed form: the diagonal [I] of the inverse Gram matrix, from which new items get their links."""

    def scores(self, histories: Histories) -> F32:
        product = histories.matrix(self.links.shape[0], decay=self.decay) @ self.links
        return np.asarray(product.toarray(), dtype=np.float32)

    def tensors(self) -> Tensors:
        more = {} if self.inverse_diagonal is None else {"inverse_diagonal": self.inverse_diagonal}
        return {
            "data": self.links.data,
            "indices": self.links.indices.astype(np.int32),
            "indptr": self.links.indptr.astype(np.int64),
            "decay": np.array([self.decay], np.float64),
            **more,
        }

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        n_items = len(tensors["indptr"]) - 1
        parts = (tensors["data"], tensors["indices"], tensors["indptr"])
        links = sp.csr_matrix(parts, shape=(n_items, n_items))
        return cls(links, float(tensors["decay"][0]), tensors.get("inverse_diagonal"))


def entries(matrix: sp.csr_matrix, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], ...]:
    """Of some rows, end to end: each entry's place in `rows`, and where it lies in `indices` and `data`.

    What `matrix[rows]` does, without anything as long as the matrix is wide.
    """
    starts = matrix.indptr[rows].astype(np.int64)
    lengths = matrix.indptr[np.asarray(rows) + 1] - starts
    offsets = np.cumsum(lengths) - lengths
    return np.repeat(np.arange(len(lengths)), lengths), np.arange(lengths.sum()) + np.repeat(
        starts - offsets, lengths
    )


def between(matrix: sp.csr_matrix, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> F32:
    """`matrix[rows][:, columns]` as a dense table; no column may come twice."""
    place, at = entries(matrix, rows)
    if not len(columns):
        return np.zeros((len(rows), 0), np.float32)
    order = np.argsort(columns)
    spot = np.minimum(np.searchsorted(columns, matrix.indices[at], sorter=order), len(columns) - 1)
    spot = order[spot]
    hit = columns[spot] == matrix.indices[at]
    table = np.zeros((len(rows), len(columns)), np.float32)
    table[place[hit], spot[hit]] = matrix.data[at[hit]]
    return table


def strongest(links: sp.csr_matrix, n_links: int) -> sp.csr_matrix:
    """The matrix with the n_links largest entries (in size) of each row, and what ties with the last."""
    lengths = np.diff(links.indptr)
    if not len(lengths) or lengths.max(initial=0) <= n_links:
        return links
    rows = np.repeat(np.arange(len(lengths)), lengths)
    sizes = np.abs(links.data)
    least = np.zeros(len(lengths), sizes.dtype)
    for row in np.flatnonzero(lengths > n_links):
        own = sizes[links.indptr[row] : links.indptr[row + 1]]
        least[row] = np.partition(own, len(own) - n_links)[len(own) - n_links]
    keep = sizes >= least[rows]
    parts = (links.data[keep], (rows[keep], links.indices[keep]))
    return sp.csr_matrix(parts, shape=links.shape)
