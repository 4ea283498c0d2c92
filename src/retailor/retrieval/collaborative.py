"""Collaborative filtering: who bought what, without a word of text, or with text inside (`fit_ease`).

Every `fit_…` gives a frozen scorer with `scores(histories) -> [B, I]`. An item's row number means nothing
here: permute the items, and the scores are permuted alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.errors import DataError, MissingExtra, ModelError

F32 = NDArray[np.float32]
Tensors = dict[str, NDArray[Any]]
BLOCK = 1024


@dataclass(frozen=True)
class Histories:
    """What each of n customers did, end to end: item rows [E], oldest first, and each event's weight [E].

    `said` [E], if given, is the row of what the customer wrote of it in some table of texts; −1 for nothing.
    """

    offsets: NDArray[np.int64]  # [n + 1]
    items: NDArray[np.int32]
    weights: F32
    said: NDArray[np.int32] | None = None

    @classmethod
    def of(cls, histories: Sequence[Sequence[int]], weights: Sequence[Sequence[float]] | None = None) -> Self:
        """From lists of item rows, each event weighing 1 unless `weights` says otherwise."""
        lengths = [len(one) for one in histories]
        items = np.fromiter((ix for one in histories for ix in one), np.int32, sum(lengths))
        flat = np.ones(len(items), np.float32)
        if weights is not None:
            flat = np.fromiter((w for one in weights for w in one), np.float32, sum(lengths))
        return cls(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), items, flat)

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

    def at(self, rows: NDArray[np.integer] | slice) -> Histories:
        """The histories of some customers, in the order of `rows`."""
        starts = self.offsets[:-1][rows]
        lengths = self.offsets[1:][rows] - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return self.events(at, offsets)

    def events(self, at: NDArray[Any], offsets: NDArray[np.int64]) -> Histories:
        """Histories of some of the events, rows or a mask, that begin at `offsets`."""
        said = None if self.said is None else self.said[at]
        return Histories(offsets, self.items[at], self.weights[at], said)

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
        """`weighed` as a table, customers by items [n, I]."""
        owners, items, values = self.weighed(decay)
        return sp.csr_matrix((values, (owners, items)), shape=(len(self), n_items))


class Scorer(Protocol):
    """Histories in, a score for every item out; a history without events scores 0 everywhere."""

    def scores(self, histories: Histories) -> F32: ...  # [B, I]


@dataclass(frozen=True)
class Popularity:
    """The same scores for everybody: how many customers have each item [I]."""

    counts: F32

    def scores(self, histories: Histories) -> F32:
        return np.tile(self.counts, (len(histories), 1))

    def tensors(self) -> Tensors:
        return {"counts": self.counts}

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        return cls(tensors["counts"])


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


@dataclass(frozen=True)
class Factors:
    """score(u, i) = p_u · q_i, with p_u solved from the history (Hu, Koren & Volinsky 2008, eq. 4)."""

    items: F32  # [I, d]
    alpha: float
    regularisation: float

    def scores(self, histories: Histories) -> F32:
        return self.users(histories) @ self.items.T  # [B, I]

    @cached_property
    def gram(self) -> F32:
        """items.T @ items + regularisation [d, d]."""
        gram: F32 = self.items.T @ self.items
        gram[np.diag_indices_from(gram)] += self.regularisation
        return gram

    def users(self, histories: Histories) -> F32:
        """p_u of each history [B, d]; 0 for one without events."""
        owners, items, weights = histories.weighed()
        bounds = np.searchsorted(owners, np.arange(len(histories) + 1))
        users = np.zeros((len(histories), self.items.shape[1]), np.float32)
        for row in range(len(histories)):
            part = slice(bounds[row], bounds[row + 1])
            if part.start == part.stop:
                continue
            mine, confidence = self.items[items[part]], self.alpha * weights[part]
            left = self.gram + (mine.T * confidence) @ mine
            users[row] = np.linalg.solve(left, mine.T @ (1 + confidence))
        return users

    def tensors(self) -> Tensors:
        return {"items": self.items, "dials": np.array([self.alpha, self.regularisation], np.float64)}

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        return cls(tensors["items"], *map(float, tensors["dials"]))


def fit_popularity(matrix: sp.csr_matrix) -> Popularity:
    """How many customers have each item; `matrix` [U, I]."""
    return Popularity(np.asarray((matrix > 0).sum(axis=0), np.float32).ravel())


def fit_ease(
    matrix: sp.csr_matrix,
    *,
    regularisation: float = 200.0,
    kernels: Sequence[tuple[float, F32 | sp.csr_matrix]] = (),
    decay: float = 1.0,
    n_links: int = 1000,
) -> ItemToItem:
    """EASE (Steck 2019): the item-to-item weights of a ridge regression without self-links, in closed form.

    Each of `kernels` is (weight, features [I, d]): weight × features @ features.T is added to the Gram
    matrix, as if every feature were a customer, so that items without events are linked by what they share.
    Time grows with I³, or with I² × (U + d) where customers and features are few; memory with 8 × I² bytes:
    for some ten thousand items. Of every item's links the n_links largest in size are kept.
    """
    if matrix.shape[0] + sum(features.shape[1] for _, features in kernels) < matrix.shape[1] / 2:
        inverse = _inverse_of_few(_stacked(matrix, kernels), regularisation)
    else:
        gram = np.asfortranarray((matrix.T @ matrix).toarray(), dtype=np.float32)
        for weight, features in kernels:
            _add_kernel(gram, weight, features)
        gram[np.diag_indices_from(gram)] += regularisation
        inverse = _inverse(gram)
    diagonal = np.diag(inverse).copy()
    blocks = []
    for start in range(0, len(inverse), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(inverse)))
        # Only the lower triangle is filled: the rest of a row is a column of it.
        block = np.concatenate([inverse[rows, : rows[0]], inverse[rows[0] :, rows].T], axis=1)
        corner = block[:, rows]
        block[:, rows] = np.triu(corner) + np.triu(corner, 1).T
        block /= -diagonal
        block[np.arange(len(rows)), rows] = 0
        blocks.append(_strongest_rows(block, n_links))
    return ItemToItem(sp.vstack(blocks, format="csr"), decay, diagonal)


def with_new_items(
    known: ItemToItem, kernel: F32 | sp.csr_matrix, own: float, *, n_links: int = 1000
) -> ItemToItem:
    """A closed form with m further items that have no events, linked by what they share with the known ones.

    `kernel` [I, m] is weight × features of the known items @ features of the new ones, `own` the new items'
    own entry of the Gram matrix (weight + regularisation, for unit features). The inverse of a bordered
    matrix: with P the inverse Gram matrix the links to a new item are P @ kernel, and those from it follow by
    symmetry. Exact but for the links that were dropped, and for what new items share among themselves.
    """
    if known.inverse_diagonal is None:
        raise ModelError("only a closed form can take new items; this one has no inverse diagonal.")
    diagonal = known.inverse_diagonal.astype(np.float64)
    kernel = sp.csr_matrix(kernel)
    scaled = sp.diags(diagonal) @ kernel
    into = (scaled - known.links @ scaled).tocsr()  # P @ kernel, since links = 1 − P / diagonal of P
    spread = np.asarray(kernel.multiply(into).sum(axis=0)).ravel()
    scale = 1 / np.maximum(own - spread, 1e-6)  # [m]: the new diagonal of the inverse
    rows = np.repeat(np.arange(into.shape[0]), np.diff(into.indptr))
    data = scale[into.indices] * into.data
    data = data / (diagonal[rows] + data * into.data)
    back = sp.csr_matrix((data, into.indices, into.indptr), shape=into.shape)
    m = kernel.shape[1]
    links = sp.bmat([[known.links, into], [back.T, sp.csr_matrix((m, m))]], format="csr").astype(np.float32)
    whole = np.concatenate([diagonal, scale]).astype(np.float32)
    return ItemToItem(strongest(links, n_links), known.decay, whole)


def _check_kernel(features: F32 | sp.csr_matrix, n_items: int) -> None:
    if features.shape[0] != n_items:
        raise DataError(f"the kernel has features of {features.shape[0]:,} items, not of {n_items:,}.")


def _add_kernel(gram: F32, weight: float, features: F32 | sp.csr_matrix) -> None:
    """Adds in place, a block of rows at a time: the kernel itself never exists whole."""
    _check_kernel(features, len(gram))
    for start in range(0, len(gram), BLOCK):
        part: Any = features[start : start + BLOCK] @ features.T
        gram[start : start + BLOCK] += np.float32(weight) * (part.toarray() if sp.issparse(part) else part)


def _inverse(gram: F32) -> F32:
    """The lower triangle of the inverse of a symmetric positive definite matrix, in its place."""
    from scipy.linalg import lapack

    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if not failed:
        inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise ModelError("EASE: the Gram matrix is not positive definite; raise the regularisation.")
    return np.asarray(inverse, dtype=np.float32)


def _stacked(matrix: sp.csr_matrix, kernels: Sequence[tuple[float, F32 | sp.csr_matrix]]) -> F32:
    """Customers and weighted features as the rows of one table [U + d, I]: its Gram matrix is theirs."""
    blocks = [matrix.toarray()]
    for weight, features in kernels:
        _check_kernel(features, matrix.shape[1])
        dense = features.toarray() if sp.issparse(features) else features  # type: ignore[union-attr]
        blocks.append(np.float32(np.sqrt(weight)) * dense.T)
    return np.concatenate(blocks).astype(np.float32)


def _inverse_of_few(rows: F32, ridge: float) -> F32:
    """The lower triangle of (ridge + rowsᵀ rows)⁻¹ [I, I], for fewer rows than columns (Woodbury 1950)."""
    from scipy.linalg import blas, lapack

    small = rows @ rows.T
    small[np.diag_indices_from(small)] += ridge
    factor, failed = lapack.spotrf(small, lower=1)
    if failed or ridge <= 0:
        raise ModelError("EASE: the Gram matrix is not positive definite; raise the regularisation.")
    half = blas.strsm(1.0, factor, rows, lower=1)
    eye = np.asfortranarray(np.eye(rows.shape[1], dtype=np.float32))
    found = blas.ssyrk(-1 / ridge, half, beta=1 / ridge, c=eye, trans=1, lower=1, overwrite_c=1)
    return np.asarray(found, dtype=np.float32)


def fit_ials(
    matrix: sp.csr_matrix,
    *,
    n_factors: int = 128,
    regularisation: float = 0.05,
    alpha: float = 10.0,
    n_iterations: int = 15,
    seed: int = 0,
) -> Factors:
    """Implicit alternating least squares (Hu, Koren & Volinsky 2008), for catalogues too large for EASE.

    Raises MissingExtra without the package `implicit`.
    """
    try:
        from implicit.als import AlternatingLeastSquares
    except ImportError:
        raise MissingExtra("implicit", install="pip install 'retailor[collab]'") from None
    model = AlternatingLeastSquares(
        factors=n_factors,
        regularization=regularisation,
        alpha=1.0,
        iterations=n_iterations,
        random_state=seed,
        num_threads=1,  # the sums of several threads come in any order, and their last digits with them
    )
    confidence = matrix.astype(np.float32)
    confidence.data = 1 + np.float32(alpha) * confidence.data
    model.fit(confidence, show_progress=False)
    return Factors(np.asarray(model.item_factors, np.float32), alpha, regularisation)


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


def _strongest_rows(block: F32, n_links: int) -> sp.csr_matrix:
    n_items = block.shape[1]
    if n_links < n_items:
        least = np.partition(np.abs(block), n_items - n_links, axis=1)[:, n_items - n_links, None]
        block = np.where(np.abs(block) >= least, block, np.float32(0))
    return sp.csr_matrix(block)
