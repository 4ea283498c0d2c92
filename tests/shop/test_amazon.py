"""Amazon rows as they really come: eras, odd types, prices, pictures, broken lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from retailor.errors import ConfigError, DataError
from retailor.shop.read import READERS, read
from retailor.shop.readers.amazon_items import item_row, price_of
from retailor.shop.tables import Shop

REVIEW_2018: dict[str, Any] = {
    "overall": 5.0, "verified": True, "reviewerID": "A1", "asin": "B1", "reviewText": "fine", "summary": "ok",
    "unixReviewTime": 1529193600, "vote": "1,234",
}  # fmt: skip
REVIEW_2014: dict[str, Any] = {
    "overall": 5.0, "helpful": [2, 3], "reviewerID": "A1", "asin": "B1", "reviewText": "fine",
    "summary": "ok", "unixReviewTime": 1252800000,
}  # fmt: skip
REVIEW_2023: dict[str, Any] = {
    "rating": 5.0, "title": "ok", "text": "fine", "images": [], "asin": "B1", "parent_asin": "P1",
    "user_id": "A1", "timestamp": 1588687728923, "helpful_vote": 3, "verified_purchase": True,
}  # fmt: skip
META = {
    "amazon-2014": {
        "asin": "B1", "title": "Girls Ballet Tutu", "price": 3.17, "imUrl": "http://i/x.jpg",
        "related": {"also_bought": ["B2"]}, "salesRank": {"Toys": 211836}, "brand": "Coxlures",
        "categories": [["Sports", "Dance"], ["Toys"]], "description": "A tutu",
    },
    "amazon-2018": {
        "category": ["Sports", "Dance"], "tech1": "", "description": ["A tutu", ""], "fit": "", "asin": "B1",
        "title": '<span class="a-size-medium a-color-secondary"', "also_buy": [], "tech2": "",
        "brand": "Coxlures", "feature": ["pink"], "rank": [],
        "details": {"\n Weight: \n": "3 ounces", "ASIN: ": "B1"},
        "main_cat": "Sports", "similar_item": "", "date": "",
        "price": "$3.17 - $9.00",
        "image": ["http://i/x.jpg"],
    },
    "amazon-2023": {
        "main_category": "Sports", "title": "Girls Ballet Tutu", "average_rating": 4.8, "rating_number": 10,
        "features": ["pink"], "description": ["A tutu"], "price": "3.17", "videos": [], "store": "Coxlures",
        "images": [{"thumb": "http://i/t.jpg", "large": "http://i/x.jpg", "variant": "MAIN", "hi_res": None}],
        "categories": ["Sports", "Dance"], "details": {"Weight": "3 ounces", "Rank": {"Toys": 5}},
        "parent_asin": "B1", "bought_together": None,
    },
}  # fmt: skip


def read_rows(tmp_path: Path, reader: str, *rows: Any) -> Shop:
    path = tmp_path / "All_Beauty.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return read(reader, path)


@pytest.mark.parametrize("era", META)
def test_metadata_of_every_era_becomes_the_same_item(era: str, tmp_path: Path) -> None:
    item = read_rows(tmp_path, era, META[era]).items.row(0, named=True)
    assert (item["item_id"], item["brand"], item["price"], item["currency"]) == (
        "B1",
        "Coxlures",
        3.17,
        "USD",
    )
    assert item["category"] == ["Sports", "Dance"] and item["image"] == "http://i/x.jpg"
    assert item["description"] == ("A tutu" if era == "amazon-2014" else "A tutu\npink")
    if era != "amazon-2014":
        assert {"name": "Weight", "value": "3 ounces"} in item["attributes"]


def test_the_three_eras_of_reviews(tmp_path: Path) -> None:
    for era, row, helpful in (
        ("amazon-2014", REVIEW_2014, 2),
        ("amazon-2018", REVIEW_2018, 1234),
        ("amazon-2023", REVIEW_2023, 3),
    ):
        review = read_rows(tmp_path, era, row).reviews.row(0, named=True)
        assert (review["rating"], review["label"], review["text"], review["title"]) == (
            5,
            "positive",
            "fine",
            "ok",
        )
        assert review["helpful"] == helpful
        assert review["item_id"] == ("P1" if era == "amazon-2023" else "B1")


ID = {"amazon-2014": "asin", "amazon-2018": "asin", "amazon-2023": "parent_asin"}
ROWS = {
    "reviews": {"amazon-2014": REVIEW_2014, "amazon-2018": REVIEW_2018, "amazon-2023": REVIEW_2023},
    "metadata": META,
}


@pytest.mark.parametrize("role", ROWS)
@pytest.mark.parametrize("mine", META)
@pytest.mark.parametrize("other", META)
def test_a_row_of_another_era_is_a_reject_wherever_it_stands(
    role: str, mine: str, other: str, tmp_path: Path
) -> None:
    if mine == other:
        return
    own = [ROWS[role][mine] | {ID[mine]: f"B{i}"} for i in range(16)]
    for at in (0, 7, 16):
        shop = read_rows(tmp_path, mine, *own[:at], ROWS[role][other], *own[at:])
        assert len(shop.reviews if role == "reviews" else shop.items) == 16
        assert shop.rejects["line"].to_list() == [at + 1]
        assert f": this is {other}, read it as that" in shop.rejects["reason"][0]


def test_the_message_of_a_wrong_era(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path, "amazon-2023", *[REVIEW_2023] * 2, *[REVIEW_2018] * 16)
    message = str(caught.value).removeprefix(f"{tmp_path}/")
    assert (
        message
        == "All_Beauty.jsonl line 3: no 'rating', but 'overall': this is amazon-2018, read it as that."
    )
    assert caught.value.row == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"overall": None}, "no 'overall'"),
        ({"overall": "five"}, "'overall' is no number"),
        ({"overall": 7}, "'overall' is 7, not within 1 to 5"),
        ({"reviewerID": ""}, "no 'reviewerID'"),
        ({"asin": "  "}, "no 'asin'"),
        ({"unixReviewTime": 1529193600000}, "no unix time in seconds"),
        ({"unixReviewTime": -5}, "no unix time in seconds"),
    ],
)
def test_bad_values_are_rejects(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    shop = read_rows(tmp_path, "amazon-2018", REVIEW_2018, REVIEW_2018 | change, REVIEW_2018)
    assert len(shop.reviews) == 2 and shop.rejects["line"].to_list() == [2]
    assert reason in shop.rejects["reason"][0]


@pytest.mark.parametrize(
    ("change", "column", "value"),
    [
        ({"reviewText": 5}, "text", "5"),
        ({"reviewText": ["a", "b"]}, "text", "a\nb"),
        ({"reviewText": "[sic] fine"}, "text", "[sic] fine"),
        ({"reviewText": None}, "text", None),
        ({"reviewText": "a\0b"}, "text", "ab"),
        ({"overall": "4.0"}, "rating", 4.0),
        ({"vote": None}, "helpful", 0),
        ({"unixReviewTime": "1529193600"}, "rating", 5.0),
        ({"unixReviewTime": None, "reviewTime": "06 17, 2018"}, "rating", 5.0),
        ({"style": {"Color:": ["x"]}, "image": ["y"]}, "text", "fine"),
    ],
)
def test_odd_types_are_read_as_they_are_meant(
    change: dict[str, Any], column: str, value: Any, tmp_path: Path
) -> None:
    shop = read_rows(tmp_path, "amazon-2018", REVIEW_2018, REVIEW_2018 | change, REVIEW_2018)
    assert len(shop.reviews) == 3 and not len(shop.rejects)
    assert shop.reviews[column][1] == value
    assert shop.reviews["time"].dt.strftime("%Y-%m-%d").to_list() == ["2018-06-17"] * 3


@pytest.mark.parametrize("key", ["reviewText", "reviewerID", "style"])
def test_half_a_character_anywhere_is_a_reject(key: str, tmp_path: Path) -> None:
    odd = REVIEW_2018 | {key: "a\ud83d"}
    shop = read_rows(tmp_path, "amazon-2018", REVIEW_2018, odd, repr(odd))
    assert len(shop.reviews) == 1 and shop.rejects["line"].to_list() == [2, 3]
    assert "half of a character" in shop.rejects["reason"][0]


def test_lines_of_literals_and_nan_among_json(tmp_path: Path) -> None:
    literal = repr({**REVIEW_2014, "reviewText": "it's \\d 5"})
    nan = json.dumps({**REVIEW_2014, "summary": float("nan")})
    shop = read_rows(tmp_path, "amazon-2014", REVIEW_2014, literal, nan, "[1]", "__import__('os').getcwd()")
    assert shop.reviews["text"].to_list() == ["fine", "it's \\d 5", "fine"]
    assert shop.rejects["line"].to_list() == [4, 5]
    assert "an array where an object is expected" in shop.rejects["reason"][0]
    assert "neither JSON nor a Python literal" in shop.rejects["reason"][1]


def test_review_ids_come_from_content_alone(tmp_path: Path) -> None:
    one = read_rows(tmp_path, "amazon-2018", REVIEW_2018, REVIEW_2018 | {"reviewText": "other"}).reviews
    two = read_rows(tmp_path, "amazon-2018", REVIEW_2018 | {"reviewText": "other"}, repr(REVIEW_2018)).reviews
    assert one["review_id"].to_list() == two["review_id"].to_list()[::-1]
    assert one["review_id"][0] == "15229dc2b5e20564"  # the same in every version


def test_roles_do_not_mix_within_a_file(tmp_path: Path) -> None:
    shop = read_rows(tmp_path, "amazon-2018", REVIEW_2018, {"asin": "B2", "title": "x"})
    assert shop.rejects["reason"].to_list() == ["a row of metadata in a file of reviews"]
    shop = read_rows(tmp_path, "amazon-2018", META["amazon-2018"], REVIEW_2018)
    assert shop.rejects["reason"].to_list() == ["a row of reviews in a file of metadata"]


def test_questions_with_several_answers(tmp_path: Path) -> None:
    row = {
        "asin": "B1",
        "questions": [
            {"questionText": "Fits?", "answers": [{"answerText": "Yes"}, {"answerText": "No"}]},
            {"questionText": "Why?", "answers": []},
        ],
    }
    shop = read_rows(tmp_path, "amazon-questions", repr(row))
    assert shop.questions["answer"].to_list() == ["Yes", "No", None]


def test_questions_reader_refuses_reviews(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="this is reviews, read it as amazon-2018"):
        read_rows(tmp_path, "amazon-questions", REVIEW_2018)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("$12.99", 12.99), ("$1,299.00", 1299.0), ("$12.99 - $20.00", 12.99), (3.5, 3.5), ("from 9.99", 9.99),
        ("", None), (None, None), ("—", None), (-1, None),
        (".a-box-inner{background-color:#fff} $9.99", None),
        (float("nan"), None), (True, None), ("12", 12.0), ("US$ 5", 5.0), ("$5 and $6", None),
    ],
)  # fmt: skip
def test_prices(text: Any, price: float | None) -> None:
    assert price_of(text) == price


def test_an_item_needs_no_more_than_its_id() -> None:
    row = item_row({"asin": "B1", "details": "{broken", "images": {"hi_res": [None], "large": ["u"]}}, "asin")
    assert isinstance(row, dict) and row["item_id"] == "B1" and row["attributes"] is None
    assert item_row({"title": "x"}, "asin") == "no 'asin'"


def test_details_as_json_text(tmp_path: Path) -> None:
    row = META["amazon-2023"] | {"details": '{"Brand": "Acme"}', "store": None}
    item = read_rows(tmp_path, "amazon-2023", row).items.row(0, named=True)
    assert item["brand"] == "Acme"


def test_an_unknown_reader_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no reader 'amazon-2032'.*Did you mean 'amazon-2023'"):
        read("amazon-2032", "x")
    assert {"amazon-2014", "amazon-2018", "amazon-2023", "amazon-questions", "taobao"} <= set(READERS)
    with pytest.raises(DataError, match="given no files"):
        read("taobao")


def test_votes_and_times_beyond_measure_are_left_out(tmp_path: Path) -> None:
    row = {**REVIEW_2018, "vote": 1e300}
    assert read_rows(tmp_path, "amazon-2018", row, repr(row)).reviews["helpful"].to_list() == [0, 0]
    row = {**REVIEW_2014, "helpful": [1e300, 5]}
    assert read_rows(tmp_path, "amazon-2014", row, repr(row)).reviews["helpful"].to_list() == [None, None]
    asked = {"asin": "B1", "question": "Wide?", "answer": "yes"}
    odd = [{**asked, "unixTime": time} for time in (1e30, -1e300, "nan")]
    shop = read_rows(tmp_path, "amazon-questions", {**asked, "unixTime": 1403852400}, *odd)
    assert shop.questions["time"].null_count() == 3 and len(shop.questions) == 4


@pytest.mark.parametrize("answers", [["yes"], {"answerText": "yes"}, [{"answerText": "yes"}]])
def test_answers_of_any_shape(answers: Any, tmp_path: Path) -> None:
    row = {"asin": "B1", "questions": [{"questionText": "Wide?", "answers": answers}]}
    assert read_rows(tmp_path, "amazon-questions", row).questions["answer"].to_list() == ["yes"]


def test_a_literal_too_long_says_so(tmp_path: Path) -> None:
    literal = repr({**REVIEW_2014, "reviewText": "it's " * 300_000})
    shop = read_rows(tmp_path, "amazon-2014", REVIEW_2014, literal)
    assert "a Python literal may have 1 MiB" in shop.rejects["reason"][0]
