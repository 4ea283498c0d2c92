"""Rows of unlike length, end to end, some of which are replaced: these are written, and not the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.growing import appended

Columns = Mapping[str, NDArray[Any]]
I64 = NDArray[np.int64]
SHARE = 2
"""Once as many entries were written anew as a SHARE-th of what there was, all are put end to end again."""
LEAST = 10_000
"""Fewer entries than these are no reason to."""
BLOCK = 50_000


@dataclass(frozen=True)
class Ragged:
    """n rows; entries of row r are `columns[name][offsets[r]:offsets[r + 1]]`, of each column alike.

    A row with `place` ≥ 0 was replaced: its entries are those of row `place` of `fresh`, which begin at
    `fresh_offsets`. Nothing that is here is written to: who replaces rows gets another table, which shares
    the old one, and may share room behind `fresh` (see `appended`).
    """

    offsets: I64  # [n + 1]
    columns: Columns  # each [E]
    place: NDArray[np.int32] | None = None  # [n]
    fresh_offsets: I64 | None = None
    fresh: Columns | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def where(self, rows: NDArray[np.integer]) -> tuple[I64, I64, NDArray[np.bool_] | None]:
        """Where some rows begin [m], their lengths [m], and which of them lie in `fresh`; None: none does."""
        rows = np.asarray(rows)
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        if self.place is None or self.fresh_offsets is None:
            return starts, lengths, None
        place = self.place[rows]
        is_fresh = place >= 0
        if not is_fresh.any():
            return starts, lengths, None
        there = place[is_fresh]
        starts, lengths = starts.copy(), lengths.copy()
        starts[is_fresh] = self.fresh_offsets[there]
        lengths[is_fresh] = self.fresh_offsets[there + 1] - starts[is_fresh]
        return starts, lengths, is_fresh

    @property
    def n_entries(self) -> int:
        """Entries of all rows."""
        return int(self.offsets[-1] if self.place is None else self.lengths().sum())

    def lengths(self, rows: NDArray[np.integer] | None = None) -> I64:
        """Entries of some rows, or of each [m]."""
        return self.where(np.arange(len(self)) if rows is None else rows)[1]

    def gathered(self, rows: NDArray[np.integer]) -> tuple[I64, dict[str, NDArray[Any]]]:
        """Some rows, end to end: where each begins [m + 1], and their columns."""
        starts, lengths, is_fresh = self.where(rows)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        if is_fresh is None or self.fresh is None:
            return offsets, {name: values[at] for name, values in self.columns.items()}
        new = np.repeat(is_fresh, lengths)
        found = {}
        for name, values in self.columns.items():
            found[name] = np.empty(len(at), values.dtype)
            found[name][~new] = values[at[~new]]
            found[name][new] = self.fresh[name][at[new]]
        return offsets, found

    def flat(self) -> Self:
        """The same, end to end; some rows at a time, so that it needs no more memory than what it makes."""
        if self.place is None:
            return self
        offsets = np.concatenate([[0], np.cumsum(self.lengths())]).astype(np.int64)
        columns = {name: np.empty(offsets[-1], values.dtype) for name, values in self.columns.items()}
        for start in range(0, len(self), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(self)))
            for name, values in self.gathered(rows)[1].items():
                columns[name][offsets[rows[0]] : offsets[rows[-1] + 1]] = values
        return type(self)(offsets, columns)

    def widened(self, n: int) -> Self:
        """The same with n rows in all, the new ones empty."""
        more = n - len(self)
        if not more:
            return self
        offsets = appended(self.offsets, np.full(more, self.offsets[-1], self.offsets.dtype))
        place = self.place
        if place is not None:
            place = appended(place, np.full(more, -1, np.int32))
        return type(self)(offsets, self.columns, place, self.fresh_offsets, self.fresh)

    def replaced(self, rows: NDArray[np.integer], offsets: I64, columns: Columns) -> Self:
        """The same but for some different rows, whose entries are `columns` from `offsets` [m + 1] on.

        Costs what is written, and a copy of a number a row.
        """
        if not len(rows):
            return self
        place = np.full(len(self), -1, np.int32) if self.place is None else self.place.copy()
        begun = np.zeros(1, np.int64) if self.fresh_offsets is None else self.fresh_offsets
        place[rows] = np.arange(len(begun) - 1, len(begun) - 1 + len(rows))
        fresh = {
            name: appended(
                np.empty(0, values.dtype) if self.fresh is None else self.fresh[name],
                np.asarray(columns[name], values.dtype),
            )
            for name, values in self.columns.items()
        }
        ends = appended(begun, begun[-1] + np.asarray(offsets[1:], np.int64))
        made = type(self)(self.offsets, self.columns, place, ends, fresh)
        many = ends[-1] > max(LEAST, int(self.offsets[-1]) // SHARE)
        return made.flat() if many else made
