"""How many of the items found are of each brand, category, colour and range of prices."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.tasks.search.shapes import Facet

MOST_VALUES = 12


@dataclass(frozen=True)
class Coded:
    """A column of texts as numbers of its different texts, in their order."""

    names: list[str]
    values: NDArray[np.int64]
    """−1 where there is none."""

    @classmethod
    def of(cls, texts: pl.Series) -> Self:
        names = texts.drop_nulls().unique().sort()
        numbers = texts.cast(pl.Enum(names)).to_physical().cast(pl.Int64).fill_null(-1)
        return cls(names.to_list(), numbers.to_numpy())


def facet(name: str, column: Coded, values: NDArray[np.int64]) -> Facet:
    """The most frequent of the values, equal ones by name."""
    counts = np.bincount(values[values >= 0], minlength=len(column.names))
    best = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    return Facet(name, tuple((column.names[i], int(counts[i])) for i in best.tolist() if counts[i]))


def price_facet(prices: NDArray[np.float64]) -> Facet:
    """Up to four ranges with about as many items each, cut at round prices."""
    if not len(prices) or prices.min() == prices.max():
        return Facet("price", ())
    at = np.floor((len(prices) - 1) * np.array([0.25, 0.5, 0.75]) + 0.5).astype(np.int64)
    cuts = sorted({float(f"{cut:.2g}") for cut in np.partition(prices, at)[at]})
    edges = [0.0, *[cut for cut in cuts if 0 < cut < float(prices.max())], float("inf")]
    counts = [
        (
            f"{low:g}–{high:g}" if high < float("inf") else f"{low:g}+",
            int(((prices >= low) & (prices < high)).sum()),
        )
        for low, high in itertools.pairwise(edges)
    ]
    return Facet("price", tuple(pair for pair in counts if pair[1]))
