"""A view with what is new is the view of a shop that has it from the beginning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from retailor.shop.tables import SCHEMAS, Shop, conform
from retailor.shop.view import ShopView
from retailor.shop.view_tables import Tables

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ITEMS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["Tent", "Lamp", "", None])), max_size=8)
EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=12)


def items_of(rows: list[tuple[int, str | None]]) -> pl.DataFrame:
    table = [
        {"item_id": f"i{item}", "title": title, "brand": "Acme", "price": 1.0, "in_stock": title != "Lamp"}
        for item, title in rows
    ]
    schema = {name: SCHEMAS["items"][name] for name in ("item_id", "title", "brand", "price", "in_stock")}
    return conform("items", pl.DataFrame(table, schema=schema))


def events_of(rows: list[tuple[int, int]], later: int = 0) -> pl.DataFrame:
    table = [
        {"user_id": f"u{user}", "item_id": f"i{item}", "kind": "buy", "rating": None,
         "time": NOW + timedelta(hours=place + later)}
        for place, (user, item) in enumerate(rows)
    ]  # fmt: skip
    return conform("events", pl.DataFrame(table, schema=SCHEMAS["events"]))


def shown(view: ShopView) -> dict[str, Any]:
    """All that a view says."""
    ids, users = [f"i{i}" for i in range(11)], [f"u{u}" for u in range(7)]
    return {
        "sizes": (view.n_items, view.n_customers, view.sold_out),
        "items": [(view.knows_item(i), view.card(i), view.details(i), view.title(i)) for i in ids],
        "customers": [(view.knows_customer(u), view.history(u, n)) for u in users for n in (1, 2, 50)],
        "found": [
            find(text, page, size)
            for find, texts in (
                (view.find_items, ("", "tent", "acme la", "i3")), (view.find_customers, ("", "U1")),
            )
            for text in texts
            for page in (1, 2, 3, 4)
            for size in (1, 2, 5)
        ],
    }  # fmt: skip


@trials(max_examples=60, deadline=None)
@given(ITEMS, EVENTS, ITEMS, st.sets(st.integers(0, 9), max_size=3), EVENTS)
def test_what_is_new_is_shown_as_if_it_had_been_there(
    first: list[Any], done: list[Any], put: list[Any], out: set[int], since: list[Any]
) -> None:
    before = ShopView.of(Shop.of(items=items_of(first), events=events_of(done)))
    said = shown(before)
    gone = frozenset(f"i{item}" for item in out)
    after = before.since(items_of(put), gone, events_of(since, 100))
    items = pl.concat([items_of(put), items_of(first)]).unique("item_id", keep="first", maintain_order=True)
    items = items.filter(~pl.col("item_id").is_in(list(gone)))
    whole = ShopView.of(Shop.of(items=items, events=pl.concat([events_of(done), events_of(since, 100)])))
    assert shown(after) == shown(whole)
    assert shown(before) == said and after.number != before.number
    again = after.since(items_of([]), frozenset(), events_of([]))
    assert shown(again) == said


def test_nothing_of_the_shop_is_put_in_order_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop.of(items=items_of([(i, "Tent") for i in range(9)]), events=events_of([(1, 2), (2, 2)]))
    view = ShopView.of(shop)
    sizes = []
    made = Tables.of
    monkeypatch.setattr(
        Tables, "of", lambda items, customers: sizes.append(len(items)) or made(items, customers)
    )
    view.since(items_of([]), frozenset(), events_of([(3, 4)]))
    assert sizes == [1]


def test_stars_of_reviews_stay() -> None:
    reviews = pl.DataFrame({"user_id": ["u1"], "item_id": ["i1"], "rating": [4.0], "text": ["good"]})
    shop = Shop.of(items=items_of([(1, "Tent")]), reviews=conform("reviews", reviews))
    after = ShopView.of(shop).since(items_of([(1, "Big tent")]), frozenset(), events_of([(2, 1)]))
    details = after.details("i1")
    assert details is not None and (details["rating"], details["title"]) == (4.0, "Big tent")
    assert details["n_events"] == 2 and after.knows_customer("u1") and after.knows_customer("u2")
