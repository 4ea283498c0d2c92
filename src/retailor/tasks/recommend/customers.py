"""From the shop's events to the histories of its customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.errors import MissingTable
from retailor.retrieval.counting import Changed
from retailor.retrieval.growing import longer, with_places
from retailor.retrieval.histories import Histories
from retailor.retrieval.ragged import Ragged
from retailor.shop.tables import Shop
from retailor.tasks.recommend.catalogue import Catalogue
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.text.fields import is_language

T = TypeVar("T", bound=np.generic)
AT_ONCE = 1_000_000
"""More events than these are read in parts."""


@dataclass(frozen=True)
class Customers:
    """Who has which history: user_id to a row of `histories`."""

    user_ids: Sequence[str]
    kept: Histories | Ragged
    """As the histories are; where some were replaced since they were read, as such rows."""

    @cached_property
    def ix(self) -> Mapping[str, int]:
        return {user_id: row for row, user_id in enumerate(self.user_ids)}

    def __len__(self) -> int:
        return len(self.user_ids)

    @cached_property
    def histories(self) -> Histories:
        """Of all customers, end to end; where some were replaced it is made, which costs by their number."""
        return Histories.of_rows(self.kept) if isinstance(self.kept, Ragged) else self.kept

    @property
    def rows(self) -> Ragged:
        return self.kept if isinstance(self.kept, Ragged) else self.kept.rows()

    def at(self, rows: NDArray[np.int64]) -> Histories:
        """The histories of some customers; costs what they are."""
        return Histories.of_rows(Ragged(*self.rows.gathered(rows)))

    def with_events(self, fresh: Customers, max_history: int) -> tuple[Customers, Changed]:
        """These with the histories of `fresh` at the ends of theirs, the latest events of each, and what has
        changed; who is new comes behind, in the order of `fresh`. Costs what is new."""
        new = tuple(one for one in fresh.user_ids if one not in self.ix)
        user_ids, ix = longer(self.user_ids, new), with_places(self.ix, new)
        rows = np.array([ix[one] for one in fresh.user_ids], np.int64)
        table = self._in_baskets(fresh.histories.baskets is not None).rows.widened(len(user_ids))
        before = Histories.of_rows(Ragged(*table.gathered(rows)))
        now = _one_behind_the_other(before, fresh.histories, self.last_basket).latest(max_history)
        found = now.rows()
        made = Customers(user_ids, table.replaced(rows, found.offsets, found.columns))
        last = int(now.baskets.max(initial=self.last_basket)) if now.baskets is not None else 0
        vars(made).update(ix=ix, last_basket=last)
        order = np.argsort(rows, kind="stable")
        return made, Changed(rows[order], before.at(order), now.at(order), fresh.histories.at(order))

    def _in_baskets(self, wanted: bool) -> Customers:
        if ("baskets" in self.rows.columns) == wanted:
            return self
        none = np.zeros(len(self.histories.items), np.int32) if wanted else None
        return replace(self, kept=replace(self.histories, baskets=none))

    @cached_property
    def last_basket(self) -> int:
        """The number of the newest basket; 0 without baskets."""
        baskets = self.histories.baskets
        return 0 if baskets is None else int(baskets.max(initial=0))


def _one_behind_the_other(before: Histories, fresh: Histories, last_basket: int) -> Histories:
    """Histories of the same customers as one; what is new has no review, and comes in baskets of its own."""
    order = np.argsort(np.concatenate([before.owners(), fresh.owners()]), kind="stable")
    n, m = len(before.items), len(fresh.items)

    def joined(old: NDArray[T], new: NDArray[T]) -> NDArray[T]:
        return np.concatenate([old, new])[order]

    reviews = baskets = None
    if before.reviews is not None:
        reviews = joined(before.reviews, np.full(m, -1, np.int32))
    if fresh.baskets is not None:
        old = np.zeros(n, np.int32) if before.baskets is None else before.baskets
        baskets = joined(old, fresh.baskets + np.int32(last_basket))
    items, weights = joined(before.items, fresh.items), joined(before.weights, fresh.weights)
    return Histories(before.offsets + fresh.offsets, items, weights, reviews, baskets)


def weighed_events(shop: Shop, settings: RecommendSettings) -> pl.DataFrame:
    """user_id, item_id, time, weight of the events that say something of taste, in the table's order.

    Raises MissingTable when none are left.
    """
    events = _telling(shop, settings).collect()
    if not len(events):
        raise _none_left(shop, settings)
    return events


def _telling(shop: Shop, settings: RecommendSettings) -> pl.LazyFrame:
    shop.require("recommend", "events")
    told = pl.col("user_id").is_not_null() & pl.col("item_id").is_not_null() & (pl.col("weight") > 0)
    if settings.min_rating is not None:
        told &= (pl.col("rating") >= settings.min_rating).fill_null(True)
    weights = dict(settings.behaviours)
    weight = pl.col("kind").replace_strict(weights, default=0.0, return_dtype=pl.Float32)
    events = shop.scan("events").with_columns(weight=weight).filter(told)
    return events.select("user_id", "item_id", "time", "weight")


def _none_left(shop: Shop, settings: RecommendSettings) -> MissingTable:
    kinds = ", ".join(
        shop.scan("events").select(pl.col("kind").drop_nulls().unique().sort()).collect()["kind"]
    )
    return MissingTable(
        "recommend needs rows in the table 'events' that say something of taste: none of its kinds "
        f"({kinds}) weighs anything in the setting 'behaviours' ({', '.join(settings.behaviours)}), or all "
        "ratings are too low."
    )


def read_customers(shop: Shop, catalogue: Catalogue, settings: RecommendSettings) -> Customers:
    """The history of every customer with an event, in time; an item several times in a row is one event.

    Where repeats count the events of one time are a basket, and an item is several times in a row only within
    one. Events of the same time keep the order of the table. Ids of many events become row numbers while they
    are read: to hold the strings would take several times the memory. Raises MissingTable where no event says
    something of taste.
    """
    events, item_ids = _telling(shop, settings), pl.Series(list(catalogue.item_ids), dtype=pl.String)
    if shop.n_rows("events") > AT_ONCE:
        everyone = events.select(pl.col("user_id").unique().sort())
        user_ids = everyone.collect(engine="streaming")["user_id"]
        lines = events.select(_numbered(user_ids, item_ids)).collect(engine="streaming")
    else:
        told = events.collect()
        user_ids = told["user_id"].unique().sort()
        lines = told.select(_numbered(user_ids, item_ids))
    if not len(lines):
        raise _none_left(shop, settings)
    lines = lines.sort("user", "time", maintain_order=True)
    baskets = _baskets(lines) if settings.repeats else None
    lines = lines.drop("time")
    users, items = lines["user"].to_numpy(), lines["item"].to_numpy().astype(np.int32)
    first = np.ones(len(items), bool)
    first[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    if baskets is not None:
        first[1:] |= baskets[1:] != baskets[:-1]
        baskets = baskets[first]
    weights = np.maximum.reduceat(lines["weight"].to_numpy(), np.flatnonzero(first))
    lengths = np.bincount(users[first], minlength=len(user_ids))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    whole = Histories(offsets, items[first], weights, None, baskets)
    return Customers(tuple(user_ids), whole.latest(settings.max_history))


def _numbered(user_ids: pl.Series, item_ids: pl.Series) -> list[pl.Expr]:
    ids = {"user": rows_in("user_id", user_ids), "item": rows_in("item_id", item_ids)}
    return [*(rows.alias(name) for name, rows in ids.items()), pl.col("time", "weight")]


def _baskets(lines: pl.DataFrame) -> NDArray[np.int32]:
    """The number of the basket of each of the events, which lie in order: those of a customer at one time.

    An event without a time is a basket of its own.
    """
    users, times = lines["user"].to_numpy(), lines["time"].to_physical()
    new = np.ones(len(lines), bool)
    same = (times == times.shift(1)).fill_null(False).to_numpy()
    new[1:] = (users[1:] != users[:-1]) | ~same[1:]
    return np.cumsum(new).astype(np.int32)


def with_reviews(
    shop: Shop, catalogue: Catalogue, customers: Customers, n: int
) -> tuple[Customers, tuple[str, ...]]:
    """The customers with their reviews of items, and the texts of those: n at most, the latest first."""
    if not n:
        return customers, ()
    told = (pl.col(name).is_not_null() for name in ("text", "user_id", "item_id"))
    reviews = shop.scan("reviews").filter(*told).collect()
    if not len(reviews):
        return customers, ()
    histories = customers.histories
    done = pl.DataFrame({"user": histories.owners(), "item": histories.items, "age": histories.ages()})
    ids = pl.DataFrame({"user_id": list(customers.user_ids)}).with_row_index("user")
    items = pl.DataFrame({"item_id": list(catalogue.item_ids)}).with_row_index("item")
    known = reviews.join(ids, on="user_id").join(items, on="item_id")
    known = known.unique(["user", "item"], keep="last", maintain_order=True).select(
        pl.col("user", "item").cast(pl.Int64),
        review=pl.concat_str(pl.col("title", "text"), separator=". ", ignore_nulls=True),
    )
    lines = (
        done.with_row_index("event")
        .with_columns(pl.col("user", "item").cast(pl.Int64))
        .join(known, on=["user", "item"], maintain_order="left")
        .sort("age", maintain_order=True)
        .unique(["user", "item"], keep="first", maintain_order=True)
        .filter(pl.col("review").map_elements(is_language, return_dtype=pl.Boolean))
        .head(n)
    )
    rows = np.full(len(histories.items), -1, np.int32)
    rows[lines["event"].to_numpy()] = np.arange(len(lines))
    return replace(customers, kept=replace(histories, reviews=rows)), tuple(lines["review"])


def rows_in(column: str, ids: pl.Series) -> pl.Expr:
    """The row in `ids` of each id of the column."""
    return pl.col(column).cast(pl.Enum(ids)).to_physical()
