"""What is read out of the words of a query, and which items meet it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.shop.tables import Shop
from retailor.tasks.search.choosing import choose
from retailor.tasks.search.filters import Vocabulary, number_of, read_filters
from retailor.tasks.search.item_table import ItemTable
from retailor.tasks.search.lexicon import COLOURS
from retailor.tasks.search.shapes import Filter, SearchQuery
from retailor.tasks.search.spelling import Speller
from retailor.tasks.search.understand import understand
from retailor.text.currencies import currencies_said

QUESTIONS = Path(__file__).parents[2] / "benchmarks" / "questions" / "search_filters.jsonl"
BRANDS = ("HP", "Apple", "Sony", "Epson", "Canon", "Lenovo")
KNOWN = Vocabulary(
    brands={brand.lower(): brand for brand in BRANDS},
    colours=frozenset(["red", "black", "white", "blue", "silver"]),
    dimensions=frozenset(["mass", "length", "memory", "volume"]),
    rated=True,
    says=lambda phrase: phrase in ("not disturb", "non-stick", "red wine", "no show"),
)


def read(query: str, known: Vocabulary = KNOWN) -> list[tuple[Any, ...]]:
    return [(each.field, each.op, each.value, each.unit) for each in read_filters(query, known).filters]


def wanted(one: dict[str, Any]) -> tuple[Any, ...]:
    value = one["value"]
    value = COLOURS.get(value.removesuffix("色"), value) if isinstance(value, str) else float(value)
    return (one["field"], one["op"], value, one.get("unit", ""))


def test_the_written_questions_are_read_as_their_author_meant() -> None:
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    wrong = []
    for row in rows:
        got = [
            (field, op, value, unit if field == "quantity" else "")
            for field, op, value, unit in read(row["query"])
        ]
        if sorted(map(str, got)) != sorted(str(wanted(each)) for each in row["filters"]):
            wrong.append((row["query"], got))
    assert len(rows) == 40 and not wrong


@pytest.mark.parametrize(
    "query",
    ["no show socks", "do not disturb sign", "non-stick pan", "noise cancelling headphones", "iphone 11 case",
     "over ear headphones", "below knee dress", "3 in 1 cleaner", "size 42 shoes", "monitor max 300 dpi",
     "big pan that does not stick", "bottle that will not leak", "shirts that do not crease",
     "不锈钢锅", "无糖饼干", "有没有防水的", "有没有不锈钢的锅", "带不带盖的", "含不含糖",
     "除湿机", "非常轻的包", "非洲鼓", "between a rock and a hard place", "windows 10", "red wine glass"],
)  # fmt: skip
def test_what_is_no_filter_stays_a_word(query: str) -> None:
    reading = read_filters(query, KNOWN)
    assert (reading.filters, reading.rest, reading.searched) == ((), query, query)


@pytest.mark.parametrize(
    ("query", "op"),
    [
        ("hub under 50", "<="), ("hub not under 50", ">="), ("hub no less than 50", ">="),
        ("hub not cheaper than 50", ">="), ("hub over 50", ">="), ("hub not over 50", "<="),
        ("hub no more than 50", "<="), ("hub that isn't over 50", "<="), ("hub nothing above 50", "<="),
        ("hub, must not cost more than 50", "<="), ("键盘低于50元", "<="), ("键盘不低于50元", ">="),
        ("键盘不少于50元", ">="), ("键盘不超过50元", "<="), ("键盘不要超过50元", "<="),
        ("键盘价格不高于50元", "<="),
    ],
)  # fmt: skip
def test_a_bound_that_is_denied_is_the_other_one(query: str, op: str) -> None:
    assert [(field, found, value) for field, found, value, _ in read(query)] == [("price", op, 50)]
    rest = read_filters(query, KNOWN).rest
    assert not {"not", "no", "nothing", "不"} & {*rest.split(), *rest}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("没有香味的洗衣液", "香味"),
        ("不带盖的杯子", "盖"),
        ("非塑料的玩具", "塑料"),
        ("除塑料以外的杯子", "塑料"),
    ],
)
def test_what_is_not_wanted_in_chinese(query: str, value: str) -> None:
    assert read(query) == [("words", "!=", value, "")]


@pytest.mark.parametrize(
    ("query", "op", "rest"),
    [
        ("tent for 4 people", "=", "tent"), ("4-person tent", "=", "tent"), ("four-person tent", "=", "tent"),
        ("tent for at least 4 people", ">=", "tent"), ("适合四个人的帐篷", "=", "适合 的帐篷"),
        ("4人帐篷", "=", "帐篷"), ("四人以上的帐篷", ">=", "帐篷"),
    ],
)  # fmt: skip
def test_for_how_many_people(query: str, op: str, rest: str) -> None:
    known = replace(KNOWN, dimensions=frozenset(["people"]))
    assert read(query, known) == [("quantity", op, 4.0, "person")]
    assert read_filters(query, known).rest == rest
    assert read("双人帐篷", known) == [("quantity", "=", 2.0, "person")]
    assert not read(query), "where no item says for how many it is"


@pytest.mark.parametrize("query", ["my budget is 50", "I only have 50", "a lamp, i can spend 50"])
def test_a_budget_is_a_bound(query: str) -> None:
    assert read(query) == [("price", "<=", 50.0, "")]


@pytest.mark.parametrize("word", ["then", "instead", "now", "please", "thanks"])
def test_words_after_a_price_are_no_unit(word: str) -> None:
    assert read(f"a bag up to 200 {word}") == [("price", "<=", 200.0, "")]
    assert not read(f"a bag up to 200 pieces {word}")


def test_wishes_stay_among_the_words_and_bounds_do_not() -> None:
    reading = read_filters("red Sony headset under $50, not wireless", KNOWN)
    assert reading.rest == "headset" and reading.searched == "red Sony headset"
    assert [each.text for each in reading.filters] == ["red", "Sony", "under $50", "not wireless"]
    assert read_filters("under 50", KNOWN).rest == "under 50"
    assert read("mouse without a cord") == [("words", "!=", "cord", "")]


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ("mugs in stock", "mugs"),
        ("in-stock red mugs", "red mugs"),
        ("mugs that are currently in stock under 20", "mugs"),
        ("laptop available now", "laptop"),
        ("有货的双人帐篷", "双人帐篷"),
        ("双人帐篷 现货", "双人帐篷"),
    ],
)
def test_what_is_to_be_in_stock_is_no_word_to_search_by(query: str, rest: str) -> None:
    known = replace(KNOWN, stocked=True)
    reading = read_filters(query, known)
    assert ("stock", "=", "in stock", "") in read(query, known) and reading.searched == rest
    assert read_filters(query, KNOWN).searched != rest, "a shop that does not say what there is"


@pytest.mark.parametrize(
    "query",
    [
        "stock pot",
        "not in stock mugs",
        "not currently in stock",
        "what isn't in stock",
        "没有货的帐篷",
        "无货",
        "stockings",
    ],
)
def test_other_words_of_stock_stay_words(query: str) -> None:
    assert "stock" not in {each[0] for each in read(query, replace(KNOWN, stocked=True))}


def test_nothing_is_read_that_the_catalogue_cannot_tell() -> None:
    blank = Vocabulary(priced=False)
    for query in ("red hp mouse under 50", "laptop with 16 GB", "4 stars and up mouse", "500克以下的键盘"):
        assert not read_filters(query, blank).filters


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    reading = read_filters(text, KNOWN)
    assert reading.filters or reading.rest == text.strip()


@given(st.integers(1, 99_999))
def test_a_bound_is_the_number_that_was_said(n: int) -> None:
    for query in (f"mouse under {n}", f"mouse below ${n:,}", f"{n}元以下的鼠标", f"不超过{n}块的鼠标"):
        assert [(one, op, value) for one, op, value, _ in read(query)] == [("price", "<=", float(n))], query


@pytest.mark.parametrize(
    ("text", "number"),
    [("十", 10), ("三十", 30), ("一百二十", 120), ("两千五百", 2500), ("一万", 10_000), ("1,299.50", 1299.5)],
)
def test_numbers_in_chinese(text: str, number: float) -> None:
    assert number_of(text) == number


def shop() -> Shop:
    rows = [
        ("a", "HP red mouse 90 g", "HP", 12.0, "red"),
        ("b", "HP black mouse", "HP", 30.0, "black"),
        ("c", "Sony headset, 250 g", "Sony", 80.0, "black"),
        ("d", "Sony red headset", "Sony", None, "red"),
        ("e", "Keyboard with wheels, 1.2 kg", None, 55.0, None),
    ]
    items = pl.DataFrame(
        [
            {
                "item_id": item_id,
                "title": title,
                "brand": brand,
                "price": price,
                "category": ["Computers", title.split()[-1]],
                "attributes": [{"name": "Colour", "value": colour}] if colour else [],
            }
            for item_id, title, brand, price, colour in rows
        ],
        schema_overrides={"attributes": pl.List(pl.Struct({"name": pl.String, "value": pl.String}))},
    )
    return Shop.of(items=items, reviews=pl.DataFrame({"item_id": ["a", "a", "c"], "rating": [5.0, 4.0, 2.0]}))


TABLE = ItemTable.of(shop())


@pytest.mark.parametrize(
    ("one", "items"),
    [
        (Filter("price", "<=", 55), "abe"),
        (Filter("price", ">=", 55), "ce"),
        (Filter("price", "~", 50), "e"),
        (Filter("brand", "=", "hp"), "ab"),
        (Filter("brand", "!=", "HP"), "cde"),
        (Filter("colour", "=", "red"), "ad"),
        (Filter("quantity", "<=", 0.3, "kg"), "ac"),
        (Filter("quantity", "=", 1200, "g"), "e"),
        (Filter("rating", ">=", 4), "a"),
        (Filter("words", "!=", "wheel"), "abcd"),
        (Filter("words", "!=", "whee"), "abcde"),
    ],
)
def test_items_that_meet_a_filter(one: Filter, items: str) -> None:
    assert "".join(name for name, met in zip("abcde", TABLE.passing([one]), strict=True) if met) == items


def test_of_several_brands_one_is_enough_and_of_several_bounds_none() -> None:
    either = [Filter("brand", "=", "HP"), Filter("brand", "=", "Sony")]
    assert TABLE.passing(either).sum() == 4
    assert TABLE.passing([Filter("price", ">=", 20), Filter("price", "<=", 60)]).sum() == 2


def test_a_brand_is_read_where_its_name_tells_it() -> None:
    assert TABLE.vocabulary.brands == {"hp": "HP", "sony": "Sony"}
    fruit = [{"item_id": str(i), "title": "apple juice", "brand": None} for i in range(5)]
    phones = [{"item_id": f"p{i}", "title": "Apple phone", "brand": "Apple"} for i in range(2)]
    assert "apple" not in ItemTable.of(Shop.of(items=pl.DataFrame(fruit + phones))).vocabulary.brands


def test_read_filters_give_way_and_asked_ones_do_not() -> None:
    read_one, asked = Filter("price", "<=", 1, text="under 1"), Filter("price", "<=", 1)
    chosen = choose(TABLE, [read_one])
    assert chosen.allowed.all() and chosen.relaxed == (read_one,)
    assert not choose(TABLE, [asked]).allowed.any() and not choose(TABLE, [asked]).relaxed
    wish = Filter("colour", "=", "red", text="red")
    chosen = choose(TABLE, [wish])
    assert chosen.allowed.all() and chosen.wanted.sum() == 2


def test_facets_count_what_was_found() -> None:
    found = {each.name: dict(each.counts) for each in TABLE.facets(TABLE.passing([]).nonzero()[0])}
    assert found["brand"] == {"HP": 2, "Sony": 2} and found["colour"] == {"black": 2, "red": 2}
    assert sum(found["price"].values()) == 4


def test_facets_of_many_are_those_of_a_plain_count() -> None:
    """The most frequent first, equal ones by name, prices cut at the nearest of their quarters."""
    draw = np.random.default_rng(0)
    brands, colours = [f"b{i}" for i in range(30)], ["red", "blue", "black"]
    rows = [
        {"title": "x", "brand": None if i % 7 == 0 else brands[int(draw.integers(30))],
         "category": f"c{i % 3}", "price": None if i % 5 == 0 else float(draw.integers(1, 900)),
         "colours": list(draw.choice(colours, int(draw.integers(0, 3)), replace=False))}
        for i in range(400)
    ]  # fmt: skip
    schema = TABLE.frame.schema
    table = ItemTable(pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema))
    some = np.sort(draw.permutation(400)[:250])
    found = {each.name: each.counts for each in table.facets(some)}
    part = [rows[i] for i in some.tolist()]

    def counted(values: list[Any]) -> list[tuple[str, int]]:
        counts = Counter(value for value in values if value is not None)
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:12]

    assert list(found["brand"]) == counted([row["brand"] for row in part])
    assert list(found["category"]) == counted([row["category"] for row in part])
    assert list(found["colour"]) == counted([one for row in part for one in row["colours"]])
    prices = pl.Series([row["price"] for row in part]).drop_nulls()
    quarters = [prices.quantile(q, "nearest") for q in (0.25, 0.5, 0.75)]
    cuts = [f"{float(f'{each:.2g}'):g}" for each in quarters]
    assert [name for name, _ in found["price"]] == [
        f"0–{cuts[0]}", f"{cuts[0]}–{cuts[1]}", f"{cuts[1]}–{cuts[2]}", f"{cuts[2]}+",
    ]  # fmt: skip
    assert sum(n for _, n in found["price"]) == len(prices)
    assert table.facets(np.zeros(0, np.int64)) == ()


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    TABLE.save(tmp_path)
    assert ItemTable.load(tmp_path).frame.equals(TABLE.frame)


SPELLER = Speller.of(
    ["light tent for two", "tent pegs", "a tent", "waterproof jacket", "print", "print", "printer"] * 3
    + ["rare tint"]
)


@pytest.mark.parametrize(
    ("query", "mended"),
    [
        ("tnet", "tent"),
        ("wterproof jaket", "waterproof jacket"),
        ("printr", "printer"),
        ("tint", "tint"),  # rare, and the shop's own
        ("tents", "tents"),
        ("trend", "trend"),  # the language knows it
        ("tenet telly", "tenet telly"),
        ("TNET-5", "TNET-5"),  # a model number
        ("帐篷", "帐篷"),
        ("xyzzy", "xyzzy"),
    ],
)
def test_only_misspelt_words_are_mended(query: str, mended: str) -> None:
    assert SPELLER.mended(query, lambda word: word == "trend")[0] == mended


def test_a_plain_query_is_left_alone() -> None:
    query = SearchQuery("red tnet under 5", read=False)
    assert understand(query, TABLE, SPELLER, lambda word: False).text == "red tnet under 5"


@pytest.mark.parametrize(
    ("query", "joined"),
    [
        ("blue tooth speaker", "bluetooth speaker"),
        ("a Head Phones case", "a headphones case"),
        ("hard drive", "hard drive"),
        ("blue-tooth speaker", "blue-tooth speaker"),
        ("blue toothbrush", "blue toothbrush"),
        ("note 3 book", "note 3 book"),
        ("lap top back pack", "lap top backpack"),
    ],
)
def test_words_that_the_shop_writes_as_one_are_joined(query: str, joined: str) -> None:
    written = "bluetooth headphones harddrive notebook backpack"
    speller = Speller.of([written] * 3 + ["laptop"] * 2)
    found, changes = speller.joined(query, lambda phrase: phrase == "hard drive")
    assert found == joined
    assert bool(changes) == (query != joined)


def test_a_colour_within_a_word_is_no_wish() -> None:
    titles = [f"bluetooth speaker {n}" for n in range(3)] + ["blue mug", "tooth brush"]
    table = ItemTable.of(Shop.of(items=pl.DataFrame({"item_id": titles, "title": titles})))
    found = understand(SearchQuery("blue tooth box"), table, Speller.of(titles), lambda word: True)
    assert (found.text, found.filters, found.mended) == (
        "bluetooth box",
        (),
        {"blue tooth": "bluetooth"},
    )


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("the cheapest of them in yuan?", "CNY"),
        ("how much in US dollars", "USD"),
        ("多少人民币", "CNY"),
        ("200美金以下的帐篷", "USD"),
        ("a price in yen", "JPY"),
        ("between 20 and 80 euros", "EUR"),
        ("kettles under €40", "EUR"),
        ("a tent for less than 40 £", "GBP"),
        ("50元以下的茶", "CNY"),
    ],
)
def test_the_currency_that_prices_are_wanted_in(text: str, first: str) -> None:
    assert currencies_said(text)[0] == first


@pytest.mark.parametrize("text", ["into blocks of 5", "一块布", "3块巧克力", "20 yens", "a 5 dollarbill", ""])
def test_no_currency_is_read_where_none_is_asked_for(text: str) -> None:
    assert currencies_said(text) == ()


def test_dollars_may_be_those_of_other_countries() -> None:
    assert "CAD" in currencies_said("in dollars") and currencies_said("in usd") == ("USD",)
