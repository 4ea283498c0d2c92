"""Of a large catalogue only the items in question are scored: the answers are those of a plain scan."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retailor.retrieval.blend import standardise
from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import parts_of
from retailor.seeds import stream
from retailor.shop.tables import SCHEMAS, Shop
from retailor.tasks.search import Search, SearchSettings, finding, looked_at
from retailor.tasks.search import nearest as nearest_module
from retailor.tasks.search.item_table import ItemTable, texts_of
from retailor.tasks.search.looked_at import first_of
from retailor.tasks.search.shapes import Filter, Found, SearchQuery
from retailor.testing.toys import HashEncoder

N = 300
COLOURS = ("red", "blue", "black", "white", "green")
THINGS = ("mug", "kettle", "backpack", "tent", "lamp", "headphones", "茶壶", "帐篷")
MORE = ("light", "large", "for kids", "non-stick", "with wheels", "2 l", "500 ml", "防水", "steel", "pro-x2")
BRANDS = ("Kiln", "Norrland", "Pulsar", None)


def made_items(n: int) -> pl.DataFrame:
    draw = stream(0, "test", "looked at")

    def one(i: int) -> dict[str, Any]:
        words = [COLOURS[i % 5], *draw.choice(MORE, int(draw.integers(0, 3)), replace=False), THINGS[i % 8]]
        return {
            "item_id": f"i{i}",
            "title": " ".join(map(str, words)),
            "brand": BRANDS[int(draw.integers(4))],
            "category": [str(THINGS[i % 8])] if i % 7 else None,
            "price": None if i % 11 == 0 else float(draw.integers(5, 200)),
        }

    return pl.DataFrame([one(i) for i in range(n)], schema=SCHEMAS["items"])


@pytest.fixture(scope="module", params=["graph", "binary", "without a second look"])
def search(request: pytest.FixtureRequest) -> Search:
    dials: dict[str, Any] = {"index_from": 2}
    if request.param == "binary":
        dials = {"vectors": "binary"}
    if request.param == "without a second look":
        dials["n_reranked"] = 0
    return Search(HashEncoder(), SearchSettings(**dials)).fit(Shop.of(items=made_items(N)))


ASKED = st.lists(
    st.sampled_from(
        [*COLOURS, *THINGS, *MORE, "kiln", "under 60", "over 150", "not red", "zither", "keetle"]
    ),
    min_size=1,
    max_size=4,
).map(" ".join)
FILTERS = st.sampled_from(
    [(), (Filter("price", "<=", 80.0),), (Filter("brand", "=", "Kiln"),), (Filter("colour", "!=", "red"),)]
)
QUERIES = st.builds(
    SearchQuery,
    text=ASKED,
    k=st.sampled_from([1, 5, 40]),
    filters=FILTERS,
    read=st.booleans(),
    offset=st.sampled_from([0, 3, 250]),
    sort=st.sampled_from(["relevance", "price", "-price"]),
    exclude=st.sampled_from([(), ("i0", "i1", "i2"), tuple(f"i{i}" for i in range(0, N, 2))]),
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES)
def test_what_is_found_is_what_a_scan_finds(search: Search, query: SearchQuery) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module, name, n in (
            (nearest_module, "N_NEAREST", 10), (looked_at, "N_BEST", 5), (looked_at, "N_COMPARED", 12),
            (looked_at, "_CHUNK", 7),
        ):  # fmt: skip
            patch.setattr(module, name, n)
        few = search.predict([query])[0]
        plain = looked_at.scored
        patch.setattr(finding, "scored", lambda *given: plain(*given[:4]))  # of all items
        every = search.predict([query])[0]
    assert told(few) == told(every)
    np.testing.assert_allclose(
        [each.score for each in few.items], [each.score for each in every.items], atol=2e-3
    )


def told(found: Found) -> tuple[Any, ...]:
    listed = [(each.item_id, each.why) for each in found.items]
    return listed, found.n_found, found.is_nearest, found.relaxed, found.facets


def test_few_are_looked_at_and_all_where_the_mean_of_all_matches(
    monkeypatch: pytest.MonkeyPatch, search: Search
) -> None:
    sizes: list[int] = []
    plain = looked_at.scored

    def counted(*given: Any) -> Any:
        found = plain(*given)
        sizes.append(len(found.rows))
        return found

    monkeypatch.setattr(finding, "scored", counted)
    monkeypatch.setattr(nearest_module, "N_NEAREST", 10)
    monkeypatch.setattr(looked_at, "N_COMPARED", 12)
    monkeypatch.setattr(looked_at, "_CHUNK", 7)
    monkeypatch.setattr(search, "_fitted", search._fitted and replace(search._fitted, n_reranked=5))
    search.predict([SearchQuery("zither", 3)])
    assert sizes.pop() < 60
    monkeypatch.setattr(search, "_fitted", search._fitted and replace(search._fitted, least_cosine=-2.0))
    assert search.predict([SearchQuery("zither", 3)])[0].n_found == N and sizes[-1] == N


@given(st.lists(st.floats(0, 20, width=32), min_size=1, max_size=30), st.integers(0, 50))
def test_z_scores_of_some_are_those_among_all(values: list[float], n_more: int) -> None:
    some = np.array([values, values[::-1]], np.float32)
    whole = standardise(np.concatenate([some, np.zeros((2, n_more), np.float32)], axis=1))
    found = looked_at._standardised(some, len(values) + n_more)
    np.testing.assert_allclose(found, whole[:, : len(values)], atol=2e-3)


@given(st.permutations(range(40)), st.sets(st.sampled_from(range(40))), st.integers(0, 45))
def test_the_first_that_are_able(order: list[int], able: set[int], n: int) -> None:
    mask = np.isin(np.arange(40), list(able))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looked_at, "_CHUNK", 7)
        found = first_of(np.array(order), mask, n)
    wanted = [row for row in order if row in able]
    assert found.tolist() == (sorted(wanted) if len(wanted) <= max(n, 7) else wanted[:n])


WHOLE = [
    "red",
    "wine",
    "wines",
    "glass",
    "non-stick",
    "non-stick-pan",
    "无糖",
    "无糖饼干",
    "a's",
    "x2",
    "tv",
    "tvs",
]
TITLES = st.lists(
    st.sampled_from(WHOLE) | st.text(string.ascii_lowercase + " -", min_size=1, max_size=6), max_size=5
).map(" ".join)


@settings(deadline=None)
@given(st.lists(TITLES, min_size=1, max_size=6), st.data())
def test_words_looked_up_are_those_read_in_every_text(titles: list[str], data: st.DataObject) -> None:
    """A phrase of whole words; and a word that is not wanted, with or without its s."""
    items = pl.DataFrame({"item_id": [str(i) for i in range(len(titles))], "title": titles})
    shop, texts = Shop.of(items=items), texts_of(Shop.of(items=items).items)
    plain = ItemTable.of(shop)
    fast = plain.indexed(BM25Index.of(texts["titles"]), BM25Index.of(texts["details"]))
    words = " ".join(titles).split() or ["red"]
    start = data.draw(st.integers(0, len(words) - 1))
    phrase = " ".join(words[start : start + data.draw(st.integers(1, 2))])
    if any(f" {phrase} " in f" {' '.join(title.split())} " for title in plain._titles):
        assert fast.says(phrase) == plain.says(phrase)
    for word in (words[start], "wine", "tv", "糖"):
        unwanted = [Filter("words", "!=", word)]
        assert (fast.passing(unwanted) == plain.passing(unwanted)).all(), word


def test_parts_of_a_phrase() -> None:
    assert parts_of("Non-stick pans") == ["non", "stick", "pan"] and parts_of("无糖饼干") == [
        "无糖",
        "糖饼",
        "饼干",
    ]
    assert parts_of("糖") == [] and parts_of("xb-43") == ["xb", "43"]
