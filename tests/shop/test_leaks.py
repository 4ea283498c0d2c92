"""Planted leaks of eight kinds are all found; a shop without any has none."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.shop.demo import demo_shop
from retailor.shop.leaks import KINDS, find_leaks
from retailor.shop.leaks.naming import named_label
from retailor.shop.leaks.texts import near_pairs
from retailor.shop.split import leave_last_out, split_at_random, split_by_time
from retailor.shop.tables import Shop
from retailor.text.clean_shop import clean

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Parts = tuple[Shop, Shop]


@cache
def parts() -> Parts:
    return split_by_time(clean(demo_shop(150, 5)), test=0.2)


def kinds(train: Shop, test: Shop) -> set[str]:
    return {leak.kind for leak in find_leaks(train, test, now=NOW).leaks}


def timeless(shop: Shop) -> Parts:
    """Without times a split at random is all that there is."""
    none = pl.lit(None, pl.Datetime("ms", "UTC"))
    tables = {
        name: shop.tables()[name].with_columns(time=none) for name in ("events", "reviews", "questions")
    }
    return split_at_random(shop.with_tables(**tables), test=0.2)


@pytest.mark.parametrize("split", [split_by_time, leave_last_out, timeless])
def test_a_clean_shop_has_none(split: Callable[[Shop], Parts]) -> None:
    found = find_leaks(*split(clean(demo_shop(80, 3))), now=NOW)
    assert not found.leaks and "no leak found" in str(found)
    assert not find_leaks(Shop.of(), Shop.of(), now=NOW).leaks


def test_a_split_at_random_of_a_shop_with_times_knows_the_future() -> None:
    assert kinds(*split_at_random(clean(demo_shop(60, 3)))) == {"future"}


def both(train: Shop, test: Shop, **columns: pl.Expr) -> Parts:
    """Columns of the reviews changed on both sides."""
    made = (part.with_tables(reviews=part.reviews.with_columns(**columns)) for part in (train, test))
    return next(made), next(made)


def same_events(train: Shop, test: Shop) -> Parts:
    return train.with_tables(events=pl.concat([train.events, test.events.head(4)])), test


def same_reviews(train: Shop, test: Shop) -> Parts:
    return train.with_tables(reviews=pl.concat([train.reviews, test.reviews.head(4)])), test


def same_judgments(train: Shop, test: Shop) -> Parts:
    return train.with_tables(judgments=pl.concat([train.judgments, test.judgments.head(3)])), test


def long(part: Shop) -> pl.DataFrame:
    return part.reviews.filter(pl.col("text").str.count_matches(r"\w+|[\u4e00-\u9fff]") > 28)


def near_reviews(train: Shop, test: Shop) -> Parts:
    """Other customers, other numbers, a word more at either end."""
    copies = (
        long(test)
        .head(4)
        .with_columns(
            text="Well. " + pl.col("text").str.to_uppercase() + " Thanks",
            review_id="X" + pl.col("review_id"),
            user_id=pl.lit("U1"),
        )
    )
    return train.with_tables(reviews=pl.concat([train.reviews, copies])), test


def near_queries(train: Shop, test: Shop) -> Parts:
    copies = test.judgments.with_columns(query=pl.col("query").str.to_uppercase() + " ")
    return train.with_tables(judgments=pl.concat([train.judgments, copies])), test


def review_on_the_page(train: Shop, test: Shop) -> Parts:
    said = long(test).head(3).group_by("item_id").agg(pl.col("text").str.join(" "))
    items = train.items.join(said, on="item_id", how="left")
    page = pl.concat_str("description", "text", separator=" ", ignore_nulls=True)
    return train.with_tables(items=items.with_columns(description=page).drop("text")), test


def answer_in_the_question(train: Shop, test: Shop) -> Parts:
    told = pl.concat_str("question", pl.lit(" I was told: "), "answer")
    return train, test.with_tables(questions=test.questions.with_columns(question=told))


def query_in_an_attribute(train: Shop, test: Shop) -> Parts:
    judged = pl.concat([train.judgments, test.judgments]).filter(pl.col("grade") > 0)
    name = pl.struct(name=pl.lit("keywords"), value="cheap " + pl.col("query") + " here")
    items = train.items.join(judged.group_by("item_id").agg(more=name), on="item_id", how="left")
    whole = pl.concat_list(pl.col("attributes").fill_null([]), pl.col("more").fill_null([]))
    filled = train.with_tables(
        items=items.with_columns(attributes=whole).drop("more"), judgments=train.judgments.clear()
    )
    return filled, test.with_tables(judgments=judged.filter(pl.col("query").str.len_chars() > 12))


def query_in_the_description(train: Shop, test: Shop) -> Parts:
    judged = pl.concat([train.judgments, test.judgments]).filter(pl.col("grade") > 0)
    said = judged.group_by("item_id").agg(pl.lit("Found by: ") + pl.col("query").str.join("; "))
    items = train.items.join(said.rename({"literal": "more"}), on="item_id", how="left")
    page = pl.concat_str("description", "more", separator=" ", ignore_nulls=True)
    filled = train.with_tables(
        items=items.with_columns(description=page).drop("more"), judgments=train.judgments.clear()
    )
    return filled, test.with_tables(judgments=judged)


def sorted_by_grade(train: Shop, test: Shop) -> Parts:
    return train.with_tables(judgments=train.judgments.sort("grade", descending=True)), test


def later_events(train: Shop, test: Shop) -> Parts:
    end = test.events["time"].max()
    moved = train.events.head(3).with_columns(time=pl.lit(end).cast(pl.Datetime("ms", "UTC")))
    return train.with_tables(events=pl.concat([train.events, moved])), test


def later_reviews(train: Shop, test: Shop) -> Parts:
    end = test.reviews["time"].max()
    moved = train.reviews.head(3).with_columns(time=pl.lit(end).cast(pl.Datetime("ms", "UTC")))
    return train.with_tables(reviews=pl.concat([train.reviews, moved])), test


def after_today(train: Shop, test: Shop) -> Parts:
    late = pl.lit(NOW + timedelta(days=40)).cast(pl.Datetime("ms", "UTC"))
    moved = test.events.head(2).with_columns(time=late)
    return train, test.with_tables(events=pl.concat([test.events, moved]))


def after_their_own_test(train: Shop, test: Shop) -> Parts:
    """A shop split by each customer's last event."""
    known, asked = leave_last_out(clean(demo_shop(150, 5)))
    some = asked.events.head(40)
    moved = some.with_columns(time=pl.col("time") + timedelta(days=3), item_id=pl.lit("P1"))
    return known.with_tables(events=pl.concat([known.events, moved])), asked


def label_first(train: Shop, test: Shop) -> Parts:
    return both(train, test, review_id=pl.col("label").str.head(3) + pl.col("review_id"))


def label_last(train: Shop, test: Shop) -> Parts:
    digit = pl.col("label").replace_strict({"negative": "1", "neutral": "5", "positive": "8"}, default="0")
    return both(train, test, review_id=pl.col("review_id") + digit)


def ids_in_order_of_labels(train: Shop, test: Shop) -> Parts:
    def numbered(part: Shop) -> Shop:
        order = part.reviews.sort("label", maintain_order=True).with_row_index("n")
        back = order.with_columns(review_id="R" + (100_000 + pl.col("n")).cast(pl.String)).drop("n")
        return part.with_tables(reviews=back.sample(fraction=1.0, shuffle=True, seed=0))

    return numbered(train), numbered(test)


def customers_named_by_items(train: Shop, test: Shop) -> Parts:
    return train, test.with_tables(
        events=test.events.with_columns(user_id=pl.col("user_id") + "_" + pl.col("item_id"))
    )


def sorted_by_label(train: Shop, test: Shop) -> Parts:
    return train.with_tables(reviews=train.reviews.sort("label", maintain_order=True)), test


def relevant_first(train: Shop, test: Shop) -> Parts:
    relevance = pl.element().struct.field("relevance")
    ordered = pl.col("evidence").list.eval(pl.element().sort_by(relevance, descending=True))
    made = (
        part.with_tables(questions=part.questions.with_columns(evidence=ordered)) for part in (train, test)
    )
    return next(made), next(made)


def one_customer_a_label(train: Shop, test: Shop) -> Parts:
    few = pl.col("review_id").hash(0) % 5
    return both(train, test, user_id=(pl.col("label") + few.cast(pl.String)).hash(1).cast(pl.String))


def same_customer_same_item(train: Shop, test: Shop) -> Parts:
    again = test.reviews.head(12).with_columns(text=pl.lit("As I said before."), review_id=pl.lit("Z"))
    return train.with_tables(reviews=pl.concat([train.reviews, again])), test


def said(form: pl.Expr) -> Callable[[Shop, Shop], Parts]:
    """Every review says its stars at its end."""
    return lambda train, test: both(train, test, text=pl.concat_str("text", pl.lit(" "), form))


STARS = pl.col("rating").round(0).cast(pl.Int64)
PLANTS: list[tuple[str, Callable[[Shop, Shop], Parts]]] = [
    ("same row", same_events),
    ("same row", same_reviews),
    ("same row", same_judgments),
    ("near-duplicate", near_reviews),
    ("near-duplicate", near_queries),
    ("target in the features", review_on_the_page),
    ("target in the features", answer_in_the_question),
    ("target in the features", query_in_an_attribute),
    ("target in the features", query_in_the_description),
    ("future", later_events),
    ("future", later_reviews),
    ("future", after_today),
    ("future", after_their_own_test),
    ("id", label_first),
    ("id", label_last),
    ("id", ids_in_order_of_labels),
    ("id", customers_named_by_items),
    ("row order", sorted_by_label),
    ("row order", relevant_first),
    ("row order", sorted_by_grade),
    ("customer on both sides", one_customer_a_label),
    ("customer on both sides", same_customer_same_item),
    ("own label", said(STARS.cast(pl.String) + " stars.")),
    ("own label", said("Rating: " + STARS.cast(pl.String))),
    ("own label", said(pl.lit("★").str.pad_end(1).repeat_by(STARS).list.join(""))),
    ("own label", said("（评分：" + STARS.cast(pl.String) + "）")),
    ("own label", said(STARS.cast(pl.String) + "星好评")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "plant"), PLANTS, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(PLANTS)])
def test_a_planted_leak_is_found_with_rows_that_show_it(
    kind: str, plant: Callable[[Shop, Shop], Parts]
) -> None:
    train, test = plant(*parts())
    found = find_leaks(train, test, now=NOW)
    own = [leak for leak in found.leaks if leak.kind == kind]
    assert own and all(leak.rows and 0 < leak.n <= leak.of for leak in own), str(found)
    assert all(cell for leak in own for row in leak.rows for cell in row)


def test_every_kind_was_planted() -> None:
    assert {kind for kind, _ in PLANTS} == set(KINDS)


WORDS = st.lists(st.sampled_from([f"word{i}" for i in range(400)]), min_size=40, max_size=60, unique=True)


@settings(max_examples=25, deadline=None)
@given(WORDS, st.integers(0, 39), st.booleans())
def test_a_copy_is_found_whatever_word_was_changed_and_other_texts_are_not(
    words: list[str], at: int, upper: bool
) -> None:
    copy = [*words[:at], "changed", *words[at + 1 :]]
    text = "  ".join(copy).upper() if upper else ", ".join(copy)
    other = " ".join(reversed(words))
    assert list(near_pairs([text], [other, " ".join(words)])) == [(0, 1)]
    assert not list(near_pairs([text], [other]))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Great. 5 stars!", "positive"), ("one-star service", "negative"), ("3/5 for me", "neutral"),
        ("五星好评", "positive"), ("必须给差评！", "negative"), ("打1分", "negative"), ("★★★", "neutral"),
        ("rating = 2", "negative"), ("Sentiment: positive", "positive"),
        ("a hotel with 5 rooms", None), ("12/50 screws", None), ("version 4.5 is out", None),
        ("not 5 stars, rather 1 star", None), ("五个星期了", None), ("starlight 3000", None),
    ],
)  # fmt: skip
def test_what_names_a_label_and_what_does_not(text: str, label: str | None) -> None:
    assert named_label(text) == label


def test_a_large_table_is_drawn_and_said_so_and_what_is_shown_is_masked() -> None:
    train, test = said(STARS.cast(pl.String) + " stars, write to jo@example.com")(*parts())
    found = find_leaks(train, test, max_rows=200, now=NOW)
    assert "reviews" in found.sampled and "a part, drawn" in str(found)
    assert {leak.kind for leak in found.leaks} == {"own label"} and "jo@example.com" not in str(found)
