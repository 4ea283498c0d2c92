"""What the customer chose before, for shops where the same is chosen again: how often, and how lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import Histories, Tensors

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class UserHistory:
    """score(u, i) = Σ weight / age ** decay over u's events of i: how often, where decay is 0."""

    n_items: int
    decay: float

    def scores(self, histories: Histories) -> F32:
        owners, items, values = self.each(histories)
        table = sp.csr_matrix((values, (owners, items)), shape=(len(histories), self.n_items))
        return np.asarray(table.toarray(), np.float32)

    def each(self, histories: Histories) -> tuple[NDArray[np.int64], NDArray[np.int32], F32]:
        """Customer, item and what it adds, of each event."""
        ages = histories.ages().astype(np.float32)
        return histories.owners(), histories.items, histories.weights / ages ** np.float32(self.decay)

    def tensors(self) -> Tensors:
        return {"n_items": np.array([self.n_items], np.int64), "decay": np.array([self.decay], np.float64)}

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        return cls(int(tensors["n_items"][0]), float(tensors["decay"][0]))
