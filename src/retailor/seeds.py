"""Random streams by name: the same seed and name give the same stream, whatever ran before."""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *names: str) -> int:
    """A 63-bit seed that depends on `seed` and on every name, in order."""
    text = "\x1f".join((str(seed), *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def stream(seed: int, *names: str) -> np.random.Generator:
    """A fresh numpy generator for the purpose that `names` describe."""
    return np.random.default_rng(derive(seed, *names))
