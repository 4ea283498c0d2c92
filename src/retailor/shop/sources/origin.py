"""Where rows come from, opened: batches of Arrow, all or from an instant on, and how many stand before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
    names: Sequence[str] | None = None
    """The columns, where they are known before the first row."""
