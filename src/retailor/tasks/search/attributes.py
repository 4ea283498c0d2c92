"""What the items found can be narrowed by beside brand, category and colour: the shop's own attributes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.tasks.search.facets import MOST_VALUES, runs
from retailor.tasks.search.shapes import Facet

Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]
MOST_ATTRIBUTES = 6
MOST_FOUND = 20_000
"""Of more items found no attributes are counted: things of many kinds have none in common."""
LEAST_SHARE = 0.25
"""Of the items found, those that must have an attribute for it to tell them apart."""
LEAST_SHARED = 2.0
"""Items a value, on average: an attribute that each item says otherwise narrows nothing."""
MOST_CHARS = 40
"""A longer value is a description."""
PAIRS = pl.List(pl.Struct({"name": pl.String, "value": pl.String}))


@dataclass(frozen=True)
class Attributes:
    """The attributes of a table's I rows, as numbers: `codes` [N] are places in the sorted pairs of name and
    value, of row i from `starts[i]` to `starts[i + 1]`.

    Case and spaces make no other name and no other value: each is shown as most rows write it.
    """

    names: tuple[str, ...]
    """As they are shown, of each attribute [A]."""
    name_of: NDArray[np.int32]
    """The attribute of each pair [P], ascending."""
    keys: dict[tuple[str, str], int]
    """Name and value, folded, to the pair."""
    values: pl.Series
    """As they are shown, of each pair [P]."""
    codes: NDArray[np.int32]
    starts: Rows

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """Of a column of lists of pairs; a pair without a name or a value is none."""
        frame = pl.DataFrame({"row": pl.int_range(len(column), eager=True), "pair": column.cast(PAIRS)})
        pairs = (
            frame.explode("pair")
            .unnest("pair")
            .with_columns(folded("name").alias("n"), folded("value").alias("v"))
            .filter((pl.col("n") != "") & (pl.col("v") != ""))
            .unique(["row", "n", "v"], keep="first", maintain_order=True)
        )
        written = {
            key: pairs.group_by(*of, key).len().sort("len", key, descending=[True, False])
            for of, key in ((("n",), "name"), (("n", "v"), "value"))
        }
        names = written["name"].unique("n", keep="first", maintain_order=True).sort("n")
        known = written["value"].unique(["n", "v"], keep="first", maintain_order=True).sort("n", "v")
        known = known.with_row_index("code").join(
            names.select("n").with_row_index("of"), on="n", how="left", maintain_order="left"
        )
        coded = pairs.join(known.select("n", "v", "code"), on=["n", "v"], how="left").sort("row", "code")
        return cls(
            tuple(names["name"].str.strip_chars()),
            known["of"].cast(pl.Int32).to_numpy(),
            {(n, v): code for n, v, code in known.select("n", "v", "code").iter_rows()},
            known["value"].str.strip_chars(),
            coded["code"].cast(pl.Int32).to_numpy(),
            np.searchsorted(coded["row"].to_numpy(), np.arange(len(column) + 1)),
        )

    def facets(self, rows: Rows) -> tuple[Facet, ...]:
        """The attributes that tell some rows apart, those that most of them have first."""
        if not 2 <= len(rows) <= MOST_FOUND:
            return ()
        places = runs(self.starts[rows], self.starts[rows + 1])
        present, counts = np.unique(self.codes[places], return_counts=True)
        found = []
        for of in np.unique(self.name_of[present]).tolist():
            own = self.name_of[present] == of
            n_having, n_values = int(counts[own].sum()), int(own.sum())
            if n_values < 2 or n_having < max(LEAST_SHARE * len(rows), LEAST_SHARED * n_values):
                continue
            order = np.argsort(-counts[own], kind="stable")[:MOST_VALUES]
            values = self.values.gather(present[own][order]).to_list()
            told = tuple(zip(values, counts[own][order].tolist(), strict=True))
            if all(len(value) <= MOST_CHARS for value in values):
                found.append((-n_having, n_values, Facet(self.names[of], told)))
        return tuple(facet for *_, facet in sorted(found, key=lambda each: each[:2])[:MOST_ATTRIBUTES])

    def having(self, name: str, value: str) -> Bools:
        """Which rows [I] have a value of an attribute; none where nothing is called so."""
        found = np.zeros(len(self.starts) - 1, np.bool_)
        code = self.keys.get((_fold(name), _fold(value)))
        if code is not None:
            found[self._row_of[self.codes == code]] = True
        return found

    @cached_property
    def _row_of(self) -> NDArray[np.int32]:
        """The row of each code [N]."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))


def folded(column: str) -> pl.Expr:
    """Text without what makes no difference: case, and spaces around and between; '' for null."""
    return pl.col(column).fill_null("").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def _fold(text: str) -> str:
    return " ".join(text.lower().split())
