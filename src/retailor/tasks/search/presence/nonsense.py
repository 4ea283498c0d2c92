"""Words that mean nothing: how near an encoder puts them to items is how near anything comes by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retailor.models.shapes import Encoder
from retailor.seeds import stream

_LETTERS = ("bcdfghjklmnpqrstvwxz", "aeiou")


def nonsense(n: int = 64) -> list[str]:
    """`n` queries of one or two made-up words, the same every time."""
    draw = stream(0, "search", "nonsense")

    def word() -> str:
        size = int(draw.integers(4, 10))
        return "".join(str(draw.choice(list(_LETTERS[int(draw.random() < 0.35)]))) for _ in range(size))

    return [" ".join(word() for _ in range(1 + i % 2)) for i in range(n)]


def least_cosine(encoder: Encoder, items: NDArray[np.float32]) -> float:
    """What a query must be nearer by to an item of these vectors [I, d] than words that mean nothing are."""
    strange = encoder.encode(nonsense(), role="query")
    return float(np.quantile((strange @ items.T).max(axis=1), 0.9))
