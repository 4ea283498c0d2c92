"""Tables that grow at their ends: what is new is copied, and not what was there."""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
SLACK = 8
"""Room is made for one in so many rows more: a copy of all is due once in as many."""
_LOCK = Lock()


class _Use:
    """How many rows of a room are somebody's."""

    def __init__(self) -> None:
        self.filled = 0


class _Room(np.ndarray):
    """Memory with room behind the rows that are in use. All views of it know how many these are."""

    use: _Use | None

    def __array_finalize__(self, obj: Any) -> None:
        self.use = getattr(obj, "use", None)


def appended(rows: NDArray[T], new: NDArray[T]) -> NDArray[T]:
    """The rows [n, …] with `new` [m, …] behind them, of the type of `rows`, which stay as they are.

    Where `rows` are the latest of a table that was made here, `new` is written behind them, which costs m
    rows; all are copied where there is no room, or somebody else has written there. Any thread may call it.
    """
    n, m = len(rows), len(new)
    if not m:
        return rows
    with _LOCK:
        room = _room_of(rows)
        if room is None or room.use.filled != n or n + m > len(room):  # type: ignore[union-attr]
            room = np.empty((n + m + (n + m) // SLACK, *rows.shape[1:]), rows.dtype).view(_Room)
            room.use = _Use()
            room[:n] = rows
        room[n : n + m] = new
        room.use.filled = n + m  # type: ignore[union-attr]
    return room[: n + m].view(np.ndarray)


def _room_of(rows: NDArray[Any]) -> _Room | None:
    """The whole room that the rows lie at the beginning of, if they do."""
    found: Any = rows
    while isinstance(found, np.ndarray) and not isinstance(found, _Room):
        found = found.base
    while isinstance(found, _Room) and isinstance(found.base, _Room):
        found = found.base
    if not isinstance(found, _Room) or found.use is None:
        return None
    same = found.dtype == rows.dtype and found.shape[1:] == rows.shape[1:] and rows.flags.c_contiguous
    return found if same and found.ctypes.data == rows.ctypes.data else None


def stacked(rows: sp.csr_matrix, new: sp.csr_matrix) -> sp.csr_matrix:
    """The sparse rows [n, w] with further ones [m, w] behind them; see `appended`."""
    begun = new.indptr[1:].astype(rows.indptr.dtype) + rows.indptr[-1]
    parts = (
        appended(rows.data, new.data.astype(rows.data.dtype, copy=False)),
        appended(rows.indices, new.indices.astype(rows.indices.dtype, copy=False)),
        appended(rows.indptr, begun),
    )
    return sp.csr_matrix(parts, shape=(rows.shape[0] + new.shape[0], rows.shape[1]), copy=False)


def widened(links: sp.csr_matrix, n: int) -> sp.csr_matrix:
    """The square table of links with room for n rows and columns in all, the new ones empty."""
    more = np.full(n - links.shape[0], links.indptr[-1], links.indptr.dtype)
    parts = (links.data, links.indices, appended(links.indptr, more))
    return sp.csr_matrix(parts, shape=(n, n), copy=False)
