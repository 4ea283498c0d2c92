"""An encoder that remembers: texts that come again, under any question, are not encoded again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retailor.cache import Cache, cache_key
from retailor.models.shapes import Encoder, Role


class CachedEncoder:
    """An Encoder in front of another one. `fingerprint` is that of the other: new weights, new vectors."""

    def __init__(self, encoder: Encoder, cache: Cache, fingerprint: str) -> None:
        self.encoder = encoder
        self.cache = cache
        self.fingerprint = fingerprint

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim]: those of the cache, and freshly made ones for the rest."""
        keys = [cache_key("vector", self.fingerprint, [role, text]) for text in texts]
        known = {key: self._read(key) for key in dict.fromkeys(keys)}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if known[key] is None}
        if missing:
            made = self.encoder.encode(list(missing.values()), role=role)
            for key, row in zip(missing, made, strict=True):
                known[key] = row
                self.cache.put(key, np.asarray(row, dtype="<f4").tobytes())
        rows = [row for key in keys if (row := known[key]) is not None]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.dim)

    def _read(self, key: str) -> NDArray[np.float32] | None:
        entry = self.cache.get(key)
        if entry is None or len(entry) != 4 * self.dim:
            return None
        return np.frombuffer(entry, dtype="<f4").astype(np.float32)

    def save(self, folder: Path) -> None:
        self.encoder.save(folder)
