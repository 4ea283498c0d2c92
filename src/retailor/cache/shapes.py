"""What a cache promises, and the key of an entry."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol


class Cache(Protocol):
    """Keys to bytes. Every method may be called from any thread."""

    def get(self, key: str) -> bytes | None:
        """What was put last under exactly this key, or None: never another key's value."""
        ...

    def put(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        """Keeps the value, for at most `ttl_s` seconds where given; it may be evicted earlier."""
        ...

    def delete(self, key: str) -> None: ...
    def clear(self) -> None:
        """Drops every entry, and what the disk has of it."""
        ...

    def __len__(self) -> int: ...
    def close(self) -> None:
        """Frees what it holds. After it, `get` is a miss and `put` does nothing."""
        ...

    @property
    def n_failures(self) -> int:
        """How often the store behind it failed and the caller got a miss instead."""
        ...


def cache_key(what: str, fingerprint: str, request: object) -> str:
    """A sha256 (hex) of the three; a request is JSON-able values, dataclasses of them, and what has its own
    exact text, `cache_text`.

    Raises TypeError on a value that has no exact text, because two of those could share a key.
    """
    text = json.dumps([what, fingerprint, request], sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(text := getattr(value, "cache_text", None), str):
        return text
    raise TypeError(f"a cache key cannot hold a {type(value).__name__}")
