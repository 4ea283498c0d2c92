"""The tables that a view of a shop shows: the whole ones, and the rows that stand in their place since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import polars as pl

CARD = ("item_id", "title", "description", "brand", "category", "price", "currency", "image", "language")
KNOWN = ("item_id", "n_events", "rating", "n_reviews")


@dataclass(frozen=True)
class Tables:
    """Items, and customers with how many events they have, in the order in which they are shown."""

    items: pl.DataFrame
    customers: pl.DataFrame
    item_ix: Mapping[str, int]
    customer_ix: Mapping[str, int]
    unlisted: pl.DataFrame
    """What is known of items that are in no catalogue: item_id, n_events, rating, n_reviews."""

    @classmethod
    def of(cls, items: pl.DataFrame, customers: pl.DataFrame, unlisted: pl.DataFrame | None = None) -> Self:
        """From the columns CARD, attributes and KNOWN of items, and user_id, n_events, first."""
        items = items.with_columns(
            _words=pl.concat_str(
                pl.col("title").fill_null(""), pl.col("brand").fill_null(""), separator=" "
            ).str.to_lowercase()
        ).sort("n_events", "item_id", descending=[True, False])
        customers = customers.sort("n_events", "user_id", descending=[True, False])
        ids = items["item_id"], customers["user_id"]
        item_ix, customer_ix = ({each: ix for ix, each in enumerate(column)} for column in ids)
        return cls(
            items, customers, item_ix, customer_ix, items[:0].select(KNOWN) if unlisted is None else unlisted
        )

    @classmethod
    def whole(cls, items: pl.DataFrame, events: pl.DataFrame, stars: pl.DataFrame) -> Self:
        """Of a shop; `events` lie customer by customer, and `first` says where those of one begin."""
        counts = events.group_by("item_id").agg(pl.len().cast(pl.Int64).alias("n_events"))
        table = items.select(*CARD, "attributes").unique("item_id", keep="first", maintain_order=True)
        known = counts.join(stars, on="item_id", how="full", coalesce=True).with_columns(_filled())
        unlisted = known.join(table, on="item_id", how="anti").select(KNOWN)
        table = table.join(known, on="item_id", how="left", maintain_order="left").with_columns(_filled())
        n_events = pl.len().cast(pl.Int64).alias("n_events")
        customers = events.with_row_index("first").group_by("user_id").agg(n_events, pl.col("first").min())
        return cls.of(table, customers, unlisted)

    def after(self, put: pl.DataFrame, gone: Collection[str], events: pl.DataFrame) -> Tables:
        """Of what is shown otherwise since items were put and events came in: the changed rows alone."""
        put = put.select(*CARD, "attributes").unique("item_id", keep="first", maintain_order=True)
        items = _counted(events, "item_id", put["item_id"], gone)
        known = self.items[_rows(self.item_ix, items["item_id"])].drop("_words")
        unlisted = self.unlisted.join(put, on="item_id", how="semi")
        old = pl.concat([known.select(KNOWN), unlisted])
        new = put.join(old, on="item_id", how="left").with_columns(_filled())
        rest = known.join(put, on="item_id", how="anti")
        table = pl.concat([new, rest.select(new.columns)]).join(items, on="item_id")
        customers = _counted(events, "user_id")
        theirs = self.customers[_rows(self.customer_ix, customers["user_id"])]
        joined = customers.join(theirs, on="user_id", how="left")
        total = _filled() + pl.col("more")
        return Tables.of(table.with_columns(total).drop("more"), joined.with_columns(total).drop("more"))


def _filled() -> pl.Expr:
    return pl.col("n_events").fill_null(0)


def _counted(
    events: pl.DataFrame, column: str, others: pl.Series | None = None, gone: Collection[str] = ()
) -> pl.DataFrame:
    """How many events there are (`more`) of each id of a column, and 0 of the others that have none."""
    counts = events.group_by(column).agg(pl.len().cast(pl.Int64).alias("more"))
    if others is not None:
        counts = pl.DataFrame({column: pl.concat([others, counts[column]]).unique()}).join(
            counts, on=column, how="left"
        )
    return counts.filter(~pl.col(column).is_in(list(gone))).with_columns(pl.col("more").fill_null(0))


def _rows(ix: Mapping[str, int], ids: pl.Series) -> list[int]:
    return [ix[each] for each in ids if each in ix]


def without(found: pl.DataFrame, ids: Collection[str]) -> pl.DataFrame:
    """The rows whose first column is none of the ids."""
    return found.filter(~pl.col(found.columns[0]).is_in(list(ids))) if ids else found


def page_of(found: pl.DataFrame, others: pl.DataFrame, page: int, size: int) -> tuple[list[str], int]:
    """The ids on a page of both tables (id, count), each of which is in order, and how many there are in all.

    The highest count is first, then it goes by id.
    """
    start = (page - 1) * size
    beside = [(-n, each) for each, n in others.rows()]
    # So many of `found` come before the page, wherever the others lie.
    first = max(0, start - len(beside))
    some = [(-n, each) for each, n in found.slice(first, page * size - first).rows()]
    rows = sorted([*some, *beside])[start - first :]
    return [each for _, each in rows[:size]], len(found) + len(others)
