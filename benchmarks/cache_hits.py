"""The share of requests that the cache in memory answers, beside one that drops the least recently used.

    python benchmarks/cache_hits.py

Requests are drawn by Zipf's law over more keys than fit (simulated); in 'with scans' a crawler asks for every
key of a long catalogue once, between the others' requests. The share is that of the customers' own requests.
Both caches have the same bytes; answers are of 200 to 4,000 bytes. Ten draws; the interval is theirs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol
from zlib import crc32

import numpy as np
from bench import begin, parser_of
from numpy.typing import NDArray

from retailor.cache import MemoryCache
from retailor.seeds import stream

EXPONENTS = (0.7, 0.9, 1.1)


class Kept(Protocol):
    """What both have."""

    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, value: bytes) -> None: ...


class LeastRecentlyUsed:
    """The plain baseline: the least recently used goes, by bytes."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes, self._used = size_bytes, 0
        self._entries: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: str, value: bytes) -> None:
        self._entries[key] = value
        self._used += len(key) + len(value) + 500
        while self._used > self.size_bytes:
            old, gone = self._entries.popitem(last=False)
            self._used -= len(old) + len(gone) + 500


CACHES: dict[str, Callable[[int], Kept]] = {
    "least recently used": LeastRecentlyUsed,
    "retailor": MemoryCache,
}


def requests(n: int, n_keys: int, exponent: float, scans: bool, seed: int) -> list[tuple[str, bool]]:
    """Keys as they are asked for, each with whether a customer asks."""
    draw = stream(seed, "cache", str(exponent))
    weights = 1 / np.arange(1, n_keys + 1) ** exponent
    asked: NDArray[np.int64] = draw.choice(n_keys, n, p=weights / weights.sum())
    if not scans:
        return [(str(key), True) for key in asked]
    n_scans, length = 4, n // 5
    starts = {int(at): i for i, at in enumerate(draw.choice(n, n_scans, replace=False))}
    told: list[tuple[str, bool]] = []
    for at, key in enumerate(asked):
        told.append((str(key), True))
        if at in starts:
            told += [(f"scan {starts[at]} {i}", False) for i in range(length)]
    return told


def hit_rate(cache: Kept, asked: list[tuple[str, bool]], sizes: NDArray[np.int64]) -> float:
    n_hits = n_customers = 0
    for key, is_customer in asked:
        found = cache.get(key)
        if found is None:
            cache.put(key, bytes(int(sizes[crc32(key.encode()) % len(sizes)])))
        n_customers += is_customer
        n_hits += is_customer and found is not None
    return n_hits / n_customers


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.05, help="of the keys' bytes that fit")
    parser.add_argument("--draws", type=int, default=10)
    bench = begin(parser, canary={"requests": 5_000, "keys": 1_000, "draws": 1})
    given = bench.given
    rows = []
    for exponent in EXPONENTS:
        for scans in (False, True):
            rows += _rows(given.requests, given.keys, given.share, given.draws, exponent, scans)
    for row in rows:
        print(f"{row['bucket']:24}{row['row']:22}{row['value']:.3f}")
    bench.write(rows, list(range(given.draws)))


def _rows(
    n: int, n_keys: int, share: float, n_draws: int, exponent: float, scans: bool
) -> list[dict[str, object]]:
    bucket = f"Zipf {exponent}{', with scans' if scans else ''}"
    rates: dict[str, list[float]] = {name: [] for name in CACHES}
    for seed in range(n_draws):
        sizes = stream(seed, "sizes").integers(200, 4_001, n_keys)
        asked = requests(n, n_keys, exponent, scans, seed)
        for name, make in CACHES.items():
            rates[name].append(hit_rate(make(int(share * sizes.sum())), asked, sizes))
    return [
        {"row": name, "bucket": bucket, "metric": "hit_rate", "value": float(np.mean(found)),
         "low": min(found), "high": max(found), "n": n}
        for name, found in rates.items()
    ]  # fmt: skip


if __name__ == "__main__":
    main()
