"""The shop's tools: what they find, and arguments that will not do."""

from __future__ import annotations

from typing import Any

import pytest

from retailor.dialogue.holding import best_holding, wanted_words
from retailor.dialogue.tools import TOOLS, _ordered, leading, still_held
from retailor.errors import ServeError
from retailor.serve.service import Service
from retailor.tasks.search.shapes import Filter


def test_a_tool_has_a_schema_of_its_arguments() -> None:
    assert set(TOOLS) == {"search", "filter", "item", "answer", "compare", "recommend"}
    schema = TOOLS["search"].schema
    assert schema["required"] == ["text"] and schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("name", "arguments", "place"),
    [
        ("search", {}, "text"),
        ("search", {"text": " "}, "text"),
        ("search", {"text": "x" * 501}, "text"),
        ("search", {"text": "tent", "k": 0}, "k"),
        ("search", {"text": "tent", "page": 2}, "page"),
        (
            "filter",
            {"text": "tent", "filters": [{"field": "size", "op": "=", "value": 1}]},
            "filters.0.field",
        ),
        ("compare", {"item_ids": ["T1"]}, "item_ids"),
        ("compare", {"item_ids": ["T1"] * 5}, "item_ids"),
    ],
)
def test_the_argument_that_will_not_do_is_named(door: Service, name: str, arguments: Any, place: str) -> None:
    with pytest.raises(ServeError, match=f"{name}: '{place}'") as error:
        TOOLS[name](door, arguments)
    assert error.value.status == 422


def test_an_unknown_item_is_named(door: Service) -> None:
    with pytest.raises(ServeError, match="no item 'X'") as error:
        TOOLS["item"](door, {"item_id": "X"})
    assert error.value.status == 404


def test_item_gives_attributes_and_stars(door: Service) -> None:
    item = TOOLS["item"](door, {"item_id": "T1"}).data["item"]
    assert item["attributes"][0] == {"name": "Colour", "value": "navy"}
    assert (item["rating"], item["n_reviews"], item["price"]) == (5.0, 1, 120.0)


def test_compare_gives_a_row_a_fact(door: Service) -> None:
    result = TOOLS["compare"](door, {"item_ids": ["T1", "K1"]})
    assert result.data["facts"]["price"] == ["120.00 USD", "35.00 USD"]
    assert result.data["facts"]["Material"] == [None, "glass"]


def test_filter_sorts_and_keeps_to_bounds(door: Service) -> None:
    only = [{"field": "category", "op": "=", "value": "Tents"}]
    asked = {"text": "tent", "conditions": "over 100 dollars", "filters": only, "sort": "-price"}
    result = TOOLS["filter"](door, asked)
    assert result.items == ("T3", "T1") and result.data["met"]


@pytest.mark.parametrize(
    ("held", "said", "stays"),
    [
        (Filter("price", "<=", 90), Filter("price", "<=", 200), False),
        (Filter("price", "<=", 200), Filter("price", ">=", 100), True),
        (Filter("price", ">=", 100), Filter("price", "<=", 80), False),
        (Filter("price", "=", 60), Filter("price", "<=", 40), False),
        (Filter("colour", "=", "blue"), Filter("colour", "=", "red"), False),
        (Filter("brand", "!=", "HP"), Filter("brand", "!=", "LG"), True),
        (Filter("brand", "=", "HP"), Filter("colour", "=", "red"), True),
        (Filter("quantity", ">=", 18, "l"), Filter("quantity", "<=", 2, "kg"), True),
        (Filter("quantity", ">=", 1, "l"), Filter("quantity", "<=", 500, "ml"), False),
    ],
)
def test_what_is_said_later_takes_the_place_of_what_held(held: Filter, said: Filter, stays: bool) -> None:
    assert still_held((held,), [said]) == ((held,) if stays else ())


def test_a_bound_may_be_widened(door: Service) -> None:
    held = [{"field": "price", "op": "<=", "value": 90}]
    result = TOOLS["filter"](door, {"text": "tent", "conditions": "under 200 dollars", "filters": held})
    assert set(result.items) >= {"T1", "T2"} and [each["value"] for each in result.data["filters"]] == [200.0]


def test_recommend_keeps_to_a_price(door: Service) -> None:
    found = TOOLS["recommend"](door, {"text": "a present under 50"}).data["items"]
    assert all(each["price"] <= 50 for each in found)


def test_recommend_holds_no_price_against_another_currency(door: Service) -> None:
    """What is recommended here is priced in dollars."""
    dollars, yuan = (
        TOOLS["recommend"](door, {"text": f"a gift under 400 {each}"}) for each in ("dollars", "yuan")
    )
    assert {each["currency"] for each in dollars.data["items"]} == {"USD"} and dollars.data["met"]
    assert yuan.data["items"] == [] and not yuan.data["met"]


def test_prices_of_several_currencies_are_sorted_apart(door: Service) -> None:
    ids = ["C1", "T1", "C3", "K1", "T2"]
    assert _ordered(door, ids, "price") == ["K1", "T2", "T1", "C1", "C3"]
    assert _ordered(door, ids, "-price") == ["T1", "T2", "K1", "C3", "C1"]
    assert _ordered(door, ids[:1] + ids[2:4], "price") == ["C1", "C3", "K1"]


def test_the_leading_category_needs_a_share() -> None:
    def rows(*names: str) -> list[dict[str, Any]]:
        return [{"category": [name]} for name in names]

    assert leading(rows("a", "b", "a", "c", "d")) == ["a"]
    assert leading(rows("b", "a", "c", "d", "e")) == ["b"]
    assert leading(rows("b", "a", "a", "a", "a")) == ["a"]
    assert leading([]) is None


def test_words_of_a_condition_are_looked_for_in_the_item() -> None:
    def item(item_id: str, title: str, **attributes: str) -> dict[str, Any]:
        pairs = [{"name": name, "value": value} for name, value in attributes.items()]
        return {"item_id": item_id, "title": title, "category": [], "attributes": pairs}

    items = [item("a", "Teether", m="beech wood"), item("b", "Teether", m="silicone"), item("c", "帐篷 4人")]
    assert best_holding(items, wanted_words("wooden?", [], "teether")) == (["a"], True)
    assert best_holding(items, wanted_words("要能住4个人的", [], "帐篷")) == (["c"], True)
    assert best_holding(items, wanted_words("a glass one", [], "teether")) == (["a", "b", "c"], False)
    assert wanted_words("only under 50 dollars", ["under 50 dollars"], "teether") == []
