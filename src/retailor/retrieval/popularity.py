"""Popularity: the same best sellers for everybody, the baseline of all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import F32, Histories, Tensors


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


def fit_popularity(matrix: sp.csr_matrix) -> Popularity:
    """How many customers have each item; `matrix` [U, I]."""
    return Popularity(np.asarray((matrix > 0).sum(axis=0), np.float32).ravel())
