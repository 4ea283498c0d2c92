"""Tables that grow at their ends: what is new is copied, and not what was there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import Any, TypeVar, overload

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)
SLACK = 8
"""Room is made for one in so many rows more: a copy of all is due once in as many."""
LEAST = 1_000
"""So many later ones are no reason to put things together."""
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


class Grown(Sequence[T_co]):
    """Things in a row, some of which came later: those before are shared, and not copied."""

    def __init__(self, before: tuple[T_co, ...], later: tuple[T_co, ...]) -> None:
        self._before, self._later = before, later

    def __len__(self) -> int:
        return len(self._before) + len(self._later)

    @overload
    def __getitem__(self, at: int) -> T_co: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[T_co, ...]: ...
    def __getitem__(self, at: int | slice) -> T_co | tuple[T_co, ...]:
        if isinstance(at, slice):
            return tuple(self[i] for i in range(*at.indices(len(self))))
        n = len(self._before)
        if at < 0:
            at += len(self)
        if at < 0:
            raise IndexError(at)
        return self._before[at] if at < n else self._later[at - n]

    def __iter__(self) -> Iterator[T_co]:
        return chain(self._before, self._later)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def grown(self, more: tuple[T_co, ...]) -> Sequence[T_co]:
        """These and `more`; put together once the later ones are many."""
        later = self._later + more
        if len(later) > max(LEAST, len(self._before) // SLACK):
            return self._before + later
        return Grown(self._before, later)


class Places(Mapping[str, int]):
    """Where each of some names is, as `Grown` has them: the dictionary of those before is shared."""

    def __init__(self, before: Mapping[str, int], later: Mapping[str, int]) -> None:
        self._before, self._later = before, later

    def __getitem__(self, name: str) -> int:
        found = self._before.get(name)
        return self._later[name] if found is None else found

    def __len__(self) -> int:
        return len(self._before) + len(self._later)

    def __iter__(self) -> Iterator[str]:
        return chain(self._before, self._later)

    def grown(self, more: Mapping[str, int]) -> Mapping[str, int]:
        """These and `more`, which has none of them."""
        later = {**self._later, **more}
        if len(later) > max(LEAST, len(self._before) // SLACK):
            return {**self._before, **later}
        return Places(self._before, later)


def longer(names: Sequence[U], more: tuple[U, ...]) -> Sequence[U]:
    """The names with `more` behind them; costs what came later, not what there was."""
    if not more:
        return names
    return names.grown(more) if isinstance(names, Grown) else Grown(tuple(names), ()).grown(more)


def with_places(places: Mapping[str, int], names: Sequence[str]) -> Mapping[str, int]:
    """The places of names, with those of further `names` behind them; costs as `longer`."""
    more = {name: len(places) + i for i, name in enumerate(names)}
    return places.grown(more) if isinstance(places, Places) else Places(places, {}).grown(more)


def widened(links: sp.csr_matrix, n: int) -> sp.csr_matrix:
    """The square table of links with room for n rows and columns in all, the new ones empty."""
    more = np.full(n - links.shape[0], links.indptr[-1], links.indptr.dtype)
    parts = (links.data, links.indices, appended(links.indptr, more))
    return sp.csr_matrix(parts, shape=(n, n), copy=False)
