"""The demo shop: the same every time, of the promised size, and with the promised right answers."""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np
import polars as pl
import pytest

from retailor.errors import ConfigError
from retailor.shop.demo import DemoTruth, demo_shop, demo_truth
from retailor.shop.demo.words_en import ENGLISH
from retailor.shop.demo.words_zh import CHINESE
from retailor.shop.tables import KINDS, SCHEMAS, Shop, label_of_rating
from retailor.text.clean_shop import clean
from retailor.text.languages import language_of

SIZE = 120


@pytest.fixture(scope="module")
def shop() -> Shop:
    return demo_shop(SIZE)


@pytest.fixture(scope="module")
def truth() -> DemoTruth:
    return demo_truth(SIZE)


def test_the_seed_decides_everything(shop: Shop) -> None:
    again, other = demo_shop(SIZE), demo_shop(SIZE, seed=1)
    for name in SCHEMAS:
        assert getattr(shop, name).equals(getattr(again, name))
    assert not shop.items.equals(other.items) and not shop.events.equals(other.events)


@pytest.mark.parametrize("size", [60, 300])
def test_the_dial_sets_every_size(size: int) -> None:
    start = time.process_time()
    shop = demo_shop(size)
    assert time.process_time() - start < 4.0
    assert len(shop.items) == size and len(shop.questions) == 2 * size
    assert shop.events["user_id"].n_unique() <= 2 * size
    assert 15 * size < len(shop.events) < 30 * size
    assert 4.5 * size < len(shop.reviews) < 8 * size
    assert len(shop.judgments) > size and not len(shop.rejects)


def test_a_shop_too_small_for_its_themes_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 12 items, not 3"):
        demo_shop(3)


def test_keys_fit_together(shop: Shop) -> None:
    ids = set(shop.items["item_id"])
    assert len(ids) == SIZE and shop.reviews["review_id"].is_unique().all()
    for table in (shop.events, shop.reviews, shop.questions, shop.judgments):
        assert set(table["item_id"]) <= ids
    assert set(shop.events["kind"]) == set(KINDS)
    rated = shop.events.filter(pl.col("kind") == "rate")
    assert rated["rating"].is_between(1, 5).all() and shop.events["rating"].null_count() == len(
        shop.events
    ) - len(rated)
    assert shop.events["time"].is_sorted()


def test_two_languages_with_the_same_themes(shop: Shop) -> None:
    for english, chinese in zip(ENGLISH.themes, CHINESE.themes, strict=True):
        assert english.key == chinese.key and len(english.facts) == len(chinese.facts)
        assert [product.key for product in english.products] == [product.key for product in chinese.products]
        assert [aspect.key for aspect in english.aspects] == [aspect.key for aspect in chinese.aspects]
    for table in (shop.items, shop.reviews, shop.questions):
        assert set(table["language"]) == {"en", "zh"}
    cleaned = clean(shop)
    told = [
        language_of(f"{title} {text or ''}")
        for title, text in cleaned.items.select("title", "description").rows()
    ]
    assert told == cleaned.items["language"].to_list()


def test_some_texts_are_messy_and_clean_takes_it_away(shop: Shop) -> None:
    mess = r"<\w|&\w+;|[Ａ-Ｚａ-ｚ０-９]|@|https?:"
    assert 0.1 < shop.items["description"].is_null().mean() < 0.5
    assert 0.2 < shop.items["description"].str.contains(mess).mean() < 0.7
    assert shop.reviews["text"].str.contains(mess).any()
    cleaned = clean(shop)
    assert not cleaned.items["description"].str.contains(mess).any()
    assert not cleaned.reviews["text"].str.contains(mess).any()
    assert cleaned.reviews["text"].str.contains(r"\[(?:email|phone|link)\]").any()


def test_customers_buy_in_their_language_and_by_their_taste(shop: Shop, truth: DemoTruth) -> None:
    bought = shop.events.filter(pl.col("kind") == "buy")
    shares = [
        truth.tastes[user][truth.themes[item]] for user, item in bought.select("user_id", "item_id").rows()
    ]
    assert np.mean(shares) > 0.55  # by chance it would be a sixth
    language = dict(shop.items.select("item_id", "language").rows())
    spoken = [lang == language[item] for lang, item in shop.reviews.select("language", "item_id").rows()]
    assert np.mean(spoken) > 0.85


def test_popularity_is_skewed_and_some_items_come_late(shop: Shop, truth: DemoTruth) -> None:
    counts = shop.events.group_by("item_id").len().sort("len", descending=True)["len"]
    assert counts.head(SIZE // 10).sum() > 0.25 * counts.sum()
    assert truth.late
    end = shop.events["time"].max() - (shop.events["time"].max() - shop.events["time"].min()) * 0.12
    late = shop.events.filter(pl.col("item_id").is_in(list(truth.late)))
    assert (late["time"] >= end).all()


def test_names_of_one_theme_do_not_share_words() -> None:
    for language in (ENGLISH, CHINESE):
        for theme in language.themes:
            words = defaultdict(set)
            for product in theme.products:
                for name in product.names:
                    for word in name.lower().replace("-", " ").split():
                        words[word].add(product.key)
            shared = {word for word, keys in words.items() if len(keys) > 2}
            assert not shared, f"{theme.key}: {shared} would give the theme away"


def test_stars_labels_and_words_agree_but_not_always(shop: Shop, truth: DemoTruth) -> None:
    relabelled = shop.reviews.select(label_of_rating(pl.col("rating")))
    assert relabelled.to_series().equals(shop.reviews["label"].alias("rating"), check_names=False)
    assert set(shop.reviews["label"]) == {"negative", "neutral", "positive"}
    joined = truth.aspects.join(shop.reviews.select("review_id", "label", "text"), on="review_id")
    means = dict(joined.group_by("label").agg(pl.col("polarity").mean()).rows())
    assert means["negative"] < -0.3 < means["neutral"] < 0.4 < means["positive"] < 0.99
    assert all(sentence in text for sentence, text in joined.select("sentence", "text").rows())


def test_answers_lie_in_the_evidence(shop: Shop, truth: DemoTruth) -> None:
    assert set(truth.question_kinds.values()) == {"attribute", "description", "review", "answer", "none"}
    for row in shop.questions.iter_rows(named=True):
        kind = truth.question_kinds[row["question_id"]]
        relevant = [passage for passage in row["evidence"] if passage["relevance"] == 1.0]
        if kind == "none":
            assert row["answer"] is None and row["evidence"] == []
            continue
        assert row["answer"] and relevant and len(row["evidence"]) > len(relevant)
        assert kind in {passage["source"] for passage in relevant}
        assert {passage["source"] for passage in row["evidence"]} <= {
            "attribute",
            "description",
            "review",
            "answer",
        }


def test_evidence_is_the_items_own(shop: Shop) -> None:
    cleaned = clean(shop)
    items = {row["item_id"]: row for row in cleaned.items.iter_rows(named=True)}
    squeeze = str.maketrans("", "", " ’'")
    for row in cleaned.questions.iter_rows(named=True):
        item = items[row["item_id"]]
        stated = {f"{pair['name']}: {pair['value']}" for pair in item["attributes"]}
        for passage in row["evidence"]:
            if passage["source"] == "attribute":
                assert passage["text"] in stated
            if passage["source"] == "description":
                assert passage["text"].translate(squeeze) in item["description"].translate(squeeze)


def test_what_cannot_be_answered_is_said_nowhere(shop: Shop, truth: DemoTruth) -> None:
    facts = {
        fact.question: fact.sentence
        for lang in (ENGLISH, CHINESE)
        for t in (*lang.themes, lang)
        for fact in t.facts
    }
    described = dict(clean(shop).items.select("item_id", pl.col("description").fill_null("")).rows())
    for row in shop.questions.iter_rows(named=True):
        if truth.question_kinds[row["question_id"]] == "none" and row["question"] in facts:
            assert (
                facts[row["question"]].split("{n}")[0] not in described[row["item_id"]]
                or "{n}" in facts[row["question"]][:4]
            )


def test_judgments_follow_themes(shop: Shop, truth: DemoTruth) -> None:
    assert set(shop.judgments["grade"]) == {0.0, 1.0, 2.0, 3.0}
    assert shop.judgments.select("query", "item_id").is_unique().all()
    for (query,), rows in shop.judgments.group_by("query"):
        best = {truth.themes[item] for item, grade in rows.select("item_id", "grade").rows() if grade >= 2}
        assert len(best) <= 1, query
