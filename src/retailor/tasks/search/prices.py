"""What items cost: no amount is held against, ordered or counted with one of another currency."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.tasks.search.facets import Coded
from retailor.tasks.search.filters import currency_of
from retailor.tasks.search.shapes import Facet

Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Prices:
    """The price of each item [I], NaN where it is not known, and its currency's number, −1 without one."""

    amounts: NDArray[np.float64]
    currencies: tuple[str, ...]
    """Their codes, sorted."""
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, amounts: pl.Series, written: pl.Series) -> Self:
        """Of columns; a currency may be written as a code, a sign or a word."""
        codes = {each: currency_of(each) for each in written.unique().drop_nulls()}
        coded = Coded.of(written.replace(codes) if codes else written)
        assert coded.by_row is not None
        return cls(amounts.cast(pl.Float64).to_numpy(), coded.names, coded.by_row)

    def comparable(self, currency: str) -> Bools:
        """Which items [I] may be held against an amount of a currency: those priced in it, and those whose
        price has none; all for ''."""
        if not currency:
            return np.ones(len(self.codes), dtype=bool)
        code = currency_of(currency)
        wanted = self.currencies.index(code) if code in self.currencies else -1
        found: Bools = (self.codes == wanted) | (self.codes < 0)
        return found

    def groups(self, rows: Rows) -> NDArray[np.int64]:
        """A number for the currency of each row [n], 0 for the one that most of the priced ones have."""
        own = self.codes[rows] + 1
        counts = np.bincount(own[np.isfinite(self.amounts[rows])], minlength=int(own.max(initial=0)) + 1)
        order = np.argsort(-counts, kind="stable")
        return np.argsort(order, kind="stable")[own]

    def facet(self, rows: Rows) -> Facet:
        """How many of some rows are in each range of prices: of those in the currency that most are in, which
        is named where there are others."""
        priced = rows[np.isfinite(self.amounts[rows])]
        groups = self.groups(priced)
        if not groups.any():
            return price_facet(self.amounts[priced])
        most = priced[groups == 0]
        code = int(self.codes[most[0]])
        return price_facet(self.amounts[most], "" if code < 0 else self.currencies[code])


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
