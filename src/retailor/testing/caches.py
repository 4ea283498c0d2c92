"""The contract of a Cache. Give it an open, empty cache."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.cache.shapes import Cache

_run = itertools.count()
_OPERATIONS = st.lists(st.tuples(st.sampled_from(["put", "get", "delete"]), st.text(), st.binary()))


class CacheContract:
    """Subclass, and override the fixture `cache`; the cache must hold at least a hundred small entries."""

    @pytest.fixture
    def cache(self) -> Iterator[Any]:
        raise NotImplementedError

    def test_get_gives_what_was_put(self, cache: Cache) -> None:
        assert cache.get("a") is None
        cache.put("a", b"one")
        cache.put("b", b"")
        assert (cache.get("a"), cache.get("b"), len(cache)) == (b"one", b"", 2)
        cache.put("a", b"two")
        assert (cache.get("a"), len(cache)) == (b"two", 2)

    def test_delete_forgets(self, cache: Cache) -> None:
        cache.put("a", b"one")
        cache.delete("a")
        cache.delete("never there")
        assert cache.get("a") is None and len(cache) == 0

    def test_clear_forgets_all_and_it_goes_on(self, cache: Cache) -> None:
        for n in range(20):
            cache.put(f"{n}", b"one")
        cache.clear()
        assert len(cache) == 0 and all(cache.get(f"{n}") is None for n in range(20))
        cache.put("a", b"two")
        assert (cache.get("a"), len(cache)) == (b"two", 1)

    def test_an_entry_dies_after_its_time(self, cache: Cache) -> None:
        cache.put("short", b"1", ttl_s=0.05)
        cache.put("long", b"2", ttl_s=60)
        cache.put("none", b"3", ttl_s=0)
        assert cache.get("none") is None
        time.sleep(0.08)
        assert (cache.get("short"), cache.get("long")) == (None, b"2")

    def test_keys_of_any_text_and_length(self, cache: Cache) -> None:
        keys = ["", "键", "a" * 5000, "a" * 5000 + "b", "with\x00zero", "*", "\ud800"]
        for i, key in enumerate(keys):
            cache.put(key, bytes([i]))
        assert [cache.get(key) for key in keys] == [bytes([i]) for i in range(len(keys))]

    def test_law_never_another_keys_value(self, cache: Cache) -> None:
        @settings(max_examples=50, deadline=None)
        @given(operations=_OPERATIONS)
        def law(operations: list[tuple[str, str, bytes]]) -> None:
            check_operations(cache, operations)

        law()

    def test_many_threads_at_once(self, cache: Cache) -> None:
        def work(thread: int) -> None:
            for i in range(60):
                key = f"{i % 20}"
                cache.put(key, key.encode() * 50)
                assert cache.get(key) in (None, key.encode() * 50)
                if i % 7 == thread % 7:
                    cache.delete(key)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert cache.n_failures == 0

    def test_after_close_everything_is_a_miss(self, cache: Cache) -> None:
        cache.put("a", b"one")
        cache.close()
        cache.put("b", b"two")
        assert cache.get("a") is None and cache.get("b") is None
        cache.close()


def check_operations(cache: Cache, operations: list[tuple[str, str, bytes]]) -> None:
    """Does the operations under fresh keys; a get is a miss or what was put last under that key."""
    mark = f"{next(_run)}:"
    known: dict[str, bytes] = {}
    for act, key, value in operations:
        if act == "put":
            cache.put(mark + key, value)
            known[key] = value
        elif act == "delete":
            cache.delete(mark + key)
            known.pop(key, None)
        else:
            assert cache.get(mark + key) in (None, known.get(key))
    for key, value in known.items():
        assert cache.get(mark + key) in (None, value)
