# ruff: noqa: E501 (a case a line)
"""What customers think of a product as a whole, and that no other matter answers what no page tells."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from retailor.retrieval.tokens import content_words
from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.answer.evidence.features import FEATURES, is_beside, is_yes_no
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.evidence.passages import passages
from retailor.tasks.answer.forms.overall import overall, side_asked
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.ranking import ranker as ranking
from retailor.tasks.answer.ranking import templates
from retailor.tasks.answer.ranking.cases import Case
from retailor.tasks.answer.ranking.learn import Learner, Synthetic
from retailor.tasks.answer.ranking.synthetic import synthetic_cases
from retailor.tasks.answer.shapes import Answered, AnswerQuery, Counts
from retailor.testing.toys import HashEncoder

TEXTS = {
    "k": [("Food sticks to it. It came on Monday.", 1.0), ("Too big for the cupboard we have.", 2.0), ("The handle is comfortable and the lid is solid.", 5.0), ("Used it twice.", 3.0)],
    "n": [("Lovely thing, I love it.", None), ("Awful, it broke.", None), ("It is what it is.", None)],
    "one": [("Delivery was quick. The spout is solid.", 4.0)],
    "zh": [("很结实。", 5.0), ("一用就漏水。", 1.0), ("杯盖漏水。", 2.0)],
    "bare": [],
}  # fmt: skip
TITLES = {
    "k": "Brook kettle",
    "n": "Alder kettle",
    "one": "Tarn kettle",
    "zh": "云岭水壶",
    "bare": "Fell kettle",
}


@pytest.fixture(scope="module")
def answerer() -> Answerer:
    rows = [
        {"review_id": f"{item}{n}", "item_id": item, "text": text, "rating": stars}
        for item, texts in TEXTS.items()
        for n, (text, stars) in enumerate(texts)
    ]
    items = [{"item_id": item, "title": title} for item, title in TITLES.items()]
    shop = Shop.of(items=pl.DataFrame(items), reviews=pl.DataFrame(rows))
    return Answerer(HashEncoder(64), None, AnswerSettings(caution=0.1)).fit(shop)


def ask(answerer: Answerer, question: str, item_id: str) -> Answered:
    return answerer.predict([AnswerQuery(question, item_id)])[0]


@pytest.mark.parametrize(
    ("question", "side"),
    [
        ("What do people say about it?", "both"), ("what are the reviews like", "both"), ("Reviews?", "both"), ("is it any good?", "both"),
        ("Is it worth buying?", "both"), ("how do customers rate this", "both"), ("pros and cons", "both"), ("Would people recommend it?", "both"),
        ("any complaints?", "bad"), ("What are the downsides?", "bad"), ("does it have any problems?", "bad"), ("what don't people like about it", "bad"),
        ("what's good about it?", "good"), ("Why do people love it?", "good"), ("what are the advantages?", "good"),
        ("大家怎么评价？", "both"), ("这个怎么样", "both"), ("值得买吗", "both"), ("优缺点", "both"), ("有什么缺点", "bad"), ("差评多吗", None), ("优点是什么", "good"), ("有差评吗", "bad"), ("有人说不好吗", "bad"), ("is anyone unhappy with it?", "bad"),
        # of one thing, or no opinion at all
        ("what do people say about the zip?", None), ("any problems with the charger?", None), ("is it good for kids?", None), ("音质怎么样", None), ("how heavy is it?", None),
        ("are there any reviews of the battery?", None), ("大家觉得包装怎么样", None),
    ],
)  # fmt: skip
def test_which_side_is_asked_for(question: str, side: str | None) -> None:
    assert side_asked(question) == side


def test_the_name_of_the_product_is_no_side_of_it() -> None:
    assert side_asked("what do people say about the Brook kettle?") is None
    assert side_asked("what do people say about the Brook kettle?", frozenset(("brook", "kettl"))) == "both"


@pytest.mark.parametrize(
    ("question", "item", "text", "counts", "verdict"),
    [
        ("What do people say about it?", "k", "4 customers wrote about it, 2.8 stars on average: 1 is pleased, 2 are not. Praise: “The handle is comfortable and the lid is solid.” Complaints: “Food sticks to it.” “Too big for the cupboard we have.”", Counts(4, 1, 2), None),
        ("is it any good?", "k", None, Counts(4, 1, 2), "depends"),
        ("any complaints?", "k", "2 of the 4 customers who wrote about it complain: “Food sticks to it.” “Too big for the cupboard we have.”", Counts(4, 1, 2), None),
        ("does it have any downsides?", "k", None, Counts(4, 1, 2), "yes"),
        ("what's good about it?", "k", "1 of the 4 customers who wrote about it praises it: “The handle is comfortable and the lid is solid.”", Counts(4, 1, 2), None),
        ("how are the reviews?", "n", "3 customers wrote about it: 1 is pleased, 1 is not. Praise: “Lovely thing, I love it.” Complaints: “Awful, it broke.”", Counts(3, 1, 1), None),
        ("reviews?", "one", "One customer wrote about it, with 4 stars. Praise: “The spout is solid.” “Delivery was quick.”", Counts(1, 1, 0), None),
        ("does it have any problems?", "one", "The one customer who wrote about it does not complain.", Counts(1, 1, 0), "no"),
        ("what are the pros?", "one", "The one customer who wrote about it praises it: “The spout is solid.” “Delivery was quick.”", Counts(1, 1, 0), None),
        ("大家怎么评价？", "zh", "3位顾客写过评价，平均2.7星：1位满意，2位不满意。好评：“很结实。”不满：“一用就漏水。”“杯盖漏水。”", Counts(3, 1, 2), None),
        ("有什么缺点", "zh", "写过评价的3位顾客中，2位有不满：“一用就漏水。”“杯盖漏水。”", Counts(3, 1, 2), None),
    ],
)  # fmt: skip
def test_what_customers_think_on_the_whole_is_counted_and_quoted(
    answerer: Answerer, question: str, item: str, text: str | None, counts: Counts, verdict: str | None
) -> None:
    answer = ask(answerer, question, item)
    assert (answer.form, answer.known, answer.counts, answer.verdict) == ("opinions", True, counts, verdict)
    if text is not None:
        assert answer.text == text
    assert answer.evidence and {each.source for each in answer.evidence} == {"review"}
    assert all(each.text in answer.text for each in answer.evidence) or answer.verdict == "no"


def test_nobody_wrote_about_it(answerer: Answerer) -> None:
    answer = ask(answerer, "any complaints?", "bare")
    assert (answer.known, answer.text) == (True, "No customer has written about it yet.")
    assert (answer.evidence, answer.counts, answer.verdict) == ((), Counts(0, 0, 0), None)
    assert ask(answerer, "does it have any problems?", "bare").verdict is None, "that nobody wrote is no no"
    assert ask(answerer, "大家怎么评价？", "bare").text == "还没有顾客写过评价。"


def test_a_sentence_of_many_is_quoted_before_one_of_the_same_kind(answerer: Answerer) -> None:
    index = answerer._fitted()
    said = overall(index, index.page("zh").tolist())
    assert (said.counts, said.n_praise, said.n_blame) == (Counts(3, 1, 2), 1, 2)
    assert [index.texts[row] for row in said.blame] == ["一用就漏水。", "杯盖漏水。"]


def test_a_question_of_no_known_kind_needs_a_word_in_common(answerer: Answerer) -> None:
    index = answerer._fitted()
    other = FEATURES.index("beside")

    def refused(question: str, item: str) -> list[bool]:
        vector = answerer.encoder.encode([question], role="query")[0]
        rows = index.page(item)
        return (index.features(question, vector, rows, index.topic(item))[:, other] > 0).tolist()

    assert all(refused("can it be engraved?", "k"))
    texts = [index.texts[row] for row in index.page("k").tolist()]
    assert [not each for each in refused("does it fit the cupboard?", "k")] == [
        "cupboard" in text for text in texts
    ]
    assert all(refused("did you use it on Sundays?", "k")), "'use' is a word of any question"
    assert not any(refused("能刻字吗", "k")), "no word can be shared by two scripts"
    assert not ask(answerer, "can it be engraved?", "k").known
    assert ask(answerer, "does it fit the cupboard?", "k").known


def test_noise_that_is_cancelled_is_no_order() -> None:
    assert [each.name for each in kinds.asked("does it have noise cancelling?")] == ["noise"]
    assert [each.name for each in kinds.asked("does it have noise-cancelling?")] == ["noise"]
    assert "cancelling" in [each.name for each in kinds.asked("can I cancel my order?")]
    assert [each.name for each in kinds.asked("is it wireless?")] == ["wireless"]


def test_what_is_it_is_no_yes_or_no() -> None:
    assert not is_yes_no("优点是什么") and not is_yes_no("怎么用") and is_yes_no("好用么")


def test_what_was_learned_has_to_be_surely_better() -> None:
    """One question in a hundred decides nothing; thirty do, unless another set loses."""
    ahead, base = {"made": np.ones(200)}, {"made": np.array([1.0] * 199 + [0.0])}
    assert not ranking._is_ahead(ahead, base)
    base["made"][:30] = 0.0
    assert ranking._is_ahead(ahead, base)
    assert not ranking._is_ahead({**ahead, "own": np.zeros(9)}, {**base, "own": np.ones(9)})


def _of_reviews(reviews: list[tuple[str, float | None]]) -> tuple[PassageIndex, list[int]]:
    rows = [
        {"review_id": f"r{n}", "item_id": "k", "text": text, "rating": stars}
        for n, (text, stars) in enumerate(reviews)
    ]
    shop = Shop.of(reviews=pl.DataFrame(rows))
    table = passages(shop, max_per_item=99, max_review_sentences=99, max_chars=999)
    index = PassageIndex.of(table, HashEncoder(16))
    return index, index.page("k").tolist()


@pytest.mark.parametrize(
    ("reviews", "blame"),
    [
        # what blames in words before what only its stars blame
        ([("Too big for our cupboard.", 1.0), ("Awful thing.", 1.0)], ["Awful thing.", "Too big for our cupboard."]),
        # a sentence that says nothing is no complaint, whatever its stars
        ([("Used it twice.", 1.0), ("Too big for our cupboard.", 1.0)], ["Too big for our cupboard."]),
        # one that a pleased customer writes too is none either
        ([("We keep two kettles upstairs.", 1.0), ("We keep two kettles upstairs.", 5.0)], []),
        # long ones last
        ([("Awful: " + "we tried it again and again " * 8, 1.0), ("The lid is flimsy.", 1.0)], ["The lid is flimsy.", ("Awful: " + "we tried it again and again " * 8).strip()]),
        ([("The lid is flimsy, and " + "we tried it again and again " * 8, 1.0), ("Awful thing.", 1.0)], ["Awful thing.", ("The lid is flimsy, and " + "we tried it again and again " * 8).strip()]),
        # what several write before what one does
        ([("Awful thing.", 1.0), ("It is horrible.", 1.0), ("It is horrible.", 2.0)], ["It is horrible.", "Awful thing."]),
        # another review's before a second of the same, another matter's before the same one's
        ([("The lid is flimsy. The sound is awful.", 1.0), ("It leaks.", 1.0)], ["The lid is flimsy.", "It leaks.", "The sound is awful."]),
        ([("It leaks.", 1.0), ("It leaked at once.", 1.0), ("The sound is awful.", 1.0)], ["It leaks.", "The sound is awful.", "It leaked at once."]),
    ],
)  # fmt: skip
def test_what_says_most_is_quoted_first(reviews: list[tuple[str, float | None]], blame: list[str]) -> None:
    index, rows = _of_reviews(reviews)
    assert [index.texts[row].strip(".") for row in overall(index, rows).blame] == [
        each.strip(".") for each in blame
    ]


def test_a_sentence_that_a_checked_fact_denies_is_not_quoted(
    answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "retailor.tasks.answer.quoting.contradicted",
        lambda text, facts, source: "denied" if "sticks" in text else None,
    )
    assert "sticks" not in ask(answerer, "any complaints?", "k").text
    assert ask(answerer, "does food stick to it?", "k").counts is None


def test_a_counted_sentence_that_a_fact_denies_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"review_id": f"r{n}", "item_id": "k", "text": text, "rating": 3.0}
        for n, text in enumerate(("It leaks a lot.", "It leaks from the lid.", "It leaks at night."))
    ]
    items = pl.DataFrame([{"item_id": "k", "title": "Brook kettle"}])
    shop = Shop.of(items=items, reviews=pl.DataFrame(rows))
    made = Answerer(HashEncoder(64), None, AnswerSettings(caution=0.01)).fit(shop)
    assert ask(made, "does it leak?", "k").counts == Counts(3, 3, 0)
    monkeypatch.setattr(
        "retailor.tasks.answer.quoting.contradicted",
        lambda text, facts, source: "denied" if "night" in text else None,
    )
    assert ask(made, "does it leak?", "k").counts == Counts(2, 2, 0)


def test_the_name_of_the_product_is_no_matter_in_common() -> None:
    rows = [("r", "t", "The kettle came in a box with ribbons."), ("s", "o", "It is blue.")]
    reviews = [{"review_id": r, "item_id": i, "text": text, "rating": 4.0} for r, i, text in rows]
    items = [{"item_id": "t", "title": "Tarn kettle"}, {"item_id": "o", "title": "Fell mug"}]
    shop = Shop.of(items=pl.DataFrame(items), reviews=pl.DataFrame(reviews))
    made = Answerer(HashEncoder(64), None, AnswerSettings(caution=0.01)).fit(shop)
    assert not ask(made, "was the Tarn kettle on television?", "t").known
    assert ask(made, "were the ribbons on television?", "t").known


def test_a_stop_word_is_one_in_every_inflection() -> None:
    """Its index word is another: 'does' had shared 'doe' with every question of its form."""
    assert content_words("does it have these, and where is it's mirror?") == ["mirror"]


def test_a_question_without_a_word_of_its_own_is_not_barred() -> None:
    assert not is_beside("is it it?", set(), "The lid is solid.")
    assert is_beside("is it grain free?", {"grain", "free"}, "Plastic free, bravo.")
    assert is_beside("does it come with a sack?", {"come", "sack"}, "Comes in mustard.")
    assert not is_beside("does it come?", {"come"}, "Comes in mustard.")


def test_an_earlier_answer_is_found_by_its_question_and_another_script_stays_out() -> None:
    shop = Shop.of(
        items=pl.DataFrame([{"item_id": "k", "title": "Brook kettle"}]),
        questions=pl.DataFrame(
            [{"question_id": "q", "item_id": "k", "question": "Does it fit the drawer?", "answer": "It does, easily."}]
        ),
        reviews=pl.DataFrame([{"review_id": "r", "item_id": "k", "text": "随便写一句，抽屉里也放得下。", "rating": 3.0}]),
    )  # fmt: skip
    answerer = Answerer(HashEncoder(64), None, AnswerSettings(caution=0.01)).fit(shop)
    answer = ask(answerer, "will it fit my drawer?", "k")
    assert answer.known and "It does, easily." in answer.text
    assert all(each.source != "review" for each in answer.evidence)
    assert not ask(answerer, "will it fit my drawer?", "k").text.count("抽屉")


def test_made_questions_alone_set_the_bound_and_teach_no_ranker(answerer: Answerer) -> None:
    assert answerer.log["taught_by"] == "the default"
    assert set(answerer.log["right_by_share"]) == {0.0}
    index = answerer._fitted()
    row = index.texts.index("The lid is solid.") if "The lid is solid." in index.texts else 0
    case = Case("is it solid?", "k", (index.texts[row],), ("review",), (1.0,), True, None, ())
    learner = Learner(index, answerer.encoder, min_questions=20, n_negatives=2, seed=0)
    _, log = learner.ranker([], Synthetic([case] * 40, [case] * 30))
    assert (log["n_made"], log["learned_share"], log["taught_by"]) == (30, 0.0, "the default")
    assert list(log["right_by_share"]) == [0.0], "nothing was learned to be tried"


def test_questions_that_hardly_a_page_tells_are_among_the_made_ones() -> None:
    items = [
        {"item_id": f"i{n}", "title": f"thing {n}",
         "attributes": [{"name": "Weight", "value": f"{n} kg"}, {"name": "Prizes", "value": "won prizes"}]}
        for n in range(1, 40)
    ]  # fmt: skip
    table = passages(
        Shop.of(items=pl.DataFrame(items)), max_per_item=99, max_review_sentences=9, max_chars=99
    )
    index = PassageIndex.of(table, HashEncoder(16))
    made = synthetic_cases(index, list(index.titles), "choose", n=60, max_page=9, seed=0)
    asked_for = {each.question for each in made if not any(each.relevant)}
    assert asked_for & set(templates.untold(chinese=False, use="choose"))
    everything = {
        case.question
        for use in ("learn", "choose", "judge")
        for case in synthetic_cases(index, list(index.titles), use, n=60, max_page=9, seed=0)  # type: ignore[arg-type]
        if not any(case.relevant)
    }
    assert "Has it won any prizes?" not in everything, "these pages do tell it"


def test_an_inflected_word_is_the_same_word() -> None:
    (kind,) = kinds.asked("does it have zippers?")
    assert kinds.tells(kind, "does it have zippers?", "One zipper at the side.")
    assert "cancelling" not in [each.name for each in kinds.asked("does it have echo cancelling?")]
