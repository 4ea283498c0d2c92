"""New items alone: nothing is counted again, what was counted has room for them."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from retailor.retrieval.blend import standardise
from retailor.retrieval.histories import Histories
from retailor.retrieval.popularity import Popularity
from retailor.retrieval.vectors import VectorIndex
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend import update as updating
from retailor.tasks.recommend.catalogue import Catalogue
from retailor.tasks.recommend.query import candidates
from retailor.tasks.recommend.query.candidates import Finder
from retailor.tasks.recommend.scorers.tfidf import TfidfScorer
from retailor.tasks.recommend.scorers.two_tower import untrained
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.testing.toys import HashEncoder

SHOP = demo_shop(60)
NEW = Shop.of(items=SHOP.items.head(2).with_columns(pl.format("new-{}", "item_id").alias("item_id")))


def fitted(**more: Any) -> Recommender:
    settings = RecommendSettings(two_tower={"enabled": False}, sasrec={"enabled": False}, **more)  # type: ignore[arg-type]
    return Recommender(HashEncoder(), settings).fit(SHOP)


@pytest.fixture(scope="module", params=["exact", "approximate"])
def recommender(request: pytest.FixtureRequest) -> Recommender:
    more = (
        {} if request.param == "exact" else {"retrieval": "approximate", "max_closed_form": 1, "factors": 8}
    )
    return fitted(**more)


def test_counted_parts_are_as_they_were_with_room_for_the_new(recommender: Recommender) -> None:
    before, made = recommender._made, copy(recommender).update(NEW)._made
    old, n = len(before.catalogue), len(made.catalogue)
    assert n == old + 2
    popular, was = (
        made.parts["popularity"].tensors()["counts"],
        before.parts["popularity"].tensors()["counts"],
    )
    assert popular[:old].tolist() == was.tolist() and popular[old:].tolist() == [0, 0]
    for name in ("item_knn", "sequential_knn"):
        links, kept = made.parts[name].links, before.parts[name].links  # type: ignore[attr-defined]
        assert links.shape == (n, n) and links[old:].nnz == links[:, old:].nnz == 0 and kept.nnz > 0
        assert (links[:old, :old] != kept).nnz == 0
    assert kept.shape == (old, old), "what answers meanwhile is left alone"


def test_nothing_is_counted_for_items_alone(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updating, "_counts", lambda *given: pytest.fail("counted again"))
    copy(recommender).update(NEW)


def test_an_updated_recommender_is_saved_and_answers_the_same(
    recommender: Recommender, tmp_path: Path
) -> None:
    """Its graphs lack the new items: they are made again when it is loaded."""
    after = copy(recommender).update(NEW)
    after.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved")
    title = NEW.items["title"][0]
    for query in (RecommendQuery(text=title, k=5), RecommendQuery(user_id=SHOP.events["user_id"][0], k=5)):
        want, got = ([each.item_id for each in task.predict([query])[0].items] for task in (after, loaded))
        assert got == want
    assert "new-" in str(after.predict([RecommendQuery(text=title, k=5)]))


def some_parts(n: int) -> dict[str, Any]:
    """Parts of n items; those of fewer are their beginnings."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((40, 5)).astype(np.float32)[:n]
    counts = np.concatenate([np.arange(30, dtype=np.float32) % 7, np.zeros(10, np.float32)])[:n]
    words = sp.csr_matrix((rng.random((40, 9)) * (rng.random((40, 9)) < 0.4)).astype(np.float32)[:n])
    return {
        "popularity": Popularity(counts),
        "two_tower": untrained(vectors, 1.0),
        "tfidf": TfidfScorer(words, 1.0),
    }


@pytest.mark.parametrize("steps", [(40,), (33, 40)])
def test_a_grown_finder_knows_what_one_that_is_built_knows(
    steps: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ties, names = np.arange(40, dtype=np.uint64)[::-1].copy(), list(some_parts(40))
    built = Finder.of(some_parts(40), names, ties, 6)
    grown: Finder | None = Finder.of(some_parts(30), names, ties[:30], 6)
    monkeypatch.setattr(VectorIndex, "build", lambda *given, **more: pytest.fail("a graph was built"))
    n = 30
    for step in steps:
        assert grown is not None
        grown = grown.grown(some_parts(step), ties[:step], step - n, counted=False)
        n = step
    assert grown is not None and grown.tfidf is not None and built.tfidf is not None
    assert grown.fresh.tolist() == list(range(30, 40))
    np.testing.assert_array_equal(grown.popular, built.popular)
    np.testing.assert_allclose(
        grown.popularity.z(np.arange(40))[0], standardise(built.popularity.counts[None])[0], rtol=1e-5
    )
    near, want = grown.near["two_tower"], built.near["two_tower"]
    np.testing.assert_allclose(near.mean, want.mean, atol=1e-7)
    np.testing.assert_allclose(near.moment, want.moment, atol=1e-7)
    np.testing.assert_allclose(grown.tfidf.mean, built.tfidf.mean, rtol=1e-5)
    history = Histories.of([[3, 31]])
    pool, whole = grown.pool(some_parts(40), names, history), built.pool(some_parts(40), names, history)
    assert set(range(30, 40)) <= set(pool.rows.tolist())
    both = np.intersect1d(pool.rows, whole.rows)
    for name in names:
        mine, theirs = (each.z[name][np.searchsorted(each.rows, both)] for each in (pool, whole))
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_best_sellers_are_found_again_where_events_came() -> None:
    ties, names = np.arange(40, dtype=np.uint64), list(some_parts(40))
    before = Finder.of(some_parts(30), names, ties[:30], 6)
    parts = some_parts(40)
    parts["popularity"].counts[35] = 99
    grown = before.grown(parts, ties, 10, counted=True)
    assert grown is not None and grown.popular[0] == 35


def test_too_many_fresh_items_are_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MAX_FRESH", 3)
    task = fitted(retrieval="approximate", max_closed_form=1, factors=8).update(NEW)
    finder = task._made.finder
    assert finder is not None and len(finder.fresh) == 2
    more = NEW.items.with_columns(pl.format("more-{}", "item_id").alias("item_id"))
    finder = task.update(Shop.of(items=more))._made.finder
    assert finder is not None and not len(finder.fresh)
    assert finder.tfidf is not None and finder.tfidf.postings.shape[1] == len(task._made.catalogue)


def test_tables_are_there_once_and_ids_are_not_hashed_again(recommender: Recommender) -> None:
    made = copy(recommender).update(NEW)._made
    ids = made.catalogue.item_ids
    again = Catalogue(ids, made.catalogue.titles, made.catalogue.categories, made.catalogue.prices)
    assert vars(made.catalogue)["ix"] == again.ix
    np.testing.assert_array_equal(vars(made.catalogue)["ties"], again.ties)
    if "tfidf" in made.parts:
        assert made.parts["tfidf"].features is made.understanding.features.tfidf  # type: ignore[attr-defined]
    grown = copy(recommender).update(NEW).update(
        Shop.of(items=NEW.items.with_columns(pl.format("third-{}", "item_id").alias("item_id")))
    )._made  # fmt: skip
    assert len(grown.catalogue) == len(ids) + 2 and made.catalogue.item_ids == ids
