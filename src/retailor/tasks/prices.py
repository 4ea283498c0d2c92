"""What items cost: no amount is held against, ordered or counted with one of another currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.retrieval.growing import appended
from retailor.text.currencies import currency_of


@dataclass(frozen=True)
class Prices:
    """The price of each item [I], NaN where it is not known, and its currency's number, −1 without one."""

    amounts: NDArray[np.float64]
    currencies: tuple[str, ...]
    """Their codes, each once."""
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, amounts: pl.Series, written: pl.Series) -> Self:
        """Of columns; a currency may be written as a code, a sign or a word, null or '' where none is."""
        names: list[str] = []
        coded = np.full(len(written), -1, np.int32)
        if written.null_count() < len(written):
            codes = {each: currency_of(each) for each in written.unique().drop_nulls()}
            names = sorted(set(codes.values()) - {""})
            places = {each: names.index(code) if code else -1 for each, code in codes.items()}
            found = written.replace_strict(places, default=-1, return_dtype=pl.Int32)
            coded = found.fill_null(-1).to_numpy()
        known = amounts.cast(pl.Float64).fill_null(float("nan"))
        return cls(known.to_numpy(), tuple(names), coded)

    def comparable(self, currency: str) -> NDArray[np.bool_]:
        """Which items [I] may be held against an amount of a currency: those priced in it, and those whose
        price has none; all for ''."""
        if not currency:
            return np.ones(len(self.codes), dtype=bool)
        code = currency_of(currency)
        wanted = self.currencies.index(code) if code in self.currencies else -1
        found: NDArray[np.bool_] = (self.codes == wanted) | (self.codes < 0)
        return found

    def groups(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """A number for the currency of each row [n], 0 for the one that most of the priced ones have."""
        own = self.codes[rows] + 1
        counts = np.bincount(own[np.isfinite(self.amounts[rows])], minlength=int(own.max(initial=0)) + 1)
        order = np.argsort(-counts, kind="stable")
        return np.argsort(order, kind="stable")[own]

    def written(self) -> pl.Series:
        """The code of each item's currency, null without one."""
        names = pl.Series([*self.currencies, None], dtype=pl.String)
        return names.gather(pl.Series(np.where(self.codes < 0, len(self.currencies), self.codes)))

    def with_others(self, other: Prices, rows: Sequence[int]) -> Prices:
        """These with some of another's behind them; what is here is not copied."""
        currencies = tuple(dict.fromkeys([*self.currencies, *other.currencies]))
        places = np.array([*(currencies.index(each) for each in other.currencies), -1], np.int32)
        chosen = list(rows)
        return Prices(
            appended(self.amounts, other.amounts[chosen]),
            currencies,
            appended(self.codes, places[other.codes[chosen]]),
        )
