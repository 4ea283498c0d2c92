"""Structure out of the messiest rows of real metadata, and rendering within a budget."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.shop.demo import demo_shop
from retailor.shop.tables import SCHEMAS, Shop
from retailor.text.clean_shop import clean
from retailor.text.fields import (
    count_words,
    item_text,
    item_texts,
    sentences,
    structure,
    structure_items,
    texts,
)

GIFT_CARD = {
    "item_id": "B001GXRQW0",
    "title": " Maggiano&#39;s $50 Gift Card, Pack of 3",
    "description": '<div class="aplus"> <h4>For any occasion!</h4> It never expires. Redeem it in store.',
    "brand": None,
    "category": [
        "Gift Cards",
        "Gift Cards",
        '<span class="a-size-base">\n  No expiration, no fees.\n </span>',
    ],
    "attributes": [
        {"name": "ASIN: ", "value": "B001GXRQW0"},
        {"name": "\n    Product Dimensions: \n    ", "value": "3.4 x 2.1 inches ; 1.44 ounces"},
        {"name": "Shipping Weight:", "value": "1.8 pounds ("},
        {"name": "Item model number:", "value": "^"},
        {"name": "Domestic Shipping: ", "value": "Item can be shipped within U.S."},
        {"name": "\n    Product Dimensions: \n    ", "value": "3.4 x 2.1 inches ; 1.44 ounces"},
        {"name": "number_of_items", "value": "3"},
    ],
}


def test_a_scraped_gift_card() -> None:
    row = structure(GIFT_CARD, brands=["Maggiano's", "Mag"])
    assert row["title"] == "Maggiano's $50 Gift Card, Pack of 3"
    assert row["brand"] == "Maggiano's"
    assert row["category"] == ["Gift Cards"]
    assert row["description"] == "For any occasion!\nIt never expires. Redeem it in store."
    assert row["attributes"] == [
        {"name": "Product dimensions", "value": "3.4 x 2.1 inches ; 1.44 ounces"},
        {"name": "Shipping weight", "value": "1.8 pounds"},
        {"name": "Number of items", "value": "3"},
        {"name": "Value", "value": "50 USD"},
        {"name": "Count", "value": "3 pack"},
    ]


def test_a_scrap_instead_of_a_title() -> None:
    row = structure({"title": '<span class="a-size-medium a-color-secondary"', "attributes": None})
    assert row == {"title": None, "attributes": [], "brand": None}


def test_a_chinese_title_gets_chinese_attributes() -> None:
    row = structure({"title": "【蒙牛】纯牛奶　２５０ｍｌ×２４盒", "attributes": []}, brands=["蒙牛"])
    assert row["title"] == "【蒙牛】纯牛奶 250ml×24盒" and row["brand"] == "蒙牛"
    assert row["attributes"] == [{"name": "容量", "value": "250 ml"}, {"name": "数量", "value": "24 pack"}]


def test_quantities_that_an_attribute_states_are_not_repeated() -> None:
    stated = [{"name": "Weight", "value": "0.5 kg"}]
    assert structure({"title": "Flour 500 g", "attributes": stated})["attributes"] == stated


def test_brands_are_found_at_word_edges_only() -> None:
    assert structure({"title": "Applebee's Gift Card"}, brands=["Apple"])["brand"] is None
    assert structure({"title": "Apple iPhone"}, brands=["Apple"])["brand"] == "Apple"
    assert structure({"title": "Deluxe Pan by Hollis - steel"}, brands=["Hollis"])["brand"] == "Hollis"


def test_a_table_finds_the_brands_that_it_knows() -> None:
    shop = demo_shop(200)
    lacking = shop.items["brand"].null_count()
    done = structure_items(shop.items)
    assert dict(done.schema) == dict(SCHEMAS["items"]) and done["item_id"].equals(shop.items["item_id"])
    assert lacking > 5 and done["brand"].null_count() < lacking
    assert structure_items(done).equals(done)
    assert not len(structure_items(Shop.of().items))


def test_an_item_as_text() -> None:
    item = structure(GIFT_CARD, brands=["Maggiano's"])
    assert item_text(item) == (
        "Maggiano's $50 Gift Card, Pack of 3. Gift Cards. "
        "For any occasion! It never expires. Redeem it in store. "
        "Product dimensions: 3.4 x 2.1 inches ; 1.44 ounces. "
        "Shipping weight: 1.8 pounds. Value: 50 USD. Count: 3 pack"
    )
    chinese = {
        "title": "保湿霜",
        "brand": "云岭",
        "category": ["洗浴", "罐装"],
        "description": "不含香精。很润！",
    }
    assert item_text(chinese) == "保湿霜。云岭。洗浴 > 罐装。不含香精。很润！"


def test_missing_parts_are_left_out_and_the_id_never_shows() -> None:
    empty = dict.fromkeys(SCHEMAS["items"])
    assert item_text({"title": "A lamp"}) == "A lamp"
    assert item_text({**empty, "item_id": "B0001", "title": "A lamp"}) == "A lamp"
    assert item_text({**empty, "item_id": "B0001"}) == "" and item_text({}) == ""
    assert item_text({**empty, "description": "Bright. Warm."}) == "Bright. Warm."


def test_the_description_is_cut_at_a_sentence() -> None:
    item = {"title": "A lamp", "description": "It is bright. It is very warm indeed. Buy."}
    assert item_text(item, max_tokens=5) == "A lamp. It is bright."
    assert item_text(item, max_tokens=7) == "A lamp. It is bright."
    assert item_text({"description": "one two three four"}, max_tokens=2) == "one two"
    assert item_text({"title": "one two three four"}, max_tokens=3) == "one two three"


@given(st.text(max_size=120), st.text(max_size=200), st.integers(0, 40))
def test_the_budget_holds(title: str, description: str, budget: int) -> None:
    assert count_words(item_text({"title": title, "description": description}, max_tokens=budget)) <= budget


def test_another_counter_can_count() -> None:
    item = demo_shop(12).items.row(0, named=True)
    assert len(item_text(item, max_tokens=60, count=len)) <= 80  # joints between parts are not counted


def test_sentences() -> None:
    assert sentences("It is 3.5 mm. Is it? 好的。不行！！行") == [
        "It is 3.5 mm.",
        "Is it?",
        "好的。",
        "不行！！",
        "行",
    ]


def test_all_texts_of_a_shop_once_each() -> None:
    shop = clean(demo_shop(60))
    found = texts(shop)
    assert len(found) == len(set(found)) and "" not in found and found == texts(shop)
    assert found[: len(shop.items)] == [
        item_text(row, max_tokens=256) for row in shop.items.iter_rows(named=True)
    ]
    review = shop.reviews.filter(pl.col("title").is_not_null()).row(0, named=True)
    assert any(review["title"] in text and review["text"] in text for text in found)
    assert len(item_texts(shop.items)) == len(shop.items)
    assert texts(Shop.of()) == []
    numbers = pl.DataFrame({"item_id": ["1", "2"], "category": [["4756105"], ["pens"]]})
    assert texts(Shop.of(items=numbers)) == ["pens"]


@pytest.mark.data
def test_real_metadata() -> None:
    folder = Path(os.environ.get("RETAILOR_DATA", "../shared/data")) / "amazon2018-magazine"
    if not folder.exists():
        pytest.skip(f"needs {folder}: set RETAILOR_DATA to the folder of the benchmark data")
    with gzip.open(folder / "meta_Magazine_Subscriptions.json.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(400), strict=False)]
    items = Shop.of(
        items=pl.DataFrame(
            {
                "item_id": [row["asin"] for row in rows],
                "title": [row["title"] for row in rows],
                "brand": [row["brand"] or None for row in rows],
                "category": [row["category"] for row in rows],
                "description": ["\n".join(row["description"]) for row in rows],
                "attributes": [[{"name": k, "value": v} for k, v in row["details"].items()] for row in rows],
            }
        )
    ).items
    done = structure_items(items)
    rendered = item_texts(done)
    # nine titles in ten are a cut-off tag: the rest of the row has to speak for them
    assert done["title"].null_count() > 200 and sum(bool(text) for text in rendered) > 390
    assert not any(scrap in text for text in rendered for scrap in ("<span", "&amp;", "a-size", "ASIN", "\n"))
    assert "Fashion & Style" in done["category"][2]
