"""Amounts are told apart by their currencies."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from retailor.shop.tables import Shop
from retailor.tasks.prices import Prices
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend.catalogue import Catalogue, read_catalogue
from retailor.tasks.recommend.entry import ENTRY
from retailor.tasks.recommend.http import RecommendBody
from retailor.tasks.recommend.shapes import RecommendQuery

MIXED = Prices.of(
    pl.Series([10.0, 10.0, None, 10.0, 10.0, 10.0]), pl.Series(["USD", "¥", "usd", None, "", "Dollars"])
)


def test_an_amount_is_held_against_those_of_its_currency_and_of_none() -> None:
    assert MIXED.currencies == ("CNY", "USD")
    assert MIXED.comparable("usd").tolist() == [True, False, True, True, True, True]
    assert MIXED.comparable("EUR").tolist() == [False, False, False, True, True, False]
    assert MIXED.comparable("").all()


def test_groups_count_priced_items_alone() -> None:
    currencies = pl.Series(["CNY", "USD", "USD", "USD", "CNY", "EUR"])
    prices = Prices.of(pl.Series([1.0, None, None, None, 2.0, 3.0]), currencies)
    assert prices.groups(np.arange(6))[[0, 4]].tolist() == [0, 0]


def test_what_is_written_is_read_again() -> None:
    assert MIXED.written().to_list() == ["USD", "CNY", "USD", None, None, "USD"]
    again = Prices.of(pl.Series(MIXED.amounts), MIXED.written())
    np.testing.assert_array_equal(again.codes, MIXED.codes)
    assert Prices.of(pl.Series([1.0]), pl.Series([None], dtype=pl.String)).written().to_list() == [None]


def test_prices_grow_with_other_currencies() -> None:
    other = Prices.of(pl.Series([1.0, 2.0, 3.0, 4.0]), pl.Series(["EUR", "USD", None, "CNY"]))
    grown = MIXED.with_others(other, [2, 0, 1])
    assert grown.written().to_list() == [*MIXED.written().to_list(), None, "EUR", "USD"]
    assert grown.amounts[-3:].tolist() == [3.0, 1.0, 2.0]
    assert grown.comparable("EUR").tolist()[-3:] == [True, True, False]


def test_a_limit_and_its_currency_come_from_a_body_and_from_a_command() -> None:
    asked = RecommendBody(max_price=5, currency="usd").query()
    assert (asked.max_price, asked.currency) == (5.0, "USD")
    asked = ENTRY.command.query(max_price=5.0, currency="EUR")
    assert (asked.max_price, asked.currency) == (5.0, "EUR")
    assert ENTRY.command.query() == RecommendQuery()


@pytest.fixture(scope="module")
def shop() -> Shop:
    items = pl.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(6)],
            "title": [f"cup number {n}" for n in range(6)],
            "price": [5.0, 50.0, 5.0, 50.0, 5.0, None],
            "currency": ["USD", "USD", "CNY", "CNY", None, "USD"],
        }
    )
    events = pl.DataFrame(
        {
            "user_id": [f"u{n}" for n in range(12)],
            "item_id": [f"i{n % 6}" for n in range(12)],
            "kind": ["buy"] * 12,
        }
    )
    return Shop.of(items=items, events=events)


def test_the_catalogue_keeps_currencies_and_reads_one_of_before(shop: Shop) -> None:
    made = read_catalogue(shop)
    assert Catalogue.of_table(made.table()).prices.written().to_list() == made.prices.written().to_list()
    old = Catalogue.of_table(made.table().drop("currency")).prices
    assert old.currencies == () and old.comparable("USD").all()


def test_a_price_limit_in_a_currency_leaves_out_what_is_priced_in_another(shop: Shop) -> None:
    fitted = Recommender(None, RecommendSettings(sasrec={"enabled": False})).fit(shop)

    def ids(**limits: object) -> set[str]:
        query = RecommendQuery(text="cup", **limits)  # type: ignore[arg-type]
        return {each.item_id for each in fitted.predict([query])[0].items}

    assert ids(max_price=10.0) == {"i0", "i2", "i4"}
    assert ids(max_price=10.0, currency="USD") == {"i0", "i4"}
    assert ids(max_price=100.0, currency="cny") == {"i2", "i3", "i4"}
    assert ids(max_price=10.0, currency="EUR") == {"i4"}
    new = pl.DataFrame({"item_id": ["n1"], "title": ["cup of gold"], "price": [7.0], "currency": ["EUR"]})
    fitted = fitted.update(Shop.of(items=new))
    assert ids(max_price=10.0, currency="EUR") == {"i4", "n1"}
