"""Descriptions say what the row says, and that a machine wrote them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from retailor.errors import DataError
from retailor.shop.demo import demo_shop
from retailor.tasks.review import ReviewSettings, ReviewWriter, is_generated
from retailor.tasks.review.describe import describe, described_by_template
from retailor.tasks.review.facts import Names, invented, source_of
from retailor.testing.toys import ScriptedGenerator
from retailor.text.clean_shop import clean

MUG: dict[str, Any] = {
    "item_id": "m1",
    "title": "Mug Alba",
    "brand": "Northgate",
    "category": ["Kitchen", "Mugs"],
    "description": None,
    "attributes": [{"name": "Volume", "value": "350 ml"}, {"name": "Colour", "value": "red"}],
    "price": None,
    "currency": None,
}
FAIR = "The Mug Alba by Northgate holds 350 ml and comes in red for the kitchen."


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (FAIR, ""),
        ("Nice mug.", "too little"),
        ("The Mug Alba by Northgate holds 500 ml and comes in red for the kitchen.", "500 ml"),
        ("The Mug Alba by Northgate holds 350 ml and comes in blue for the kitchen.", "colour 'blue'"),
        ("The Mug Alba is dishwasher safe and comes in red for the kitchen.", "property 'dishwasher'"),
        ("I love my Mug Alba, it is red and holds 350 ml every day.", "as a customer"),
        ("The Mug Alba is the best mug of all, red and of 350 ml.", "promised 'best'"),
        ("A wonderful thing that everybody in the whole world should own today.", "this product"),
        ("Write a description of this product for a shop, in two or three sentences.", "its task"),
        ("红色的杯子，容量350毫升，适合厨房使用。", "did not write in 'en'"),
    ],
)
def test_a_description_says_what_the_row_says(said: str, why: str) -> None:
    found = describe(ScriptedGenerator([said]), MUG, Names(), language="en", n_drafts=1)
    assert why in found.fallback if why else (found.text == said and not found.fallback)
    assert bool(found.fallback) is bool(why) and "350 ml" in found.text


def test_a_refused_description_is_asked_for_again() -> None:
    assert describe(ScriptedGenerator(["no", FAIR]), MUG, Names(), language="en").text == FAIR


def test_templates_string_the_attributes_in_both_languages() -> None:
    assert described_by_template(MUG, "en") == (
        "Mug Alba by Northgate, from our range Mugs. In short: volume 350 ml and colour red."
    )
    zh = {**MUG, "title": "杯子", "brand": "小满", "category": ["厨房", "杯子"]}
    zh["attributes"] = [{"name": "容量", "value": "350毫升"}, {"name": "颜色", "value": "红色"}]
    assert described_by_template(zh, "zh") == "杯子，小满出品，属于杯子。容量：350毫升；颜色：红色。"
    assert (
        described_by_template({**MUG, "attributes": None, "brand": None, "category": None}, "en")
        == "Mug Alba."
    )


def test_every_template_of_a_shop_is_of_its_facts() -> None:
    for item in clean(demo_shop(40)).items.iter_rows(named=True):
        text = described_by_template(item, item["language"] or "en")
        assert invented(text, source_of(item), language=item["language"] or "en") == ""


def test_an_item_of_which_nothing_is_known_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing to describe"):
        describe(
            ScriptedGenerator([FAIR]), {**MUG, "title": None, "attributes": None}, Names(), language="en"
        )


def test_a_writer_marks_its_descriptions() -> None:
    shop = clean(demo_shop(40))
    writer = ReviewWriter(ScriptedGenerator(["no"] * 9), replace(ReviewSettings(), n_drafts=1)).fit(shop)
    item = shop.items.filter(pl.col("language") == "zh").to_dicts()[0]
    draft = writer.describe(item["item_id"])
    assert is_generated(draft.text) and draft.generated["by"] == "template"
    assert draft.generated["language"] == "zh" and draft.item_id == item["item_id"]
    with pytest.raises(DataError, match="no item"):
        writer.describe("nope")
