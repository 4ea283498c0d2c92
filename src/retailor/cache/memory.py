"""A cache in this process, and one cache in front of another."""

from __future__ import annotations

import math
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from retailor.cache.shapes import Cache

MEMORY_BYTES = 64 * 2**20
_OVERHEAD_BYTES = 200


class MemoryCache:
    """In this process: the least recently used entries go when all together exceed `size_bytes`."""

    n_failures = 0

    def __init__(
        self, size_bytes: int = MEMORY_BYTES, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.size_bytes = size_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._used_bytes = 0

    def get(self, key: str) -> bytes | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[1] <= self._clock():
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        expires = math.inf if ttl_s is None else self._clock() + ttl_s
        with self._lock:
            self._drop(key)
            self._entries[key] = (value, expires)
            self._used_bytes += _cost(key, value)
            while self._used_bytes > self.size_bytes:
                self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._used_bytes -= _cost(key, entry[0])

    def delete(self, key: str) -> None:
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._used_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        with self._lock:
            self._entries.clear()
            self._used_bytes = self.size_bytes = 0


def _cost(key: str, value: bytes) -> int:
    return len(key) + len(value) + _OVERHEAD_BYTES


_EXPIRES = struct.Struct("<d")


class LayeredCache:
    """A fast cache in front of a slow one; what the slow one knows moves up, with the life it has left."""

    def __init__(self, fast: Cache, slow: Cache, *, clock: Callable[[], float] = time.time) -> None:
        self.fast = fast
        self.slow = slow
        self._clock = clock

    @property
    def n_failures(self) -> int:
        return self.fast.n_failures + self.slow.n_failures

    def get(self, key: str) -> bytes | None:
        for cache in (self.fast, self.slow):
            entry = cache.get(key)
            if entry is None or len(entry) < _EXPIRES.size:
                continue
            left_s = _EXPIRES.unpack_from(entry)[0] - self._clock()
            if left_s > 0:
                if cache is self.slow:
                    self.fast.put(key, entry, None if math.isinf(left_s) else left_s)
                return entry[_EXPIRES.size :]
        return None

    def put(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        entry = _EXPIRES.pack(math.inf if ttl_s is None else self._clock() + ttl_s) + value
        self.slow.put(key, entry, ttl_s)
        self.fast.put(key, entry, ttl_s)

    def delete(self, key: str) -> None:
        self.slow.delete(key)
        self.fast.delete(key)

    def clear(self) -> None:
        self.slow.clear()
        self.fast.clear()

    def __len__(self) -> int:
        return max(len(self.fast), len(self.slow))

    def close(self) -> None:
        self.fast.close()
        self.slow.close()


def layered(fast: Cache, slow: Cache) -> Cache:
    """`fast` in front of `slow`: a get asks them in this order, a put goes to both."""
    return LayeredCache(fast, slow)
