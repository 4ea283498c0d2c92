"""A split never leaks and never loses a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from retailor.errors import ConfigError
from retailor.shop.demo import demo_shop
from retailor.shop.split import leave_last_out, split_at_random, split_by_time
from retailor.shop.tables import SCHEMAS, Shop

START = datetime(2020, 1, 1, tzinfo=UTC)
days = st.one_of(st.none(), st.integers(0, 12))
names = st.sampled_from(["a", "b", "c", None])


def at(day: int | None) -> datetime | None:
    return None if day is None else START + timedelta(days=day)


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    events = draw(st.lists(st.tuples(names, names, days), max_size=20))
    reviews = draw(
        st.lists(st.tuples(names, names, st.sampled_from(["good", "bad", None]), days), max_size=12)
    )
    questions = draw(st.lists(st.tuples(st.sampled_from(["why?", "how?"]), days), max_size=8))
    judgments = draw(st.lists(st.sampled_from(["mug", "pan", "cup"]), max_size=8))
    return Shop.of(
        items=pl.DataFrame({"item_id": ["a", "b", "c"]}),
        events=table(
            "events user_id item_id kind time rating",
            [(u, i, "buy", at(d), float(1 + n % 5)) for n, (u, i, d) in enumerate(events)],
        ),
        reviews=table(
            "reviews review_id user_id item_id text time",
            [(str(n), u, i, t, at(d)) for n, (u, i, t, d) in enumerate(reviews)],
        ),
        questions=table(
            "questions question_id question time", [(str(n), q, at(d)) for n, (q, d) in enumerate(questions)]
        ),
        judgments=table("judgments query item_id grade", [(query, "a", 1.0) for query in judgments]),
    )


def table(columns: str, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    name, *used = columns.split()
    return pl.DataFrame(rows, schema={column: SCHEMAS[name][column] for column in used}, orient="row")


def check_nothing_lost(shop: Shop, train: Shop, test: Shop) -> None:
    tables = ("events", "reviews", "questions")
    told, asked = (
        {item for name in tables for item in part.tables()[name]["item_id"]} for part in (train, test)
    )
    bare = shop.items.filter(pl.col("title").is_null() & pl.col("description").is_null())["item_id"]
    secret = (asked - told) & set(bare)
    assert_frame_equal(train.items, shop.items.filter(~pl.col("item_id").is_in(list(secret))))
    assert_frame_equal(test.items, shop.items)
    for name in ("events", "reviews", "questions", "judgments"):
        whole = shop.tables()[name]
        both = pl.concat([train.tables()[name], test.tables()[name]])
        assert_frame_equal(whole, both, check_row_order=False)
    for part in (train, test):
        assert part.reviews["review_id"].to_list() == [
            name for name in shop.reviews["review_id"] if name in set(part.reviews["review_id"])
        ]


@settings(max_examples=60, deadline=None)
@given(shops(), st.floats(0.05, 0.9))
def test_by_time_nothing_in_train_is_later_than_test(shop: Shop, share: float) -> None:
    train, test = split_by_time(shop, test=share)
    check_nothing_lost(shop, train, test)
    timed = next((n for n in ("events", "reviews", "questions") if shop.tables()[n]["time"].count()), None)
    if (
        timed is None
        or shop.tables()[timed]["time"].n_unique() - bool(shop.tables()[timed]["time"].null_count()) < 2
    ):
        return
    instants = [
        (train.tables()[name]["time"].max(), test.tables()[name]["time"].min())
        for name in ("events", "reviews", "questions")
        if shop.tables()[name]["time"].count()
    ]
    latest = [last for last, _ in instants if last is not None]
    earliest = [first for _, first in instants if first is not None]
    assert latest and earliest and max(latest) < min(earliest)
    assert len(train.tables()[timed]) and len(test.tables()[timed])


@settings(max_examples=60, deadline=None)
@given(shops(), st.integers(1, 2))
def test_the_last_events_of_a_customer_are_held_out(shop: Shop, n: int) -> None:
    train, test = leave_last_out(shop, n=n)
    check_nothing_lost(shop, train, test)
    for user in ("a", "b", "c"):
        own = shop.events.filter(user_id=user)
        ordered = own.with_row_index().sort("time", "index", nulls_last=False).drop("index")
        held = test.events.filter(user_id=user)
        if len(own) <= n:
            assert not len(held)
        else:
            assert_frame_equal(held, ordered.tail(n), check_row_order=False)
    assert not test.events["user_id"].null_count()
    # a review of what is held out, and not older, never stays behind
    held = test.events.rename({"time": "event_time"}).select("user_id", "item_id", "event_time")
    stayed = train.reviews.join(held, on=["user_id", "item_id"])
    assert (stayed["time"] < stayed["event_time"]).all()


@settings(max_examples=60, deadline=None)
@given(shops(), st.integers(0, 3))
def test_at_random_equal_content_stays_together(shop: Shop, seed: int) -> None:
    train, test = split_at_random(shop, test=0.4, seed=seed)
    check_nothing_lost(shop, train, test)
    assert not set(train.judgments["query"]) & set(test.judgments["query"])
    assert not set(train.questions["question"]) & set(test.questions["question"])

    def pairs(part: Shop) -> set[tuple[str, str]]:
        both = [part.events.select("user_id", "item_id"), part.reviews.select("user_id", "item_id")]
        return set(pl.concat(both).drop_nulls().iter_rows())

    assert not pairs(train) & pairs(test)


def test_by_time_takes_the_share_it_is_asked_for() -> None:
    shop = demo_shop(60)
    train, test = split_by_time(shop, test=0.2)
    assert len(test.events) / len(shop.events) == pytest.approx(0.2, abs=0.02)
    cut = test.events["time"].min()
    assert (train.reviews["time"].drop_nulls() < cut).all() and (test.reviews["time"] >= cut).all()
    check_nothing_lost(shop, train, test)


def test_day_level_ties_are_not_parted() -> None:
    events = pl.DataFrame(
        {
            "user_id": list("abcdefghij"),
            "item_id": list("abcdefghij"),
            "kind": "buy",
            "time": [at(0)] * 6 + [at(1)] * 4,
        }
    )
    train, test = split_by_time(Shop.of(events=events), test=0.1)
    assert (len(train.events), len(test.events)) == (6, 4)


def test_without_times_the_split_goes_by_content() -> None:
    texts = [f"review {i % 500}" for i in range(1000)]
    shop = Shop.of(reviews=pl.DataFrame({"review_id": [str(i) for i in range(1000)], "text": texts}))
    train, test = split_by_time(shop, test=0.1)
    assert 60 < len(test.reviews) < 140
    assert not set(train.reviews["text"]) & set(test.reviews["text"])
    again = split_by_time(shop, test=0.1)[1]
    assert_frame_equal(test.reviews, again.reviews)
    assert 60 < len(split_at_random(shop, test=0.1, seed=1)[1].reviews) < 140


def test_the_seed_decides_a_random_split_and_the_same_seed_repeats_it() -> None:
    texts = [f"review {i}" for i in range(400)]
    shop = Shop.of(
        reviews=pl.DataFrame({"review_id": [str(i) for i in range(400)], "text": texts}),
        events=pl.DataFrame({"user_id": texts, "item_id": texts, "kind": ["buy"] * 400}),
        questions=pl.DataFrame({"question_id": texts, "question": texts}),
        judgments=pl.DataFrame({"query": texts, "item_id": texts, "grade": [1.0] * 400}),
    )
    tests = [split_at_random(shop, test=0.5, seed=seed)[1] for seed in (0, 1, 2)]
    again = split_at_random(shop, test=0.5, seed=1)[1]
    assert_frame_equal(split_at_random(shop, test=0.5)[1].reviews, tests[0].reviews)
    for name in ("reviews", "events", "questions", "judgments"):
        drawn = [set(test.tables()[name].to_series().to_list()) for test in tests]
        assert set(again.tables()[name].to_series().to_list()) == drawn[1]
        for a, b in ((0, 1), (1, 2), (0, 2)):
            # Two halves that know nothing of each other share half of what they have.
            assert 60 < len(drawn[a] & drawn[b]) < 140


def test_what_nobody_wrote_or_asked_is_split_by_what_is_known_of_it() -> None:
    """Rows without a customer or a text fall back on the next best; equal ones stay together."""
    n = 200
    shop = Shop.of(
        events=pl.DataFrame({"user_id": [f"u{i % 50}" for i in range(n)], "kind": ["view"] * n}),
        reviews=pl.DataFrame(
            {"review_id": [f"r{i}" for i in range(n)], "title": [f"t{i % 60}" for i in range(n)]}
        ),
        questions=pl.DataFrame({"question_id": [f"q{i}" for i in range(n)]}),
    )
    train, test = split_at_random(shop, test=0.5)
    assert 0 < len(test.events) < n and 0 < len(test.reviews) < n and 60 < len(test.questions) < 140
    assert not set(train.events["user_id"]) & set(test.events["user_id"])
    assert not set(train.reviews["title"]) & set(test.reviews["title"])


def test_the_cut_is_the_instant_nearest_to_the_share() -> None:
    shop = Shop.of(
        events=table("events user_id item_id kind time", [("u", str(i), "buy", at(i)) for i in range(10)])
    )
    for share, n_test in ((0.1, 1), (0.3, 3), (0.34, 3), (0.36, 4), (0.99, 9), (0.01, 1)):
        assert len(split_by_time(shop, test=share)[1].events) == n_test
    # Rows without a time stay in train, and a table without any is split by its content.
    odd = shop.with_tables(events=shop.events.with_columns(time=pl.lit(None, pl.Datetime("ms", "UTC"))))
    assert 0 <= len(split_by_time(odd, test=0.1)[1].events) <= 5


def test_rejects_stay_in_train_and_questions_of_the_last_out_go_by_content() -> None:
    shop = demo_shop(60)
    train, test = leave_last_out(shop)
    assert not len(test.rejects) and len(train.rejects) == len(shop.rejects)
    assert 0 < len(test.questions) < 0.3 * len(shop.questions)
    assert 0 < len(test.judgments) < 0.3 * len(shop.judgments)


def test_ties_are_broken_by_the_order_of_the_file() -> None:
    events = pl.DataFrame(
        {"user_id": ["u"] * 3, "item_id": ["x", "y", "z"], "kind": "buy", "time": [at(1)] * 3}
    )
    assert leave_last_out(Shop.of(events=events))[1].events["item_id"].to_list() == ["z"]


def test_an_item_known_by_its_held_out_rows_alone_is_no_secret_told_to_train() -> None:
    items = pl.DataFrame(
        {
            "item_id": ["old", "new", "new with a title", "never sold"],
            "title": [None, None, "Mug", None],
            "category": [["7"], ["7"], ["7"], ["7"]],
        }
    )
    rows = [("u", "old", 0), ("v", "old", 0), ("u", "new", 1), ("v", "new with a title", 1)]
    shop = Shop.of(
        items=items,
        events=table("events user_id item_id kind time", [(u, i, "buy", at(d)) for u, i, d in rows]),
    )
    for train, test in (leave_last_out(shop), split_by_time(shop, test=0.5)):
        assert train.items["item_id"].to_list() == ["old", "new with a title", "never sold"]
        assert test.items["item_id"].to_list() == items["item_id"].to_list()


LONG = (
    "The lid fits well and it boils in three minutes but the handle gets hot after a while on the stove so "
    "mind it."
)


def edits(*rows: tuple[Any, ...]) -> Shop:
    """A review of each of two customers and of one without a name, the second and third in test."""
    early, late = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 12))
    return Shop.of(
        events=table(
            "events user_id item_id kind time",
            [(user, "a", "buy", early) for user in "uvw"] + [("v", "b", "buy", late)],
        ),
        reviews=table(
            "reviews user_id item_id text time",
            [("u", "a", "Fine.", early), ("v", "b", "It leaks.", late), (None, "b", LONG, late)],
        ),
        preferences=liked([(user, item, text or LONG, "A draft.", early) for user, item, text in rows]),
    )  # fmt: skip


@pytest.mark.parametrize("split", [split_by_time, leave_last_out])
def test_an_edit_of_a_held_out_review_is_not_learned_from_though_it_was_told_before(
    split: Callable[[Shop], tuple[Shop, Shop]],
) -> None:
    shop = edits(
        ("v", "b", "Quite another text."),  # of the customer who wrote the review of that item
        ("v", "a", "It leaks."),
        (None, "b", "it  LEAKS"),  # posted as it is, and nobody is named
        (None, "b", "It is fine."),
        ("u", "b", None),
        (None, "b", f"Hello! {LONG}"),
    )  # fmt: skip
    if split is leave_last_out:
        review = table("reviews user_id item_id text time", [("v", "b", "It leaks.", None)])
        shop = shop.with_tables(reviews=review)
    train, test = split(shop)
    assert len(test.reviews) and not set(train.reviews["item_id"]) & {"b"}
    left = train.preferences.select("user_id", "item_id", "chosen").rows()
    kept = [("v", "a", "It leaks."), (None, "b", "It is fine.")]
    assert [row for row in left if row in kept] == kept
    assert ("v", "b", "Quite another text.") not in left and (None, "b", "it  LEAKS") not in left
    if split is split_by_time:
        assert left == kept
    assert len(train.preferences) + len(test.preferences) == len(shop.preferences)


def test_bad_shares_are_config_errors() -> None:
    for split in (split_by_time, split_at_random):
        for share in (0, 1, -0.5, 1.5):
            with pytest.raises(ConfigError, match=f"'test' = {share}"):
                split(Shop.of(), test=share)
    with pytest.raises(ConfigError, match="'n' = 0"):
        leave_last_out(Shop.of(), n=0)


def test_an_empty_shop_splits_into_two() -> None:
    for split in (split_by_time, leave_last_out, split_at_random):
        train, test = split(Shop.of())
        assert str(train) == str(test) == "Shop(empty)"


def liked(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return table("preferences user_id item_id chosen rejected time", rows)


def test_preferences_go_where_the_review_that_came_of_them_goes() -> None:
    early, late = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 12))
    events = table(
        "events user_id item_id kind time",
        [("u", "a", "buy", early), ("v", "a", "buy", early), ("u", "b", "buy", late)],
    )
    preferences = liked([("u", "a", "x", "y", early), ("u", "b", "x", "y", late), ("v", "a", "x", "y", None)])
    shop = Shop.of(events=events, preferences=preferences)
    for train, test in (split_by_time(shop, test=0.3), leave_last_out(shop)):
        assert train.preferences["item_id"].to_list() == ["a", "a"]
        assert test.preferences["item_id"].to_list() == ["b"]
    train, test = split_at_random(shop, test=0.5, seed=1)
    assert len(train.preferences) + len(test.preferences) == 3
    for part in (train, test):
        pairs = set(part.preferences.select("user_id", "item_id").rows())
        assert pairs <= set(part.events.select("user_id", "item_id").rows())
    alone = Shop.of(
        preferences=preferences, reviews=table("reviews review_id text", [("1", "t"), ("2", "s")])
    )
    assert len(split_by_time(alone)[0].preferences) == 3
