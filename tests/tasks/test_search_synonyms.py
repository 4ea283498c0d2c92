"""The merchant's synonyms, and those that a shop's own texts suggest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.errors import DataError
from retailor.retrieval.bm25 import BM25Index
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.item_table import ItemTable
from retailor.tasks.search.rerank.candidates import Candidates, Catalogue
from retailor.tasks.search.shapes import SearchQuery
from retailor.tasks.search.synonyms import rules
from retailor.tasks.search.synonyms.expansion import MAX_SEARCHED, Synonyms
from retailor.tasks.search.synonyms.mined import Pair, _is_rule, lines_of
from retailor.tasks.search.synonyms.rules import MAX_PHRASES, lines_of_file, phrase_of, rules_of
from retailor.testing.toys import HashEncoder

TITLES = [
    "Folding stroller", "Rain jacket, blue", "Steel kettle", "Monitor", "双人帐篷", "Light bivouac",
    "Jute tote", "Retinol vitamin cream", "遮阳棚", "鱼竿",
]  # fmt: skip
INDEX = BM25Index.of(TITLES)


def scores(query: str, *lines: str, weight: float = 1.0) -> dict[str, float]:
    found = Synonyms.of(lines, weight).score(INDEX, query)
    return {title: float(score) for title, score in zip(TITLES, found, strict=True) if score}


def test_a_line_of_words_finds_the_others_both_ways() -> None:
    for query in ("pram", "prams", "pushchair"):
        assert set(scores(query, "pram, stroller, pushchair")) == {"Folding stroller"}
    assert set(scores("tent", "tent, bivouac, 帐篷")) == {"Light bivouac", "双人帐篷"}
    assert set(scores("大帐篷", "tent, bivouac, 帐篷")) >= {"双人帐篷", "Light bivouac"}


def test_an_arrow_goes_one_way_and_phrases_may_have_several_words() -> None:
    assert set(scores("anorak", "anorak => rain jacket, parka")) == {"Rain jacket, blue"}
    assert scores("rain jacket", "anorak => rain jacket") == scores("rain jacket")
    assert set(scores("light tent", "light tent => bivouac")) == {"Light bivouac"}
    # Each word of a synonym has to be there.
    assert not scores("anorak", "anorak => rain kettle")


def test_a_phrase_has_its_stop_words_on_either_side() -> None:
    assert set(scores("a bag for life", "bag for life, jute tote")) == {"Jute tote"}
    assert set(scores("bags for life", "tote, bag for life")) == {"Jute tote"}
    assert not scores("life bag", "bag for life => jute tote")
    # 'a' tells one vitamin from another.
    assert set(scores("vitamin c", "vitamin a => retinol")) == {"Retinol vitamin cream"}
    found = Synonyms.of(["vitamin a => retinol"]).found
    assert found("vitamin a for skin") == {("vitamin", "a"): (("retinol",),)} and not found("vitamin c")


def test_the_longest_phrase_counts_in_chinese_too() -> None:
    lines = ("帐篷, 遮阳棚", "帐篷杆 => 鱼竿")
    assert set(Synonyms.of(lines).found("双人帐篷杆")) == {phrase_of("帐篷杆")}
    assert set(scores("帐篷杆", *lines)) & {"遮阳棚", "鱼竿"} == {"鱼竿"}
    assert "遮阳棚" in scores("大帐篷", *lines)
    # A longer one behind a shorter one that reaches into it; both where they stand apart.
    lines = ("山帐 => 鱼竿", "帐篷杆 => 遮阳棚")
    assert set(Synonyms.of(lines).found("登山帐篷杆")) == {phrase_of("帐篷杆")}
    assert len(Synonyms.of(lines).found("帐篷杆和山帐")) == 2
    # Letters are never cut.
    assert not Synonyms.of(["ring, band"]).found("earring") and Synonyms.of(["usb线, 鱼竿"]).found("长usb线")


def test_a_word_that_is_cut_otherwise_than_the_phrase_is_covered_all_the_same() -> None:
    docs = Synonyms.of(["帐篷 => stroller"]).docs(INDEX, "大帐篷")
    said = [word for word in docs if "帐篷" in word]
    assert said and all(docs[word].tolist() == [0] for word in said)


def test_what_stands_for_one_phrase_and_all_that_stands_in_a_file_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = [f"anorak => jacket{'x' * i}" for i in range(MAX_PHRASES + 1)]
    assert len(rules_of(many[:-1])[("anorak",)]) == MAX_PHRASES
    with pytest.raises(DataError, match="stand for one") as raised:
        rules_of(many)
    assert raised.value.row == len(many)
    monkeypatch.setattr(rules, "MAX_PAIRS", 5)
    assert len(rules_of(["a1, b1", "c1, d1", "b1, a1"])) == 4
    with pytest.raises(DataError, match="pairs") as raised:
        rules_of(["a1, b1", "c1, d1", "x, y, z"])
    assert raised.value.row == 3


def test_a_file_is_read_no_further_than_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_BYTES", 20)
    (tmp_path / "some.txt").write_text("pram, stroller\n" * 2, encoding="utf-8")
    with pytest.raises(DataError, match="at most 20 bytes"):
        lines_of_file(tmp_path / "some.txt")
    with pytest.raises(DataError, match="at most 20 bytes"):
        lines_of_file(Path("/dev/zero"))  # its size reads 0


def test_of_a_long_query_so_many_synonyms_are_searched_for_those_of_long_phrases_first() -> None:
    lines = [f"w{'x' * i} => {', '.join(f'o{i}q{j}' for j in 'abcdefgh')}" for i in range(1, 30)]
    found = Synonyms.of(lines).found(" ".join(f"w{'x' * i}" for i in range(1, 30)))
    assert sum(map(len, found.values())) == MAX_SEARCHED
    assert {len(phrase[0]) for phrase in found} == set(range(30, 17, -1))


def test_the_word_that_was_asked_for_is_worth_no_less_and_a_synonym_no_more() -> None:
    own, both = scores("stroller"), scores("stroller", "pram, stroller")
    assert own == both
    assert scores("pram", "pram, stroller")["Folding stroller"] <= own["Folding stroller"] + 1e-6
    half = scores("pram", "pram, stroller", weight=0.5)["Folding stroller"]
    assert half == pytest.approx(0.5 * scores("pram", "pram, stroller")["Folding stroller"])


@given(
    st.lists(
        st.sampled_from(["pram", "stroller", "kettle", "steel", "rain", "jacket", "baby", "light"]),
        max_size=6,
    )
)
def test_no_item_loses_by_a_synonym_and_the_others_stay_as_they_were(said: list[str]) -> None:
    query = " ".join(said)
    plain = INDEX.score(query)
    assert (Synonyms.of(["pram, stroller", "kettle => steel jug"]).score(INDEX, query) >= plain - 1e-6).all()
    assert (Synonyms().score(INDEX, query) == plain).all()


def test_the_category_asked_for_is_that_of_the_synonyms() -> None:
    titles = [
        "baby monitor",
        "baby monitor two",
        "folding stroller",
        "light stroller",
        "kettle",
        "red kettle",
    ]
    index, rows = BM25Index.of(titles), np.arange(6)
    table = ItemTable.of(
        Shop.of(
            items=pl.DataFrame(
                {
                    "item_id": titles,
                    "title": titles,
                    "category": [["Monitors"]] * 2 + [["Strollers"]] * 2 + [["Kettles"]] * 2,
                }
            )
        )
    )
    z = np.zeros((3, 6), np.float32)

    def asked(query: str, *lines: str) -> int:
        catalogue = Catalogue(index, index, np.zeros((6, 2), np.float32), table, Synonyms.of(lines))
        return int(Candidates(query, rows, z, z[0]).category(catalogue).argmax())

    assert asked("baby carriage") == 0
    assert asked("baby carriage", "baby carriage => stroller") == 2
    assert asked("baby carriage", "pram, stroller") == 0
    # What has the phrase itself speaks too.
    assert set(Synonyms.of(["baby monitor => kettle"]).meant(index, "baby monitor")["baby"]) == {0, 1, 4, 5}


def test_comments_escapes_and_repeated_phrases() -> None:
    found = rules_of(["# all of it", "", "tv, television  # the screen", r"a\,b, c", "tv, telly"])
    assert found[phrase_of("tv")] == (phrase_of("television"), phrase_of("telly"))
    assert found[phrase_of("c")] == (phrase_of("a,b"),)


@pytest.mark.parametrize("line", ["lonely", "a => b => c", "=> b", "a =>", "x, y, x"])
def test_a_line_that_is_no_rule_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text(f"pram, stroller\n{line}\n", encoding="utf-8")
    if line.startswith("x,"):  # a phrase that is written twice is one
        assert len(lines_of_file(path)) == 2
        return
    with pytest.raises(DataError) as raised:
        lines_of_file(path)
    assert raised.value.row == 2 and Path(str(raised.value.path)) == path


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        lines_of_file(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("thé, tisane".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        lines_of_file(tmp_path / "latin.txt")


def shop() -> Shop:
    titles = [*TITLES, *(f"{colour} cup" for colour in ("red", "green", "white"))]
    return Shop.of(items=pl.DataFrame({"item_id": [str(i) for i in range(len(titles))], "title": titles}))


def test_search_finds_by_the_merchants_file_says_so_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("pram, stroller\n", encoding="utf-8")
    plain = Search(HashEncoder()).fit(shop())
    search = Search(HashEncoder(), SearchSettings(synonyms=str(path))).fit(shop())
    path.unlink()
    search.save(tmp_path / "search")
    for each in (search, Search.load(tmp_path / "search")):
        first = each.predict([SearchQuery("pram", read=False)])[0].items[0]
        assert first.item_id == "0" and first.reason == "has another word for what was asked"
        stroller = each.predict([SearchQuery("stroller")])[0].items[0]
        assert stroller.reason == "shares words with the query (“stroller”)"
    assert plain.predict([SearchQuery("pram", read=False)])[0].items[0].reason == "close in meaning"


def test_what_is_suggested_is_a_file_that_can_be_named(tmp_path: Path) -> None:
    lines = lines_of([Pair("tent", "bivouac", 0.91, "titles"), Pair("shelter", "tent", 0.9, "queries")])
    path = tmp_path / "synonyms.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert rules_of(lines_of_file(path))[("tent",)] == (("bivouac",), ("shelter",))


def test_only_words_that_make_a_rule_are_suggested() -> None:
    assert _is_rule("tent", "bivouac") and _is_rule("帐篷", "tent")
    assert not _is_rule("cable", "cables") and not _is_rule("c#", "c") and not _is_rule("a,b", "=>")


def test_names_of_one_category_are_suggested_and_taken_only_where_asked_for(tmp_path: Path) -> None:
    kinds: dict[str, tuple[str, ...]] = {
        "Shelters": ("blue tent", "red tent", "big tent", "blue bivouac", "red bivouac", "big bivouac"),
        "Cups": ("blue cup", "red cup", "big cup", "blue mug", "red mug", "big mug"),
        "Lamps": ("blue lamp", "red lamp", "big lamp", "blue torch", "red torch", "big torch"),
    }
    for i in range(12):
        kinds[f"Other {i}"] = tuple(f"{colour} thing{i}" for colour in ("blue", "red", "big"))
    rows = [(name, title) for name, titles in kinds.items() for title in titles]
    items = pl.DataFrame(
        {
            "item_id": [title for _, title in rows],
            "title": [title for _, title in rows],
            "category": [[name] for name, _ in rows],
        }
    )
    fitted = Search(HashEncoder()).fit(Shop.of(items=items))
    fitted.save(tmp_path / "search")
    suggested = (tmp_path / "search" / "synonyms.txt").read_text(encoding="utf-8")
    pairs = {frozenset(phrase) for phrase in rules_of(suggested.splitlines())}
    assert pairs <= {frozenset((word,)) for word in ("tent", "bivouac", "cup", "mug", "lamp", "torch")}
    assert fitted._made.catalogue.synonyms.rules == {}
    taking = Search(HashEncoder(), SearchSettings(mined_synonyms=True)).fit(Shop.of(items=items))
    assert set(taking._made.catalogue.synonyms.rules) == set(rules_of(suggested.splitlines()))
    again = Search(HashEncoder(), SearchSettings(mined_synonyms=True)).refit(Shop.of(items=items), taking)
    assert again._made.catalogue.synonyms.rules == taking._made.catalogue.synonyms.rules
    assert np.isfinite(fitted.log["suggested_synonyms"])
