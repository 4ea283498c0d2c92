"""A cache maps keys to bytes: in memory, in an LMDB folder, in Redis, or one in front of another.

A cache may forget at any time and never makes a caller fail: what cannot be read is a miss, and is counted.
A key is the hash of what, the artifact's fingerprint and the request, so that a retrain makes old entries
unreachable and they die by themselves.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from retailor.cache.disk import DISK_BYTES, LmdbCache
from retailor.cache.memory import MEMORY_BYTES, LayeredCache, MemoryCache, layered
from retailor.cache.remote import RedisCache, without_password
from retailor.cache.shapes import Cache, cache_key
from retailor.errors import ConfigError, nearest

__all__ = [
    "Cache",
    "LayeredCache",
    "LmdbCache",
    "MemoryCache",
    "RedisCache",
    "cache_key",
    "layered",
    "open_cache",
]


def open_cache(url: str, space: str = "") -> Cache:
    """The cache behind a URL: `memory:`, `lmdb:/folder` (both take `?size_mb=`), or `redis://host:port/0`.

    What is put under one `space`, letters, digits and '-', is neither found nor cleared under another.

    Raises ConfigError on any other URL, MissingExtra when the client library is not installed.
    """
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return MemoryCache(_size_bytes(url, MEMORY_BYTES))
    if parts.scheme == "lmdb" and (parts.netloc or parts.path):
        return LmdbCache(Path(parts.netloc + parts.path, space), _size_bytes(url, DISK_BYTES))
    if parts.scheme in ("redis", "rediss", "unix"):
        return RedisCache(url, prefix=f"retailor:{space}:" if space else "retailor:")
    raise ConfigError(
        f"there is no cache '{without_password(url)}'; write 'memory:', 'lmdb:/folder' or 'redis://host:6379/0'.",
        key="cache",
        value=without_password(url),
        nearest=nearest(parts.scheme, ("memory", "lmdb", "redis")),
    )


def _size_bytes(url: str, default: int) -> int:
    options = dict(parse_qsl(urlsplit(url).query))
    unknown = set(options) - {"size_mb"}
    size = options.get("size_mb", str(default // 2**20))
    if unknown or not size.isdecimal():
        raise ConfigError(
            f"'{url}': the one option of this cache is '?size_mb=' and a whole number.",
            key="cache",
            value=url,
        )
    return int(size) * 2**20
