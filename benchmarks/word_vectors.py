"""TF-IDF, reduced by a singular value decomposition, in an encoder's place: the control of every slot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retailor.errors import ModelError
from retailor.models.shapes import Role
from retailor.tasks.recommend.scorers.tfidf import TfidfVectorizer


class WordVectors:
    """Unit vectors of texts that know words and nothing else (latent semantic analysis)."""

    def __init__(self, texts: Sequence[str], dim: int, *, seed: int = 0) -> None:
        from sklearn.decomposition import TruncatedSVD

        self.name, self.dim = "tf-idf-svd", dim
        self._space = TfidfVectorizer.of(texts)
        reduction = TruncatedSVD(dim, random_state=seed)
        reduction.fit(self._space.features(texts))
        self._axes = reduction.components_.T.astype(np.float32)

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim]; zero for a text without a known word."""
        rows = np.asarray(self._space.features(texts) @ self._axes, np.float32)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    def save(self, folder: Path) -> None:
        """A control is not kept. Raises ModelError."""
        raise ModelError("word vectors are a control of the benchmark and cannot be saved.", asked="save")
