# ruff: noqa: E501 (a case a line)
"""Questions about the whole catalogue: the cheapest of a kind, whether there are any, and what is not there."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.answer.forms.assortment import range_in
from retailor.tasks.answer.forms.naming import is_named, looks_for, of_kind
from retailor.tasks.answer.forms.superlative import superlative_in
from retailor.tasks.answer.quoting import answered_another, may_judge
from retailor.tasks.answer.shapes import Answered, AnswerQuery, Evidence
from retailor.testing.toys import HashEncoder


def item(
    item_id: str, title: str, category: list[str], price: float, weight: str, currency: str = "USD"
) -> dict:  # type: ignore[type-arg]
    name = "重量" if currency == "CNY" else "Weight"
    return {
        "item_id": item_id, "title": title, "category": category, "price": price, "currency": currency,
        "attributes": [{"name": name, "value": weight}] if weight else [],
    }  # fmt: skip


ITEMS = pl.DataFrame(
    [
        item("t1", "Brook tent", ["Camping", "Shelters"], 90.0, "2 kg"),
        item("t2", "Alder tent", ["Camping", "Shelters"], 120.0, "900 g"),
        item("t3", "Alder bivouac", ["Camping", "Shelters"], 60.0, "1.1 kg"),
        item("t4", "Fern tent", ["Camping", "Shelters"], 60.0, ""),
        item("k1", "Brook steel kettle", ["Kitchen", "Kettles"], 30.0, "1 kg"),
        item("k2", "Alder kettle", ["Kitchen", "Kettles"], 45.0, "1.4 kg"),
        item("s1", "Brook tent pole", ["Camping", "Spares"], 5.0, "100 g"),
        item("z1", "云岭 帐篷 沙色", ["露营", "帐篷"], 700.0, "2公斤", "CNY"),
        item("z2", "半亩 帐篷 藏青", ["露营", "帐篷"], 500.0, "900克", "CNY"),
    ]
)
REVIEWS = pl.DataFrame(
    [
        {"review_id": f"r{n}", "item_id": item_id, "text": text, "rating": stars}
        for n, (item_id, stars, text) in enumerate(
            [("t1", 5.0, "Lovely."), ("t1", 4.0, "Quiet at night."), ("t1", 5.0, "Superb."),
             ("t2", 3.0, "It is all right."), ("t2", 2.0, "It leaks."), ("t2", 3.0, "So so."),
             ("t3", 5.0, "Great."), ("k1", 4.0, "It is loud."), ("k1", 2.0, "Very loud.")]
        )
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def answerer() -> Answerer:
    shop = Shop.of(items=ITEMS, reviews=REVIEWS)
    return Answerer(HashEncoder(128), None, AnswerSettings(caution=0.1)).fit(shop)


def ask(answerer: Answerer, question: str) -> Answered:
    return answerer.predict([AnswerQuery(question)])[0]


@pytest.mark.parametrize(
    ("question", "item_id", "text"),
    [
        ("What is your lightest tent?", "t2", "Of the 3 products in “Camping › Shelters” that tell it, the lightest is Alder tent: Weight: 900 g."),
        ("hi, what is your lightest tent?", "t2", "Of the 3 products in “Camping › Shelters” that tell it, the lightest is Alder tent: Weight: 900 g."),
        ("which tent is the heaviest", "t1", "Of the 3 products in “Camping › Shelters” that tell it, the heaviest is Brook tent: Weight: 2 kg."),
        ("cheapest tent please", "t3", "Of the 4 products in “Camping › Shelters” priced in USD, the cheapest is Alder bivouac: Price: 60 USD. 1 more has the same."),
        ("the most expensive kettle?", "k2", "Of the 2 products in “Kitchen › Kettles” priced in USD, the most expensive is Alder kettle: Price: 45 USD."),
        ("best rated tent", "t1", "Of the 2 products in “Camping › Shelters” that tell it, the best rated is Brook tent: 4.67 stars."),
        ("哪款帐篷最轻？", "z2", "“露营 › 帐篷”中写明这一点的2件商品里，最轻的是半亩 帐篷 藏青：重量：900克。"),
        ("最便宜的帐篷多少钱", "z2", "“露营 › 帐篷”中以CNY标价的2件商品里，最便宜的是半亩 帐篷 藏青：价格：500 CNY。"),
        ("cheapest brook", "s1", "Of the 3 products with these words in the title priced in USD, the cheapest is Brook tent pole: Price: 5 USD."),
    ],
)  # fmt: skip
def test_the_first_of_a_kind_is_found_by_its_value(
    answerer: Answerer, question: str, item_id: str, text: str
) -> None:
    found = ask(answerer, question)
    assert (found.form, found.known, found.text) == ("superlative", True, text)
    assert found.evidence[0].item_id == item_id


def test_prices_of_another_currency_are_not_compared() -> None:
    rows = [item("a", "Red mug", ["Mugs"], 9.0, ""), item("b", "Blue mug", ["Mugs"], 8.0, "")]
    rows.append({**item("c", "Green mug", ["Mugs"], 1.0, ""), "currency": "EUR"})
    cheap = ask(Answerer(HashEncoder(64)).fit(Shop.of(items=pl.DataFrame(rows))), "cheapest mug")
    assert cheap.text.startswith("Of the 2 products in “Mugs” priced in USD, the cheapest is Blue mug")


def test_the_first_of_an_unknown_kind_is_not_known(answerer: Answerer) -> None:
    for question in (
        "cheapest piano",
        "最轻的钢琴",
        "what is the cheapest thing here",
        "lightest and cheapest tent",
    ):
        assert not ask(answerer, question).known or superlative_in(question) is None, question


def test_what_most_people_fit_in_is_called_the_roomiest() -> None:
    for question, said in (
        ("which tent sleeps the most people?", "roomiest"), ("the roomiest tent", "roomiest"),
        ("容纳人数最多的帐篷是哪个", "容纳人数最多"), ("哪个帐篷睡的人最多", "睡的人最多"),
    ):  # fmt: skip
        asked = superlative_in(question)
        assert asked is not None and (asked.kind, asked.most, asked.adjective) == ("people", True, said)


def test_a_superlative_on_a_product_s_page_is_no_question_of_the_catalogue(answerer: Answerer) -> None:
    assert answerer.predict([AnswerQuery("Is this the lightest tent?", "t1")])[0].form != "superlative"


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Do you sell tents?", "Yes. There are 4 in “Camping › Shelters”, such as Brook tent; Alder tent; Fern tent."),
        ("do you have any kettles", "Yes. There are 2 in “Kitchen › Kettles”, such as Brook steel kettle; Alder kettle."),
        ("有没有帐篷", "有。“露营 › 帐篷”里有2件商品，例如云岭 帐篷 沙色、半亩 帐篷 藏青。"),
        ("你们卖帐篷吗？", "有。“露营 › 帐篷”里有2件商品，例如云岭 帐篷 沙色、半亩 帐篷 藏青。"),
    ],
)  # fmt: skip
def test_what_the_shop_has_of_a_kind(answerer: Answerer, question: str, text: str) -> None:
    found = ask(answerer, question)
    assert (found.form, found.text) == ("range", text)
    assert found.verdict == "yes" or not question.endswith(("帐篷", "kettles"))


def test_that_there_is_none_is_never_said(answerer: Answerer) -> None:
    index = answerer._fitted()
    for question in ("Do you sell pianos?", "有没有钢琴", "do you have a warranty", "does it have a zip"):
        assert range_in(question, index) is None, question


def test_an_opinion_of_another_product_is_no_answer(answerer: Answerer) -> None:
    assert not ask(answerer, "Is the coffee grinder loud?").known
    assert "loud" in ask(answerer, "Is the kettle loud?").text


def test_an_opinion_is_told_by_people_or_by_what_speaks_of_it() -> None:
    def told(text: str, source: str) -> bool:
        return may_judge("Does the tent leak?", Evidence(text, source, "t1", 0.0))

    assert not told("It is cotton canvas.", "description")
    assert told("Water rolls off it.", "description") and told("It is cotton canvas.", "review")


def test_a_material_is_no_answer_to_whether_it_leaks() -> None:
    bare = ITEMS.filter(pl.col("item_id") == "t1")
    for description, known in (("The tent is of cotton canvas.", False), ("The tent does not leak.", True)):
        told = Shop.of(items=bare.with_columns(description=pl.lit(description)))
        answerer = Answerer(HashEncoder(128), None, AnswerSettings(caution=0.01)).fit(told)
        assert ask(answerer, "Does the tent leak?").known == known, description


def test_an_answer_to_a_question_for_a_fact_is_no_opinion() -> None:
    assert answered_another("Is it noisy?", "How heavy is it?")
    assert not answered_another("Is it noisy?", "Is it quiet at night?")
    assert answered_another("How heavy is it?", "How much does it hold?")
    assert not answered_another("Is it noisy?", None)


def test_what_a_question_names(answerer: Answerer) -> None:
    index = answerer._fitted()
    assert is_named("does the tent leak?", "t1", index) and not is_named("is the grinder loud?", "t1", index)
    assert is_named("帐篷漏水吗", "t1", index), "in another script titles cannot be held against it"
    assert looks_for("something for my uncle") and not looks_for("is it waterproof?")
    assert of_kind([], index) == ([], "")
    assert of_kind(["brook"], index)[1] == "", "of three kinds none is meant"


def test_categories_are_kept(answerer: Answerer, tmp_path: Path) -> None:
    answerer.save(tmp_path / "answer")
    assert ask(Answerer.load(tmp_path / "answer"), "cheapest kettle").evidence[0].item_id == "k1"
