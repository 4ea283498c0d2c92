"""Encoders as they are served: opened once for all tasks, and texts that come again are not encoded again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.cache import Cache, cache_key
from retailor.models.encoding import exact_vectors
from retailor.models.shapes import Encoder, OpenEncoder, Role
from retailor.store import artifact


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

    @property
    def tokenizer(self) -> Any:
        return getattr(self.encoder, "tokenizer", None)

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim]: those of the cache, and freshly made ones for the rest."""
        return self._rows("vector", texts, role, lambda new: self.encoder.encode(new, role=role))

    def encode_exactly(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """The same in float32; kept apart from the vectors of `encode`."""
        return self._rows(
            "exact vector", texts, role, lambda new: exact_vectors(self.encoder, new, role=role)
        )

    def _rows(
        self, kind: str, texts: Sequence[str], role: Role, make: Callable[[list[str]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        keys = [cache_key(kind, self.fingerprint, [role, text]) for text in texts]
        known = {key: self._read(key) for key in dict.fromkeys(keys)}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if known[key] is None}
        if missing:
            for key, row in zip(missing, make(list(missing.values())), strict=True):
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


class _OneByOne:
    """An encoder that reads one text at a time: int8 scales a batch as a whole, and neighbours would tell."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        rows = [self.encoder.encode([text], role=role)[0] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.dim)

    def save(self, folder: Path) -> None:
        self.encoder.save(folder)


def shared_encoders(
    open_encoder: OpenEncoder,
    cache: Cache,
    compressed: Mapping[str, Path],
    runtime: Sequence[str] = ("auto", "cpu"),
) -> OpenEncoder:
    """A door that opens equal encoders once, whatever folders they lie in, each in front of the cache.

    `compressed` says by fingerprint which compressed encoder answers in the place of another. Vectors of
    another `runtime` differ in their last digits, and are remembered apart.
    """
    opened: dict[str, CachedEncoder] = {}

    def door(folder: Path) -> Encoder:
        if not (folder / artifact.MANIFEST).exists():
            return open_encoder(folder)
        fingerprint = artifact.read_manifest(folder).fingerprint
        if fingerprint not in opened:
            small = compressed.get(fingerprint)
            inner = open_encoder(folder) if small is None else _OneByOne(open_encoder(small))
            own = fingerprint if small is None else artifact.read_manifest(small).fingerprint
            where = "" if runtime[0] == "auto" else f"{own} by {' on '.join(runtime)}"
            opened[fingerprint] = CachedEncoder(inner, cache, where or own)
        return opened[fingerprint]

    return door
