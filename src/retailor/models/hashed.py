"""An encoder without weights, for tests and for trying the road: it opens in no time anywhere."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from retailor.models.shapes import Role
from retailor.scripts import HAN
from retailor.store import artifact

DESCRIPTION = "hash.json"
_WORD = re.compile(rf"[a-z0-9]+|[{HAN}]")


class HashEncoder:
    """An Encoder without weights: every word has a fixed random direction, a text is their mean.

    Texts that share words are near each other; texts that share none are nearly orthogonal.
    """

    def __init__(self, dim: int = 64, seed: int = 0) -> None:
        self.dim, self.seed = dim, seed
        self.name = f"hash-{dim}"

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for i, text in enumerate(texts):
            for word in _WORD.findall(text.lower()) or [""]:
                rows[i] += self._direction(word)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        rows /= np.maximum(norms, 1e-12)
        return rows

    def _direction(self, word: str) -> NDArray[np.float32]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little") ^ self.seed
        return np.random.default_rng(seed).standard_normal(self.dim).astype(np.float32)

    def save(self, folder: Path) -> None:
        with artifact.writing(folder, "encoder", settings={"name": self.name}) as new:
            (new / DESCRIPTION).write_text(json.dumps({"dim": self.dim, "seed": self.seed}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        artifact.verify(folder, "encoder")
        return cls(**json.loads((Path(folder) / DESCRIPTION).read_text(encoding="utf-8")))
