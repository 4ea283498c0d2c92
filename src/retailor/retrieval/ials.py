"""iALS: factors by implicit alternating least squares, for catalogues too large for EASE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.errors import MissingExtra
from retailor.retrieval.growing import appended
from retailor.retrieval.histories import F32, Histories, Tensors


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

    def with_items(self, n: int) -> Factors:
        """The same with n further items, which have no factors; they change no sum over items."""
        made = replace(self, items=appended(self.items, np.zeros((n, self.items.shape[1]), np.float32)))
        if "gram" in vars(self):
            vars(made)["gram"] = self.gram
        return made

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
