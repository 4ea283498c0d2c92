"""Large catalogues: what is near in meaning is found through a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from retailor.models.hashed import HashEncoder
from retailor.retrieval.blend import standardise
from retailor.seeds import stream
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search import nearest as module
from retailor.tasks.search.nearest import Nearest
from retailor.tasks.search.shapes import Filter, SearchQuery

NO_ROWS = np.zeros(0, np.int64)


def vectors(n: int = 400, dim: int = 16) -> NDArray[np.float32]:
    drawn = stream(0, "test", "nearest").normal(size=(n, dim)).astype(np.float32) + 0.5
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_z_scores_are_those_of_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "N_NEAREST", 30)
    known = vectors()
    found = Nearest.of(known, 100).near(known[7], np.array([399]))
    whole = standardise((known @ known[7])[None])[0]
    compared = found.cosines != np.float32(np.median(found.cosines))
    assert 30 <= compared.sum() <= 31 and compared[399] and compared[7]
    np.testing.assert_allclose(found.z[compared], whole[compared], atol=1e-3)
    np.testing.assert_allclose(found.z[~compared], 0, atol=1e-3)
    assert set(np.argsort(-whole)[:10]) <= set(np.flatnonzero(compared))


def test_a_small_catalogue_is_scanned() -> None:
    known = vectors()
    found = Nearest.of(known, 401).near(known[0], NO_ROWS)
    np.testing.assert_array_equal(found.cosines, known @ known[0])


def test_new_and_changed_vectors_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "N_NEAREST", 3)
    known = vectors()
    asked = -known.mean(axis=0)  # far from all
    asked /= np.linalg.norm(asked)
    grown = np.concatenate([known, asked[None]])
    grown[5] = asked
    made = Nearest.of(known, 100).updated(grown, [5, 400])
    assert made.near(asked, NO_ROWS).cosines[[5, 400]] == pytest.approx([1, 1], abs=1e-5)
    made.save(tmp_path)
    assert Nearest.load(tmp_path, grown, 100).near(asked, NO_ROWS).cosines[[5, 400]] == pytest.approx([1, 1])


@pytest.fixture(scope="module")
def pair() -> tuple[Search, Search]:
    shop = demo_shop(60).with_tables(reviews=demo_shop(60).reviews.clear())
    return (
        Search(HashEncoder()).fit(shop),
        Search(HashEncoder(), SearchSettings(index_from=2)).fit(shop),
    )


@pytest.mark.parametrize("query", ["steel kettle", "日霜", "a gift for a runner", "kettle under 60"])
def test_answers_are_those_of_a_scan(pair: tuple[Search, Search], query: str) -> None:
    scanned, indexed = (each.predict([SearchQuery(query)])[0] for each in pair)
    assert [each.item_id for each in indexed.items] == [each.item_id for each in scanned.items]
    assert (indexed.n_found, indexed.filters) == (scanned.n_found, scanned.filters)


def test_saved_with_its_graph(pair: tuple[Search, Search], tmp_path: Path) -> None:
    pair[1].save(tmp_path / "search")
    assert (tmp_path / "search" / "graph.usearch").exists()
    queries = [SearchQuery("steel kettle"), SearchQuery("日霜")]
    assert Search.load(tmp_path / "search").predict(queries) == pair[1].predict(queries)


def test_what_a_filter_leaves_is_compared_however_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "N_NEAREST", 2)
    titles = [f"red tent {i}" for i in range(30)] + ["oat porridge", "steel kettle"]
    items = pl.DataFrame(
        {
            "item_id": titles,
            "title": titles,
            "brand": ["Tents"] * 30 + ["Other"] * 2,
        }
    )
    search = Search(HashEncoder(), SearchSettings(index_from=2)).fit(Shop.of(items=items))
    query = SearchQuery("kettle made of steel", 2, filters=(Filter("brand", "=", "Other"),), read=False)
    assert [each.item_id for each in search.predict([query])[0].items] == ["steel kettle", "oat porridge"]
