"""How far an adapted encoder's neighbourhoods moved."""

from __future__ import annotations

import numpy as np

from retailor.models.shapes import TrainableEncoder


def neighbours_kept(before: TrainableEncoder, after: TrainableEncoder, texts: list[str]) -> float | None:
    """The mean part of a text's ten nearest texts that stayed among them; None for too few texts."""
    k = min(10, len(texts) - 2)
    if k < 1:
        return None
    nearest = []
    for encoder in (before, after):
        rows = encoder.encode(texts)
        cosines = rows @ rows.T
        np.fill_diagonal(cosines, -np.inf)
        nearest.append(np.argpartition(-cosines, k, axis=1)[:, :k])
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*nearest, strict=True)]))
