"""A whole shop, cleaned: nothing is lost silently."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop, empty
from retailor.text.clean_shop import _first_of_each, clean

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def reasons(shop: Shop) -> dict[str, int]:
    return dict(shop.rejects.group_by("reason").len().rows())


def items(**columns: list[object]) -> Shop:
    return Shop.of(items=pl.DataFrame(columns))


def test_every_text_column_is_cleaned() -> None:
    shop = clean(
        Shop.of(
            items=pl.DataFrame(
                {
                    "item_id": ["a"],
                    "title": ["A &amp; B"],
                    "description": ["<p>x</p>"],
                    "brand": [" C "],
                    "category": [["Home&nbsp;", "<b></b>", "D"]],
                    "attributes": [
                        [{"name": "Size:\n ", "value": "１０ cm"}, {"name": "x", "value": "<br>"}]
                    ],
                }
            ),
            reviews=pl.DataFrame({"title": ["so!!!!!!"], "text": ["call 555-234-5678"], "rating": [5.0]}),
            questions=pl.DataFrame(
                {
                    "question": ["Is it<br>big?"],
                    "answer": ["me@x.org"],
                    "evidence": [[{"text": "&lt;10 cm", "source": "attribute", "relevance": 1.0}]],
                }
            ),
            judgments=pl.DataFrame({"query": [" big  one "], "item_id": ["a"], "grade": [3]}),
        )
    )
    item = shop.items.row(0, named=True)
    assert (item["title"], item["description"], item["brand"]) == ("A & B", "x", "C")
    assert item["category"] == ["Home", "D"]
    assert item["attributes"] == [{"name": "Size:", "value": "10 cm"}]
    assert shop.reviews.select("title", "text").row(0) == ("so!!!", "call [phone]")
    assert shop.questions.select("question", "answer").row(0) == ("Is it big?", "[email]")
    assert shop.questions["evidence"][0][0] == {"text": "<10 cm", "source": "attribute", "relevance": 1.0}
    assert shop.judgments["query"].to_list() == ["big one"]
    assert (shop.items["language"][0], shop.questions["language"][0]) == (None, "en")


def test_an_item_without_a_title_stays_and_is_counted() -> None:
    shop = clean(items(item_id=["a", "b"], title=['<span class="a-size-medium"', "Lamp"], price=[-1.0, 2.0]))
    assert shop.items["title"].to_list() == [None, "Lamp"]
    assert shop.items["price"].to_list() == [None, 2.0]
    assert reasons(shop) == {
        "items: nothing was left of the title, which is null now": 1,
        "items: the price is negative, and null now": 1,
    }
    assert shop.rejects["line"].to_list() == [1, 1] and set(shop.rejects["path"]) == {"clean"}


def test_repeated_rows_are_rejected_not_lost() -> None:
    review = {"user_id": "u", "item_id": "i", "text": "good", "rating": 5.0, "time": NOW}
    reviews = [review, review | {"rating": 9.0}, review | {"text": "good&nbsp;"}, review | {"text": "bad"}]
    events = [{"user_id": "u", "item_id": "i", "kind": "view", "time": NOW}] * 3
    shop = clean(
        Shop.of(
            items=pl.DataFrame({"item_id": ["i", "i"], "title": ["A lamp", "A second lamp"]}),
            reviews=pl.DataFrame(reviews),
            events=pl.DataFrame(events),
        )
    )
    assert shop.items["title"].to_list() == ["A lamp"]
    assert shop.reviews["text"].to_list() == ["good", "bad"]
    assert len(shop.events) == 1
    assert reasons(shop) == {
        "items: the row repeats an earlier one": 1,
        "reviews: the row repeats an earlier one": 1,
        "reviews: the rating is outside 1 to 5": 1,
        "events: the row repeats an earlier one": 2,
    }


def test_languages_are_filled_in_and_never_overwritten() -> None:
    shop = clean(
        items(item_id=["a", "b", "c"], title=["防晒霜很好", "The lamp", "Lampe"], language=[None, None, "de"])
    )
    assert shop.items["language"].to_list() == ["zh", "en", "de"]


def test_cleaning_a_shop_twice_changes_nothing() -> None:
    once = clean(demo_shop(60))
    twice = clean(once)
    assert all(a.equals(b) for a, b in zip(once.tables().values(), twice.tables().values(), strict=True))
    assert not once.items["description"].str.contains(r"<|&\w+;|\u3000|[Ａ-Ｚ０-９]").any()


def test_an_empty_shop_stays_empty() -> None:
    shop = clean(Shop.of())
    assert shop.rejects.equals(empty("rejects")) and not len(shop.items)
    assert (
        len(
            clean(
                Shop.of(items=pl.DataFrame({"item_id": ["a"], "category": [None], "attributes": [[]]}))
            ).items
        )
        == 1
    )


@given(st.lists(st.tuples(st.sampled_from("ab") | st.none(), st.integers(0, 3) | st.none()), max_size=30))
def test_of_rows_that_are_the_same_the_first_stays(rows: list[tuple[str | None, int | None]]) -> None:
    schema = {"a": pl.String, "b": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("line", offset=1)
    plain = frame.unique(subset=["a", "b"], keep="first", maintain_order=True)
    assert _first_of_each(frame, ["a", "b"]).equals(plain)
