"""Columns of names as numbers: counting those of some items takes microseconds, not a query of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Coded:
    """A column of a table with I rows, none, one or several names a row.

    `codes` and `rows` [N] are a name of a row each, as its place in `values` (sorted).
    """

    values: tuple[str, ...]
    codes: NDArray[np.int64]
    rows: Rows
    n_rows: int

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """A column of strings, or of lists of strings; null is no name."""
        frame = pl.DataFrame({"row": pl.int_range(len(column), eager=True), "name": column})
        if column.dtype == pl.List:
            frame = frame.explode("name")
        frame = frame.drop_nulls()
        names = frame["name"]
        codes = names.rank("dense").cast(pl.Int64).to_numpy() - 1 if len(names) else np.zeros(0, np.int64)
        return cls(tuple(names.unique().sort()), codes, frame["row"].to_numpy(), len(column))

    def counts(self, rows: Rows, most: int) -> tuple[tuple[str, int], ...]:
        """The names that most of some rows have and how many do, the most first, equals by name."""
        if not self.values:
            return ()
        chosen = np.zeros(self.n_rows, np.bool_)
        chosen[rows] = True
        counts = np.bincount(self.codes[chosen[self.rows]], minlength=len(self.values))
        best = np.argsort(-counts, kind="stable")[:most]
        return tuple((self.values[i], int(counts[i])) for i in best.tolist() if counts[i])

    def having(self, wanted: Callable[[str], bool]) -> Bools:
        """Which rows [I] have a name that is wanted."""
        found = np.zeros(self.n_rows, np.bool_)
        codes = [i for i, name in enumerate(self.values) if wanted(name)]
        found[self.rows[np.isin(self.codes, codes)]] = True
        return found


def nearest_quantile(ordered: NDArray[np.float64], q: float) -> float:
    """The value nearest to a share `q` of sorted values (one at least), the greater of two as near."""
    return float(ordered[int((len(ordered) - 1) * q + 0.5)])
