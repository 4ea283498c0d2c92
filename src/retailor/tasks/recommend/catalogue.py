"""The items that can be recommended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.growing import appended, longer, with_places
from retailor.shop.tables import Shop
from retailor.tasks.prices import Prices
from retailor.text.fields import item_texts


@dataclass(frozen=True)
class Catalogue:
    """The items that can be recommended, in rows; a row's number means nothing."""

    item_ids: Sequence[str]
    titles: Sequence[str]
    categories: Sequence[tuple[str, ...]]
    prices: Prices
    texts: tuple[str, ...] = field(default=(), repr=False)
    """Only while fitting: the item as text."""

    def __len__(self) -> int:
        return len(self.item_ids)

    @cached_property
    def ix(self) -> Mapping[str, int]:
        """item_id to row."""
        return {item_id: row for row, item_id in enumerate(self.item_ids)}

    @cached_property
    def ties(self) -> NDArray[np.uint64]:
        """A hash of each item_id, to order equal scores by [I]."""
        digests = b"".join(hashlib.blake2b(one.encode(), digest_size=8).digest() for one in self.item_ids)
        return np.frombuffer(digests, np.uint64)

    @cached_property
    def by_category(self) -> dict[str, NDArray[np.int64]]:
        """Category name, in lower case, to the rows of its items."""
        rows: dict[str, list[int]] = {}
        for row, path in enumerate(self.categories):
            for name in dict.fromkeys(step.strip().lower() for step in path):
                rows.setdefault(name, []).append(row)
        return {name: np.array(found) for name, found in rows.items()}

    @cached_property
    def category_shares(self) -> sp.csr_matrix:
        """How much of each item lies in each category of its path, all steps alike [I, C]."""
        names = list(self.by_category.values())
        columns = np.repeat(np.arange(len(names)), [len(found) for found in names])
        rows = np.concatenate([*names, np.zeros(0, np.int64)])
        each = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(self), len(names)))
        n_each = np.asarray(each.sum(axis=1)).ravel()
        return sp.csr_matrix(sp.diags(1 / np.maximum(n_each, 1)) @ each)

    def with_items(self, other: Catalogue, rows: Sequence[int]) -> Catalogue:
        """This catalogue with some items of another behind its own, whose ids it lacks."""
        ids = tuple(other.item_ids[row] for row in rows)
        grown = Catalogue(
            longer(self.item_ids, ids),
            longer(self.titles, tuple(other.titles[row] for row in rows)),
            longer(self.categories, tuple(other.categories[row] for row in rows)),
            self.prices.with_others(other.prices, rows),
        )
        # What was worked out of the ids is taken along: to hash all of them again would cost the most.
        ties = appended(self.ties, Catalogue(ids, (), (), self.prices).ties)
        vars(grown).update(ties=ties, ix=with_places(self.ix, ids))
        return grown

    def rows(self, item_ids: Iterable[str]) -> list[int]:
        """The rows of the items that are in the catalogue, in order."""
        return [self.ix[item_id] for item_id in item_ids if item_id in self.ix]

    def title(self, row: int) -> str:
        return self.titles[row] or self.item_ids[row]

    def table(self) -> pl.DataFrame:
        """The catalogue as it is saved."""
        return pl.DataFrame(
            {
                "item_id": list(self.item_ids),
                "title": list(self.titles),
                "category": [list(path) for path in self.categories],
                "price": pl.Series(self.prices.amounts, dtype=pl.Float64),
                "currency": self.prices.written(),
            },
            schema_overrides={"item_id": pl.String, "title": pl.String, "category": pl.List(pl.String)},
        )

    @classmethod
    def of_table(cls, table: pl.DataFrame) -> Catalogue:
        """The inverse of `table`; one saved before currencies were kept has none."""
        if "currency" not in table.columns:
            table = table.with_columns(pl.lit(None, pl.String).alias("currency"))
        return cls(
            tuple(table["item_id"]),
            tuple(table["title"]),
            tuple(tuple(path) for path in table["category"].to_list()),
            Prices.of(table["price"], table["currency"]),
        )


def read_catalogue(shop: Shop) -> Catalogue:
    """Every item that the shop lists or that has an event; without the items table, their ids alone.

    In the order of their ids, so that nothing random depends on the order of the tables.
    """
    listed = shop.items.filter(pl.col("item_id").is_not_null()).unique(
        "item_id", keep="first", maintain_order=True
    )
    sold = shop.scan("events").select(pl.col("item_id").drop_nulls().unique()).collect()
    known = pl.concat([listed["item_id"], sold["item_id"]]).unique().sort()
    items = pl.DataFrame({"item_id": known}).join(listed, on="item_id", how="left", maintain_order="left")
    return Catalogue(
        tuple(items["item_id"]),
        tuple(items["title"].fill_null("")),
        tuple(tuple(name for name in path or () if name) for path in items["category"].to_list()),
        Prices.of(items["price"], items["currency"]),
        tuple(item_texts(items)),
    )
