"""The shop's items and customers as the page shows them: by id, by words, by page."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import polars as pl

from retailor.shop.hidden import NONE_HIDDEN, Hidden, sold_out
from retailor.shop.tables import Shop
from retailor.shop.view_tables import CARD, Tables, page_of, without

EVENT = ("item_id", "kind", "rating", "time")
N_RECENT, N_READ = 3, 50
"""Of a customer the titles of the latest items, among so many events."""
_NUMBERS = itertools.count(1)
N_CARDS = 4096
"""Items whose cards are kept: those that are shown most."""


@dataclass(frozen=True)
class Page:
    """Some of the rows, and how many there are in all."""

    rows: tuple[dict[str, Any], ...]
    n_total: int


class ShopView:
    """Items with their popularity, and customers with their histories. All of it is in memory."""

    def __init__(
        self,
        whole: Tables,
        events: pl.DataFrame,
        changed: Tables | None = None,
        gone: Collection[str] = (),
        own: Mapping[str, list[dict[str, Any]]] | None = None,
        *,
        sold_out: Hidden = NONE_HIDDEN,
        first: Hidden | None = None,
    ) -> None:
        """`events` are those of `whole`; `changed` are rows in place of its own, of `own` events since, of a
        customer each, and `gone` items that it has no more; `first` are the items of `whole` that there are
        none of, where `sold_out` are others by now."""
        self.number = next(_NUMBERS)
        """Another one in each view of this process."""
        self._whole, self._events, self._gone, self._own = whole, events, frozenset(gone), own or {}
        self._changed = changed or Tables.of(whole.items[:0].drop("_words"), whole.customers[:0])
        self._elsewhere = self._gone | self._changed.item_ix.keys()
        self.sold_out = sold_out
        """Items that the catalogue says there are none of."""
        self._sold_out_first = sold_out if first is None else first
        self._cards: dict[str, dict[str, Any]] = {}
        self.n_items = _n_in_all(whole.item_ix, self._changed.item_ix, self._gone)
        """How many items there are."""
        self.n_customers = _n_in_all(whole.customer_ix, self._changed.customer_ix, ())
        """How many customers have a history."""

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
        events = events.drop_nulls(["user_id", "item_id"]).sort(
            "user_id", "time", descending=[False, True], nulls_last=True
        )
        return cls(Tables.whole(shop.items, events, stars), events, sold_out=sold_out(shop.items))

    def since(self, items: pl.DataFrame, gone: Collection[str], events: pl.DataFrame) -> ShopView:
        """The view of the shop that `of` was given, with all items put, taken out and events since; of an
        item that was put its new row. Costs what is new, whatever else there is."""
        events = events.drop_nulls(["user_id", "item_id"])
        own: dict[str, list[dict[str, Any]]] = {}
        for row in events.select(*EVENT, "user_id").iter_rows(named=True):
            own.setdefault(row["user_id"], []).append(row)
        put = items.unique("item_id", keep="first", maintain_order=True)
        put = put.filter(~pl.col("item_id").is_in(list(gone)))
        changed = self._whole.after(put, gone, events)
        none_of = _sold_out_since(self._sold_out_first, put, gone)
        return ShopView(
            self._whole, self._events, changed, gone, own, sold_out=none_of, first=self._sold_out_first
        )

    def knows_item(self, item_id: str) -> bool:
        """Whether the catalogue has the item; with no catalogue at all, nothing is unknown."""
        if not self.n_items or item_id in self._changed.item_ix:
            return True
        return item_id in self._whole.item_ix and item_id not in self._gone

    def knows_customer(self, user_id: str) -> bool | None:
        """Whether the customer has a history; None when there are no histories to tell by."""
        if not self.n_customers:
            return None
        return user_id in self._whole.customer_ix or user_id in self._own

    def _row(self, item_id: str) -> dict[str, Any] | None:
        for tables in (self._changed, self._whole):
            ix = tables.item_ix.get(item_id)
            if ix is not None and item_id not in self._gone:
                return tables.items.row(ix, named=True)
        return None

    def card(self, item_id: str) -> dict[str, Any] | None:
        """What the page shows of an item, or None when the catalogue does not have it."""
        found = self._cards.get(item_id)
        if found is None:
            row = self._row(item_id)
            if row is None:
                return None
            found = _card(row)
            if len(self._cards) >= N_CARDS:
                self._cards = {}
            self._cards[item_id] = found
        return {**found}

    def details(self, item_id: str) -> dict[str, Any] | None:
        """The card with attributes, whole description and stars; None when the catalogue has it not."""
        row = self._row(item_id)
        if row is None:
            return None
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

        def matching(found: pl.DataFrame) -> pl.DataFrame:
            for word in text.lower().split():
                found = found.filter(
                    pl.col("_words").str.contains(word, literal=True)
                    | (pl.col("item_id").str.to_lowercase() == word)
                )
            return found.select("item_id", "n_events")

        known = without(matching(self._whole.items), self._elsewhere)
        ids, n = page_of(known, matching(self._changed.items), page, size)
        rows = (self._row(each) for each in ids)
        return Page(tuple(_card(row) for row in rows if row is not None), n)

    def find_customers(self, text: str, page: int, size: int) -> Page:
        """Customers whose id has `text` in it, those with the longest history first."""

        def matching(found: pl.DataFrame) -> pl.DataFrame:
            if text:
                has_text = pl.col("user_id").str.to_lowercase().str.contains(text.lower(), literal=True)
                found = found.filter(has_text)
            return found.select("user_id", "n_events")

        known = without(matching(self._whole.customers), self._own)
        ids, n = page_of(known, matching(self._changed.customers), page, size)
        return Page(tuple(self._customer(each) for each in ids), n)

    def _n_events(self, user_id: str) -> int:
        for tables in (self._changed, self._whole):
            ix = tables.customer_ix.get(user_id)
            if ix is not None:
                return int(tables.customers["n_events"][ix])
        return 0

    def _latest(self, user_id: str, n: int) -> list[dict[str, Any]]:
        """The customer's last n events, latest first."""
        rows, ix = self._own.get(user_id, [])[::-1], self._whole.customer_ix.get(user_id)
        if ix is not None:
            _, n_events, first = self._whole.customers.row(ix)
            rows = rows + self._events.slice(first, min(n, n_events)).select(EVENT).rows(named=True)
        timed = sorted((row for row in rows if row["time"] is not None), key=_time, reverse=True)
        return [*timed, *(row for row in rows if row["time"] is None)][:n]

    def _customer(self, user_id: str) -> dict[str, Any]:
        items = [row["item_id"] for row in self._latest(user_id, N_READ)]
        recent = [self.title(each) for each in dict.fromkeys(items)]
        return {"user_id": user_id, "n_events": self._n_events(user_id), "recent": recent[:N_RECENT]}

    def title(self, item_id: str) -> str:
        """The item's title, or its id when it has none."""
        card = self._cards.get(item_id)
        if card is not None:
            return str(card["title"])  # which is the id where there is none
        for tables in (self._changed, self._whole):
            ix = tables.item_ix.get(item_id)
            if ix is not None and item_id not in self._gone:
                return str(tables.items["title"][ix] or item_id)
        return item_id

    def history(self, user_id: str, n: int) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """A customer and the last `n` events, latest first, with item cards; None for an unknown one."""
        if not self.knows_customer(user_id):
            return None
        events = [
            {
                "item_id": row["item_id"],
                "kind": row["kind"],
                "rating": row["rating"],
                "time": _iso(row["time"]),
                "item": self.card(row["item_id"]),
            }
            for row in self._latest(user_id, n)
        ]
        return self._customer(user_id), events


def _time(row: dict[str, Any]) -> datetime:
    time: datetime = row["time"]
    return time


def _sold_out_since(first: Hidden, put: pl.DataFrame, gone: Collection[str]) -> Hidden:
    """What there is none of, once items were put and taken out; the same where that changes nothing."""
    now = sold_out(put).ids
    stay = first.ids - set(put["item_id"]) - set(gone) if len(put) or len(gone) else first.ids
    return first if stay == first.ids and not now else Hidden(stay | now)


def _n_in_all(known: Mapping[str, int], changed: Mapping[str, int], gone: Collection[str]) -> int:
    new = sum(each not in known for each in changed)
    return len(known) + new - sum(each in known for each in gone)


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
