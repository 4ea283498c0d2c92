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
_OVERHEAD_BYTES = 500  # of an entry and the remembered key of one that went, as Python keeps them
_SMALL_SHARE = 10  # one part of the bytes in so many for what came last
_MOST_HITS = 3
_LEAST_GONE = 16


class _Entry:
    """A value, when it dies, and how often it was asked for since it last came to the front of its queue."""

    __slots__ = ("expires", "n_hits", "value")

    def __init__(self, value: bytes, expires: float) -> None:
        self.value = value
        self.expires = expires
        self.n_hits = 0


class MemoryCache:
    """In this process, at most `size_bytes`, by S3-FIFO: what is asked for once does not push out what is
    asked for again and again.

    New keys wait in a small queue, a tenth of the bytes; what was asked for there moves to the main queue,
    the rest goes, and its key is remembered a while: put again, it goes to the main queue at once. From there
    what was not asked for since its last turn goes. (Yang et al., FIFO queues are all you need for cache
    eviction, SOSP 2023.)
    """

    n_failures = 0

    def __init__(
        self, size_bytes: int = MEMORY_BYTES, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.size_bytes = size_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._small: OrderedDict[str, _Entry] = OrderedDict()
        self._main: OrderedDict[str, _Entry] = OrderedDict()
        self._gone: OrderedDict[str, None] = OrderedDict()
        """Keys that left the small queue lately; as many as the main queue has."""
        self._small_bytes = self._used_bytes = 0

    def get(self, key: str) -> bytes | None:
        with self._lock:
            entry = self._small.get(key) or self._main.get(key)
            if entry is None:
                return None
            if entry.expires <= self._clock():
                self._drop(key)
                return None
            entry.n_hits = min(entry.n_hits + 1, _MOST_HITS)
            return entry.value

    def put(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        expires = math.inf if ttl_s is None else self._clock() + ttl_s
        # What writes JSON keeps the buffer that it began with: 87 bytes of it held 4 KiB.
        value = bytes(memoryview(value))
        with self._lock:
            in_main = key in self._main or key in self._gone
            self._drop(key)
            self._gone.pop(key, None)
            if _cost(key, value) > self.size_bytes:
                return
            self._enter(key, _Entry(value, expires), in_main)
            while self._used_bytes > self.size_bytes:
                self._make_room()

    def _enter(self, key: str, entry: _Entry, in_main: bool) -> None:
        cost = _cost(key, entry.value)
        self._used_bytes += cost
        if in_main:
            self._main[key] = entry
        else:
            self._small[key] = entry
            self._small_bytes += cost

    def _make_room(self) -> None:
        """One step: the oldest of a queue goes, or gets another turn in the main one."""
        if self._small and (self._small_bytes > self.size_bytes // _SMALL_SHARE or not self._main):
            key = next(iter(self._small))
            entry = self._drop(key)
            if entry is not None and entry.n_hits:
                entry.n_hits = 0
                self._enter(key, entry, True)
            else:
                self._gone[key] = None
                while len(self._gone) > max(len(self._main), _LEAST_GONE):
                    self._gone.popitem(last=False)
            return
        key, entry = next(iter(self._main.items()))
        if entry.n_hits:
            entry.n_hits -= 1
            self._main.move_to_end(key)
        else:
            self._drop(key)

    def _drop(self, key: str) -> _Entry | None:
        entry = self._small.pop(key, None)
        if entry is not None:
            self._small_bytes -= _cost(key, entry.value)
        else:
            entry = self._main.pop(key, None)
        if entry is not None:
            self._used_bytes -= _cost(key, entry.value)
        return entry

    def delete(self, key: str) -> None:
        with self._lock:
            self._drop(key)
            self._gone.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._empty()

    def _empty(self) -> None:
        for queue in (self._small, self._main, self._gone):
            queue.clear()
        self._small_bytes = self._used_bytes = 0

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def close(self) -> None:
        with self._lock:
            self._empty()
            self.size_bytes = 0


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
