"""The next basket from what a customer and those alike bought again and again: TIFU-kNN and UP-CF.

Both know a customer by their baskets in order. A history without baskets is read as one of an item each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import Histories, Tensors
from retailor.retrieval.ragged import Ragged

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class TifuKnn:
    """Temporal item frequency with nearest neighbours (Hu et al., SIGIR 2020, arXiv:2006.00556).

    A customer's n baskets lie in min(`n_groups`, n) groups of like size, in order. An item's weight in a
    group is the mean over its baskets of `basket_decay` ** (baskets of the group that came after), its weight
    for the customer the mean over groups of `group_decay` ** (groups that came after) (equations 2 and 3).
    The score is `own` × that + (1 − `own`) × the mean of the `n_neighbours` customers nearest by Euclidean
    distance (equations 4 and 5). `customers` [C, I] are those to be near to, as such vectors.
    """

    customers: sp.csr_matrix
    n_neighbours: int = 300
    own: float = 0.7
    basket_decay: float = 0.9
    group_decay: float = 0.7
    n_groups: int = 7

    @classmethod
    def fit(cls, histories: Histories, n_items: int, **dials: float) -> Self:
        """Over all customers of the histories; a customer who asks is no neighbour of their own."""
        made = cls(sp.csr_matrix((0, n_items), dtype=np.float32), **dials)  # type: ignore[arg-type]
        return cls(made.vectors(histories), **dials)  # type: ignore[arg-type]

    def vectors(self, histories: Histories) -> sp.csr_matrix:
        """The customers as weights of items [B, I]."""
        owners, ages, n_baskets = _baskets(histories)
        n_groups = np.minimum(self.n_groups, np.maximum(n_baskets, 1))
        n_own, groups_own = n_baskets[owners], n_groups[owners]
        group = (n_own - ages) * groups_own // np.maximum(n_own, 1)
        first, beyond = (-(-at * n_own // groups_own) for at in (group, group + 1))
        later = beyond - 1 - (n_own - ages)
        values = (
            np.power(self.basket_decay, later) / (beyond - first)
            * np.power(self.group_decay, groups_own - 1 - group) / groups_own
        )  # fmt: skip
        return _once_a_basket(histories, owners, ages, values, self.customers.shape[1])

    def of_own(self, history: Histories, items: NDArray[np.int32]) -> F32:
        """What of the scores of some items the customer's own baskets gave [len(items)]; one history."""
        return np.float32(self.own) * self.vectors(history)[0, items].toarray()[0]  # type: ignore[no-any-return]

    def scores(self, histories: Histories) -> F32:
        """[B, I]; 0 everywhere for a customer without a basket."""
        own = self.vectors(histories)
        near = _nearest(own, self.customers, self.n_neighbours)
        joined = np.float32(self.own) * own + np.float32(1 - self.own) * (near @ self.customers)
        return np.asarray(joined.toarray(), np.float32)

    def among(self, rows: NDArray[np.int64]) -> Self:
        """The same with these customers alone to be near to."""
        return replace(self, customers=self.customers[rows])

    def with_customers(self, rows: NDArray[np.int64], now: Histories, n: int, n_items: int) -> Self:
        """The same over n customers and items, some customers' histories being other ones `now`."""
        made = replace(self, customers=sp.csr_matrix((0, n_items), dtype=np.float32)).vectors(now)
        return replace(self, customers=_with_rows(self.customers, rows, made, n))

    def tensors(self) -> Tensors:
        return _csr(self.customers) | {
            "dials": np.array(
                [self.n_neighbours, self.own, self.basket_decay, self.group_decay, self.n_groups], np.float64
            )
        }

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        near, own, basket, group, n_groups = tensors["dials"].tolist()
        return cls(_of_csr(tensors), int(near), own, basket, group, int(n_groups))


@dataclass(frozen=True)
class UpCf:
    """User popularity with the popularity of those alike (Faggioli, Polato and Aiolli, UMAP 2020).

    A customer's own popularity of an item is the share of their last `recency` baskets that have it (UWPop).
    The score is Σ_v w_uv ** `locality` × UWPop_v, where w_uv = |I_u ∩ I_v| / (|I_u| ** `alpha` ·
    |I_v| ** (1 − `alpha`)) is the asymmetric cosine of the sets of items ever bought; the customer's own row
    is among the v. `customers` [C, I] are the UWPop of all, `bought` [C, I] what they ever bought.
    """

    customers: sp.csr_matrix
    bought: sp.csr_matrix
    recency: int = 5
    locality: float = 5.0
    alpha: float = 0.25

    @classmethod
    def fit(cls, histories: Histories, n_items: int, **dials: float) -> Self:
        none = sp.csr_matrix((0, n_items), dtype=np.float32)
        made = cls(none, none, **dials)  # type: ignore[arg-type]
        return cls(made.popularity(histories), made.sets(histories), **dials)  # type: ignore[arg-type]

    def popularity(self, histories: Histories) -> sp.csr_matrix:
        """UWPop of each customer [B, I]."""
        owners, ages, n_baskets = _baskets(histories)
        values = (ages <= self.recency) / np.minimum(self.recency, np.maximum(n_baskets, 1))[owners]
        made = _once_a_basket(histories, owners, ages, values, self.customers.shape[1])
        made.eliminate_zeros()
        return made

    def sets(self, histories: Histories) -> sp.csr_matrix:
        """What each customer ever bought, as ones [B, I]."""
        made = histories.matrix(self.customers.shape[1])
        made.data = np.ones_like(made.data)
        return made

    def of_own(self, history: Histories, items: NDArray[np.int32]) -> F32:
        """What of the scores of some items the customer's own baskets gave [len(items)]; one history."""
        return self.popularity(history)[0, items].toarray()[0]  # type: ignore[no-any-return]

    def scores(self, histories: Histories) -> F32:
        """[B, I]; 0 everywhere for a customer without a basket."""
        own = self.sets(histories)
        shared = (own @ self.bought.T).tocoo()
        sizes = [np.maximum(np.asarray(one.sum(axis=1)).ravel(), 1) for one in (own, self.bought)]
        cosine = shared.data / (
            sizes[0][shared.row] ** np.float32(self.alpha)
            * sizes[1][shared.col] ** np.float32(1 - self.alpha)
        )
        shared.data = (cosine ** np.float32(self.locality)).astype(np.float32)
        return np.asarray((shared.tocsr() @ self.customers).toarray(), np.float32)

    def among(self, rows: NDArray[np.int64]) -> Self:
        """The same with these customers alone to be like."""
        return replace(self, customers=self.customers[rows], bought=self.bought[rows])

    def with_customers(self, rows: NDArray[np.int64], now: Histories, n: int, n_items: int) -> Self:
        """The same over n customers and items, some customers' histories being other ones `now`."""
        none = sp.csr_matrix((0, n_items), dtype=np.float32)
        made = replace(self, customers=none, bought=none)
        return replace(
            self,
            customers=_with_rows(self.customers, rows, made.popularity(now), n),
            bought=_with_rows(self.bought, rows, made.sets(now), n),
        )

    def tensors(self) -> Tensors:
        bought = {f"bought_{name}": value for name, value in _csr(self.bought).items()}
        dials = np.array([self.recency, self.locality, self.alpha], np.float64)
        return _csr(self.customers) | bought | {"dials": dials}

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        recency, locality, alpha = tensors["dials"].tolist()
        bought = {name.removeprefix("bought_"): value for name, value in tensors.items() if "bought" in name}
        return cls(_of_csr(tensors), _of_csr(bought), int(recency), locality, alpha)


def _baskets(
    histories: Histories,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each event the customer and how many baskets ago it was (1 the last) [E]; of each customer how many
    baskets there are [B]."""
    owners, ages = histories.owners(), histories.basket_ages()
    n_baskets = np.zeros(len(histories), np.int64)
    np.maximum.at(n_baskets, owners, ages)
    return owners, ages, n_baskets


def _once_a_basket(
    histories: Histories,
    owners: NDArray[np.int64],
    ages: NDArray[np.int64],
    values: NDArray[Any],
    n_items: int,
) -> sp.csr_matrix:
    """The sum of values of a customer's events of each item [B, I]; twice in a basket is once."""
    triples = np.stack([owners, ages, histories.items.astype(np.int64)], axis=1)
    _, at = np.unique(triples, axis=0, return_index=True)
    cells = (np.asarray(values, np.float32)[at], (owners[at], histories.items[at]))
    return sp.csr_matrix(cells, shape=(len(histories), n_items))


def _nearest(own: sp.csr_matrix, others: sp.csr_matrix, n: int) -> sp.csr_matrix:
    """1 / n at the n rows of `others` nearest to each row of `own` by Euclidean distance [B, C].

    A row that is equal to one of `own` is the customer who asks: the first of these is left out. A row of
    `own` that is empty has no neighbours.
    """
    squares = [np.asarray(one.multiply(one).sum(axis=1)).ravel() for one in (own, others)]
    distance = squares[1][None] - 2 * np.asarray((own @ others.T).toarray(), np.float32)
    distance += squares[0][:, None]
    there = np.flatnonzero(squares[0] > 0)
    n = min(n, others.shape[0])
    if not n or not len(there):
        return sp.csr_matrix((own.shape[0], others.shape[0]), dtype=np.float32)
    closest = distance.argmin(axis=1)
    same = distance[np.arange(len(distance)), closest] <= 1e-6 * np.maximum(squares[0], 1e-12)
    distance[np.flatnonzero(same), closest[same]] = np.inf
    columns = np.argpartition(distance[there], n - 1, axis=1)[:, :n]
    kept = np.isfinite(np.take_along_axis(distance[there], columns, axis=1))
    rows = np.repeat(there, n).reshape(len(there), n)
    values = np.full(int(kept.sum()), 1 / n, np.float32)
    return sp.csr_matrix((values, (rows[kept], columns[kept])), shape=(own.shape[0], others.shape[0]))


def _with_rows(table: sp.csr_matrix, rows: NDArray[np.int64], new: sp.csr_matrix, n: int) -> sp.csr_matrix:
    """The table with n rows in all, some of which are those of `new`; the others are copied."""
    known = Ragged(table.indptr.astype(np.int64), {"indices": table.indices, "data": table.data})
    columns = {"indices": new.indices, "data": new.data}
    made = known.widened(n).replaced(rows, new.indptr.astype(np.int64), columns).flat()
    parts = (made.columns["data"], made.columns["indices"], made.offsets)
    return sp.csr_matrix(parts, shape=(n, new.shape[1]))


def _csr(matrix: sp.csr_matrix) -> Tensors:
    return {
        "data": matrix.data.astype(np.float32),
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "shape": np.array(matrix.shape, np.int64),
    }


def _of_csr(tensors: Mapping[str, NDArray[Any]]) -> sp.csr_matrix:
    parts = tuple(tensors[name] for name in ("data", "indices", "indptr"))
    return sp.csr_matrix(parts, shape=tuple(tensors["shape"]))
