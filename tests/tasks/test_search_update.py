"""New and changed items are found without a fit, as after one."""

from __future__ import annotations

from copy import copy

import numpy as np
import polars as pl
import pytest

from retailor.shop.demo import demo_shop
from retailor.shop.tables import SCHEMAS, Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.entry import ENTRY
from retailor.tasks.search.shapes import Filter, SearchQuery, Typed
from retailor.testing.toys import HashEncoder


@pytest.fixture(scope="module")
def shop() -> Shop:
    return demo_shop(60)


@pytest.fixture(scope="module")
def search(shop: Shop) -> Search:
    return Search(HashEncoder(), SearchSettings(n_folds=3)).fit(shop)


def items(*rows: dict[str, object]) -> Shop:
    return Shop.of(items=pl.DataFrame(rows, schema=SCHEMAS["items"]))


def grown(search: Search, new: Shop) -> Search:
    assert ENTRY.update is not None
    made = ENTRY.update(search, new)
    assert isinstance(made, Search)
    return made


def ids(search: Search, text: str, **more: object) -> list[str]:
    return [each.item_id for each in search.predict([SearchQuery(text, **more)])[0].items]  # type: ignore[arg-type]


NEW = {"item_id": "N1", "title": "Zorblax hand warmer", "brand": "Zorblax", "price": 7.5, "category": ["Odd"]}
CHINESE = {"item_id": "N2", "title": "竹制砧板", "price": 5.0}


@pytest.mark.parametrize("query", ["zorblax", "Zorblax hand warmers", "竹制砧板", "砧板"])
def test_a_new_item_is_found_by_its_words(search: Search, query: str) -> None:
    before = ids(search, query)
    made = grown(search, items(NEW, CHINESE))
    assert ids(made, query)[0] == ("N1" if query.isascii() else "N2")
    assert ids(search, query) == before, "the search that it was made of stays as it is"


def test_a_new_word_is_not_mended_to_an_old_one(search: Search, shop: Shop) -> None:
    found = grown(search, items({"item_id": "N3", "title": "kettly"})).predict([SearchQuery("kettly")])[0]
    assert found.items[0].item_id == "N3" and not found.mended


def test_another_title_takes_the_place_of_the_old_one(search: Search, shop: Shop) -> None:
    item_id, title = shop.items.drop_nulls("title").select("item_id", "title").row(0)
    made = grown(search, items({"item_id": item_id, "title": "Zorblax hand warmer"}))
    assert ids(made, "zorblax")[0] == item_id
    found = made.predict([SearchQuery(title, k=100, read=False)])[0]
    why = {each.item_id: each.why for each in found.items}
    assert item_id not in why or why[item_id].words == (), "none of its old words is its own any more"
    assert len(made._made.item_ids) == len(search._made.item_ids)


def test_filters_know_a_new_item(search: Search) -> None:
    made = grown(search, items(NEW))
    assert ids(made, "zorblax", filters=(Filter("price", "<=", 8.0),))[0] == "N1"
    assert "N1" not in ids(made, "zorblax", filters=(Filter("price", ">=", 9.0),), k=100)


def test_facets_and_quantities_are_those_of_a_fit_after_a_change(search: Search, shop: Shop) -> None:
    """What is made once of all items is made anew, and that of the search before stays as it was."""
    asked = SearchQuery("steel kettle", 60)
    before = search.predict([asked])[0]
    rows = shop.items.head(10).to_dicts()
    changed = [
        {**row, "brand": "Zorblax", "price": 1.0 + i, "title": f"steel thing 7 kg {i}"}
        for i, row in enumerate(rows)
    ]
    new = items(*changed, NEW)
    made = grown(search, new)
    whole = pl.concat([new.items.select(shop.items.columns), shop.items]).unique(
        "item_id", keep="first", maintain_order=True
    )
    order = {item_id: i for i, item_id in enumerate(made._made.item_ids)}
    whole = whole.sort(pl.col("item_id").replace_strict(order))
    fitted = Search(HashEncoder()).refit(Shop.of(items=whole, reviews=shop.reviews), search)
    for query in (
        asked,
        SearchQuery("steel thing", 60, (Filter("quantity", "=", 7.0, "kg"),)),
        SearchQuery("zorblax"),
    ):
        one, other = (each.predict([query])[0] for each in (made, fitted))
        assert (one.facets, one.n_found, one.filters) == (other.facets, other.n_found, other.filters)
    assert search.predict([asked])[0] == before
    assert made._made.table.says("steel thing") and not search._made.table.says("steel thing")


def test_what_is_typed_goes_on_to_new_titles_and_no_longer_to_old_ones(search: Search, shop: Shop) -> None:
    item_id, title = shop.items.drop_nulls("title").select("item_id", "title").row(0)
    made = grown(search, items(NEW, {"item_id": item_id, "title": "Quibbling jar"}))
    said = [each.text for each in made.suggest(Typed("zorb")).items]
    assert said == ["Zorblax hand warmer"]
    assert [each.item_id for each in made.suggest(Typed("quibb")).items] == [item_id]
    assert item_id not in [each.item_id for each in made.suggest(Typed(title, 100)).items]


def test_items_taken_in_one_by_one_are_those_taken_in_at_once_and_those_of_a_fit(shop: Shop) -> None:
    rows = shop.items.to_dicts()
    # Without the stars of reviews, which wait for a fit.
    some = Search(HashEncoder()).fit(Shop.of(items=shop.items[:50]))
    # What categories weigh is measured by a fit, and stays.
    whole = Search(HashEncoder()).refit(Shop.of(items=shop.items), some)
    at_once = grown(some, items(*rows[50:]))
    one_by_one = some
    for row in rows[50:]:
        one_by_one = grown(one_by_one, items(row))
    for query in ("steel kettle", "日霜", "a gift for a runner", rows[55]["title"]):
        scores = [
            {each.item_id: each.score for each in one.predict([SearchQuery(query, k=60)])[0].items}
            for one in (whole, at_once, one_by_one)
        ]
        assert scores[0].keys() == scores[1].keys() == scores[2].keys()
        for other in scores[1:]:
            np.testing.assert_allclose(
                [other[each] for each in scores[0]], list(scores[0].values()), atol=1e-3
            )


def test_nothing_new_changes_nothing(search: Search) -> None:
    assert ids(copy(search).update(Shop.of()), "kettle") == ids(search, "kettle")
