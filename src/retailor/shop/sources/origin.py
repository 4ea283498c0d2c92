"""Where rows come from, opened: batches of Arrow, all or from an instant on, and how many stand before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Origin:
    """An address that was opened. A value of time is one of the time column's own kind."""

    name: str
    """What messages call it; it has no password."""
    batches: Callable[[Any], Iterator[Any]]
    """pyarrow record batches of all rows (None), or of those at or after a time and those without one."""
    n_before: Callable[[Any], int]
    """How many rows have an earlier time."""


def is_duckdb(path: Path) -> bool:
    """Whether a file begins as DuckDB's do; False for what is no file, or may not be read."""
    return _begins(path)[8:12] == b"DUCK"


def is_sqlite(path: Path) -> bool:
    """The same of SQLite."""
    return _begins(path) == b"SQLite format 3\0"


def _begins(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(16)
    except (OSError, ValueError):
        return b""
