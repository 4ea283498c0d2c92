"""What customers wrote says what they like: their reviews in h_u."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from retailor.retrieval.histories import Histories
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings, TwoTowerSettings
from retailor.tasks.recommend.cases import hold_out
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.customers import read_customers, with_reviews
from retailor.tasks.recommend.scorers.user_reviews import UserReviews
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.testing.toys import HashEncoder

SIDES = ("teapot kettle brew", "hammer chisel saw")
QUICK = RecommendSettings(
    two_tower=TwoTowerSettings(enabled=False),
    sasrec=SasrecSettings(enabled=False),
    tfidf_kernel=0,
    embedding_kernel=0,
)


def shop_of_words(n_users: int = 60, n_items: int = 30, seed: int = 0) -> Shop:
    """Customers choose at random and write of the side that they like; the last event is of that side."""
    rng = np.random.default_rng(seed)
    items = {
        "item_id": [f"i{i:02}" for i in range(n_items)],
        "title": [f"{SIDES[i % 2]} number{i}" for i in range(n_items)],
    }
    events, reviews = [], []
    for user in range(n_users):
        chosen = rng.permutation(n_items)[:4]
        last = next(i for i in rng.permutation(n_items) if i % 2 == user % 2 and i not in chosen)
        events += [(f"u{user:02}", f"i{i:02}", "buy") for i in (*chosen, last)]
        reviews += [(f"u{user:02}", f"i{i:02}", f"I love my {SIDES[user % 2]}") for i in chosen[:2]]
    return Shop.of(
        items=pl.DataFrame(items),
        events=pl.DataFrame(events, schema=["user_id", "item_id", "kind"], orient="row"),
        reviews=pl.DataFrame(reviews, schema=["user_id", "item_id", "text"], orient="row"),
    )


def test_scores_by_hand() -> None:
    reviews = np.array([[1, 0], [0, 1]], np.float32)
    part = UserReviews(reviews, np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32), decay=1.0)
    histories = Histories(
        np.array([0, 2, 3]), np.array([0, 1, 2], np.int32), np.ones(3, np.float32), np.array([0, 1, -1])
    )
    older, newer = np.array([0.5, 1.0]) / np.hypot(0.5, 1.0)
    np.testing.assert_allclose(
        part.scores(histories), [[older, newer, 0.6 * older + 0.8 * newer], [0, 0, 0]], atol=1e-6
    )
    unsaid = Histories(histories.offsets, histories.items, histories.weights)
    assert not part.scores(unsaid).any()


def test_each_text_stands_at_its_event_and_the_latest_are_read_first() -> None:
    shop = shop_of_words()
    catalogue = read_catalogue(shop)
    customers = read_customers(shop, catalogue, QUICK)
    whole, texts = with_reviews(shop, catalogue, customers, 1000)
    said = whole.histories.reviews
    assert said is not None and len(texts) == 120 and sorted(said[said >= 0]) == list(range(120))
    owners = whole.histories.owners()
    for event in np.flatnonzero(said >= 0):
        assert SIDES[int(whole.user_ids[owners[event]][1:]) % 2] in texts[said[event]]
    some, few = with_reviews(shop, catalogue, customers, 60)
    assert len(few) == 60 and some.histories.reviews is not None
    assert (some.histories.ages()[some.histories.reviews >= 0] == 4).all()  # the older review has age 5
    rest, cases = hold_out(whole.histories, 10, seed=0)
    assert rest.reviews is not None and len(rest.reviews) == len(rest.items) and len(cases)
    assert with_reviews(shop, catalogue, customers, 0) == (customers, ())


def test_who_writes_of_tea_is_recommended_tea_and_it_is_kept(tmp_path: Path) -> None:
    shop = shop_of_words()
    task = Recommender(HashEncoder(), QUICK).fit(shop)
    assert task.log["n_reviews"] == 120
    alone = task.log["validation"]["systems"]["user reviews alone"]["value"]
    assert alone > 1.5 * task.log["validation"]["systems"]["item-knn"]["value"]
    answers = task.predict([RecommendQuery(user_id=f"u{user:02}", k=5) for user in range(20)])
    right = [int(hit.item_id[1:]) % 2 == user % 2 for user, a in enumerate(answers) for hit in a.items]
    assert np.mean(right) > 0.9
    task.save(tmp_path / "task")
    again = Recommender.load(tmp_path / "task")
    assert again.predict([RecommendQuery(user_id="u00", k=5)]) == answers[:1]
    events = pl.DataFrame({"user_id": ["u00"], "item_id": ["i29"], "kind": ["buy"]})
    again.update(Shop.of(events=events))
    later = again.predict([RecommendQuery(user_id="u00", k=5)])[0]
    assert np.mean([int(hit.item_id[1:]) % 2 == 0 for hit in later.items]) >= 0.8


@pytest.mark.parametrize("encoder", [None, HashEncoder()])
def test_without_an_encoder_or_reviews_nobody_has_written(encoder: HashEncoder | None) -> None:
    shop = shop_of_words()
    given = shop if encoder is None else shop.with_tables(reviews=shop.reviews.clear())
    task = Recommender(encoder, QUICK).fit(given)
    assert "user reviews alone" not in task.log["validation"]["systems"]
