"""What a shop's own attributes narrow a search by, and what their filters let through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.shop.tables import Shop
from retailor.tasks.search.attributes import MOST_FOUND, PAIRS, Attributes
from retailor.tasks.search.filters import read_filters
from retailor.tasks.search.item_table import ItemTable
from retailor.tasks.search.shapes import Facet, Filter

NAMES = st.sampled_from(["RAM", "ram ", "Size", "", None])
VALUES = st.sampled_from(["8 GB", "8  gb", "16 GB", "XL", "", None])
ROWS = st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=3), max_size=12)


def attributes_of(rows: list[Any]) -> Attributes:
    lists = [[{"name": name, "value": value} for name, value in row] for row in rows]
    return Attributes.of(pl.Series("attributes", lists, dtype=PAIRS))


def facets(rows: list[Any]) -> tuple[Facet, ...]:
    every = np.arange(len(rows))
    return attributes_of(rows).facets(every, every)


def fold(text: str | None) -> str:
    return " ".join((text or "").lower().split())


@given(ROWS)
def test_a_filter_lets_through_what_a_plain_look_does(rows: list[Any]) -> None:
    made = attributes_of(rows)
    for name, value in (("ram", "8 GB"), ("RAM", "16 gb"), ("size", "XL"), ("size", "nothing")):
        wanted = [any((fold(n), fold(v)) == (fold(name), fold(value)) for n, v in row) for row in rows]
        assert made.having(name, value).tolist() == wanted


@given(ROWS, st.data())
def test_each_count_is_what_its_filter_lets_through(rows: list[Any], data: st.DataObject) -> None:
    made = attributes_of(rows)
    some = np.array(
        sorted(data.draw(st.sets(st.sampled_from(range(len(rows)))) if rows else st.just(set()))), int
    )
    for facet in made.facets(some, some):
        for value, n in facet.counts:
            assert made.having(facet.name, value)[some].sum() == n > 0


def test_attributes_that_tell_apart_stand_first_as_most_write_them() -> None:
    rows = [[("RAM", "8 GB"), ("Serial", f"s{i}")] for i in range(6)]
    rows += [[("ram", "16 GB"), ("Port", "USB-C")], [("RAM", "16 gb"), ("Port", "HDMI")]]
    rows += [[("RAM", "16 GB"), ("Port", "HDMI")], [("Port", "HDMI")]]
    rows += [[("Serial", f"t{i}")] for i in range(5)]
    ram, port = facets(rows)
    assert (ram.name, ram.counts) == ("RAM", (("8 GB", 6), ("16 GB", 3))), "serial numbers tell nothing apart"
    assert (port.name, port.counts) == ("Port", (("HDMI", 3), ("USB-C", 1)))


def test_attributes_of_few_items_or_with_one_value_are_no_facet() -> None:
    rows: list[Any] = [[("Port", "HDMI")], [("Port", "USB")], *[[] for _ in range(10)]]
    assert facets(rows) == () and facets([[("Port", "HDMI")]] * 9) == ()
    assert facets([[("Port", "x" * 50)], [("Port", "y")]] * 4) == ()
    assert facets([[("Port", "HDMI")], [("Port", "USB")], [("Port", "HDMI")]]) == (), "less than two a value"
    assert facets([[("Size", f"{i // 2} cm")] for i in range(60)]) == (), "twelve sizes are a third of them"


def test_an_attribute_that_few_of_the_best_have_and_more_than_six_are_no_facets() -> None:
    ports: list[Any] = [[("Port", "HDMI" if i % 2 else "USB")] for i in range(4)]
    assert len(facets([*ports, *[[] for _ in range(12)]])) == 1 and not facets(
        [*ports, *[[] for _ in range(13)]]
    )
    assert len(facets([[(f"A{n}", f"{i % 2}") for n in range(9)] for i in range(8)])) == 6


def test_of_very_many_items_none_are_counted() -> None:
    rows = [[("Port", "HDMI" if i % 2 else "USB")] for i in range(MOST_FOUND + 1)]
    made = attributes_of(rows)
    some = np.arange(9)
    assert made.facets(np.arange(MOST_FOUND + 1), some) == () != made.facets(np.arange(MOST_FOUND), some)


def test_attributes_are_chosen_by_the_best_and_counted_of_all() -> None:
    rows = [[("Port", "HDMI" if i % 2 else "USB")] for i in range(4)] + [
        [("Size", "L"), ("Port", "HDMI")]
    ] * 6
    (only,) = attributes_of(rows).facets(np.arange(10), np.arange(4))
    assert only.name == "Port" and dict(only.counts) == {"HDMI": 8, "USB": 2}


def table() -> ItemTable:
    items = [
        {"item_id": f"i{i}", "title": f"mug {i}", "price": 10.0 * i, "currency": currency,
         "attributes": [{"name": "Material", "value": material}, {"name": "Colour", "value": "red"}]}
        for i, (currency, material) in enumerate(
            [("EUR", "steel"), ("EUR", "glass"), ("CAD", "steel"), (None, "clay")]
        )
    ]  # fmt: skip
    return ItemTable.of(Shop.of(items=pl.DataFrame(items)))


def test_of_one_attribute_one_value_is_enough_and_of_two_both_hold() -> None:
    steel, glass = (Filter("attribute", "=", value, name="material") for value in ("steel", "GLASS"))
    made = table()
    assert made.passing([steel]).tolist() == [True, False, True, False]
    assert made.passing([steel, glass]).tolist() == [True, True, True, False]
    assert not made.passing([steel, Filter("attribute", "=", "big", name="size")]).any()
    assert made.passing([Filter("attribute", "!=", "steel", name="material")]).tolist() == [
        False,
        True,
        False,
        True,
    ]


def test_colours_and_brands_are_facets_of_their_own() -> None:
    assert table().frame["attributes"][0].to_list() == [{"name": "Material", "value": "steel"}]
    pairs = [{"name": name, "value": "x"} for name in ("Brand", "品牌", "Manufacturer name", "颜色", "Size")]
    made = ItemTable.of(Shop.of(items=pl.DataFrame([{"item_id": "a", "title": "mug", "attributes": pairs}])))
    assert [each["name"] for each in made.frame["attributes"][0]] == ["Size"]


@pytest.mark.parametrize(
    ("unit", "passing"),
    [
        ("", [True, True, True, True]),
        ("EUR", [True, True, False, True]),
        ("eur", [True, True, False, True]),
        ("CAD", [False, False, True, True]),
        ("USD", [False, False, False, True]),
        ("GBP", [False, False, False, True]),
    ],
)
def test_amounts_of_another_currency_are_not_compared(unit: str, passing: list[bool]) -> None:
    assert table().passing([Filter("price", "<=", 100, unit)]).tolist() == passing


def test_a_shop_that_names_no_currency_compares_bare_numbers() -> None:
    made = ItemTable.of(Shop.of(items=pl.DataFrame([{"item_id": "a", "title": "mug", "price": 5.0}])))
    assert made.passing([Filter("price", "<=", 100, "GBP")]).tolist() == [True]


def test_below_is_without_the_bound() -> None:
    assert table().passing([Filter("price", "<", 20.0)]).tolist() == [True, True, False, False]


def test_a_table_from_before_attributes_were_kept_opens(tmp_path: Path) -> None:
    table().frame.drop("attributes", "in_stock").write_parquet(tmp_path / "items.parquet")
    made = ItemTable.load(tmp_path)
    assert made.frame.columns == table().frame.columns and made.attributes(np.arange(4), np.arange(4)) == ()
    assert made.passing([Filter("price", "<", 20.0)]).tolist() == [True, True, False, False]


def test_counts_of_stars() -> None:
    items = [{"item_id": f"i{i}", "title": "mug"} for i in range(4)]
    reviews = [{"item_id": f"i{i}", "rating": stars} for i, stars in enumerate([5.0, 4.0, 2.0])]
    made = ItemTable.of(Shop.of(items=pl.DataFrame(items), reviews=pl.DataFrame(reviews)))
    found = {each.name: each.counts for each in made.facets(np.arange(4))}
    assert found["rating"] == (("4+", 2), ("3+", 2), ("2+", 3))
    for value, n in found["rating"]:
        assert made.passing([Filter("rating", ">=", float(value[0]))]).sum() == n
    assert "rating" not in {each.name for each in made.facets(np.arange(2))}, "all have four and more"


@pytest.mark.parametrize(
    ("priced", "said", "unit"),
    [
        ("CAD", "$50", "CAD"),
        ("CAD", "50 dollars", "CAD"),
        ("CAD", "50 usd", "USD"),  # which is no other dollar
        ("CAD USD", "$50", "USD"),
        ("CAD AUD", "$50", ""),  # nobody can tell which
        ("EUR", "$50", "USD"),
        ("JPY", "5000¥", "JPY"),
        ("HKD", "50块", "HKD"),
        ("JPY", "50 rmb", "CNY"),
        ("", "$50", "USD"),
    ],
)
def test_a_sign_is_the_shops_own_currency_of_those_that_go_by_it(priced: str, said: str, unit: str) -> None:
    items = [{"item_id": each, "title": "mug", "price": 5.0, "currency": each} for each in priced.split()]
    items += [{"item_id": "none", "title": "mug", "price": 5.0, "currency": None}]
    known = ItemTable.of(Shop.of(items=pl.DataFrame(items))).vocabulary
    (read,) = read_filters(f"mug under {said}", known).filters
    assert (read.field, read.unit) == ("price", unit)


def test_prices_in_several_currencies_are_not_ordered_or_counted_together() -> None:
    rows = [("a", 30.0, "USD"), ("b", 200.0, "CNY"), ("c", 90.0, "$"), ("d", None, "CNY"), ("e", 60.0, "usd")]
    rows += [("f", 20.0, None)]
    items = [{"item_id": i, "title": "mug", "price": price, "currency": each} for i, price, each in rows]
    made = ItemTable.of(Shop.of(items=pl.DataFrame(items)))
    every = np.arange(len(rows))
    assert "".join(rows[i][0] for i in made.sorted_by("price", every)) in ("aecbfd", "aecfbd")
    assert "".join(rows[i][0] for i in made.sorted_by("-price", every)) in ("ceabfd", "ceafbd")
    (prices,) = [each for each in made.facets(every) if each.name == "price"]
    assert all(name.endswith(" USD") for name, _ in prices.counts) and sum(n for _, n in prices.counts) == 3
    of_one = [each for each in made.facets(np.array([0, 2, 4])) if each.name == "price"]
    assert sum(n for _, n in of_one[0].counts) == 3 and not any(" " in name for name, _ in of_one[0].counts)


def test_names_of_an_attribute_that_differ_in_spaces_are_one() -> None:
    either = [
        Filter("attribute", "=", value, name=name)
        for name, value in (("material ", "steel"), ("Material", "glass"))
    ]
    assert table().passing(either).tolist() == [True, True, True, False]
