"""The shop's items and customers as the page shows them: by id, by words, by page."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import polars as pl

from retailor.shop.hidden import sold_out
from retailor.shop.tables import Shop

CARD = ("item_id", "title", "description", "brand", "category", "price", "currency", "image", "language")
N_RECENT = 3
_NUMBERS = itertools.count(1)
N_CARDS = 4096
"""Items whose cards are kept: those that are shown most."""
_NO_STARS = pl.DataFrame(schema={"item_id": pl.String, "rating": pl.Float64, "n_reviews": pl.UInt32})


@dataclass(frozen=True)
class Page:
    """Some of the rows, and how many there are in all."""

    rows: tuple[dict[str, Any], ...]
    n_total: int


class ShopView:
    """Items with their popularity, and customers with their histories. All of it is in memory."""

    def __init__(self, items: pl.DataFrame, events: pl.DataFrame, stars: pl.DataFrame = _NO_STARS) -> None:
        self.number = next(_NUMBERS)
        """Another one in each view of this process."""
        counts = events.group_by("item_id").len("n_events")
        self._items = (
            items.select(*CARD, "attributes")
            .unique("item_id", keep="first", maintain_order=True)
            .join(counts, on="item_id", how="left", maintain_order="left")
            .join(stars, on="item_id", how="left", maintain_order="left")
            .with_columns(
                pl.col("n_events").fill_null(0),
                _words=pl.concat_str(
                    pl.col("title").fill_null(""), pl.col("brand").fill_null(""), separator=" "
                ).str.to_lowercase(),
            )
            .sort("n_events", "item_id", descending=[True, False])
        )
        self.sold_out = sold_out(items)
        """Items that the catalogue says there are none of."""
        self._cards: dict[int, dict[str, Any]] = {}
        self._item_ix = {item_id: ix for ix, item_id in enumerate(self._items["item_id"])}
        self._events = events.sort("user_id", "time", descending=[False, True], nulls_last=True)
        ranges = self._events.with_row_index("first").group_by("user_id").agg(pl.col("first").min(), pl.len())
        self._customers = ranges.sort("len", "user_id", descending=[True, False])
        self._customer_ix = {user_id: ix for ix, user_id in enumerate(self._customers["user_id"])}

    @classmethod
    def of(cls, shop: Shop | None) -> Self:
        """The view of a shop, where reviews stand in for missing events; an empty one for None."""
        shop = shop or Shop.of()
        events = shop.events
        if not len(events):
            events = shop.reviews.select("user_id", "item_id", pl.lit("rate").alias("kind"), "rating", "time")
        rated = shop.reviews.drop_nulls(["item_id", "rating"])
        stars = rated.group_by("item_id").agg(
            pl.col("rating").mean(), pl.len().cast(pl.UInt32).alias("n_reviews")
        )
        return cls(shop.items, events.drop_nulls(["user_id", "item_id"]), stars)

    @property
    def n_items(self) -> int:
        """How many items there are."""
        return len(self._items)

    @property
    def n_customers(self) -> int:
        """How many customers have a history."""
        return len(self._customers)

    def knows_item(self, item_id: str) -> bool:
        """Whether the catalogue has the item; with no catalogue at all, nothing is unknown."""
        return not self._item_ix or item_id in self._item_ix

    def knows_customer(self, user_id: str) -> bool | None:
        """Whether the customer has a history; None when there are no histories to tell by."""
        return user_id in self._customer_ix if self._customer_ix else None

    def card(self, item_id: str) -> dict[str, Any] | None:
        """What the page shows of an item, or None when the catalogue does not have it."""
        ix = self._item_ix.get(item_id)
        if ix is None:
            return None
        found = self._cards.get(ix)
        if found is None:
            found = _card(self._items.row(ix, named=True))
            if len(self._cards) >= N_CARDS:
                self._cards = {}
            self._cards[ix] = found
        return {**found}

    def details(self, item_id: str) -> dict[str, Any] | None:
        """The card with attributes, whole description and stars; None when the catalogue has it not."""
        ix = self._item_ix.get(item_id)
        if ix is None:
            return None
        row = self._items.row(ix, named=True)
        attributes = [{"name": each["name"], "value": each["value"]} for each in row["attributes"] or ()]
        return {
            **_card(row),
            "description": row["description"] or "",
            "attributes": [each for each in attributes if each["name"] and each["value"]],
            "rating": None if row["rating"] is None else round(row["rating"], 2),
            "n_reviews": row["n_reviews"] or 0,
        }

    def find_items(self, text: str, page: int, size: int) -> Page:
        """Items whose title, brand or id has all the words of `text`, the most popular first."""
        found = self._items
        for word in text.lower().split():
            found = found.filter(
                pl.col("_words").str.contains(word, literal=True)
                | (pl.col("item_id").str.to_lowercase() == word)
            )
        rows = found.slice((page - 1) * size, size)
        return Page(tuple(_card(row) for row in rows.iter_rows(named=True)), len(found))

    def find_customers(self, text: str, page: int, size: int) -> Page:
        """Customers whose id has `text` in it, those with the longest history first."""
        found = self._customers
        if text:
            has_text = pl.col("user_id").str.to_lowercase().str.contains(text.lower(), literal=True)
            found = found.filter(has_text)
        rows = found.slice((page - 1) * size, size).rows()
        return Page(tuple(self._customer(*row) for row in rows), len(found))

    def _customer(self, user_id: str, first: int, n_events: int) -> dict[str, Any]:
        items = self._events["item_id"].slice(first, min(n_events, 50)).to_list()
        recent = [self.title(each) for each in dict.fromkeys(items)]
        return {"user_id": user_id, "n_events": n_events, "recent": recent[:N_RECENT]}

    def title(self, item_id: str) -> str:
        """The item's title, or its id when it has none."""
        ix = self._item_ix.get(item_id)
        card = self._cards.get(-1 if ix is None else ix)
        if card is not None:
            return str(card["title"])  # which is the id where there is none
        title = None if ix is None else self._items["title"][ix]
        return str(title or item_id)

    def history(self, user_id: str, n: int) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """A customer and the last `n` events, latest first, with item cards; None for an unknown one."""
        ix = self._customer_ix.get(user_id)
        if ix is None:
            return None
        _, first, n_events = self._customers.row(ix)
        rows = self._events.slice(first, min(n, n_events)).iter_rows(named=True)
        events = [
            {
                "item_id": row["item_id"],
                "kind": row["kind"],
                "rating": row["rating"],
                "time": _iso(row["time"]),
                "item": self.card(row["item_id"]),
            }
            for row in rows
        ]
        return self._customer(user_id, first, n_events), events


def _card(row: dict[str, Any]) -> dict[str, Any]:
    description = row["description"] or ""
    short = description if len(description) <= 400 else description[:399] + "…"
    return {
        **{name: row[name] for name in CARD},
        "title": row["title"] or row["item_id"],
        "description": short,
        "category": list(row["category"] or ()),
        "n_events": row["n_events"],
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")
