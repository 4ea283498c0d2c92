"""A cache in Redis, shared by servers."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from retailor.errors import ConfigError, MissingExtra

MONTH_S = 30 * 86_400.0
_log = logging.getLogger(__name__)


class RedisCache:
    """In Redis, shared by servers. While Redis is down every `get` is a miss, and the failures are counted.

    After a failure it is left alone for `pause_s`, so that a dead Redis does not slow every request down.
    Entries without a ttl get a month, so that those of old fingerprints do not stay for ever.
    """

    def __init__(
        self, url: str, *, prefix: str = "retailor:", timeout_s: float = 0.25, pause_s: float = 2.0
    ) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise MissingExtra("redis", install="pip install 'retailor[serve]'") from None
        self.n_failures = 0
        self.prefix = prefix
        self.pause_s = pause_s
        self._errors = (redis.RedisError, OSError)
        self._rest_until = 0.0
        try:
            self._client = redis.Redis.from_url(
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            shown = without_password(url)
            raise ConfigError(f"'{shown}' is no Redis URL: {error}.", key="cache", value=shown) from None

    def get(self, key: str) -> bytes | None:
        found = self._try(lambda client: client.get(self._name(key)))
        return found if isinstance(found, bytes) else None

    def put(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        left_ms = int(1000 * (MONTH_S if ttl_s is None else ttl_s))
        if left_ms < 1:
            self.delete(key)
            return
        self._try(lambda client: client.set(self._name(key), value, px=left_ms))

    def delete(self, key: str) -> None:
        self._try(lambda client: client.delete(self._name(key)))

    def clear(self) -> None:
        def drop(client: Any) -> None:
            for name in client.scan_iter(match=f"{self.prefix}*", count=1000):
                client.delete(name)

        self._try(drop)

    def _name(self, key: str) -> bytes:
        return self.prefix.encode() + key.encode("utf-8", "surrogatepass")

    def _try(self, act: Callable[[Any], Any]) -> Any:
        if time.monotonic() < self._rest_until:
            self.n_failures += 1
            return None
        try:
            return act(self._client)
        except self._errors as error:
            self.n_failures += 1
            self._rest_until = time.monotonic() + self.pause_s
            _log.warning("Redis failed (%s); the cache goes on without it.", type(error).__name__)
            return None

    def __len__(self) -> int:
        found = self._try(
            lambda client: sum(1 for _ in client.scan_iter(match=f"{self.prefix}*", count=1000))
        )
        return int(found or 0)

    def close(self) -> None:
        self._client.close()
        self._rest_until = math.inf


def without_password(url: str) -> str:
    """The URL fit for a message: its password, if any, as ***."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}:***@{parts.netloc.rpartition('@')[2]}"))
