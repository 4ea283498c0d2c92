"""Whether search says that nothing fits, and how often it is wrong."""

from __future__ import annotations

import json
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from retailor.retrieval.bm25 import BM25Index
from retailor.shop.demo.shop import demo_shop, demo_truth
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.presence.presence import LEAST, Presence, _asked, _signs
from retailor.tasks.search.presence.rehearsal import kinds_of, phrase_of_title, rehearsals
from retailor.tasks.search.presence.signs import NAMES, Asked, signs_of
from retailor.tasks.search.shapes import SearchQuery
from retailor.testing.toys import HashEncoder
from retailor.text.clean_shop import clean

SIZE = 180


@pytest.fixture(scope="module")
def shop() -> Shop:
    return clean(demo_shop(SIZE))


@pytest.fixture(scope="module")
def search(shop: Shop) -> Search:
    return Search(HashEncoder()).fit(shop)


def test_a_rehearsed_query_is_asked_without_its_item_without_its_word_and_without_its_kind(
    search: Search,
) -> None:
    catalogue = search._made.catalogue
    asked, kinds = rehearsals(catalogue, 0), kinds_of(catalogue)
    assert len(asked) > 2 * LEAST and {each.fits for each in asked} == {True, False}
    for each in (one for one in asked if one.kind >= 0):
        of_kind = kinds == each.kind
        assert each.left.any() and not each.left.all()
        # Something of the kind is left exactly where it is said that something fits.
        assert bool((of_kind & each.left).any()) == each.fits
        assert not any(map(str.isdigit, each.text)) and each.text == each.text.lower()
    assert rehearsals(catalogue, 0)[3].text == asked[3].text


def test_a_phrase_is_without_brand_numbers_and_units() -> None:
    titles = ["Zephyr Tent, blue", "Family tent 4 m", "Blue kettle", "Steel kettle", "Cup", "Blue cup", "Mug"]
    kind = np.array(["tent" in title.lower() for title in titles])
    title = "Northgate FF-7074 Tent, blue ripstop, 30 cm"
    telling, own = phrase_of_title(title, "Northgate", kind, BM25Index.of(titles))
    assert telling == ["Tent"] and own == ["blue", "ripstop"]
    assert phrase_of_title("双人帐篷 3厘米", "", kind, BM25Index.of(titles))[1] == ["双人", "帐篷", "厘米"]


def test_categories_of_two_languages_are_one_kind_only_with_each_other(search: Search) -> None:
    kinds, categories = kinds_of(search._made.catalogue), search._made.catalogue.categories
    merged = {kind: set(categories.of_item[kinds == kind].tolist()) for kind in np.unique(kinds[kinds >= 0])}
    assert max(map(len, merged.values())) <= 2
    assert sum(map(len, merged.values())) == len(categories)


def test_what_the_shop_sells_by_name_is_never_said_to_be_missing(search: Search) -> None:
    for title in search._made.table.frame["title"].drop_nulls()[:40]:
        assert not search.predict([SearchQuery(title, read=False)])[0].is_nearest
    for name in ("tent", "headphones", "stroller"):
        assert not search.predict([SearchQuery(name)])[0].is_nearest


def test_what_does_not_fit_is_said_to_be_missing_with_the_nearest_shown(search: Search) -> None:
    strict = copy(search)
    presence = replace(search._made.presence, least=1e9)  # type: ignore[type-var]
    strict._fitted = replace(search._made, presence=presence)
    found = strict.predict([SearchQuery("trumpets", 3)])[0]
    assert found.is_nearest and found.n_found == 0 and len(found.items) == 3 and not found.facets
    assert not strict.predict([SearchQuery("tent", 3)])[0].is_nearest


def test_the_share_of_false_alarms_is_held_on_judged_and_on_rehearsed_queries(
    search: Search, shop: Shop
) -> None:
    told = search.log["nothing_fits"]
    queries = shop.judgments["query"].unique(maintain_order=True).to_list()
    answers = search.predict([SearchQuery(query, read=False) for query in queries])
    denied = sum(each.is_nearest for each in answers)
    assert set(told["false_alarms"]) == {"judged queries", "rehearsed queries"} == set(told["n"])
    assert min(told["false_alarms"].values()) <= SearchSettings().false_alarms
    n = told["n"]["judged queries"]
    assert LEAST <= n < len(queries)  # names of things that are in titles are not counted
    assert denied == pytest.approx(told["false_alarms"]["judged queries"] * n, abs=2)
    assert set(told["weights"]) == set(NAMES)


def learned(search: Search, judged: list[str]) -> Presence:
    catalogue = search._made.catalogue
    presence = Presence.learned(catalogue, search.encoder, judged, false_alarms=0.1, seed=0)
    assert presence is not None
    return presence


def test_judged_queries_that_are_titles_leave_the_bound_finite(search: Search, shop: Shop) -> None:
    titles = search._made.table.frame["title"].drop_nulls().to_list()
    alone, with_titles = learned(search, []), learned(search, titles)
    assert np.isfinite(with_titles.least) and with_titles == alone
    # Among them, queries that are to be decided set the bound as they would without.
    queries = shop.judgments["query"].unique(maintain_order=True).to_list()
    assert learned(search, [*titles, *queries]) == learned(search, queries) != alone


def test_a_rehearsed_query_is_compared_with_the_catalogue_once(search: Search) -> None:
    catalogue = search._made.catalogue
    compared = 0

    class Counting(np.ndarray):
        def __matmul__(self, other: np.ndarray) -> np.ndarray:  # type: ignore[override]
            nonlocal compared
            compared += 1
            return np.asarray(np.asarray(self) @ other)

    asked = rehearsals(catalogue, 0)
    counting = replace(catalogue, vectors=np.asarray(catalogue.vectors).view(Counting))
    signs = _signs(asked, counting, search.encoder)
    assert compared == len({each.text for each in asked}) < len(asked)
    last = asked[-1]
    vector = search.encoder.encode([last.text], role="query")[0]
    assert signs[-1] == pytest.approx(signs_of(_asked(last.text, vector, catalogue), catalogue, last.left))


def test_without_judgments_rehearsed_queries_of_unseen_kinds_tell_the_share(shop: Shop) -> None:
    unjudged = shop.with_tables(judgments=shop.judgments.clear())
    told = Search(HashEncoder()).fit(unjudged).log["nothing_fits"]
    share = told["false_alarms"]["rehearsed queries"]
    assert set(told["n"]) == {"rehearsed queries"} and share <= 0.1
    # Kinds that were withheld are noticed more often than others are denied.
    assert told["noticed_of_withheld_kinds"] > share


def test_no_false_alarms_are_allowed_and_nothing_is_ever_denied(shop: Shop) -> None:
    search = Search(HashEncoder(), SearchSettings(false_alarms=0)).fit(shop)
    assert search._made.presence is None and search.log["nothing_fits"] is None


def test_a_shop_of_a_few_items_decides_nothing() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["Steel kettle", "Cotton towel"]})
    search = Search(HashEncoder()).fit(Shop.of(items=items))
    assert search._made.presence is None
    assert len(search.predict([SearchQuery("piano")])[0].items) == 2


def test_what_was_learned_is_saved_and_survives_a_refit(search: Search, shop: Shop, tmp_path: Path) -> None:
    search.save(tmp_path / "search")
    loaded = Search.load(tmp_path / "search")
    assert loaded._made.presence == search._made.presence
    state = json.loads((tmp_path / "search" / "search.json").read_text(encoding="utf-8"))
    assert state["presence"]["weights"] == list(search._made.presence.weights)  # type: ignore[union-attr]
    again = Search(HashEncoder()).refit(shop, search)
    assert again._made.presence == search._made.presence
    assert Presence.of(None) is None


def test_signs_are_of_what_is_left_alone(search: Search) -> None:
    catalogue = search._made.catalogue
    products = demo_truth(SIZE).products
    tents = np.array([products[item_id] == "tent" for item_id in search._made.item_ids])
    vector = search.encoder.encode(["light tent"], role="query")[0]
    cosines = catalogue.vectors @ vector
    asked = Asked("light tent", np.arange(len(cosines)), cosines, cosines)
    with_them = dict(zip(NAMES, signs_of(asked, catalogue, np.ones(len(tents), np.bool_)), strict=True))
    without = dict(zip(NAMES, signs_of(asked, catalogue, ~tents), strict=True))
    assert with_them["texts"] > without["texts"] and with_them["meaning"] >= without["meaning"]
