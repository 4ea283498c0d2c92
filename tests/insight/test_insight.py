"""A small shop whose right answers are known: counts, ranks, changes, gaps, summaries, and its files."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from retailor.insight import changes, summaries
from retailor.insight.changes import STARS
from retailor.insight.complaints import Quote, different
from retailor.insight.files import plain_cell, write_insight
from retailor.insight.insight import Insight, find_insight
from retailor.insight.page import page
from retailor.insight.polarity import OpinionReader, word_reader
from retailor.insight.settings import InsightSettings
from retailor.metrics.interval import wilson
from retailor.shop.tables import Shop
from retailor.tasks.sentiment.shapes import Sentiment, SentimentQuery

START = datetime(2024, 1, 1, tzinfo=UTC)
SIDES = {"negative": (0.9, 0.05), "positive": (0.05, 0.9), "neutral": (0.1, 0.1)}


class Lexicon:
    """A reader that knows five words: what it says of a clause is right by definition."""

    def predict(self, queries: list[SentimentQuery]) -> list[Sentiment]:
        return [self._of(query.text.lower()) for query in queries]

    def _of(self, text: str) -> Sentiment:
        bad = any(word in text for word in ("awful", "jams", "差", "坏"))
        side = (
            "negative" if bad else "positive" if any(word in text for word in ("great", "好")) else "neutral"
        )
        negative, positive = SIDES[side]
        middle = 1 - negative - positive
        return Sentiment(side, {"negative": negative, "neutral": middle, "positive": positive})


def _review(number: int, item: str, text: str, *, user: str | None = None, day: int | None = None) -> dict:
    return {
        "review_id": f"R{number}", "user_id": user or f"U{number}", "item_id": item, "rating": 3.0,
        "text": text, "time": None if day is None else START + timedelta(days=day),
    }  # fmt: skip


def _shop(reviews: list[dict], questions: list[dict] | None = None) -> Shop:
    items = pl.DataFrame(
        {
            "item_id": ["A", "B"],
            "title": ["Tent <b>Alpine</b>", "帐篷"],
            "category": [["Outdoor", "Tents"], ["Outdoor", "Tents"]],
            "description": ["A tent. It weighs 2.1 kg.", None],
        }
    )
    tables = {"items": items}
    if reviews:
        tables["reviews"] = pl.DataFrame(reviews, infer_schema_length=None)
    if questions:
        tables["questions"] = pl.DataFrame(questions, infer_schema_length=None)
    return Shop.of(tables)


def _found(reviews: list[dict], questions: list[dict] | None = None, **dials: object) -> Insight:
    return find_insight(_shop(reviews, questions), InsightSettings(**dials), reader=Lexicon())  # type: ignore[arg-type]


def _row(insight: Insight, level: str, key: str, aspect: str) -> dict:
    ix = next(i for i, each in enumerate(insight.aspects.all) if each.key == aspect)
    rows = insight.figures.filter(level=level, key=key, aspect=ix).to_dicts()
    assert len(rows) == 1
    return rows[0]


def test_customers_are_counted_once_an_item_and_copies_not_at_all() -> None:
    reviews = [
        _review(0, "A", "Awful packaging, really awful packaging.", user="X"),
        _review(1, "A", "Great packaging after all. Great packaging!", user="X"),  # the latest of X counts
        _review(2, "A", "The packaging was awful and everything was wet.", user="Y"),
        _review(3, "A", "The packaging was awful and everything was wet.", user="Z"),  # a copy
        _review(4, "B", "The packaging was awful and everything was wet.", user="Z"),
        _review(5, "A", "..."),
    ]
    insight = _found(reviews, min_reviews=1)
    voices = insight.voices
    assert (voices.n_empty, voices.n_earlier, voices.n_copies) == (1, 1, 1)
    of_a = _row(insight, "item", "A", "packaging")
    assert (of_a["n"], of_a["n_negative"], of_a["n_positive"]) == (2, 1, 1)
    assert _row(insight, "shop", "", "packaging")["n"] == 3
    assert _row(insight, "category", "Tents", "packaging")["n_negative"] == 2


def test_a_customers_text_under_several_items_is_one_voice_of_the_shop() -> None:
    text = "Awful packaging, and everything was wet."
    reviews = [_review(0, "A", text, user="X", day=0), _review(1, "B", text, user="X", day=1)]
    reviews += [
        _review(2, "B", text, user="Y", day=40),
        _review(3, "A", "Great packaging of the tent.", day=90),
    ]
    insight = _found(reviews, min_reviews=1)
    places = (("shop", ""), ("category", "Tents"), ("item", "A"), ("item", "B"))
    counts = {place: _row(insight, *place, "packaging")["n_negative"] for place in places}
    # X's text counts under both items, and once for the shop; Y's under B is a copy of it.
    assert counts == {("shop", ""): 1, ("category", "Tents"): 1, ("item", "A"): 1, ("item", "B"): 1}
    assert insight.periods["n_reviews"].to_list() == [1, 1]


def test_copies_under_many_items_are_no_new_problem() -> None:
    good = [_review(i, "A", f"Great tent {i}, the zipper is great.", day=i) for i in range(60)]
    wave = [
        _review(100 + i, "AB"[i % 2], f"The zipper jams since day {i // 2}.", user=f"X{i // 2}", day=60 + i)
        for i in range(8)
    ]
    shop = [each for each in _found(good + wave).changes.found if each.level == "shop"]
    assert {each.k_after for each in shop} == {4}


def test_complaints_are_ranked_by_what_is_sure_and_quote_no_text_twice() -> None:
    few = [_review(i, "A", f"Awful smell, batch {i}.") for i in range(3)]
    many = [_review(10 + i, "A", f"{'Awful' if i < 9 else 'Great'} packaging number {i}.") for i in range(14)]
    insight = _found(few + many, min_reviews=1)
    of_item = [each for each in insight.complaints if each.level == "item"]
    assert [insight.aspects.all[each.aspect].key for each in of_item] == ["packaging", "smell"]
    first = of_item[0]
    assert (first.n_negative, first.n) == (9, 14)
    low, high = wilson(9, 14)
    assert (first.low, first.high) == (pytest.approx(float(low)), pytest.approx(float(high)))
    assert first.sure == pytest.approx(14 * float(low))
    quotes = insight.complaints[0].quotes
    assert all("wful" in quote.sentence for quote in quotes)
    assert len(quotes) == 1  # all the others are the same but for a digit


def test_wilson_by_hand() -> None:
    low, high = wilson([0, 1, 5, 0], [10, 1, 10, 0])
    assert low.tolist() == pytest.approx([0, 0.206549, 0.236594, 0], abs=1e-5)
    assert high.tolist() == pytest.approx([0.277533, 1, 0.763406, 1], abs=1e-5)


@pytest.mark.parametrize("n_before", [0, 300, 390, 500])
@pytest.mark.parametrize("n_after", [0, 150, 500])
def test_a_long_sentence_is_cut_where_it_speaks_of_the_aspect(n_before: int, n_after: int) -> None:
    days = "".join(f"第{i}天" for i in range(200))
    text = days[:n_before] + "这里的物流太差" + days[:n_after]
    mentions = _found([_review(0, "A", text)], min_reviews=1).mentions
    assert "物流" in mentions["words"]
    assert all(row["words"] in row["sentence"] for row in mentions.to_dicts())
    assert mentions["sentence"].str.len_chars().max() == min(len(text), 400)


def test_the_same_reviews_are_one_complaint_of_an_item() -> None:
    reviews = [_review(i, "A", f"Awful packaging and delivery {i}: awful smell {i}.") for i in range(4)]
    insight = _found(reviews, min_reviews=1)
    assert len([each for each in insight.complaints if each.level == "item"]) == 1


def test_a_new_problem_is_dated_counted_and_quoted() -> None:
    reviews = [_review(i, "A", f"Great tent {i}, the zipper is great.", day=i) for i in range(60)]
    reviews += [_review(100 + i, "A", f"The zipper jams since day {i}.", day=60 + i) for i in range(20)]
    reviews += [_review(200 + i, "B", f"Great zipper, tent {i}.", day=4 * i) for i in range(20)]
    insight = _found(reviews)
    item = next(each for each in insight.changes.found if each.level == "item")
    assert (item.key, item.worse, item.since) == ("A", True, "2024-03-01")
    assert (item.k_before, item.n_before, item.k_after, item.n_after) == (0, 60, 20, 20)
    assert item.quotes and all("jams" in quote.sentence for quote in item.quotes)
    assert not [each for each in insight.changes.found if each.key == "B"]
    mended = _found(
        [{**each, "time": START + timedelta(days=90) - (each["time"] - START)} for each in reviews]
    )
    assert {each.worse for each in mended.changes.found} == {False}


def test_the_counts_of_a_change_are_of_all_reviews(monkeypatch: pytest.MonkeyPatch) -> None:
    reviews = [_review(i, "A", f"Great tent {i}, the zipper is great.", day=i // 2) for i in range(160)]
    reviews += [_review(200 + i, "A", f"The zipper jams since day {i}.", day=80 + i // 2) for i in range(80)]
    monkeypatch.setattr(changes, "MOST_CASES", 60)
    item = next(each for each in _found(reviews).changes.found if each.level == "item")
    assert (item.k_before, item.n_before, item.k_after, item.n_after) == (0, 160, 80, 80)


def test_low_stars_are_watched_whatever_is_said() -> None:
    def rated(low: float) -> Insight:
        reviews = [{**_review(i, "A", f"Tent number {i}.", day=i), "rating": 5.0} for i in range(40)]
        reviews += [{**_review(90 + i, "A", f"Tent {i}.", day=40 + i), "rating": low} for i in range(20)]
        return _found(reviews)

    found = next(each for each in rated(2.0).changes.found if each.level == "item")
    assert (found.aspect, found.since, found.k_before, found.k_after) == (STARS, "2024-02-10", 0, 20)
    assert rated(3.0).changes.found == ()


def test_a_shop_without_times_says_so() -> None:
    insight = _found([_review(i, "A", f"Awful smell {i}.") for i in range(9)], min_reviews=1)
    assert not insight.changes.timed
    assert insight.changes.found == ()
    assert len(insight.periods) == 0
    html = page(insight, "shop")
    assert "have no times" in html
    assert "没有时间" in html


def test_gaps_are_asked_for_and_untold() -> None:
    def asked(number: int, question: str, answer: str | None = None) -> dict:
        return {"question_id": f"Q{number}", "item_id": "A", "question": question, "answer": answer}

    questions = [
        asked(1, "How much does it weigh?"),  # the description tells
        asked(2, "What material is it made of?", "It is made of nylon."),
        asked(3, "Is it made of cotton or nylon?"),
        asked(4, "Can I return it?"),
        asked(6, "Does it arrive quickly?"),
        asked(5, "Will you marry me?"),
    ]
    reviews = [_review(7, "A", "The fabric is a great nylon. It is made of nylon.")]
    found = _found(reviews, questions, min_reviews=1).questions
    assert [(gap.kind, gap.n) for gap in found.gaps] == [("material", 2)]
    facts = found.gaps[0].facts
    assert [(fact.source, fact.question_id, fact.row) for fact in facts] == [
        ("answer", "Q2", None),
        ("review", None, 0),
    ]
    assert (found.n_questions, found.n_told, found.n_rules, found.n_other) == (6, 1, 2, 1)
    assert [(each.category, each.kind, each.n_untold) for each in found.by_category if each.n_untold] == [
        ("Tents", "material", 1)
    ]


def test_a_summary_covers_what_most_speak_of_in_its_true_shares() -> None:
    reviews = [_review(i, "A", f"Great packaging for tent number {i}.") for i in range(6)]
    reviews += [_review(20 + i, "A", f"The smell is awful, day {i}.") for i in range(3)]
    summary = _found(reviews, min_reviews=1, summary_sentences=3).summaries[0]
    assert (summary.n_positive, summary.n_negative) == (6, 3)
    assert sorted(each.says for each in summary.said) == [
        "negative",
        "positive",
    ]  # like sentences say nothing new
    rows = {each.quote.row for each in summary.said}
    assert all(0 <= row < len(reviews) for row in rows)


def test_a_summary_of_alike_sentences_looks_at_each_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def counted(*given: object) -> object:
        nonlocal looks
        looks += 1
        return worth(*given)

    worth = summaries._worth
    monkeypatch.setattr(summaries, "_worth", counted)
    found = _found([_review(i, "A", f"Great packaging of tent {i}.") for i in range(300)], min_reviews=1)
    assert len(found.summaries[0].said) == 1
    assert looks <= 2 * 300


def test_quotes_are_of_different_reviews_and_texts() -> None:
    def quote(row: int, text: str) -> Quote:
        return Quote(row, None, "A", None, None, text)

    some = [
        quote(1, "It smells."),
        quote(1, "Quite another thing"),
        quote(2, "It smells!"),
        quote(3, "Too heavy"),
    ]
    assert [each.row for each in different(some, 3)] == [1, 3]


# the readers ----------------------------------------------------------------------------------------


def test_words_of_everybody_read_where_too_few_stars_tell() -> None:
    assert word_reader(_shop([_review(i, "A", "Great.") for i in range(5)])) is None
    read = OpinionReader().predict([SentimentQuery("The zip is awful, the tent is great.", "zip")])[0]
    assert read.label == "negative"
    insight = find_insight(_shop([_review(i, "A", f"Awful smell {i}.") for i in range(4)]))
    assert insight.read_by == "opinions"
    assert _row(insight, "shop", "", "smell")["n_negative"] == 4


def test_a_reader_of_words_learns_from_the_shops_own_stars() -> None:
    reviews = [
        {
            **_review(i, "A", f"I tried the zip, it {'snags' if i % 2 else 'glides'} {i}."),
            "rating": 1.0 if i % 2 else 5.0,
        }
        for i in range(120)
    ]
    insight = find_insight(_shop(reviews), InsightSettings())
    assert insight.read_by == "words"
    row = _row(insight, "shop", "", "zip")
    assert (row["n_negative"], row["n_positive"]) == (60, 60)


def test_many_clauses_are_read_by_words() -> None:
    reviews = [
        {
            **_review(i, "A", f"The smell is {'foul' if i % 2 else 'fresh'} {i}."),
            "rating": 1.0 if i % 2 else 5.0,
        }
        for i in range(100)
    ]
    shop = _shop(reviews)
    assert find_insight(shop, InsightSettings(max_read=10), reader=Lexicon()).read_by == "words"
    assert find_insight(shop, InsightSettings(max_read=1000), reader=Lexicon()).read_by == "run"
    assert find_insight(shop, InsightSettings(reader="words"), reader=Lexicon()).read_by == "words"
    assert find_insight(shop, InsightSettings(reader="run", max_read=1), reader=Lexicon()).read_by == "run"


# the files ------------------------------------------------------------------------------------------


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.ids += [named["id"] or ""] if "id" in named else []
        self.targets += [str(named["href"])] if "href" in named else []


def _many() -> Insight:
    reviews = [_review(i, "A", f"Great tent {i}. The zipper is great.", day=i) for i in range(60)]
    reviews += [
        _review(100 + i, "A", f"The zipper jams, <script>x</script> {i}.", day=60 + i) for i in range(20)
    ]
    reviews += [_review(200 + i, "B", f"=HYPERLINK 拉链坏了 {i}，拉链差。", day=i) for i in range(20)]
    questions = [{"question_id": "Q1", "item_id": "A", "question": "What is it made of?", "answer": None}]
    return _found(reviews, questions)


def test_every_link_leads_to_a_place_and_no_place_is_twice() -> None:
    html = page(_many(), "My <shop>")
    links = Links()
    links.feed(html)
    assert len(links.ids) == len(set(links.ids))
    assert all(target[0] == "#" and target[1:] in links.ids for target in links.targets)
    assert any(target.startswith("#r") for target in links.targets)
    assert "script" not in links.tags
    assert "My &lt;shop&gt;" in html


def test_the_files_hold_what_was_found(tmp_path: Path) -> None:
    insight = _many()
    paths = write_insight(insight, tmp_path / "new", "shop")
    assert {path.name for path in paths} == {
        "insight.html", "insight.json", "aspects.csv", "complaints.csv", "changes.csv", "questions.csv",
        "summaries.csv", "periods.csv", "sentences.csv",
    }  # fmt: skip
    records = json.loads((tmp_path / "new" / "insight.json").read_text(encoding="utf-8"))
    assert records["counted"]["reviews"] == 100
    assert records["changes"][0]["since"] == "2024-03-01"
    with (tmp_path / "new" / "sentences.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(insight.mentions)
    text = "".join(path.read_text(encoding="utf-8-sig") for path in paths)
    assert "U100" not in text  # no customer is named


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_text_is_a_formula(cell: str) -> None:
    assert plain_cell(cell) == f"'{cell}"
    assert plain_cell(f"a{cell}") == f"a{cell}"
    assert plain_cell(-1) == -1


def test_no_cell_of_any_file_is_a_formula(tmp_path: Path) -> None:
    reviews = [
        {**_review(i, "A", f"=2+{i}, the smell is awful, awful."), "review_id": f"=R{i}"} for i in range(4)
    ]
    write_insight(_found(reviews, min_reviews=1), tmp_path, "shop")
    for path in tmp_path.glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell[:1] in tuple("=+@")], path.name


@pytest.mark.parametrize(
    "reviews", [[], [_review(0, "A", "Great.")], [_review(0, "Z", "Awful smell, no such item.")]]
)
def test_hardly_any_reviews_make_a_page(reviews: list[dict]) -> None:
    html = page(_found(reviews), "shop")
    assert "What customers say of shop" in html


def test_long_names_and_foreign_letters_make_a_page() -> None:
    reviews = [
        _review(i, "A" * 300, f"Great zip İstanbul ß {i}, awful zips. {'w' * 900} zip awful!")
        for i in range(8)
    ]
    html = page(_found(reviews, min_reviews=1), "s" * 200)
    assert "İstanbul" in html
