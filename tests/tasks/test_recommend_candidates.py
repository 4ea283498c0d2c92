"""Candidates in place of a scan: with enough of them the answers are the scan's, by every question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from retailor.retrieval.blend import standardise
from retailor.retrieval.histories import Histories
from retailor.retrieval.ials import Factors
from retailor.retrieval.item_to_item import ItemToItem
from retailor.retrieval.popularity import Popularity
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend.query import candidates as room
from retailor.tasks.recommend.query.candidates import Finder, vectors_of
from retailor.tasks.recommend.scorers.makers import paired
from retailor.tasks.recommend.scorers.tfidf import TfidfScorer, TfidfVectorizer
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.testing.toys import HashEncoder

LARGE = {
    "retrieval": "approximate",
    "max_closed_form": 1,
    "sasrec": {"enabled": False},
    "max_network_steps": 3,
    "n_validation": 60,
}
pytestmark = pytest.mark.filterwarnings("ignore:OpenBLAS:RuntimeWarning", "ignore:Intel MKL:RuntimeWarning")


@pytest.fixture(scope="module")
def shop() -> Shop:
    return demo_shop(120)


@pytest.fixture(scope="module")
def many(shop: Shop) -> Recommender:
    """A recommender that may take as many candidates as there are items."""
    return Recommender(HashEncoder(), RecommendSettings(n_candidates=500, **LARGE)).fit(shop)


def _queries(task: Recommender, shop: Shop) -> Iterator[RecommendQuery]:
    items = shop.items["item_id"]
    for user in shop.events["user_id"].unique().sort()[:8]:
        yield RecommendQuery(user_id=user)
        yield RecommendQuery(user_id=user, diversity=0.4, exclude=(items[1],))
        yield RecommendQuery(user_id=user, max_price=25.0, exclude_seen=False)
        yield RecommendQuery(user_id=user, categories=shop.items["category"][5][:1].to_list(), k=3)
    yield RecommendQuery(item_ids=(items[3], items[9]), k=200)
    yield RecommendQuery(text="a warm gift", k=5)
    yield RecommendQuery(item_ids=(items[3],), by="together")
    yield RecommendQuery(item_ids=(items[3],), by="similar")
    yield RecommendQuery()


def test_enough_candidates_give_the_answers_of_a_scan(many: Recommender, shop: Shop) -> None:
    assert many.log["retrieval"] == {"method": "approximate", "recall@10": 1.0, "n": 100}
    queries = list(_queries(many, shop))
    for query, found, true in zip(
        queries, many.predict(queries), many.scanning().predict(queries), strict=True
    ):
        told = [[(one.item_id, one.reason, one.because) for one in some.items] for some in (found, true)]
        assert told[0] == told[1], query
        np.testing.assert_allclose(
            [one.score for one in found.items], [one.score for one in true.items], atol=2e-4
        )


def test_a_few_candidates_are_saved_and_updated_with_the_rest(shop: Shop, tmp_path: Path) -> None:
    task = Recommender(None, RecommendSettings(n_candidates=15, **LARGE)).fit(shop)
    assert task.log["retrieval"]["recall@10"] > 0.7
    queries = [RecommendQuery(user_id=user) for user in shop.events["user_id"].unique().sort()[:20]]
    before = [[one.item_id for one in some.items] for some in task.predict(queries)]
    task.save(tmp_path / "task")
    loaded = Recommender.load(tmp_path / "task")
    assert [[one.item_id for one in some.items] for some in loaded.predict(queries)] == before
    day = demo_shop(130, seed=1)
    task.update(
        day.with_tables(
            items=day.items.with_columns(item_id="new" + day.items["item_id"]), events=day.events[:0]
        )
    )
    assert len(task.predict(queries)[0].items) == 10


def test_small_catalogues_are_scanned_and_large_ones_are_not() -> None:
    settings = RecommendSettings(max_exact=100)
    assert not settings.by_candidates(100) and settings.by_candidates(101)
    assert RecommendSettings(retrieval="approximate").by_candidates(2)
    assert not RecommendSettings(retrieval="exact").by_candidates(10**7)
    assert RecommendSettings(max_links=1_000).links(100) == 10


# z-scores without a scan --------------------------------------------------------------------------


def test_scores_of_candidates_are_the_z_scores_of_a_scan() -> None:
    rng = np.random.default_rng(0)
    n = 300
    links = np.where(rng.random((n, n)) < 0.1, rng.random((n, n)), 0)
    words = TfidfVectorizer.of(texts := [f"w{i % 7} w{i % 11} w{i % 13}" for i in range(n)]).features(texts)
    parts = {
        "popularity": Popularity(rng.integers(1, 50, n).astype(np.float32)),
        "sequential_knn": ItemToItem(sp.csr_matrix(links, dtype=np.float32), 1.0),
        "ials": Factors(rng.normal(size=(n, 6)).astype(np.float32), 10.0, 0.05),
        "tfidf": TfidfScorer(words, 1.0),
    }
    finder = Finder.of(parts, list(parts), rng.integers(1 << 60, size=n).astype(np.uint64), 40)
    history = Histories.of([[4, 250, 7, 7]])
    pool = finder.pool(parts, list(parts), history)
    assert 40 <= len(pool.rows) < n and (np.diff(pool.rows) > 0).all()
    for name, part in parts.items():
        scores = part.scores(history)
        np.testing.assert_allclose(pool.z[name], standardise(scores)[0][pool.rows], atol=1e-4)
        best = np.argsort(-scores[0], kind="stable")[:10]
        if name != "tfidf":
            assert np.isin(best, pool.rows).mean() >= 0.9, name
    empty = finder.pool(parts, ["ials", "sequential_knn"], Histories.of([[]]))
    assert not any(z.any() for z in empty.z.values())


def test_only_parts_that_are_inner_products_have_vectors() -> None:
    assert vectors_of(Popularity(np.ones(3, np.float32))) is None


def test_most_keeps_what_ties_with_the_last() -> None:
    assert room._most(np.array([3.0, 1, 2, 2, 0]), 2).tolist() == [0, 2, 3]


def test_only_the_latest_events_are_paired_beyond_the_limit() -> None:
    histories = Histories.of([[0, 1, 2, 3], [4], [5, 6]])
    assert paired(histories, 21) is histories
    assert paired(histories, 20).lengths().tolist() == [3, 1, 2]
    assert paired(histories, 1).lengths().tolist() == [2, 1, 2]
