"""Large catalogues: what is near in meaning is found through a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from retailor.models.hashed import HashEncoder
from retailor.retrieval import packed
from retailor.retrieval.blend import standardise
from retailor.retrieval.languages import without
from retailor.seeds import stream
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.store.shared import is_on_the_disk
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search import nearest as module
from retailor.tasks.search.nearest import Nearest
from retailor.tasks.search.shapes import Filter, SearchQuery

NO_ROWS = np.zeros(0, np.int64)
PACKED = [SearchSettings(vectors=kept) for kept in ("int8", "pca", "binary")]


def vectors(n: int = 400, dim: int = 16) -> NDArray[np.float32]:
    drawn = stream(0, "test", "nearest").normal(size=(n, dim)).astype(np.float32) + 0.5
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("settings", [SearchSettings(index_from=100), *PACKED])
def test_z_scores_are_those_of_a_scan(monkeypatch: pytest.MonkeyPatch, settings: SearchSettings) -> None:
    monkeypatch.setattr(module, "N_NEAREST", 30)
    monkeypatch.setattr(packed, "LEAST", 100)
    known = vectors()
    found = Nearest.of(known, settings).near(known[7], np.array([399]))
    whole = standardise((known @ known[7])[None])[0]
    assert 30 <= len(found.rows) <= 31 and {399, 7} <= set(found.rows.tolist())
    np.testing.assert_allclose(found.z, whole[found.rows], atol=1e-3)
    np.testing.assert_allclose(found.cosines, (known @ known[7])[found.rows], atol=1e-6)
    assert found.mean == pytest.approx((known @ known[7]).mean(), abs=1e-5)
    assert set(np.argsort(-whole)[:10]) <= set(found.rows.tolist())


def test_a_small_catalogue_is_scanned() -> None:
    known = vectors()
    found = Nearest.of(known, SearchSettings(index_from=401)).near(known[0], NO_ROWS)
    np.testing.assert_array_equal(found.cosines, known @ known[0])


def cosines(made: Nearest, asked: NDArray[np.float32], rows: list[int]) -> list[float]:
    found = made.near(asked, NO_ROWS)
    return [float(found.cosines[found.rows.tolist().index(row)]) for row in rows]


@pytest.mark.parametrize("settings", [SearchSettings(index_from=100), *PACKED])
def test_new_and_changed_vectors_are_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: SearchSettings
) -> None:
    few = 100 if settings.vectors == "pca" else 3  # four directions of sixteen tell little apart
    monkeypatch.setattr(module, "N_NEAREST", 3)
    monkeypatch.setattr(packed, "LEAST", few)
    known = vectors()
    asked = -known.mean(axis=0)  # far from all
    asked /= np.linalg.norm(asked)
    made = Nearest.of(known, settings).updated(np.stack([asked, asked]), [5, 400])
    assert cosines(made, asked, [5, 400]) == pytest.approx([1, 1], abs=1e-3)
    made.save(tmp_path)
    again = Nearest.load(tmp_path, settings)
    assert cosines(again, asked, [5, 400]) == pytest.approx([1, 1], abs=1e-3)


@pytest.mark.parametrize("settings", [SearchSettings(), SearchSettings(index_from=100), *PACKED])
def test_across_languages_cosines_and_their_z_scores_are_the_encoders(
    tmp_path: Path, settings: SearchSettings
) -> None:
    """Whether anything fits is told by these; only the order compares without the languages' directions."""
    known = vectors()
    asked, every = known[7], np.arange(len(known))
    direction = np.linalg.svd(known)[2][:1].astype(np.float32)
    across, plain = Nearest.across(known, settings, direction), Nearest.of(known, settings)
    across.save(tmp_path)
    new = known[[3, 4]] * np.float32(0.5)
    wanted = standardise((known @ asked)[None])[0]
    for made in (across, Nearest.load(tmp_path, settings)):
        near = made.near(asked, every)
        np.testing.assert_allclose(near.cosines, known @ asked, atol=2e-3)
        np.testing.assert_allclose(near.own_z, wanted, atol=0.03)
        level = without(known, direction) @ asked
        np.testing.assert_allclose(near.z, standardise(level[None])[0], atol=0.03)
        np.testing.assert_allclose(made.whole(), known, atol=2e-3)
        more = made.updated(new, [3, 400]).near(asked, np.arange(401))
        assert more.cosines[[3, 400]] == pytest.approx(new @ asked, abs=2e-3)
    near = plain.near(asked, every)
    np.testing.assert_array_equal(near.z, near.own_z)
    assert Nearest.across(known, settings, direction[:0]).along is None


@pytest.fixture(scope="module", params=["graph", "int8", "pca", "binary"])
def pair(request: pytest.FixtureRequest) -> tuple[Search, Search]:
    shop = demo_shop(60).with_tables(reviews=demo_shop(60).reviews.clear())
    graph = request.param == "graph"
    settings = SearchSettings(index_from=2) if graph else SearchSettings(vectors=request.param)
    return Search(HashEncoder()).fit(shop), Search(HashEncoder(), settings).fit(shop)


@pytest.mark.parametrize("query", ["steel kettle", "日霜", "a gift for a runner", "kettle under 60"])
def test_answers_are_those_of_a_scan(pair: tuple[Search, Search], query: str) -> None:
    scanned, indexed = (each.predict([SearchQuery(query)])[0] for each in pair)
    assert [each.item_id for each in indexed.items] == [each.item_id for each in scanned.items]
    assert (indexed.n_found, indexed.filters) == (scanned.n_found, scanned.filters)


def test_saved_with_its_index(pair: tuple[Search, Search], tmp_path: Path) -> None:
    pair[1].save(tmp_path / "search")
    names = {path.name for path in (tmp_path / "search").iterdir()}
    on_disk = pair[1].settings.vectors != "float32"
    assert ({"codes.safetensors", "moments.safetensors"} if on_disk else {"graph.usearch"}) <= names
    queries = [SearchQuery("steel kettle"), SearchQuery("日霜")]
    again = Search.load(tmp_path / "search")
    assert again.predict(queries) == pair[1].predict(queries)
    assert is_on_the_disk(again._made.nearest.vectors) == on_disk


def test_items_taken_in_by_a_search_whose_vectors_are_on_the_disk(tmp_path: Path) -> None:
    shop = demo_shop(40).with_tables(reviews=demo_shop(40).reviews.clear())
    new = pl.DataFrame({"item_id": ["N1"], "title": ["a zither with nine strings"]})
    Search(HashEncoder(), SearchSettings(vectors="binary")).fit(shop).save(tmp_path / "search")
    found = Search.load(tmp_path / "search").update(Shop.of(items=new))
    query = SearchQuery("zither of nine strings")
    assert found.predict([query])[0].items[0].item_id == "N1"
    found.save(tmp_path / "search")  # in the place of the one that it reads
    assert Search.load(tmp_path / "search").predict([query])[0].items[0].item_id == "N1"


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


def test_what_codes_miss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LEAST", 10)
    known, asked = vectors(), vectors(20)[:, ::-1].copy()
    told = {each.vectors: Nearest.of(known, each).missed(asked) for each in PACKED}
    assert told["int8"]["recall@10"] > 0.95 and told["pca"]["recall@10"] < 0.8
    assert told["pca"]["variance"] < 0.6 and told["int8"]["variance"] == 1 and told["pca"]["n"] == 20
    assert Nearest.of(known, SearchSettings()).missed(asked) == {}
    monkeypatch.undo()
    shop = demo_shop(60).with_tables(reviews=demo_shop(60).reviews.clear())
    log = Search(HashEncoder(), SearchSettings(vectors="pca")).fit(shop).log
    assert log["vectors"]["recall@10"] == 1  # of sixty items all are looked at whole
