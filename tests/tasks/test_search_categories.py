"""Which category a query asks for, and what it weighs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from retailor.models.hashed import HashEncoder
from retailor.retrieval.bm25 import BM25Index
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.categories import Categories, weighed_words
from retailor.tasks.search.rerank.trees import SAYS, best_say
from retailor.tasks.search.shapes import SearchQuery

NAMES = {
    "Shelters": ("tent", "dome tent", "family tent", "festival tent"),
    "Lamps": ("trail light", "night light", "head light", "desk light"),
    "Prams": ("light pram", "folding pram", "light buggy", "twin pram"),
    "帐篷": ("升级款帐篷", "双人帐篷", "家用帐篷", "速开帐篷"),
    "推车": ("轻便推车", "婴儿推车", "折叠推车", "轻便伞车"),
}


def shop(*, categories: bool = True) -> Shop:
    rows = [(kind, title) for kind, titles in NAMES.items() for title in titles]
    items = {"item_id": [title for _, title in rows], "title": [title for _, title in rows]}
    if categories:
        items["category"] = [["All", kind] for kind, _ in rows]  # type: ignore[misc]
    return Shop.of(items=pl.DataFrame(items))


def known() -> tuple[Categories, list[str]]:
    rows = [(kind, title) for kind, titles in NAMES.items() for title in titles]
    return Categories.of([kind for kind, _ in rows], BM25Index.of([title for _, title in rows])), [
        kind for kind, _ in rows
    ]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("light tent for two", "Shelters"),
        ("tent with a light", "Shelters"),
        ("tents", "Shelters"),
        ("night light for a tent", "Lamps"),
        ("light pram", "Prams"),
        ("双人轻便帐篷", "帐篷"),
        ("轻便推车", "推车"),
        ("大帐篷 轻便", "帐篷"),
    ],
)
def test_the_head_of_a_query_tells_its_category(query: str, wanted: str) -> None:
    categories, of_item = known()
    rows = np.arange(len(of_item))
    asked = categories.asked(query, rows, np.zeros(len(rows), np.float32))
    assert {of_item[row] for row in np.flatnonzero(asked == asked.max())} == {wanted}
    assert 0 < sum(asked[of_item.index(kind)] for kind in NAMES) < 1 + 1e-5


def test_nearness_tells_it_where_words_do_not() -> None:
    categories, of_item = known()
    near = np.array([2.0 if kind == "Prams" else 0.0 for kind in of_item], np.float32)
    asked = categories.asked("light", np.arange(len(of_item)), near)
    assert of_item[int(asked.argmax())] == "Prams"
    assert asked.max() > 0.9


def test_words_that_no_title_has_make_it_less_sure() -> None:
    categories, of_item = known()
    rows, near = np.arange(len(of_item)), np.zeros(len(of_item), np.float32)
    whole, half, none = (categories.asked(query, rows, near) for query in ("twin", "twin carriage", "gift"))
    assert half[of_item.index("Prams")] < 0.4 < 0.8 < whole[of_item.index("Prams")]
    assert not none.any()


def test_only_items_asked_about_are_weighed() -> None:
    categories, of_item = known()
    rows = np.array([of_item.index("Prams"), of_item.index("Lamps")])
    assert categories.asked("tent", rows, np.zeros(2, np.float32)) == pytest.approx([0.5, 0.5], abs=0.01)


def test_weights_of_words() -> None:
    assert weighed_words("light tent for two cats") == {"light": 1, "tent": 2, "two": 0.5, "cat": 0.5}
    assert weighed_words("for two") == {"two": 0.5}
    assert weighed_words("") == {}
    assert weighed_words("轻便帐篷 双人") == {"轻便": 1, "帐篷": 2, "双人": 1, "便帐": 0.5}


def test_items_without_a_category_and_categories_of_one_item() -> None:
    titles = BM25Index.of(["tent", "big tent", "light", "odd one"])
    some = Categories.of(["Shelters", "Shelters", None, "Odd"], titles)
    assert len(some) == 1
    assert some.asked("tent", np.arange(4), np.zeros(4, np.float32)).tolist() == [1, 1, 0, 0]
    none = Categories.of([None, "", None, None], titles)
    assert len(none) == 0
    assert not none.asked("tent", np.arange(4), np.zeros(4, np.float32)).any()


def test_categories_that_say_nothing_are_not_relied_on() -> None:
    categories, of_item = known()
    titles = [title for titles in NAMES.values() for title in titles]
    vectors = HashEncoder().encode(titles)
    told = categories.reliability(titles, vectors)
    mixed = np.random.default_rng(0).permutation(of_item).tolist()
    chance = Categories.of(mixed, categories.titles).reliability(titles, vectors)
    assert told > 0.6 > 0.3 > chance
    some = Categories.of([kind if kind == "Lamps" else None for kind in of_item], categories.titles)
    assert some.reliability(titles, vectors) == 0
    few = Categories.of([kind if kind in ("Lamps", "Prams") else None for kind in of_item], categories.titles)
    assert 0 < few.reliability(titles, vectors) < 0.2
    assert Categories.of(["All"] * len(titles), categories.titles).reliability(titles, vectors) == 0


def test_items_of_the_category_come_first() -> None:
    def kinds(weight: float) -> list[str]:
        search = Search(HashEncoder(), SearchSettings(category_weight=weight)).fit(shop())
        found = search.predict([SearchQuery("light twin tent", 4)])[0].items
        return [next(kind for kind, titles in NAMES.items() if each.item_id in titles) for each in found]

    assert kinds(8.0) == ["Shelters"] * 4
    assert kinds(0.0) != ["Shelters"] * 4


def test_without_categories_nothing_changes() -> None:
    queries = [SearchQuery("light tent", 20), SearchQuery("双人轻便帐篷", 20)]
    with_it = Search(HashEncoder()).fit(shop(categories=False)).predict(queries)
    without = Search(HashEncoder(), SearchSettings(category_weight=0)).fit(shop(categories=False))
    assert with_it == without.predict(queries)


def test_saved_and_updated(tmp_path: Path) -> None:
    search = Search(HashEncoder()).fit(shop())
    search.save(tmp_path / "search")
    loaded = Search.load(tmp_path / "search")
    queries = [SearchQuery("light tent", 20)]
    assert loaded.predict(queries) == search.predict(queries)
    new = pl.DataFrame({"item_id": ["new"], "title": ["wigwam tent"], "category": [["All", "Shelters"]]})
    first = [each.item_id for each in loaded.update(Shop.of(items=new)).predict(queries)[0].items[:5]]
    assert "new" in first


def test_another_weight_is_taken_only_where_it_pays() -> None:
    assert SAYS == (0.0, 0.5, 1.0, 2.0, 4.0)
    assert best_say(np.array([[0.5, 0.5, 0.5, 0.504, 0.5]])) == 1.0
    assert best_say(np.array([[0.5, 0.5, 0.5, 0.6, 0.5]])) == 2.0
    assert best_say(np.array([[0.7, 0.5, 0.5, 0.6, 0.5]])) == 0.0
