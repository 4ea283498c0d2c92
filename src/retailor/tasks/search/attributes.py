"""What the items found can be narrowed by beside brand, category and colour: the shop's own attributes."""

from __future__ import annotations

from bisect import bisect_left
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
"""Of the best items found, those that must have an attribute for it to tell them apart."""
LEAST_LISTED = 0.6
"""Of the items that have an attribute, those whose value must be among the MOST_VALUES that are shown: what
each item says otherwise narrows nothing."""
LEAST_SHARED = 2.0
"""Items a shown value, on average."""
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
    keys: tuple[str, ...]
    """The names folded, ascending [A]."""
    values: pl.Series
    """As they are shown, of each pair [P]."""
    value_keys: pl.Series
    """The same folded, ascending within an attribute [P]."""
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
            tuple(names["n"]),
            known["value"].str.strip_chars(),
            known["v"],
            coded["code"].cast(pl.Int32).to_numpy(),
            np.searchsorted(coded["row"].to_numpy(), np.arange(len(column) + 1)),
        )

    def facets(self, rows: Rows, best: Rows) -> tuple[Facet, ...]:
        """The attributes that tell some rows [n] apart, with how many of them have each value: those first by
        which two of the `best` of them most often differ."""
        if not len(best) or len(rows) > MOST_FOUND:
            return ()
        codes = self.codes[runs(self.starts[rows], self.starts[rows + 1])]
        found = []
        for of, values in self._telling(best):
            counts = [int(np.count_nonzero(codes == value)) for value in values.tolist()]
            told = zip(self.values.gather(values).to_list(), counts, strict=True)
            found.append(Facet(self.names[of], tuple(sorted(told, key=lambda each: -each[1]))))
        return tuple(found)

    def _telling(self, best: Rows) -> list[tuple[int, Rows]]:
        """Attributes by which some rows can be told apart, and the values [v] that most of these have."""
        present, counts = np.unique(
            self.codes[runs(self.starts[best], self.starts[best + 1])], return_counts=True
        )
        found = []
        for of, start, n_values in zip(
            *np.unique(self.name_of[present], return_index=True, return_counts=True), strict=True
        ):
            own = slice(start, start + n_values)
            order = np.argsort(-counts[own], kind="stable")[:MOST_VALUES]
            n_having, listed = int(counts[own].sum()), counts[own][order]
            values = present[own][order].astype(np.int64)
            least_listed = max(LEAST_LISTED * n_having, LEAST_SHARED * len(listed))
            if n_values < 2 or n_having < LEAST_SHARE * len(best) or listed.sum() < least_listed:
                continue
            if max(self.values.gather(values).str.len_chars().to_list()) > MOST_CHARS:
                continue
            differ = 1 - float(((listed / n_having) ** 2).sum())
            found.append((-differ * min(1.0, n_having / len(best)), int(of), values))
        return [(of, values) for _, of, values in sorted(found, key=lambda each: each[:2])[:MOST_ATTRIBUTES]]

    def having(self, name: str, value: str) -> Bools:
        """Which rows [I] have a value of an attribute; none where nothing is called so."""
        found = np.zeros(len(self.starts) - 1, np.bool_)
        of = bisect_left(self.keys, fold(name))
        if of < len(self.keys) and self.keys[of] == fold(name):
            first, end = np.searchsorted(self.name_of, [of, of + 1]).tolist()
            same = (self.value_keys.slice(first, end - first) == fold(value)).arg_true()
            for code in same.to_list():
                found[self._row_of[self.codes == first + code]] = True
        return found

    @cached_property
    def _row_of(self) -> NDArray[np.int32]:
        """The row of each code [N]."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))


def folded(column: str) -> pl.Expr:
    """Text without what makes no difference: case, and spaces around and between; '' for null."""
    return pl.col(column).fill_null("").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def fold(text: str) -> str:
    """The same of one text."""
    return " ".join(text.lower().split())
