"""What requests ask, by what was sent: a request that comes again is not parsed again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any


class Known:
    """Requests to what they ask; when there are more than so many it begins anew. Safe from any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[Hashable, Any] = {}

    def get(self, asked: Hashable) -> Any:
        return self._found.get(asked)

    def put(self, asked: Hashable, query: Any) -> None:
        if len(self._found) >= self._most:
            self._found = {}
        self._found[asked] = query

    def clear(self) -> None:
        self._found = {}
