# ruff: noqa: E501 (a case a line)
"""Questions about the shop: checked facts first, then its rules, and never what customers or titles say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.shop.demo.rules import facts as demo_facts
from retailor.shop.facts import Facts, facts_table
from retailor.shop.rules import cut
from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.answer.rules.contradictions import contradicted
from retailor.tasks.answer.rules.facts import CheckedFacts
from retailor.tasks.answer.shapes import Answered, AnswerQuery
from retailor.testing.toys import HashEncoder

FACTS = CheckedFacts.of(demo_facts().iter_rows())
ITEMS = pl.DataFrame(
    [
        {"item_id": "k", "title": "Canada kettle, free delivery", "description": "You may return it within 90 days. Boils fast."},
        {"item_id": "z", "title": "云岭水壶 支持退货", "description": "90天内可退。烧水快。"},
    ]
)  # fmt: skip
REVIEWS = pl.DataFrame(
    {
        "item_id": ["k", "k", "k", "z", "z"],
        "text": ["Delivery was quick.", "They ship to Canada and Japan!", "I sent it back after a year and got a refund. You can pay by cheque.",
                 "寄到日本很快。", "可以货到付款，一年内都能退货。"],
    }
)  # fmt: skip
QUESTIONS = pl.DataFrame(
    [
        {
            "question_id": "q",
            "item_id": "k",
            "question": "Do you ship abroad?",
            "answer": "Yes, we ship to Japan.",
        }
    ]
)
PAGES = {
    "delivery.md": "# Delivery\nWe deliver to Germany, Austria and Canada.\n\n## Cost\nDelivery costs 5 EUR.",
    "returns.md": "# Returns\nYou can send anything back within 14 days.\n\n## Used goods\nUsed goods cannot be returned.",
    "zh.md": "# 配送\n可以寄到德国和加拿大。\n\n# 退货\n14天内可以退货。\n\n# 付款\n可以用信用卡付款。",
}


def answerer(*, rules: bool, facts: dict[str, object] | None = None) -> Answerer:
    shop = Shop.of(
        items=ITEMS,
        reviews=REVIEWS,
        questions=QUESTIONS,
        rules=cut(PAGES if rules else {}),
        facts=facts_table(facts or {}),
    )
    return Answerer(HashEncoder(128), None, AnswerSettings(caution=0.3)).fit(shop)


def ask(which: Answerer, question: str, item_id: str | None = "k") -> Answered:
    return which.predict([AnswerQuery(question, item_id)])[0]


@pytest.fixture(scope="module")
def bare() -> Answerer:
    return answerer(rules=False)


@pytest.fixture(scope="module")
def ruled() -> Answerer:
    return answerer(rules=True)


@pytest.fixture(scope="module")
def checked() -> Answerer:
    return answerer(rules=True, facts={"ships_to": ("DE", "AT"), "return_days": 30, "payment": ("Visa",)})


@pytest.mark.parametrize(
    ("question", "verdict", "said"),
    [
        ("do you ship to Canada?", "yes", "we deliver to Canada"),
        ("Do you ship to Japan?", "no", "do not deliver to Japan"),
        ("can you send it to the UK", "yes", "United Kingdom"),
        ("Do you deliver to France", "yes", "France"),
        ("能寄到日本吗", "no", "不能寄到日本"),
        ("能寄到加拿大吗？", "yes", "可以寄到加拿大"),
        ("支持海外配送吗", None, "新加坡"),
        ("How long does delivery to Brazil take?", "no", "Brazil"),
        ("I live in Toronto and would like it for my sister who turns six in May; do you ship to Canada?", "yes", "Canada"),
        ("how long do I have to return it?", None, "within 30 days"),
        ("can I return it after 40 days?", "no", "within 30 days"),
        ("can I return it after three weeks?", "yes", "within 30 days"),
        ("四十天后还能退吗", "no", "30天"),
        ("两周后可以退货吗？", "yes", "30天"),
        ("is it too late to return it after 40 days", None, "within 30 days"),
        ("what if I want my money back after 5 weeks", "no", "within 30 days"),
        ("will it arrive tomorrow?", "no", "2–6 working days"),
        ("3天内能到吗？", "depends", "2–6个工作日"),
        ("is delivery free for an order of 80 dollars?", "yes", "60 USD"),
        ("包邮吗", "depends", "60美元"),
        ("can I pay with PayPal?", "yes", "PayPal"),
        ("do you take bitcoin?", "no", "You can pay by"),
        ("可以货到付款吗", "no", "支付方式"),
        ("Can I pick it up at your shop?", "no", "cannot be collected"),
    ],
)  # fmt: skip
def test_a_checked_fact_is_told_and_held_against_what_is_asked(
    question: str, verdict: str | None, said: str
) -> None:
    told = FACTS.told(question)
    assert told and told[0].verdict == verdict and said in told[0].text


@pytest.mark.parametrize(
    "question",
    ["who pays for the return shipping?", "退货运费谁出", "what does it cost to send it back, and is delivery free?", "can I return an opened cream?", "How heavy is it?", "does the ball return to you?",
     "拆封了还能退吗", "退款多久到账？", "Do you accept Flooz?"],
)  # fmt: skip
def test_a_fact_is_not_told_where_it_is_not_asked_for(question: str) -> None:
    assert FACTS.told(question) == []


FACT_ASKED: list[tuple[str, object, str]] = [
    ("ships_to", ("FR",), "Do you ship to France?"),
    ("return_days", 30, "Can I return it?"),
    ("exchange_days", 20, "Can I exchange it?"),
    ("dispatch_days", 2, "When will it be dispatched?"),
    ("delivery_days", (2, 6), "How long does delivery take?"),
    ("free_shipping_from", "60 USD", "Is delivery free?"),
    ("shipping_cost", "5 USD", "How much is delivery?"),
    ("payment", ("Visa",), "How can I pay?"),
    ("pickup", True, "Can I collect it from your shop?"),
]


@pytest.mark.parametrize(("name", "value", "question"), FACT_ASKED)
def test_every_fact_that_can_be_written_down_is_told(name: str, value: object, question: str) -> None:
    told = CheckedFacts.of(facts_table({name: value}).iter_rows()).told(question)
    assert [each.name for each in told] == [name]


def test_no_fact_is_read_and_then_forgotten() -> None:
    assert {name for name, _, _ in FACT_ASKED} == {field.name for field in fields(Facts)}  # type: ignore[arg-type]


@given(st.integers(0, 400), st.integers(1, 400))
def test_a_return_is_possible_just_within_its_limit(asked: int, limit: int) -> None:
    facts = CheckedFacts({"return_days": (str(limit),)})
    for question in (f"can I return it after {asked} days?", f"{asked}天后还能退货吗？"):
        assert [told.verdict for told in facts.told(question)] == ["yes" if asked <= limit else "no"]


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        ("You may return it within 90 days.", "description", "return_days"),
        ("30天内可退。", "description", None),
        ("90天内可退。", "description", "return_days"),
        ("All sales are final.", "answer", "return_days"),
        ("The refund is made within 14 days.", "rule", None),
        ("Opened cosmetics cannot be returned.", "rule", None),
        ("We ship to Japan too.", "answer", "ships_to"),
        ("We do not ship to Canada.", "answer", "ships_to"),
        ("We ship worldwide.", "rule", "ships_to"),
        ("Ships within 5 working days.", "description", "dispatch_days"),
        ("Delivery took three weeks.", "review", None),
        ("Free shipping on all orders.", "description", "free_shipping_from"),
        ("You can pay by cheque.", "review", "payment"),
        ("可以货到付款。", "answer", "payment"),
        ("Boils two litres.", "description", None),
    ],
)  # fmt: skip
def test_what_a_text_says_against_a_fact_is_seen(text: str, source: str, name: str | None) -> None:
    assert contradicted(text, FACTS, source=source) == name


@pytest.mark.parametrize(
    "question",
    ["Do you ship to Canada?", "Do you ship to Japan?", "Can I return it?", "Is delivery free?", "Can I pay by cheque?"],
)  # fmt: skip
def test_without_a_rule_neither_reviews_nor_titles_answer_for_the_shop(bare: Answerer, question: str) -> None:
    answer = ask(bare, question)
    assert {each.source for each in answer.evidence} <= {"description", "answer"}
    assert "quick" not in answer.text and "cheque" not in answer.text


@pytest.mark.parametrize("question", ["能寄到日本吗", "可以货到付款吗", "包邮吗"])
def test_without_a_rule_it_is_not_known_in_chinese(bare: Answerer, question: str) -> None:
    assert not ask(bare, question, "z").known


def test_a_rule_is_quoted_with_its_file_and_heading_and_is_of_no_item(ruled: Answerer) -> None:
    answer = ask(ruled, "Do you ship to Canada?", None)
    assert answer.text == "We deliver to Germany, Austria and Canada." and answer.form == "rule"
    best = answer.evidence[0]
    assert (best.source, best.item_id, best.where) == ("rule", None, "delivery.md › Delivery")


def test_a_rule_in_the_language_of_the_question_comes_first(ruled: Answerer) -> None:
    assert ask(ruled, "能寄到加拿大吗", "z").text == "可以寄到德国和加拿大。"
    assert ask(ruled, "怎么付款？", "z").text == "可以用信用卡付款。"
    assert ask(ruled, "How can I pay?").text == "可以用信用卡付款。"


def test_a_fact_overrules_pages_reviews_and_earlier_answers_and_says_so(checked: Answerer) -> None:
    answer = ask(checked, "How long do I have to return it?")
    assert "within 30 days" in answer.text and "90 days" in answer.text and "counts" in answer.text
    assert answer.evidence[0].source == "fact" and answer.evidence[0].where == "facts.toml › return_days"
    assert "14天" not in ask(checked, "多久之内可以退货？", "z").text.split("（")[0]
    assert ask(checked, "Do you ship to Japan?").verdict == "no"
    assert ask(checked, "Do you ship to Canada?").verdict == "no"


def test_a_text_that_a_fact_denies_is_never_evidence(checked: Answerer) -> None:
    for question in (
        "Do you ship to Japan?",
        "Can I return it?",
        "How long may I return it?",
        "Tell me about it",
    ):
        told = [each for each in ask(checked, question).evidence if each.source != "fact"]
        assert not any(contradicted(each.text, checked.facts, source=each.source) for each in told)


def test_the_condition_of_a_return_is_told_by_its_rule(checked: Answerer) -> None:
    assert ask(checked, "Can I return used goods?").text == "Used goods cannot be returned."


def test_facts_and_rules_come_back_from_disk(checked: Answerer, tmp_path: Path) -> None:
    checked.save(tmp_path / "saved")
    again = Answerer.load(tmp_path / "saved")
    for question in ("How long do I have to return it?", "Can I return used goods?"):
        assert ask(again, question) == ask(checked, question)
