from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.evidence.passages import passages
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.question.parts import compares, parts
from retailor.tasks.answer.ranking import templates
from retailor.tasks.answer.ranking.cases import answerable
from retailor.tasks.answer.ranking.synthetic import synthetic_cases
from retailor.tasks.answer.shapes import Answered, AnswerQuery
from retailor.testing.toys import HashEncoder
from retailor.text.clean_shop import clean

USES: tuple[templates.Use, ...] = ("learn", "choose", "judge")


@pytest.mark.parametrize(
    ("question", "passage", "source", "refused"),
    [
        ("How heavy is it?", "Item weight: 81 g", "attribute", False),
        ("How heavy is it?", "It is far too heavy to carry all day.", "review", True),
        ("How heavy is it?", "Warranty: 2 years", "attribute", True),
        ("How long is the guarantee?", "One charge lasts 47 hours.", "description", True),
        ("How long is the guarantee?", "Warranty: 2 years", "attribute", False),
        ("How long does the battery last?", "We give a 2-year guarantee.", "description", True),
        ("How long does the battery last?", "Plays 12 hours.", "description", False),
        ("How fast do you deliver?", "Delivery was quick, in 2 days.", "review", True),
        ("How fast do you deliver?", "Ships within 2 working days.", "description", False),
        ("Can I pay with PayPal?", "Great value for the money.", "description", True),
        ("Does it have Wi-Fi?", "Bluetooth version: 5.0", "attribute", True),
        ("How many pages does it have?", "The leaflet is in 9 languages.", "description", True),
        ("保修多久？", "质保: 1年", "attribute", False),
        ("保修多久？", "保质期18个月", "description", True),
        ("多重？", "重量: 427克", "attribute", False),
        ("多重？", "容量: 1.7L", "attribute", True),
        ("运费多少钱？", "价格: 25 元", "attribute", True),
        ("几天能送到？", "物流很快，两天就到了。", "review", True),
    ],
)
def test_a_passage_of_another_kind_cannot_answer(
    question: str, passage: str, source: str, refused: bool
) -> None:
    assert kinds.of_another_kind(question, passage, source) == refused


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("重吗？", {"weight"}),
        ("这双靴子重吗", {"weight"}),
        ("轻不轻", {"weight"}),
        ("Is it too heavy to carry?", {"weight"}),
        ("味道重吗", {"smell"}),
        ("问题严重吗", set()),
        ("贵吗", {"value"}),
        ("信号能覆盖100米吗？", {"range"}),
        ("Does the signal reach 100 metres?", {"range"}),
        ("它能用几年？", {"lasting"}),
        ("How long will these last?", {"lasting"}),
        ("充一次电能用多久", {"running"}),
        ("开封后能用多久", {"opened"}),
        ("My order hasn't arrived yet", {"lost"}),
        ("Somebody stole my parcel.", {"lost"}),
        ("包裹丢了怎么办", {"lost"}),
        ("It arrived broken, what now?", {"damaged"}),
        ("Are you open on Sundays?", {"store"}),
    ],
)
def test_what_a_question_asks_for(question: str, asked: set[str]) -> None:
    assert {kind.name for kind in kinds.asked(question)} == asked


def test_a_question_for_opinions_or_for_nothing_known_refuses_nothing() -> None:
    for question in (
        "Does the sound hiss?",
        "Is it any good?",
        "好不好听？",
        "Does it fit a 2012 Honda Civic?",
    ):
        assert not kinds.of_another_kind(question, "Nobody at home could tell.", "review")


@pytest.mark.parametrize(
    ("question", "n"),
    [
        ("What is it made of and how heavy is it?", 2),
        ("Colour and weight please?", 2),
        ("什么材质，多重？", 2),
        ("颜色和保修期分别是什么？", 2),
        ("How heavy is it?", 1),
        ("Is it good for kids and adults?", 1),
        ("Can I return it, and how long do I have?", 1),
        ("尺寸和大小？", 1),
        ("和云岭的烧水壶比，哪个重？", 1),
    ],
)
def test_a_question_is_taken_apart_where_it_asks_for_several_facts(question: str, n: int) -> None:
    assert len(parts(question)) == n
    assert n > 1 or parts(question) == [question]


def test_what_compares() -> None:
    assert compares("Is it heavier than the Brook kettle?") and compares("和云岭的比哪个重？")
    assert not compares("Is it longer than 30 cm?") and not compares("性价比高吗？")


def test_no_wording_serves_two_uses() -> None:
    for chinese in (True, False):
        own = [set(templates.strangers(chinese=chinese, use=use)) for use in USES]
        for kind in kinds.KINDS:
            for each, use in zip(own, USES, strict=True):
                each |= set(templates.own(kind.name, chinese=chinese, use=use))
                each |= set(templates.named("brim", chinese=chinese, use=use))
        assert all(len(each) > 12 for each in own)
        assert not own[0] & own[1] and not own[0] & own[2] and not own[1] & own[2]


def test_made_questions_share_no_wording_and_no_name_between_uses() -> None:
    shop = clean(demo_shop(60)).with_tables()
    table = passages(shop, max_per_item=200, max_review_sentences=50, max_chars=600)
    index = PassageIndex.of(table, HashEncoder())
    items = shop.items["item_id"].to_list()
    made = {use: synthetic_cases(index, items, use, n=60, max_page=40, seed=0) for use in USES}
    names = {use: {c.texts[0].partition(":")[0] for c in each if c.texts} for use, each in made.items()}
    asked = {use: {c.question for c in each} for use, each in made.items()}
    for one, other in (("learn", "choose"), ("learn", "judge"), ("choose", "judge")):
        assert not names[one] & names[other] and not asked[one] & asked[other]  # type: ignore[index]
    for cases in made.values():
        unknown = [case for case in cases if not answerable(case)]
        assert 0 < len(unknown) < len(cases)
        for case in unknown:
            told = [
                kinds.tells(k, case.question, index.texts[r])
                for k in kinds.asked(case.question)
                for r in case.page
            ]
            assert not any(told)


def item(item_id: str, title: str, description: str, **attributes: str) -> dict[str, Any]:
    named = [{"name": name.replace("_", " "), "value": value} for name, value in attributes.items()]
    return {"item_id": item_id, "title": title, "description": description, "attributes": named}


ITEMS = [
    item("k1", "Brook steel kettle", "Boils fast.", Material="steel", Weight="1.2 kg", Cordless="yes"),
    item("k2", "Alder glass kettle", "Boils slowly.", Material="glass", Weight="900 g"),
    item("z1", "云岭电热水壶", "三分钟烧开一升水。", 材质="不锈钢", 重量="1.1公斤"),
]  # fmt: skip
REVIEWS = pl.DataFrame(
    {
        "item_id": ["k1"] * 4,
        "text": [
            "The sound is terrible.",
            "Nice.\nThe sound is lovely.",
            "The sound is terrible.",
            "Delivery was quick.",
        ],
    }
)


@pytest.fixture(scope="module")
def answerer() -> Answerer:
    shop = Shop.of(items=pl.DataFrame(ITEMS), reviews=REVIEWS)
    return Answerer(HashEncoder(128), None, AnswerSettings(caution=0.3)).fit(shop)


def ask(answerer: Answerer, question: str, item_id: str = "k1") -> Answered:
    return answerer.predict([AnswerQuery(question, item_id)])[0]


def test_several_facts_are_answered_together(answerer: Answerer) -> None:
    assert ask(answerer, "What is the material and the weight?").text == "Material: steel. Weight: 1.2 kg."
    assert ask(answerer, "材质和重量？", "z1").text == "材质：不锈钢。重量：1.1公斤。"
    half = ask(answerer, "What is the weight, and how long is the guarantee?")
    assert half.known and half.text == "Weight: 1.2 kg. The rest I don't know."


def test_opinions_are_quoted_with_how_many_write_them(answerer: Answerer) -> None:
    answer = ask(answerer, "What about the sound?")
    assert answer.text.startswith("3 customers write about it: ")
    assert "“The sound is terrible.”" in answer.text and "“The sound is lovely.”" in answer.text
    assert all(each.source == "review" for each in answer.evidence)


def test_another_item_is_compared_where_it_is_named(answerer: Answerer) -> None:
    answer = ask(answerer, "What is the weight compared to the Alder glass kettle?")
    assert "Weight: 1.2 kg." in answer.text and "Alder glass kettle: Weight: 900 g." in answer.text
    assert {each.item_id for each in answer.evidence} == {"k1", "k2"}
    assert not ask(answerer, "What is the weight compared to the Zorgon 9?").known


def test_a_review_tells_no_rule_of_the_shop(answerer: Answerer) -> None:
    for question in ("How quickly do you deliver?", "Delivery time?", "When is the delivery sent?"):
        assert not ask(answerer, question).known


def test_questions_that_nothing_answers_count_without_a_page() -> None:
    evidence = [
        {"text": f"Weight: {n} kg", "source": "attribute", "relevance": float(n % 2)} for n in range(60)
    ]
    questions = pl.DataFrame(
        {
            "question_id": [str(n) for n in range(60)],
            "item_id": ["none"] * 60,
            "question": [f"How many kg is number {n}?" for n in range(60)],
            "evidence": [[each] for each in evidence],
        }
    )
    log = Answerer(HashEncoder()).fit(Shop.of(items=pl.DataFrame(ITEMS), questions=questions)).log
    assert log["n_questions"] == 30 and log["n_unanswered"] == 30


def test_bullets_are_passages_of_their_own() -> None:
    text = "<ul><li>No fees</li><li>Never expires</li></ul>"
    plain = "• No refunds • Sold in packs\nFree envelope"
    shop = clean(Shop.of(items=pl.DataFrame([item("a", "A card", text), item("b", "B card", plain)])))
    table = passages(shop, max_per_item=20, max_review_sentences=0, max_chars=600)
    told = table.filter(pl.col("source") == "description")["text"].to_list()
    assert told == ["No fees", "Never expires", "No refunds", "Sold in packs", "Free envelope"]
