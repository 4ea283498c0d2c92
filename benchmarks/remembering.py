"""An encoder that remembers, for benchmarks whose seeds differ in everything but the texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retailor.models.shapes import Encoder, Role


class Remembering:
    """The encoder given, which sees each text once; in one process, in memory."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.name, self.dim = encoder, encoder.name, encoder.dim
        self.tokenizer = getattr(encoder, "tokenizer", None)  # which tells what the encoder can read
        self.known: dict[tuple[str, Role], NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if (text, role) not in self.known]
        for text, vector in zip(new, self.encoder.encode(new, role=role), strict=True):
            self.known[text, role] = vector
        return np.array([self.known[text, role] for text in texts], dtype=np.float32).reshape(-1, self.dim)

    def save(self, folder: Path) -> None:
        self.encoder.save(folder)
