"""What gives way where no item has all that the words ask for: the fewest of the bounds, and the colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retailor.models.shapes import Role
from retailor.shop.tables import SCHEMAS, Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.choosing import (
    MOST_APART,
    choose,
    rows_with_words,
    with_kin,
    words_are_elsewhere,
)
from retailor.tasks.search.item_table import ItemTable
from retailor.tasks.search.looked_at import Said
from retailor.tasks.search.shapes import Filter, Found, SearchQuery
from retailor.testing.toys import HashEncoder

ROWS = [
    ("trail", "Trail backpack, red", "Norrland", 89.0, 3.0),
    ("city", "City backpack, grey", "Norrland", 75.0, 5.0),
    ("kids", "Kids backpack, blue", "Pipsqueak", 65.0, None),
    ("mug", "Enamel mug, red", "Kiln", 12.0, 2.0),
    ("white", "Porcelain mug, white", "Kiln", 18.0, 4.0),
    ("earbuds", "Sports earbuds, red", "Pulsar", 39.0, 5.0),
    ("包", "双肩包 黑色", "北野", 199.0, 4.0),
    ("杯", "陶瓷马克杯 白色", "北野", 39.0, 4.0),
]
ITEMS = pl.DataFrame(
    [{"item_id": i, "title": t, "brand": b, "price": p} for i, t, b, p, _ in ROWS], schema=SCHEMAS["items"]
)
STARS = pl.DataFrame(
    [
        {"review_id": i, "user_id": i, "item_id": i, "rating": stars}
        for i, _, _, _, stars in ROWS
        if stars is not None
    ],
    schema=SCHEMAS["reviews"],
)


@pytest.fixture(scope="module")
def search() -> Search:
    return Search(HashEncoder()).fit(Shop.of(items=ITEMS, reviews=STARS))


def ask(search: Search, text: str, **more: Any) -> Found:
    return search.predict([SearchQuery(text, 3, **more)])[0]


@pytest.mark.parametrize(
    ("query", "first", "gone"),
    [
        # The red of a mug brings no backpack.
        ("red backpack under 60", "trail", ["under 60"]),
        ("backpack under 70 with at least 4 stars", "kids", ["at least 4 stars"]),
        ("backpack under 70 with at least 2 stars over 60", "kids", ["at least 2 stars"]),
        # Of equally many the last; bounds before refusals, whatever stands last.
        ("backpack over 70 under 40", "city trail", ["under 40"]),
        ("backpack under 60 not norrland", "kids", ["under 60"]),
        # Both ends of a range are one phrase.
        ("backpack between 20 and 30", "city trail kids", ["between 20 and 30", "between 20 and 30"]),
        ("双肩包 100元以下", "包", ["100元以下"]),
        # A colour that no such thing has: a white mug is no white backpack.
        ("white backpack", "city trail kids", ["white"]),
        ("白色双肩包", "包", ["白色"]),
        ("white mug", "white", []),
        # A brand that makes no such thing: its backpacks are no mugs. Of two wishes the one that has to.
        ("norrland mug", "mug white", ["norrland"]),
        ("norrland red mug", "mug", ["norrland"]),
        ("kiln backpack under 70", "kids", ["kiln"]),
        ("norrland backpack", "trail city", []),
        ("norrland", "trail city", []),
        ("red", "mug", []),
        ("red under 60", "mug", []),
        # Of a colour alone whatever has it is the thing, in any language.
        ("white over 30", "杯", []),
    ],
)
def test_the_fewest_give_way(search: Search, query: str, first: str, gone: list[str]) -> None:
    found = ask(search, query)
    assert [each.text for each in found.relaxed] == gone and not found.is_nearest
    assert found.items[0].item_id in first.split()
    assert set(found.relaxed) <= set(found.filters)


def test_what_is_refused_is_not_shown_for_want_of_others(search: Search) -> None:
    found = ask(search, "earbuds not pulsar")
    assert found.is_nearest and found.n_found == 0 and not found.relaxed
    assert "earbuds" not in [each.item_id for each in found.items]
    assert not ask(search, "black earbuds not pulsar").relaxed
    everything = ask(search, "earbuds not pulsar under 1")
    assert [each.text for each in everything.relaxed] == ["under 1"] and everything.is_nearest


def test_what_is_sold_out_brings_no_words_back(search: Search) -> None:
    """A bound gives way for what can be had, and holds where nothing can."""
    one_left = ask(search, "backpack under 70", exclude=("kids",))
    assert [each.text for each in one_left.relaxed] == ["under 70"] and one_left.n_found == 2
    none_left = ask(search, "earbuds under 20", exclude=("earbuds",))
    assert none_left.is_nearest and not none_left.relaxed
    assert {each.item_id for each in none_left.items} == {"mug", "white"}


def test_where_nothing_fits_no_bound_gives_way(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = SimpleNamespace(fits=lambda asked, catalogue: False)
    monkeypatch.setattr(search, "_fitted", replace(search._made, presence=nothing))
    found = ask(search, "backpack under 60")
    assert found.is_nearest and not found.relaxed
    assert not {each.item_id for each in found.items} & {"trail", "city", "kids"}


def test_a_bound_that_was_asked_for_holds_beside_one_that_gives_way(search: Search) -> None:
    held = (Filter("price", "<=", 80.0),)
    found = ask(search, "backpack under 60", filters=held)
    assert {each.item_id for each in found.items[:2]} == {"city", "kids"} and found.n_found == 2
    none = ask(search, "backpack at least 4 stars", filters=(Filter("price", "<=", 20.0),))
    assert none.is_nearest and not none.relaxed


def test_pages_orders_and_facets_are_of_what_is_found_then(search: Search) -> None:
    found = ask(search, "backpack under 60", sort="price")
    assert [each.item_id for each in found.items] == ["kids", "city", "trail"] and found.n_found == 3
    rest = ask(search, "backpack under 60", sort="price", offset=1)
    assert [each.item_id for each in rest.items] == ["city", "trail"]
    assert {each.name: dict(each.counts) for each in found.facets}["brand"] == {"Norrland": 2, "Pipsqueak": 1}


def test_words_that_no_item_has_are_nowhere_else() -> None:
    none = np.zeros(4, np.float32)
    assert not rows_with_words(Said((none, none), np.zeros(0, np.int64))).size
    assert not words_are_elsewhere(np.zeros(0, np.int64), np.zeros(4, np.bool_))


TABLE = ItemTable.of(Shop.of(items=ITEMS, reviews=STARS))
READ = st.lists(
    st.sampled_from(
        [
            Filter("price", "<=", 60.0, text="under 60"),
            Filter("price", "<=", 20.0, text="under 20"),
            Filter("price", ">=", 100.0, text="over 100"),
            Filter("rating", ">=", 4.0, text="four stars"),
            Filter("rating", ">=", 5.0, text="five stars"),
            Filter("words", "!=", "red", text="not red"),
            Filter("brand", "!=", "Kiln", text="not kiln"),
            Filter("price", "<=", 80.0),
        ]
    ),
    unique=True,
    max_size=MOST_APART,
)


@given(READ, st.sets(st.sampled_from(range(len(ROWS)))), st.sets(st.sampled_from(range(len(ROWS)))))
def test_no_smaller_part_would_have_done(filters: list[Filter], words: set[int], gone: set[int]) -> None:
    having = np.array(sorted(words), np.int64)
    found = choose(TABLE, filters, sorted(gone), having)
    kept = [each for each in filters if each not in found.relaxed]
    inside = TABLE.passing(kept)
    inside[sorted(gone)] = False
    assert (found.allowed == inside).all() and all(each.text for each in found.relaxed)
    for each in found.relaxed:  # taken back alone, nothing is left, or nothing with the words
        back = inside & TABLE.passing([each])
        assert not back.any() or words_are_elsewhere(having, back)
    plain = choose(TABLE, filters, sorted(gone))
    if any(each.op == "!=" for each in found.relaxed):
        assert found.relaxed == plain.relaxed


def test_of_many_bounds_all_give_way_at_once() -> None:
    """Else so many would be tried in every way that one question takes a minute."""
    many = [Filter("price", "<=", 1.0 + i / 100, text=f"under {1 + i / 100}") for i in range(40)]
    assert choose(TABLE, many).relaxed == tuple(many) and choose(TABLE, many).allowed.all()


def test_a_colour_within_a_category_stays_whatever_the_thing_is_called() -> None:
    wish, within = Filter("colour", "=", "red", text="red"), Filter("category", "=", "Bags")
    rows = [
        {"item_id": str(i), "title": title, "category": ["Bags"]}
        for i, title in enumerate(("grey bag", "red tote"))
    ]
    table = ItemTable.of(Shop.of(items=pl.DataFrame(rows)))
    assert choose(table, [wish], (), np.array([0])).relaxed == (wish,)
    found = choose(table, [wish, within], (), np.array([0]))
    assert not found.relaxed and found.wanted.tolist() == [False, True]


KINDS = ("headphones|cans", "lamp", "mug")


class Meaning:
    """Knows kinds of things by any of their names, and nothing else."""

    name, dim = "meaning", 4

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        said = [[any(word in text.lower() for word in kind.split("|")) for kind in KINDS] for text in texts]
        made = np.hstack(
            [np.array(said, np.float32).reshape(-1, len(KINDS)), np.full((len(texts), 1), 0.1, np.float32)]
        )
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("query", "first", "gone"),
    [
        ("headphones under 150", "cans", []),  # the dear ones alone have the word
        ("headphones under 20", "dear dearer", ["under 20"]),  # a lamp in their category is none
        ("sonic headphones", "dear dearer", ["sonic"]),
        ("red headphones", "cans", []),
    ],
)
def test_what_is_of_the_kind_by_another_name_keeps_a_bound(query: str, first: str, gone: list[str]) -> None:
    rows = [
        ("dear", "Studio headphones, black", "Audio", 180.0, "Bass"),
        ("dearer", "Concert headphones, black", "Audio", 290.0, "Bass"),
        ("cans", "Over-ear cans, red", "Audio", 60.0, "Bass"),
        ("lamp", "Clip lamp", "Audio", 9.0, "Sonic"),
        ("lamp2", "Desk lamp", "Audio", 9.0, "Sonic"),
        ("mug", "Mug, red", "Kitchen", 5.0, "Sonic"),
    ]
    items = [
        {"item_id": i, "title": title, "category": [kind], "price": price, "brand": brand}
        for i, title, kind, price, brand in rows
    ]
    search = Search(Meaning(), SearchSettings(false_alarms=0)).fit(Shop.of(items=pl.DataFrame(items)))
    found = ask(search, query)
    assert [each.text for each in found.relaxed] == gone
    assert found.items[0].item_id in first.split() and not found.is_nearest


def test_of_words_that_the_encoder_cannot_read_nothing_is_kin() -> None:
    items = [
        {"item_id": i, "title": title, "category": ["Audio"], "price": price}
        for i, title, price in (("dear", "耳机 headphones", 180.0), ("cans", "cans", 60.0))
    ]
    search = Search(Meaning(), SearchSettings(false_alarms=0)).fit(Shop.of(items=pl.DataFrame(items)))
    read = ask(search, "headphones under 150")
    assert not read.relaxed and read.items[0].item_id == "cans"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(search._made), "reads", lambda made, text: False)
        assert [each.text for each in ask(search, "headphones under 150").relaxed] == ["under 150"]


def test_kin_are_in_the_category_and_nearly_as_near(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ("Audio", 90.0),
        ("Audio", 95.0),
        ("Audio", 10.0),
        ("Audio", 10.0),
        ("Kitchen", 10.0),
        (None, 10.0),
    ]
    items = [
        {"item_id": f"{i}", "title": "thing", "category": kind and [kind], "price": price}
        for i, (kind, price) in enumerate(rows)
    ]
    table, having = ItemTable.of(Shop.of(items=pl.DataFrame(items))), np.array([0, 1])
    near = np.array([9.0, 5.0, 3.1, 2.9, 9.0, 9.0]).take  # of 5, the farther of the two, six tenths are 3
    strict = choose(table, [Filter("price", "<=", 50.0, text="under 50")])
    assert with_kin(table, having, strict, near).tolist() == [0, 1, 2]
    assert with_kin(table, having, choose(table, ()), near).tolist() == [0, 1], "who may be shown needs none"
    assert with_kin(table, np.array([5]), choose(table, (), [5]), near).tolist() == [5], "in no category"
    monkeypatch.setattr("retailor.tasks.search.choosing.MOST_KIN", 3)
    assert with_kin(table, having, strict, near).tolist() == [0, 1]


def test_attributes_are_those_of_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retailor.tasks.search.finding.N_TELLING", 4)
    items = [
        {"item_id": f"{i}", "title": "steel mug" if i < 4 else f"mug rack number {i}",
         "attributes": [{"name": "Lid" if i < 4 else "Hooks", "value": f"{i % 2}"}]}
        for i in range(12)
    ]  # fmt: skip
    search = Search(HashEncoder(), SearchSettings(false_alarms=0)).fit(Shop.of(items=pl.DataFrame(items)))
    assert [each.name for each in ask(search, "steel mug").attributes] == ["Lid"]
