"""Links from item to item: what EASE and neighbours leave, and how its sparse rows are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import F32, Histories, Tensors
from retailor.retrieval.ragged import Ragged


@dataclass(frozen=True)
class ItemToItem:
    """score(u, i) = Σ over u's events of weight / age ** decay × links[its item, i]; links sparse [I, I]."""

    links: sp.csr_matrix | Ragged
    """Of counted parts that events came to: rows that can be replaced, columns in order (`links_of`)."""
    decay: float
    inverse_diagonal: F32 | None = None
    """Of a closed form: the diagonal [I] of the inverse Gram matrix, from which new items get their links."""

    @property
    def n_items(self) -> int:
        return len(self.links) if isinstance(self.links, Ragged) else int(self.links.shape[0])

    def table(self) -> sp.csr_matrix:
        """The links as one matrix; where rows were replaced it is made, which costs by how many there are."""
        return as_matrix(self.links, self.n_items)

    def scores(self, histories: Histories) -> F32:
        wanted = histories.matrix(self.n_items, decay=self.decay)
        if isinstance(self.links, Ragged):
            asked = np.unique(histories.items)
            some = as_matrix(Ragged(*self.links.gathered(asked)), self.n_items)
            return np.asarray((wanted[:, asked] @ some).toarray(), dtype=np.float32)
        return np.asarray((wanted @ self.links).toarray(), dtype=np.float32)

    def tensors(self) -> Tensors:
        more = {} if self.inverse_diagonal is None else {"inverse_diagonal": self.inverse_diagonal}
        table = self.table()
        return {
            "data": table.data,
            "indices": table.indices.astype(np.int32),
            "indptr": table.indptr.astype(np.int64),
            "decay": np.array([self.decay], np.float64),
            **more,
        }

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        n_items = len(tensors["indptr"]) - 1
        parts = (tensors["data"], tensors["indices"], tensors["indptr"])
        links = sp.csr_matrix(parts, shape=(n_items, n_items))
        return cls(links, float(tensors["decay"][0]), tensors.get("inverse_diagonal"))


def links_of(table: sp.csr_matrix) -> Ragged:
    """The rows of a table, as such whose rows can be replaced; nothing is copied."""
    columns = {"indices": table.indices.astype(np.int32, copy=False), "data": table.data}
    return Ragged(table.indptr.astype(np.int64, copy=False), columns)


def as_matrix(links: sp.csr_matrix | Ragged, n_items: int) -> sp.csr_matrix:
    """Rows of links as a matrix [len(links), I]."""
    if not isinstance(links, Ragged):
        return links
    flat = links.flat()
    parts = (flat.columns["data"], flat.columns["indices"], flat.offsets)
    return sp.csr_matrix(parts, shape=(len(flat), n_items))


def entries(
    matrix: sp.csr_matrix | Ragged, rows: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.integer], NDArray[Any]]:
    """Of some rows, end to end: each entry's place in `rows`, its column and its value.

    What `matrix[rows]` does, without anything as long as the matrix is wide.
    """
    if isinstance(matrix, Ragged):
        offsets, found = matrix.gathered(rows)
        return np.repeat(np.arange(len(rows)), np.diff(offsets)), found["indices"], found["data"]
    starts = matrix.indptr[rows].astype(np.int64)
    lengths = matrix.indptr[np.asarray(rows) + 1] - starts
    begun = np.cumsum(lengths) - lengths
    at = np.arange(lengths.sum()) + np.repeat(starts - begun, lengths)
    return np.repeat(np.arange(len(lengths)), lengths), matrix.indices[at], matrix.data[at]


def between(matrix: sp.csr_matrix | Ragged, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> F32:
    """`matrix[rows][:, columns]` as a dense table; no column may come twice."""
    place, found, values = entries(matrix, rows)
    if not len(columns):
        return np.zeros((len(rows), 0), np.float32)
    order = np.argsort(columns)
    spot = np.minimum(np.searchsorted(columns, found, sorter=order), len(columns) - 1)
    spot = order[spot]
    hit = columns[spot] == found
    table = np.zeros((len(rows), len(columns)), np.float32)
    table[place[hit], spot[hit]] = values[hit]
    return table


def stacked(blocks: list[sp.csr_matrix]) -> sp.csr_matrix:
    """The blocks, of one type and width each, one below the other. `blocks` is empty afterwards: no more than
    one of them is there twice, where all of them may be half of the memory."""
    n_rows, n_links = sum(each.shape[0] for each in blocks), sum(each.nnz for each in blocks)
    dtype = sp.get_index_dtype(maxval=max(n_links, blocks[0].shape[1]))
    data, indices = np.empty(n_links, blocks[0].dtype), np.empty(n_links, dtype)
    indptr = np.zeros(n_rows + 1, dtype)
    row = at = 0
    shape = (n_rows, blocks[0].shape[1])
    blocks.reverse()
    while blocks:
        block = blocks.pop()
        data[at : at + block.nnz], indices[at : at + block.nnz] = block.data, block.indices
        indptr[row + 1 : row + 1 + block.shape[0]] = at + block.indptr[1:].astype(dtype)
        row, at = row + block.shape[0], at + block.nnz
    return sp.csr_matrix((data, indices, indptr), shape=shape)


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
