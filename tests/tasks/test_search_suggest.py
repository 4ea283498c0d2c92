"""Suggestions while typing: what goes on from a beginning, in both languages, and what is mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.errors import DataError
from retailor.retrieval.tokens import places_of
from retailor.shop.tables import Shop
from retailor.tasks.search.shapes import Typed
from retailor.tasks.search.suggest import (
    KEY_BYTES,
    N_KEPT,
    Suggester,
    _entries,
    _folded,
    _folded_all,
    _slices,
    _smallest,
)

TITLES = [
    "Wireless Mouse, black", "Wireless Mouse, black", "Gaming mouse pad", "Headphones with wireless link",
    "Tent for two", "Text book", "双人轻便帐篷 两室", "帐篷地钉", "Ｗide　space", "Fish &amp; chips",
    "Sauté Pan, noise-free",
]  # fmt: skip


def shop_of(titles: list[str]) -> Shop:
    return Shop.of(
        items=pl.DataFrame(
            {
                "item_id": [f"P{i}" for i in range(len(titles))],
                "title": titles,
                "brand": ["Mouser" if "ouse" in title else None for title in titles],
                "category": [["Sport", "Tents"] if "Tent" in title else None for title in titles],
            }
        ),
        judgments=pl.DataFrame(
            {"query": ["mouse for work", "mouse for fun"], "item_id": ["P0", "P0"], "grade": [3.0, 0.0]}
        ),
    )


@pytest.fixture(scope="module")
def suggester() -> Suggester:
    return Suggester.of(shop_of(TITLES))


def said(suggester: Suggester, typed: str, k: int = 10) -> list[str]:
    return [each.text for each in suggester.suggest(Typed(typed, k)).items]


def test_queries_then_brands_then_titles_and_each_text_once(suggester: Suggester) -> None:
    assert said(suggester, "mou") == ["mouse for work", "Mouser", "Gaming mouse pad", "Wireless Mouse, black"]


def test_counts_are_those_of_the_shop_or_none(suggester: Suggester) -> None:
    found = {each.text: (each.kind, each.n) for each in suggester.suggest(Typed("mou")).items}
    assert found["Mouser"] == ("brand", 3)
    assert found["mouse for work"] == ("query", None)
    assert found["Gaming mouse pad"] == ("item", None)
    assert suggester.suggest(Typed("tents")).items[0].n == 1


def test_a_query_that_found_nothing_good_is_not_suggested(suggester: Suggester) -> None:
    assert "mouse for fun" not in said(suggester, "mouse for")


def test_what_begins_with_it_comes_before_what_has_it_inside(suggester: Suggester) -> None:
    assert said(suggester, "wireless") == ["Wireless Mouse, black", "Headphones with wireless link"]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("双人", "双人轻便帐篷 两室"),
        ("帐篷", "帐篷地钉"),
        ("轻便帐", "双人轻便帐篷 两室"),
        ("wide sp", "Wide space"),
        ("fish & c", "Fish & chips"),
        ("  TENT FOR", "Tent for two"),
        ("wireless mouse, bl", "Wireless Mouse, black"),
        ("saute p", "Sauté Pan, noise-free"),
        ("SAUTÉ-PAN", "Sauté Pan, noise-free"),
        ("noise f", "Sauté Pan, noise-free"),
        ("noise-f", "Sauté Pan, noise-free"),
    ],
)
def test_beginnings_in_both_languages(suggester: Suggester, typed: str, first: str) -> None:
    assert said(suggester, typed)[0].replace("Ｗ", "W").replace("　", " ") == first


@pytest.mark.parametrize(
    ("typed", "mended"),
    [
        ("wirless m", "wireless m"),
        ("headphnoes", "headphones"),
        ("gamimg", "gaming"),
        ("hheadph", "headph"),
        ("wirless mo", "wireless mo"),
    ],
)
def test_one_wrong_letter_is_mended(suggester: Suggester, typed: str, mended: str) -> None:
    found = suggester.suggest(Typed(typed))
    assert found.mended == mended
    assert found.items


@pytest.mark.parametrize("typed", ["tend", "zzzzzz", "xq", "", "   ", "帐蓬", "wireless x", "%", "\x00"])
def test_nothing_is_made_up(suggester: Suggester, typed: str) -> None:
    """An English word that the shop lacks, too short a beginning, another script: no guess."""
    found = suggester.suggest(Typed(typed))
    assert (found.items, found.mended) == ((), "")


def test_k_bounds_and_an_empty_shop(suggester: Suggester) -> None:
    assert len(said(suggester, "w", 1)) == 1
    with pytest.raises(DataError, match="k = 0"):
        suggester.suggest(Typed("w", 0))
    assert said(Suggester.of(Shop.of()), "w") == []


def test_what_is_saved_says_the_same(suggester: Suggester, tmp_path: Path) -> None:
    suggester.save(tmp_path)
    again = Suggester.load(tmp_path)
    for typed in ("m", "mou", "帐", "wirless m", "headphones with wir", "nothing"):
        assert again.suggest(Typed(typed)) == suggester.suggest(Typed(typed))


def test_the_best_of_very_many_are_those_of_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retailor.tasks.search.suggest.LARGE", 5)
    titles = [f"word{i:03} wide" for i in range(300)]
    suggester = Suggester.of(shop_of(titles))
    for start in ("w", "word", "wide"):
        (low,), (high,) = _slices(suggester._keys, [start])
        assert (low, high) in suggester._best, "long slices are worked out beforehand"
    assert said(suggester, "wo", N_KEPT) == [*sorted(titles)[: N_KEPT - 1], "mouse for work"]


def test_the_best_are_those_of_a_scan_where_phrases_repeat_a_word() -> None:
    assert _smallest(np.repeat(np.arange(900, dtype=np.int32), 5)[::-1]).tolist() == list(range(N_KEPT))
    few = np.repeat(np.arange(3, dtype=np.int32), 1_000)
    assert _smallest(few).tolist() == [0, 1, 2]


def test_other_titles_are_suggested_as_if_entries_were_made_anew(
    suggester: Suggester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retailor.tasks.search.suggest.LARGE", 2)
    titles = {"P4": "Wool tent", "P6": "木碗", "new": "Mouse trap", "cord": "Headphones with a cord"}
    changed = suggester.with_titles({**titles, "none": ""})
    anew = Suggester(changed._phrases, *_entries(changed._folded))
    assert (changed._keys == anew._keys).all() and (changed._owners == anew._owners).all()
    assert changed._folded == anew._folded and changed._best.keys() == anew._best.keys()
    assert said(changed, "tent for") == [] and said(changed, "帐篷") == ["帐篷地钉"]
    assert said(changed, "woo") == ["Wool tent"] and "Mouse trap" in said(changed, "mou")


@pytest.mark.parametrize(
    ("title", "query", "marked"),
    [
        ("Tents for Two, waterproof", "waterproof tent for two", ["Tents", "Two", "waterproof"]),
        ("双人轻便帐篷 2室", "帐篷 双人", ["双人", "帐篷"]),
        ("WH-1000XM4 headphones", "wh1000xm4", ["WH-1000XM4"]),
        ("İstanbul mug ﬁne", "mug", ["mug"]),
        ("Red mug", "the of", []),
        ("", "mug", []),
    ],
)
def test_the_words_of_a_query_in_a_title(title: str, query: str, marked: list[str]) -> None:
    assert [title[start:end] for start, end in places_of(title, query)] == marked


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=20))
def test_places_lie_in_the_text_one_after_the_other(text: str, query: str) -> None:
    places = [0, *[edge for place in places_of(text, query) for edge in place], len(text)]
    assert places == sorted(places)


def test_what_tells_many_alike_beginnings_apart_may_come_late() -> None:
    """Five Chinese characters fill a key: what follows them is compared as well."""
    titles = [f"适用苹果手机壳 第{i}款" for i in range(3 * N_KEPT)]
    suggester = Suggester.of(shop_of(titles))
    for i in (0, 3 * N_KEPT - 1):
        assert said(suggester, titles[i]) == [titles[i]]
    assert said(suggester, "适用苹果手机壳 第59", 50) == sorted(
        f"适用苹果手机壳 第{n}款" for n in (59, *range(590, 600))
    )


LETTERS = st.text(alphabet="ab 帐篷-é", min_size=1, max_size=KEY_BYTES + 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(LETTERS, min_size=1, max_size=8), st.integers(0, 7), st.data())
def test_a_beginning_of_a_word_finds_its_title(titles: list[str], which: int, data: st.DataObject) -> None:
    titles = [" ".join(title.split()) for title in titles]
    title = titles[which % len(titles)]
    starts = [
        i for i, c in enumerate(title) if c in "帐篷" or (c in "abé" and (i == 0 or title[i - 1] in " -帐篷"))
    ]
    if not starts:
        return
    start = data.draw(st.sampled_from(starts))
    typed = title[start : data.draw(st.integers(start + 1, len(title)))]
    found = [_folded(each) for each in said(Suggester.of(shop_of(titles)), typed, 50)]
    assert _folded(title) in found
    assert all(_folded(typed).strip() in each for each in found)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["C"]), max_size=20), max_size=8))
def test_a_column_is_folded_as_one_text_is(texts: list[str]) -> None:
    column = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    assert column.select(_folded_all(pl.col("text")))["text"].to_list() == [_folded(text) for text in texts]
