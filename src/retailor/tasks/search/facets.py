"""How many of the items found are of each brand, category, colour, range of prices and number of stars.

Names are numbers: counting those of some items takes microseconds, not a query of a table.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.tasks.prices import Prices
from retailor.tasks.search.shapes import Facet

Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]
MOST_VALUES = 12
FEW = 20
"""Of fewer than one row in so many the names are looked up row by row."""


@dataclass(frozen=True)
class Coded:
    """A column of a table with I rows, none, one or several names a row.

    `codes` and `rows` [N] are a name of a row each, as its place in `names` (sorted), rows ascending.
    `by_row` [I] is the code of each row, −1 without, where no row has several.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]
    rows: Rows
    n_rows: int
    by_row: NDArray[np.int32] | None

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """A column of strings, or of lists of strings; null is no name."""
        frame = pl.DataFrame({"row": pl.int_range(len(column), eager=True), "name": column})
        if column.dtype == pl.List:
            frame = frame.explode("name")
        frame = frame.drop_nulls()
        names = frame["name"].unique().sort()
        codes = frame["name"].cast(pl.Enum(names)).to_physical().cast(pl.Int32).to_numpy()
        rows, by_row = frame["row"].to_numpy(), None
        if column.dtype != pl.List:
            by_row = np.full(len(column), -1, np.int32)
            by_row[rows] = codes
        return cls(tuple(names), codes, rows, len(column), by_row)

    def counts(self, rows: Rows, most: int = MOST_VALUES) -> tuple[tuple[str, int], ...]:
        """The names that most of some rows have and how many do, the most first, equals by name."""
        if self.by_row is not None:
            counts = np.bincount(self.by_row[rows] + 1, minlength=len(self.names) + 1)[1:]
        elif FEW * len(rows) < self.n_rows:
            places = runs(self._starts[rows], self._starts[rows + 1])
            counts = np.bincount(self.codes[places], minlength=len(self.names))
        else:
            chosen = np.zeros(self.n_rows, np.bool_)
            chosen[rows] = True
            counts = np.bincount(self.codes[chosen[self.rows]], minlength=len(self.names))
        present = np.flatnonzero(counts)
        best = present[np.argsort(-counts[present], kind="stable")[:most]]
        return tuple((self.names[i], int(counts[i])) for i in best.tolist())

    def having(self, name: str, *, folded: bool = True) -> Bools:
        """Which rows [I] have a name; `folded` also one that is written in other cases."""
        wanted = np.zeros(len(self.names) + 1, np.bool_)  # the last is of −1
        wanted[self._places.get(name.lower(), []) if folded else self._place(name)] = True
        if self.by_row is not None:
            return wanted[self.by_row]
        found = np.zeros(self.n_rows, np.bool_)
        found[self.rows[wanted[self.codes]]] = True
        return found

    def _place(self, name: str) -> list[int]:
        return [i for i in self._places.get(name.lower(), []) if self.names[i] == name]

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Where each name is, by its lower case."""
        found: dict[str, list[int]] = {}
        for i, name in enumerate(self.names):
            found.setdefault(name.lower(), []).append(i)
        return found

    @cached_property
    def _starts(self) -> Rows:
        """Where the names of each row begin, and where all end [I + 1]."""
        return np.searchsorted(self.rows, np.arange(self.n_rows + 1))


def runs(starts: Rows, ends: Rows) -> Rows:
    """All places from each start to its end, one after the other."""
    sizes = ends - starts
    return np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())


def star_facet(stars: NDArray[np.float64]) -> Facet:
    """How many have a mean of so many stars and up; none where that tells nothing apart."""
    counts = [(f"{least}+", int((stars >= least).sum())) for least in (4, 3, 2)]
    return Facet("rating", tuple((name, n) for name, n in counts if 0 < n < len(stars)))


def price_facet_of(prices: Prices, rows: Rows) -> Facet:
    """How many of some rows are in each range of prices: of those in the currency that most are in, which is
    named where there are others."""
    rows = rows[np.isfinite(prices.amounts[rows])]
    groups = prices.groups(rows)
    if not groups.any():
        return price_facet(prices.amounts[rows])
    most = rows[groups == 0]
    code = int(prices.codes[most[0]])
    return price_facet(prices.amounts[most], "" if code < 0 else prices.currencies[code])


def price_facet(prices: NDArray[np.float64], currency: str = "") -> Facet:
    """Up to four ranges with about as many items each, cut at round prices; none where there is no cut.

    '20–50' is from 20 on and below 50, '20–50 EUR' with a currency.
    """
    prices = prices[np.isfinite(prices)]
    if not len(prices):
        return Facet("price", ())
    least, most = float(prices.min()), float(prices.max())
    cuts = sorted({float(f"{cut:.2g}") for cut in nearest_quantiles(prices, (0.25, 0.5, 0.75))})
    edges = [min(0.0, least), *[cut for cut in cuts if least < cut <= most], float("inf")]
    ranges = list(itertools.pairwise(edges)) if len(edges) > 2 else []
    counts = [
        (f"{_range(*pair)} {currency}".strip(), int(((prices >= pair[0]) & (prices < pair[1])).sum()))
        for pair in ranges
    ]
    return Facet("price", tuple(each for each in counts if each[1]))


def _range(low: float, high: float) -> str:
    return f"{low:.12g}–{high:.12g}" if high < float("inf") else f"{low:.12g}+"


def nearest_quantiles(values: NDArray[np.float64], shares: tuple[float, ...]) -> list[float]:
    """The values (of one at least) nearest to each share of them, the greater of two as near."""
    at = np.floor((len(values) - 1) * np.array(shares) + 0.5).astype(np.int64)
    return [float(each) for each in np.partition(values, at)[at]]
