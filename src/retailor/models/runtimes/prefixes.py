"""What a decoder's graph keeps of prompts that it has read: one that begins alike reads on from there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

States = Mapping[str, NDArray[np.float32]]
"""By name, keys and values [B, heads, T, size]."""
MOST_BYTES = 256 << 20
LEAST = 16
"""Tokens in common from which on it is worth it."""


def in_common(rows: Sequence[Sequence[int]]) -> int:
    """How many ids all rows begin with, less than the shortest has: of each at least one is left to read."""
    first, last = min(map(list, rows)), max(map(list, rows))
    most = min(map(len, rows)) - 1
    return next((i for i in range(most) if first[i] != last[i]), max(most, 0))


class Prefixes:
    """The latest beginnings, within `most_bytes`; the one used longest ago goes first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[tuple[int, ...], States] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        return sum(_bytes(states) for states in self._kept.values())

    def longest(self, ids: Sequence[int]) -> tuple[int, States]:
        """How many of the ids are known, and their states [1, heads, so many, size]; (0, {}) for none."""
        best, key = 0, None
        for known in self._kept:
            n = _alike(known, ids)
            if n > best:
                best, key = n, known
        if key is None:
            return 0, {}
        self._kept.move_to_end(key)
        return best, {name: values[:, :, :best] for name, values in self._kept[key].items()}

    def keep(self, ids: Sequence[int], states: States) -> None:
        """Keeps the states [1, heads, len(ids), size]; nothing where they alone are too much."""
        if _bytes(states) > self.most_bytes:
            return
        key = tuple(ids)
        for known in [one for one in self._kept if len(one) < len(key) and key[: len(one)] == one]:
            del self._kept[known]  # the longer one has it
        self._kept[key] = states
        self._kept.move_to_end(key)
        while self.size_bytes > self.most_bytes:
            self._kept.popitem(last=False)


def _alike(known: Sequence[int], ids: Sequence[int]) -> int:
    n = min(len(known), len(ids))
    return next((i for i in range(n) if known[i] != ids[i]), n)


def _bytes(states: Mapping[str, NDArray[Any]]) -> int:
    return sum(values.nbytes for values in states.values())
