"""f(u, i) where h_u is what the customer wrote: their reviews, read by the encoder that reads the items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.growing import appended
from retailor.retrieval.histories import Histories, Tensors
from retailor.tasks.recommend.scorers.two_tower import unit

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class UserReviews:
    """Cosine of the mean of a customer's reviews, newer ones weighing more, with each item.

    `reviews` [R, d] are the reviews, `items` [I, d] what they are compared with, whitened alike.
    """

    reviews: F32
    items: F32
    decay: float

    def scores(self, histories: Histories) -> F32:
        """[B, I]; 0 everywhere for a customer who wrote nothing that is known."""
        if histories.reviews is None:
            return np.zeros((len(histories), len(self.items)), np.float32)
        there = histories.reviews >= 0
        weights = histories.weights / histories.ages().astype(np.float32) ** np.float32(self.decay)
        cells = (weights[there], (histories.owners()[there], histories.reviews[there]))
        mean = sp.csr_matrix(cells, shape=(len(histories), len(self.reviews))) @ self.reviews
        return np.asarray(unit(mean) @ self.items.T, np.float32)

    def with_items(self, vectors: F32, whole: F32 | None = None) -> UserReviews:
        """The same with further items [m, d] at the end; `whole`: all items, where that is at hand."""
        return replace(self, items=appended(self.items, vectors) if whole is None else whole)

    def tensors(self) -> Tensors:
        decay = np.array([self.decay], np.float64)
        return {"reviews": self.reviews, "items": self.items, "decay": decay}

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        return cls(tensors["reviews"], tensors["items"], float(tensors["decay"][0]))
