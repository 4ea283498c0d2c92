"""Texts that nearly are another text: what must not be in training when the other one is in the test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NEAR = 0.7
"""Cosine of character 1–3-gram TF-IDF from which a text counts as a near-duplicate."""
BLOCK = 8192


def near_duplicates(texts: Sequence[str], of: Sequence[str]) -> NDArray[np.bool_]:
    """Which of the texts [n] nearly are one of the texts `of`."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    model = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    rows = model.fit_transform(texts)
    others = model.transform(of)
    nearest = np.zeros(rows.shape[0])
    for start in range(0, rows.shape[0], BLOCK):
        block = rows[start : start + BLOCK] @ others.T
        nearest[start : start + BLOCK] = block.max(axis=1).toarray().ravel()
    return np.asarray(nearest >= NEAR)
