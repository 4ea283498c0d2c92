from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from retailor.errors import ConfigError, DataError, MissingTable, ModelError
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.search import GRID, METRICS, Search, SearchSettings, blend, measure
from retailor.tasks.shapes import SearchQuery
from retailor.testing.tasks import TaskContract
from retailor.testing.toys import HashEncoder


class TestSearchContract(TaskContract):
    baselines = ("bm25", "encoder")

    def shop(self) -> Shop:
        return demo_shop(60)

    def task(self) -> Search:
        return Search(HashEncoder(), SearchSettings(n_folds=3))

    def queries(self) -> list[Any]:
        return [SearchQuery("portion weigher 5 g", 3), SearchQuery("日霜"), SearchQuery("a gift")]


ITEMS = pl.DataFrame(
    {
        "item_id": ["kettle", "towel", "speaker", "壶"],
        "title": ["Steel kettle 1.7 L", "Cotton bath towel", "Bluetooth speaker XB-43", "不锈钢电热水壶"],
    }
)


@pytest.fixture(scope="module")
def search() -> Search:
    return Search(HashEncoder(), SearchSettings(weight=0.3)).fit(Shop.of(items=ITEMS))


@pytest.mark.parametrize(
    ("text", "item_id"),
    [("kettles of steel", "kettle"), ("xb43", "speaker"), ("热水壶", "壶"), ("TOWEL", "towel")],
)
def test_the_item_that_was_meant_is_first(search: Search, text: str, item_id: str) -> None:
    found = search.predict([SearchQuery(text, k=2)])[0].items
    assert found[0].item_id == item_id and len(found) == 2
    assert found[0].score > found[1].score
    assert found[0].reason == "shares words with the query"


def test_k_beyond_the_catalogue_gives_the_whole_of_it(search: Search) -> None:
    assert len(search.predict([SearchQuery("kettle", k=50)])[0].items) == 4


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (SearchQuery("  "), "the query is empty"),
        (SearchQuery("a" * 1001), "1,001 characters; at most 1,000"),
        (SearchQuery("kettle", k=0), "k = 0; it goes from 1 to 1000"),
    ],
)
def test_a_query_out_of_bounds_is_an_error(search: Search, query: SearchQuery, message: str) -> None:
    with pytest.raises(DataError, match=message):
        search.predict([query])


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ConfigError, match="weight"):
        SearchSettings(weight=1.5)


def test_an_unfitted_search_says_so(tmp_path: Any) -> None:
    with pytest.raises(ModelError, match="fit"):
        Search(HashEncoder()).save(tmp_path / "search")


def test_evaluation_needs_judgments(search: Search) -> None:
    with pytest.raises(MissingTable, match="judgments"):
        search.evaluate(Shop.of(items=ITEMS))


def plain_measure(scores: list[float], grades: list[float]) -> list[float]:
    order = sorted(range(len(scores)), key=lambda row: (-scores[row], row))
    dcg = sum(grades[row] / np.log2(rank + 2) for rank, row in enumerate(order[:10]))
    ideal = sum(grade / np.log2(rank + 2) for rank, grade in enumerate(sorted(grades, reverse=True)[:10]))
    first = next(rank for rank, row in enumerate(order, 1) if grades[row] > 0)
    relevant = {row for row, grade in enumerate(grades) if grade > 0}
    recall = [len(relevant & set(order[:k])) / len(relevant) for k in (10, 100)]
    return [dcg / ideal, 1 / first, *recall]


def test_measures_are_those_of_the_plain_reference() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.standard_normal(200).astype(np.float32)
        grades = np.where(rng.random(200) < 0.1, rng.integers(1, 4, 200), 0).astype(np.float32)
        np.testing.assert_allclose(
            measure(scores, grades), plain_measure(scores.tolist(), grades.tolist()), rtol=1e-5
        )


def test_the_blend_ends_at_words_and_at_meaning() -> None:
    words, meaning = np.array([0, 3, 1], np.float32), np.array([0.9, 0.1, 0.2], np.float32)
    assert np.argsort(blend(words, meaning, 0)).tolist() == np.argsort(words).tolist()
    assert np.argsort(blend(words, meaning, 1)).tolist() == np.argsort(meaning).tolist()
    assert not blend(np.zeros(3, np.float32), np.zeros(3, np.float32), 0.5).any()


def test_the_weight_is_learned_from_judgments_and_never_scored_on_its_own_query() -> None:
    shop = demo_shop(60)
    search = Search(HashEncoder(), SearchSettings(n_folds=3)).fit(shop)
    assert search.weight in GRID and search.log["weight"] == search.weight
    # Words that only share random directions cannot beat words: the weight stays on the side of BM25.
    assert search.weight <= 0.5
    queries = set(shop.judgments.filter(pl.col("grade") > 0)["query"])
    assert set(search._held_out) == queries
    given = Search(HashEncoder(), SearchSettings(weight=0.3)).fit(shop)
    assert given.weight == 0.3 and not given._held_out


def test_the_ends_of_the_weight_score_as_their_parts() -> None:
    shop = demo_shop(60)
    for weight, row in ((0.0, "bm25"), (1.0, "encoder")):
        scores = Search(HashEncoder(), SearchSettings(weight=weight)).fit(shop).evaluate(shop)
        for metric in METRICS:
            assert scores.value("retailor", metric) == pytest.approx(scores.value(row, metric))
