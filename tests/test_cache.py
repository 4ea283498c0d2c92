"""Caches keep the contract; LMDB survives restarts and broken files, Redis may die."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.cache import (
    Cache,
    LayeredCache,
    LmdbCache,
    MemoryCache,
    RedisCache,
    cache_key,
    layered,
    open_cache,
)
from retailor.errors import ConfigError
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.search.shapes import SearchQuery
from retailor.testing.caches import CacheContract


class Server:
    """A real redis-server on a free loopback port."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                "redis-server",
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ],
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Server]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    server = Server()
    yield server
    server.stop()


class TestMemory(CacheContract):
    @pytest.fixture
    def cache(self) -> Cache:
        return MemoryCache()

    def test_what_was_asked_for_stays_and_what_was_not_goes(self) -> None:
        cache = MemoryCache(size_bytes=3 * (500 + 1 + 100))
        for key in "abc":
            cache.put(key, b"x" * 100)
        cache.get("a")
        cache.put("d", b"x" * 100)
        assert [cache.get(key) is not None for key in "abcd"] == [True, False, True, True]

    def test_a_scan_does_not_push_out_what_is_asked_for_again(self) -> None:
        cache = MemoryCache(size_bytes=100 * 1_000)
        for key in range(50):
            for _ in range(2):
                if cache.get(f"hot {key}") is None:
                    cache.put(f"hot {key}", b"x" * 500)
        for i in range(5_000):
            cache.put(f"scan {i}", b"x" * 500)
        assert sum(cache.get(f"hot {key}") is not None for key in range(50)) == 50

    def test_what_comes_again_soon_after_it_left_stays_the_second_time(self) -> None:
        cache = MemoryCache(size_bytes=20 * 1_000)
        cache.put("again", b"x" * 500)
        for i in range(30):
            cache.put(f"scan {i}", b"x" * 500)
        assert cache.get("again") is None
        cache.put("again", b"x" * 500)
        for i in range(30, 60):
            cache.put(f"scan {i}", b"x" * 500)
        assert cache.get("again") is not None

    @given(
        st.lists(
            st.tuples(st.sampled_from(["put", "get", "delete"]), st.integers(0, 30), st.integers(0, 900))
        )
    )
    def test_law_the_bytes_add_up_and_stay_bounded(self, operations: list[tuple[str, int, int]]) -> None:
        cache = MemoryCache(size_bytes=8_000)
        for act, key, size in operations:
            if act == "put":
                cache.put(str(key), b"x" * size)
            elif act == "get":
                cache.get(str(key))
            else:
                cache.delete(str(key))
            held = {**cache._small, **cache._main}
            costs = {key: len(key) + len(entry.value) + 500 for key, entry in held.items()}
            assert cache._used_bytes == sum(costs.values()) <= 8_000
            assert cache._small_bytes == sum(costs[key] for key in cache._small)
            assert not set(held) & set(cache._gone) and len(cache) == len(held)

    def test_a_value_larger_than_the_cache_is_not_kept(self) -> None:
        cache = MemoryCache(size_bytes=1000)
        cache.put("a", b"x" * 2000)
        assert cache.get("a") is None and len(cache) == 0
        cache.put("b", b"x" * 400)
        assert cache.get("b") is not None

    @pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
    def test_it_takes_the_memory_that_it_counts(self) -> None:
        code = """
import os, orjson
from retailor.cache import MemoryCache
def resident(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
cache, before, others = MemoryCache(64 * 2**20), resident(), []
for i in range(10_000):
    value = orjson.dumps({"label": "positive", "probabilities": {"negative": 0.1, "positive": i / 1e6}})
    others = [*others[-50:], orjson.dumps({"text": "x" * 600})]
    cache.put(f"{i:064d}", value)
print((resident() - before) / len(cache), cache._used_bytes / len(cache))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        real, counted = map(float, done.stdout.split())
        assert 0.2 * counted < real < 1.5 * counted


class TestLmdb(CacheContract):
    @pytest.fixture
    def cache(self, tmp_path: Path) -> Iterator[Cache]:
        cache = LmdbCache(tmp_path / "cache")
        yield cache
        cache.close()

    def test_entries_stay_over_a_restart(self, tmp_path: Path) -> None:
        first = LmdbCache(tmp_path)
        first.put("a", b"one", ttl_s=60)
        first.close()
        again = LmdbCache(tmp_path)
        assert again.get("a") == b"one"
        again.close()

    def test_the_file_stays_bounded_and_the_oldest_go(self, tmp_path: Path) -> None:
        cache = LmdbCache(tmp_path, size_bytes=2**20)
        for i in range(3000):
            cache.put(f"key {i}", bytes([i % 256]) * (i % 9000))
        assert cache.get("key 0") is None
        assert cache.get("key 2999") == bytes([2999 % 256]) * (2999 % 9000)
        assert 20 < len(cache) < 3000 and cache.n_failures == 0
        assert (tmp_path / "data.mdb").stat().st_size <= 2**20
        cache.put("too large", b"x" * 2**19)
        assert cache.get("too large") is None and cache.n_failures == 0
        cache.close()

    @pytest.mark.parametrize("how", ["cut", "zeroes", "noise", "text", "half a page"])
    def test_a_broken_file_is_named_and_made_anew(
        self, how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache = LmdbCache(tmp_path)
        for i in range(500):
            cache.put(str(i), str(i).encode() * 300)
        cache.close()
        path = tmp_path / "data.mdb"
        data = path.read_bytes()
        broken = {
            "cut": data[: len(data) // 2],
            "zeroes": bytes(len(data)),
            "noise": data[:20_000] + bytes(range(256)) * 400 + data[20_000 + 256 * 400 :],
            "text": b"not a database",
            "half a page": data[:2000],
        }
        path.write_bytes(broken[how])
        with caplog.at_level(logging.WARNING):
            again = LmdbCache(tmp_path)
        assert "data.mdb" in caplog.text and "made anew" in caplog.text
        assert len(again) == 0
        again.put("a", b"one")
        assert again.get("a") == b"one"
        again.close()

    def test_a_changed_value_is_a_miss(self, tmp_path: Path) -> None:
        cache = LmdbCache(tmp_path)
        cache.put("a", b"a value that can be found")
        cache.close()
        path = tmp_path / "data.mdb"
        path.write_bytes(path.read_bytes().replace(b"can be found", b"can be fraud"))
        again = LmdbCache(tmp_path)
        assert again.get("a") is None and len(again) == 0
        again.close()

    def test_another_process_may_share_it(self, tmp_path: Path) -> None:
        cache = LmdbCache(tmp_path)
        cache.put("a", b"one")
        code = (
            "from pathlib import Path; from retailor.cache import LmdbCache\n"
            f"cache = LmdbCache(Path({str(tmp_path)!r})); assert cache.get('a') == b'one'\n"
            "cache.put('b', b'two'); cache.close()"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        assert cache.get("b") == b"two"
        cache.close()

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match=r"no cache can be kept in .*file"):
            LmdbCache(tmp_path / "file")

    def test_opened_twice_in_one_process_is_said(self, tmp_path: Path) -> None:
        cache = LmdbCache(tmp_path)
        with pytest.raises(ConfigError, match="no cache can be kept"):
            LmdbCache(tmp_path)
        cache.put("a", b"one")
        assert cache.get("a") == b"one"
        cache.close()


class TestRedis(CacheContract):
    @pytest.fixture
    def cache(self, redis_server: Server) -> Iterator[Cache]:
        cache = RedisCache(redis_server.url, timeout_s=5)
        cache._client.flushall()
        yield cache
        cache.close()

    def test_other_peoples_keys_are_not_counted(self, cache: RedisCache) -> None:
        cache._client.set("theirs", b"1")
        cache.put("ours", b"2")
        assert len(cache) == 1

    def test_a_foreign_kind_of_entry_is_a_miss(self, cache: RedisCache) -> None:
        cache._client.rpush("retailor:a", b"1")
        assert cache.get("a") is None and cache.n_failures == 1

    def test_a_dead_redis_is_a_miss_and_counted(self) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed: apt-get install redis-server")
        server = Server()
        cache = RedisCache(server.url, pause_s=0.2)
        cache.put("a", b"one")
        assert cache.get("a") == b"one"
        server.stop()
        assert cache.get("a") is None
        cache.put("b", b"two")
        assert cache.n_failures == 2 and len(cache) == 0
        server.start()
        time.sleep(0.25)
        cache.put("b", b"two")
        assert cache.get("b") == b"two"
        cache.close()
        server.stop()

    def test_a_dead_redis_costs_little(self) -> None:
        cache = RedisCache("redis://127.0.0.1:1/0")
        started = time.monotonic()
        for i in range(1000):
            assert cache.get(str(i)) is None
        assert cache.n_failures == 1000 and time.monotonic() - started < 2

    def test_the_password_is_in_no_message(self, caplog: pytest.LogCaptureFixture) -> None:
        cache = RedisCache("redis://user:hunter2@127.0.0.1:1/0")
        cache.get("a")
        with pytest.raises(ConfigError) as error:
            open_cache("http://user:hunter2@somewhere")
        assert "hunter2" not in caplog.text + str(error.value)


class TestLayered(CacheContract):
    @pytest.fixture
    def cache(self, tmp_path: Path) -> Iterator[Cache]:
        cache = layered(MemoryCache(), LmdbCache(tmp_path))
        yield cache
        cache.close()

    def test_what_the_slow_one_knows_moves_up(self) -> None:
        fast, slow = MemoryCache(), MemoryCache()
        layered(fast, slow).put("a", b"one")
        fast.delete("a")
        assert layered(fast, slow).get("a") == b"one" and fast.get("a") is not None

    def test_an_entry_does_not_live_longer_by_moving_up(self) -> None:
        now = [1000.0]
        fast, slow = MemoryCache(), MemoryCache()
        cache = LayeredCache(fast, slow, clock=lambda: now[0])
        cache.put("a", b"one", ttl_s=10)
        fast.delete("a")
        now[0] += 9
        assert cache.get("a") == b"one"
        now[0] += 2
        assert cache.get("a") is None

    def test_a_dead_slow_one_leaves_the_fast_one(self) -> None:
        cache = layered(MemoryCache(), RedisCache("redis://127.0.0.1:1/0"))
        cache.put("a", b"one")
        assert cache.get("a") == b"one" and cache.n_failures == 1 and len(cache) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


class TestKey:
    @given(a=st.tuples(st.text(), st.text(), JSON), b=st.tuples(st.text(), st.text(), JSON))
    def test_different_requests_have_different_keys(
        self, a: tuple[str, str, object], b: tuple[str, str, object]
    ) -> None:
        assert (cache_key(*a) == cache_key(*b)) == (repr_of(a) == repr_of(b))

    def test_the_three_parts_do_not_run_together(self) -> None:
        assert len({cache_key("a", "bc", 1), cache_key("ab", "c", 1), cache_key("a", "bc", "1")}) == 3

    def test_a_query_is_a_request(self) -> None:
        one = cache_key("recommend", "f", RecommendQuery(user_id="u", item_ids=("a",)))
        assert one == cache_key("recommend", "f", RecommendQuery(user_id="u", item_ids=("a",)))
        assert one != cache_key("recommend", "f", RecommendQuery(user_id="u", item_ids=("b",)))
        assert cache_key("x", "f", SearchQuery("\ud800")) != cache_key("x", "f", SearchQuery("\ud801"))

    def test_a_value_without_an_exact_text_is_refused(self) -> None:
        with pytest.raises(TypeError, match="cannot hold a object"):
            cache_key("a", "b", {"c": object()})


def repr_of(value: object) -> str:
    """Equality that tells 1, 1.0 and True apart, and not the order of keys."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{repr_of(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(repr_of, value)) + "]"
    return repr(value)


class TestOpen:
    def test_each_url_opens_its_cache(self, tmp_path: Path) -> None:
        assert isinstance(open_cache("memory:"), MemoryCache)
        assert open_cache("memory:?size_mb=3").size_bytes == 3 * 2**20  # type: ignore[attr-defined]
        disk = open_cache(f"lmdb:{tmp_path}/cache?size_mb=5")
        assert isinstance(disk, LmdbCache) and disk.folder == tmp_path / "cache"
        assert disk.size_bytes == 5 * 2**20
        disk.close()
        assert isinstance(open_cache("redis://127.0.0.1:1/0"), RedisCache)

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("ldmb:/folder", "there is no cache 'ldmb:/folder'; write .* Did you mean 'lmdb'?"),
            ("lmdb:", "there is no cache 'lmdb:'"),
            ("memory:?size=3", "the one option of this cache is"),
            ("memory:?size_mb=-3", "the one option of this cache is"),
            ("redis://127.0.0.1:port/0", "is no Redis URL"),
        ],
    )
    def test_a_wrong_url_is_named(self, url: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            open_cache(url)


def test_a_space_of_redis_is_its_own(redis_server: Server) -> None:
    """Shops of one server: what one clears is still there for the others."""
    north, south = (
        RedisCache(redis_server.url, prefix=f"retailor:{name}:", timeout_s=5) for name in ("n", "s")
    )
    opened = open_cache(redis_server.url, "n")
    assert isinstance(opened, RedisCache) and opened.prefix == north.prefix
    for each in (north, south):
        each.put("k", each.prefix.encode())
    assert (north.get("k"), south.get("k")) == (b"retailor:n:", b"retailor:s:")
    north.clear()
    assert north.get("k") is None and south.get("k") == b"retailor:s:"
    for each in (north, south, opened):
        each.close()
