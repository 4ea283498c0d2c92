"""Whose words and whose id a text has: theirs who are forgotten, and nobody else's."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from retailor.shop.gone import Gone
from retailor.shop.tables import Shop
from retailor.tasks.answer.forget import _of_others
from retailor.tasks.sentiment.forget import forget as forget_words

CHINESE = "老王家的锅盖漏水太差了，王秀英阿姨说再也不买"


def of(who: str, said: str, *others: tuple[str, str]) -> Gone:
    rows = [
        {"user_id": each, "review_id": f"r-{n}", "text": text}
        for n, (each, text) in enumerate([(who, said), *others])
    ]
    return Gone.of([who], [Shop.of(reviews=pl.DataFrame(rows))])


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        ("王秀英阿姨说再也不买", True),
        ("顾客提到“王秀英阿姨说再也不买”。", True),
        ("有人说：老王家的锅盖漏水太差了", True),
        ("很多人觉得老王家的锅盖漏水太差了，王秀英阿姨也在其中", True),
        ("锅盖很好", False),
        ("老王", False),
    ],
)
def test_what_quotes_somebody_in_chinese(text: str, quotes: bool) -> None:
    assert of("u1", CHINESE).wrote(text) is quotes


@pytest.mark.parametrize(
    ("who", "text", "named"),
    [
        ("u1", "customer 'u1' has no rating", True),
        ("u1", "用户u1买了", True),
        ("u1", "u1.", True),
        ("u1", "u1@x.org and u1.b and u12 and au1", False),
        ("u1", "u1@x.org and u1", True),
        ("用户1", "由用户1写", True),
        ("用户1", "用户12", False),
        ("客", "顾客说很好", False),
        ("客", "'客' 没有评分", True),
        ("a/b+c (x)", "'a/b+c (x)' is no number", True),
        ("a/b+c (x)", "a/b+c (x)y", False),
        ("12", "12 customers of 340, 12.50 each", False),
        ("12", "customer '12' has no rating", True),
        ("12", "user_id: 12, 用户 12", True),
        ("12", "customer 12.5", False),
        ("12", "'120'", False),
    ],
)
def test_an_id_is_found_and_nobody_elses(who: str, text: str, named: bool) -> None:
    gone = of(who, "It leaks.", *((each, "Fine.") for each in ("u1@x.org", "u1.b", "u12", "au1", "用户12")))
    assert gone.names(text) is named


def test_what_others_wrote_as_well_stays_theirs() -> None:
    rows = [
        {"user_id": "u1", "review_id": "1", "text": "Very good quality. The zqxwibble lid leaks on me."},
        {"user_id": "u2", "review_id": "1", "text": "It is of very  good quality."},
        {"user_id": "u1", "review_id": "2", "text": "质量很好，非常满意。"},
        {"user_id": "u2", "review_id": "3", "text": "质量很好，非常满意。下次再来"},
    ]
    gone = Gone.of(["u1"], [Shop.of(reviews=pl.DataFrame(rows))])
    assert (gone.review_ids, gone.shared_ids) == ({"2"}, {"1"})
    assert not gone.wrote("Very good quality.") and not gone.wrote("质量很好，非常满意。")
    assert gone.wrote("The zqxwibble lid leaks on me.")
    # An id that two reviews have, and a review without one, are known by the words.
    assert _of_others(["1", "2", "3", "row 7"], "质量很好，非常满意。", gone) == [0, 2, 3]
    assert _of_others(["1", "row 0"], "The zqxwibble lid leaks on me.", gone) == []


def test_words_that_nobody_else_wrote_are_told_in_chinese_too() -> None:
    gone = of("u1", "王秀英说锅盖漏水", ("u2", "锅盖很好，小王说的"))
    assert {"王秀英", "秀英", "漏水"} <= gone.words and not {"锅盖", "王", "说"} & gone.words


def test_a_reader_of_sentiment_forgets_words_and_keeps_their_places(tmp_path: Path) -> None:
    gone = of("u1", "王秀英说 zqxwibble leaks", ("u2", "锅盖很好，小王说 it leaks"))
    places = {"leaks": 0, "王秀英": 1, "小王": 2, "zqxwibble": 3, "zqxwibble leaks": 4, "王": 5}
    (tmp_path / "vocabulary.json").write_text(json.dumps(places, ensure_ascii=False), encoding="utf-8")
    assert forget_words(tmp_path, gone) and not forget_words(tmp_path, gone)
    left = json.loads((tmp_path / "vocabulary.json").read_text(encoding="utf-8"))
    assert list(left.values()) == list(range(6))
    assert {each for each in left if not each.startswith("[forgotten")} == {"leaks", "小王", "王"}


def test_what_somebody_made_of_a_draft_is_theirs_and_the_draft_is_not() -> None:
    rows = [
        {
            "user_id": "u1",
            "chosen": "老王家的锅盖漏水太差了，再也不买",
            "rejected": "锅盖很好用，下次还会再买这个锅盖",
        },
        {"user_id": "u2", "chosen": "It boils fast and the lid fits well.", "rejected": "A kettle."},
    ]
    shop = Shop.of(preferences=pl.DataFrame(rows))
    gone = Gone.of(["u1"], [shop])
    assert gone.shop(shop).preferences["user_id"].to_list() == ["u2"]
    assert gone.wrote("老王家的锅盖漏水太差了") and not gone.wrote("锅盖很好用，下次还会再买这个锅盖")
