"""TF-IDF, reduced by a singular value decomposition, in an encoder's place: the control of every slot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retailor.errors import ModelError
from retailor.models.shapes import Role
from retailor.tasks.recommend.scorers.tfidf import TfidfVectorizer

MOST_DIMENSIONS = 384


class WordVectors:
    """Unit vectors of texts that know words and nothing else (latent semantic analysis)."""

    def __init__(self, texts: Sequence[str], dim: int | None = None, *, seed: int = 0) -> None:
        from sklearn.decomposition import TruncatedSVD

        self._space = TfidfVectorizer.of(texts)
        table = self._space.features(texts)
        most = max(1, min(MOST_DIMENSIONS, min(table.shape) - 1))
        self.name, self.dim = "tf-idf-svd", min(dim or most, most)
        reduction = TruncatedSVD(self.dim, random_state=seed)
        reduction.fit(table)
        self._axes = reduction.components_.T.astype(np.float32)

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim]; zero for a text without a known word."""
        rows = np.asarray(self._space.features(texts) @ self._axes, np.float32)
        unit: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return unit

    def save(self, folder: Path) -> None:
        """A control is not kept. Raises ModelError."""
        raise ModelError("word vectors are a control and cannot be saved.", asked="save")
