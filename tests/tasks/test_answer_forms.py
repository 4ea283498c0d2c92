# ruff: noqa: E501 (a case a line)
"""The kind of answer that a question asks for: values held against limits, counted opinions, comparisons."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.answer.evidence.features import is_yes_no
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.evidence.passages import passages
from retailor.tasks.answer.forms.held import held
from retailor.tasks.answer.forms.measures import LESS, MORE, converted, limit_in, quantities, said, unit_asked
from retailor.tasks.answer.forms.stance import polarity, stance
from retailor.tasks.answer.question.parts import parts
from retailor.tasks.answer.shapes import Answered, AnswerQuery, Compared, Counts, Evidence
from retailor.testing.toys import HashEncoder

ITEMS = pl.DataFrame(
    [
        {"item_id": "k", "title": "Brook steel kettle", "price": 30.0, "currency": "USD",
         "attributes": [{"name": n, "value": v} for n, v in (("Weight", "900 g"), ("Capacity", "1.7 L"), ("Size", "20 x 30 cm"), ("Max load", "25 kg"))]},
        {"item_id": "a", "title": "Alder glass kettle", "price": 45.0, "currency": "USD",
         "attributes": [{"name": n, "value": v} for n, v in (("Weight", "1.4 kg"), ("Capacity", "1.2 L"))]},
        {"item_id": "z", "title": "云岭水壶", "price": 99.0, "currency": "CNY",
         "attributes": [{"name": n, "value": v} for n, v in (("重量", "1.1公斤"), ("容量", "1.7升"), ("最大承重", "25公斤"))]},
    ]
)  # fmt: skip
REVIEWS = pl.DataFrame(
    [
        {"review_id": f"r{n}", "item_id": "k", "text": text, "rating": stars}
        for n, (text, stars) in enumerate(
            [("The zip jams.", 1.0), ("The zip jams all the time.", 2.0), ("The zip jams.", 2.0), ("The zip is smooth.", 5.0),
             ("The sound is terrible.", 1.0), ("The sound is lovely.", 5.0), ("The sound is what it is.", 3.0), ("Very comfortable.", 5.0)]
        )
    ]
)  # fmt: skip


def index_of(reviews: list[str]) -> PassageIndex:
    rows = [{"review_id": f"r{n}", "item_id": "k", "text": text} for n, text in enumerate(reviews)]
    shop = Shop.of(reviews=pl.DataFrame(rows))
    return PassageIndex.of(
        passages(shop, max_per_item=9, max_review_sentences=9, max_chars=99), HashEncoder(16)
    )


@pytest.fixture(scope="module")
def answerer() -> Answerer:
    shop = Shop.of(items=ITEMS, reviews=REVIEWS)
    return Answerer(HashEncoder(128), None, AnswerSettings(caution=0.1)).fit(shop)


def ask(answerer: Answerer, question: str, item_id: str | None = "k") -> Answered:
    return answerer.predict([AnswerQuery(question, item_id)])[0]


@pytest.mark.parametrize(
    ("question", "item", "verdict", "text"),
    [
        ("Is it under 2 kg?", "k", "yes", "Yes. Weight: 900 g (0.9 kg)."),
        ("Is it lighter than two pounds?", "k", "yes", "Yes. Weight: 900 g (1.98 lb)."),
        ("is it heavier than half a kilo?", "k", "yes", "Yes. Weight: 900 g (0.9 kg)."),
        ("Does it weigh more than a kilo?", "k", "no", "No. Weight: 900 g (0.9 kg)."),
        ("Is it longer than a metre?", "k", "no", "No. Size: 20 x 30 cm (0.3 m)."),
        ("Will it fit into a 35 cm drawer?", "k", "yes", "Yes. Size: 20 x 30 cm."),
        ("Will it fit into a 25 cm drawer?", "k", "depends", "It depends. Size: 20 x 30 cm."),
        ("Does it hold 1.5 litres?", "k", "yes", "Yes. Capacity: 1.7 L."),
        ("Does it hold 2 litres?", "k", "no", "No. Capacity: 1.7 L."),
        ("Can it carry 30 kg?", "k", "no", "No. Max load: 25 kg."),
        ("Is it under 40 dollars?", "k", "yes", "Yes. Price: 30 USD."),
        ("不到两公斤吧，是吗？", "z", "yes", "是的。重量：1.1公斤。"),
        ("它超过一公斤吗？", "z", "yes", "是的。重量：1.1公斤。"),
        ("能装两升水吗？", "z", "no", "不能。容量：1.7升。"),
        ("能坐30公斤的孩子吗？", "z", "no", "不能。最大承重：25公斤。"),
    ],
)  # fmt: skip
def test_a_value_is_held_against_the_limit_and_quoted(
    answerer: Answerer, question: str, item: str, verdict: str, text: str
) -> None:
    answer = ask(answerer, question, item)
    assert (answer.form, answer.verdict, answer.text) == ("value", verdict, text)
    assert answer.value is not None and answer.evidence[0].source == "attribute"


def test_a_value_is_told_in_the_unit_that_is_asked_for(answerer: Answerer) -> None:
    answer = ask(answerer, "How heavy is it in pounds?")
    assert answer.text == "Weight: 900 g (1.98 lb)." and answer.verdict is None
    assert answer.value is not None and answer.value.converted == "1.98 lb"


def test_what_no_page_tells_is_not_held(answerer: Answerer) -> None:
    for question, item in (
        ("Is it longer than a metre?", "a"),
        ("能装进50厘米的柜子吗", "z"),
        ("Is it under 20 EUR?", "k"),
    ):
        assert not ask(answerer, question, item).known
    review = (Evidence("It weighs 3 kg.", "review", "k", 1.0),)
    assert held("Is it under 2 kg?", review) is None


@pytest.mark.parametrize(
    ("question", "passage", "verdict", "converted"),
    [
        ("Will the battery last 8 hours?", "Battery life: 30 hours", "yes", None),
        ("Will the battery last two days?", "Battery life: 30 hours", "no", "1.25 day"),
        ("充一次电能用40小时吗？", "续航: 30小时", "no", None),
        ("Do I get two years of warranty?", "Warranty: 3 years", "yes", None),
        ("保修有三年吗", "质保: 1年", "no", None),
        ("信号能覆盖100米吗？", "范围: 150米", "yes", None),
        ("Is it brighter than 500 lumens?", "Brightness: 800 lumens", "yes", None),
        ("How many gallons does it hold?", "Volume: 54 L", None, "14.3 gal"),
        ("How many ounces is it?", "Item weight: 200 g", None, "7.05 oz"),
        ("How many months is the warranty?", "Warranty: 2 years", None, "24 month"),
    ],
)
def test_more_than_enough_is_enough_and_any_unit_may_be_asked_for(
    question: str, passage: str, verdict: str | None, converted: str | None
) -> None:
    found = held(question, (Evidence(passage, "attribute", "k", 1.0),))
    assert found is not None and (found.verdict, found.value.converted) == (verdict, converted)


@given(st.sampled_from(LESS.split("|")), st.sampled_from(MORE.split("|")))
def test_every_comparative_is_a_limit(less: str, more: str) -> None:
    orders = [limit_in(f"Is it {word} than 2 kg?") for word in (less, more)]
    assert [each and each.order for each in orders] == ["under", "over"]


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_yes_just_where_the_value_keeps_the_limit(value: int, limit: int) -> None:
    told = (Evidence(f"Weight: {value} g", "attribute", "k", 1.0),)
    for question, kept in (
        (f"Is it under {limit} g?", value < limit),
        (f"Is it heavier than {limit} g?", value > limit),
        (f"不到{limit}克吗？", value < limit),
        (f"超过{limit}克吗？", value > limit),
    ):
        found = held(question, told)
        assert found is not None and found.verdict == ("yes" if kept else "no")


@given(
    st.floats(0.01, 900), st.sampled_from(["g", "kg", "lb", "oz"]), st.sampled_from(["g", "kg", "lb", "oz"])
)
def test_a_conversion_comes_back(value: float, unit: str, other: str) -> None:
    quantity = quantities(f"{value:.4f} {unit}")[0]
    there = converted(quantity, other)
    assert (there is None) == (quantity.unit == other)
    if there is not None and quantity.value > 1:
        back = quantities(there.replace(",", ""))
        assert not back or back[0].base == pytest.approx(quantity.base, rel=0.006, abs=0.006)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("after three weeks", "after 3 weeks"), ("twenty-one days", "21 days"), ("half a kilo", "0.5 kilo"),
        ("longer than a metre", "longer than 1 metre"), ("2 working days", "2 days"), ("四十天后", "40天后"), ("两周", "2周"),
        ("一百二十公斤", "120公斤"), ("半个月", "15天"), ("3个工作日", "3天"), ("30日内", "30天内"), ("a kettle for one", "a kettle for one"),
    ],
)  # fmt: skip
def test_numbers_in_words_are_read(text: str, digits: str) -> None:
    assert said(text) == digits


def test_a_limit_is_read_only_where_there_is_one() -> None:
    assert limit_in("How heavy is it?") is None and limit_in("between 2 kg and 3 kg") is None
    assert unit_asked("几斤重？") == "jin" and unit_asked("how many inches is it") == "in"


def test_opinions_are_counted_by_review_and_side(answerer: Answerer) -> None:
    answer = ask(answerer, "Does the zip jam?")
    assert (answer.form, answer.verdict, answer.counts) == ("opinions", "yes", Counts(4, 3, 1))
    assert answer.text == (
        "3 of 4 customers who write about it say yes: “The zip jams.”; 1 says no: “The zip is smooth.”."
    )
    assert set(answer.evidence[0].reviews) == {"r0", "r2"} and answer.evidence[1].reviews == ("r3",)
    assert ask(answerer, "What about the sound?").counts == Counts(3, 1, 1)
    assert ask(answerer, "Is the sound good?").verdict == "depends"


def test_to_bits_is_no_blame() -> None:
    assert (
        polarity("我家猫爱得不行。") == 0 and polarity("喜欢得不得了。") == 1 and polarity("质量不行。") == -1
    )


def test_a_choice_in_chinese_asks_for_yes_or_no() -> None:
    for question in (
        "重不重",
        "有没有盖子？",
        "可不可以机洗",
        "好不好用",
        "防不防水",
        "结不结实",
        "它怕冷么？",
    ):
        assert is_yes_no(question)
    for question in ("多重", "差不多多重", "为什么不能洗", "不锈钢的有几种"):
        assert not is_yes_no(question)


@pytest.mark.parametrize(
    ("question", "text", "yes"),
    [
        ("Is the zip smooth?", "The zip is smooth.", 1),
        ("Does the zip jam?", "The zip is smooth.", 0),
        ("Is the bass loud?", "The bass is lovely.", 0),
        ("Is the bass loud enough?", "The bass is lovely.", 1),
        ("味道大不大？", "没有异味。", 0),
        ("有味道吗", "没有异味。", 0),
        ("味道好吗", "味道很好。", 1),
    ],
)
def test_which_side_of_a_question_praise_is_on(question: str, text: str, yes: int) -> None:
    index = index_of([text, text])
    assert stance(question, index, "k", index.page("k").tolist()).counts == Counts(2, 2 * yes, 2 * (1 - yes))


def test_the_title_alone_answers_nothing_on_its_own_page(answerer: Answerer) -> None:
    for question in ("Is the kettle any use on a boat?", "What about Brook?"):
        assert "title" not in [each.source for each in ask(answerer, question).evidence]
    assert ask(answerer, "Is it a steel kettle?").text == "Yes. Brook steel kettle."


def test_of_one_customer_nothing_is_counted(answerer: Answerer) -> None:
    answer = ask(answerer, "Is it comfortable?")
    assert answer.counts is None and answer.verdict is None and "A customer writes" in answer.text


def test_words_and_stars_tell_the_side() -> None:
    assert (
        polarity("It leaked.") == -1 and polarity("It is not comfortable.") == -1 and polarity("很舒服") == 1
    )
    assert polarity("Blue.", [1.0]) == -1 and polarity("Blue.", [5.0, 5.0]) == 1 and polarity("Blue.") == 0


def test_two_items_are_a_table(answerer: Answerer) -> None:
    answer = ask(answerer, "How does it compare with the Alder glass kettle?")
    assert answer.form == "comparison" and answer.other_id == "a"
    assert Compared("Weight", "900 g", "1.4 kg") in answer.table
    assert Compared("Max load", "25 kg", None) in answer.table
    assert {each.item_id for each in answer.evidence} == {"k", "a"}


@pytest.mark.parametrize(
    ("question", "verdict"),
    [("Is it heavier than the Alder glass kettle?", "no"), ("Is it lighter than the Alder glass kettle?", "yes"),
     ("Is it cheaper than the Alder glass kettle?", "yes"), ("Is it more expensive than the Alder glass kettle?", "no")],
)  # fmt: skip
def test_which_of_two_has_more(answerer: Answerer, question: str, verdict: str) -> None:
    answer = ask(answerer, question)
    assert answer.verdict == verdict and len(answer.table) == 1


def test_a_part_about_the_shop_is_answered_beside_one_about_the_product() -> None:
    assert parts("How heavy is it and do you ship to Canada?") == ["How heavy is it", "do you ship to Canada"]
    whole = "Do you ship to Canada and how long does it take?"
    assert parts(whole) == [whole]
    assert parts("质量怎么样，大家怎么说？") == ["质量怎么样，大家怎么说？"]
