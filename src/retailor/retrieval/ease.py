"""EASE: the closed form from item to item, with text inside it as kernels where there is some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from retailor.errors import DataError, ModelError
from retailor.retrieval.histories import F32
from retailor.retrieval.item_to_item import ItemToItem, stacked, strongest

BLOCK = 1024


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
    return ItemToItem(stacked(blocks), decay, diagonal)


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
    table = known.table()
    into = (scaled - table @ scaled).tocsr()  # P @ kernel, since links = 1 − P / diagonal of P
    spread = np.asarray(kernel.multiply(into).sum(axis=0)).ravel()
    scale = 1 / np.maximum(own - spread, 1e-6)  # [m]: the new diagonal of the inverse
    rows = np.repeat(np.arange(into.shape[0]), np.diff(into.indptr))
    data = scale[into.indices] * into.data
    data = data / (diagonal[rows] + data * into.data)
    back = sp.csr_matrix((data, into.indices, into.indptr), shape=into.shape)
    m = kernel.shape[1]
    links = sp.bmat([[table, into], [back.T, sp.csr_matrix((m, m))]], format="csr").astype(np.float32)
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


def _strongest_rows(block: F32, n_links: int) -> sp.csr_matrix:
    n_items = block.shape[1]
    if n_links < n_items:
        least = np.partition(np.abs(block), n_items - n_links, axis=1)[:, n_items - n_links, None]
        block = np.where(np.abs(block) >= least, block, np.float32(0))
    return sp.csr_matrix(block)
