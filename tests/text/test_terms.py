# ruff: noqa: E501, SIM905 (word lists)
"""Terms: planted ones are found, and the ones that anyone who knows the real data would name."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.config import as_dict
from retailor.errors import ConfigError
from retailor.seeds import stream
from retailor.shop.demo import demo_shop
from retailor.text import corpus
from retailor.text.fields import texts
from retailor.text.ngrams import frequent_grams
from retailor.text.terms import Term, TermSettings, mine_terms

DATA = Path(os.environ.get("RETAILOR_DATA", "../shared/data"))


def names(terms: list[Term]) -> list[str]:
    return [term.text for term in terms]


def planted_english() -> list[str]:
    rng = stream(0, "terms")
    fillers = (
        "i really think that this was a good idea for my old friend and we liked it when he came home".split()
    )
    lines = []
    for i in range(400):
        words = [fillers[j] for j in rng.integers(0, len(fillers), 10)]
        if i % 4 == 0:
            words[4:4] = ["espresso", "machine"]
        if i % 7 == 0:
            words[2:2] = ["milk", "frother"]
        lines.append(" ".join(words))
    return lines


def test_planted_english_terms_come_first() -> None:
    found = mine_terms(planted_english(), language="en", n_terms=5)
    assert names(found)[:2] == ["espresso machine", "milk frother"]
    assert found[0].score == 1.0 and found[0].count == 100 and found[0].language == "en"


def test_a_corpus_is_the_same_however_it_is_cut_into_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [*texts(demo_shop()), "", "…", "Über-Töpfe sind schön", "iPhone 15 Pro Max"]
    whole = corpus.corpus_of(some)
    assert "zh" in whole.n_characters and "en" in whole.n_characters
    monkeypatch.setattr(corpus, "BLOCK", 17)
    for cut in (corpus.corpus_of(some), corpus.corpus_of(some, work=tmp_path)):
        np.testing.assert_array_equal(cut.symbols, whole.symbols)
        for name in ("n_characters", "forms", "characters", "counts", "tags"):
            mine, all_at_once = getattr(cut, name), getattr(whole, name)
            assert mine == all_at_once and list(mine) == list(all_at_once), name
        assert [list(each) for each in cut.forms.values()] == [list(each) for each in whole.forms.values()]
    assert mine_terms(some, work=tmp_path) == mine_terms(some)
    monkeypatch.setattr(corpus, "BLOCK", 1)
    assert (
        corpus.corpus_of(["很结实的水壶", "a sturdy kettle", "一用就漏水"]).characters
        == "很结实的水壶\n一用就漏水"
    )


def test_blocks_that_were_read_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "BLOCK", 10)
    read: list[int] = []
    before = corpus._read

    def watched(some: Sequence[str], language: str | None) -> corpus.Corpus:
        read.append(len(some))
        if len(read) == 3:
            raise KeyboardInterrupt
        return before(some, language)

    monkeypatch.setattr(corpus, "_read", watched)
    lines = planted_english()[:40]
    n = len(set(lines))
    with pytest.raises(KeyboardInterrupt):
        mine_terms(lines, work=tmp_path)
    found = mine_terms(lines, work=tmp_path)
    assert len(read) == 3 + -(-n // 10) - 2
    assert found == mine_terms(lines)
    mine_terms(lines, language="en", work=tmp_path)
    assert len(read) == 3 + 3 * -(-n // 10) - 2, "told apart is another reading"


def test_planted_chinese_words_are_found_though_no_dictionary_has_them() -> None:
    rng = stream(0, "zh")
    fillers = list("今天我们去看了一个很大的店然后他说可以再来不过大家觉得时间不够所以明天还要走")
    lines = []
    for i in range(600):
        characters = [fillers[j] for j in rng.integers(0, len(fillers), 12)]
        if i % 5 == 0:
            characters[6:6] = list("锦鲤壶")
        lines.append("".join(characters))
    assert "锦鲤壶" in names(mine_terms(lines, language="zh", n_terms=5))


def test_a_demo_shop_speaks_of_its_goods_in_both_languages() -> None:
    shop = demo_shop(200)
    found = mine_terms(texts(shop), n_terms=200)
    assert {"en", "zh"} == {term.language for term in found} and len(found) <= 200
    assert {"性价比", "客服"} <= set(names(found))
    assert found == mine_terms(texts(shop), n_terms=200)
    assert all(0 < term.score <= 1 for term in found)
    assert [term.score for term in found] == sorted((term.score for term in found), reverse=True)


def test_a_background_takes_away_what_is_common_everywhere() -> None:
    lines = planted_english()
    background = [line for line in lines if "espresso" not in line]
    with_background = mine_terms(lines, language="en", n_terms=5, background=background)
    assert names(with_background)[0] == "espresso machine"
    assert "milk frother" not in names(with_background)[:1]


def test_nothing_to_mine() -> None:
    assert mine_terms([]) == [] and mine_terms(["", "one text only"]) == []


def test_settings_are_the_arguments() -> None:
    assert mine_terms([], **as_dict(TermSettings(n_terms=5))) == []
    with pytest.raises(ConfigError):
        TermSettings(n_terms=0)


@given(st.lists(st.integers(-1, 3), max_size=60), st.integers(2, 4))
def test_grams_against_a_plain_count(symbols: list[int], least: int) -> None:
    levels = frequent_grams(np.array(symbols, dtype=np.int64), 3, least)
    for n in (1, 2, 3):
        windows = [tuple(symbols[i : i + n]) for i in range(len(symbols) - n + 1)]
        plain = {w: c for w, c in Counter(w for w in windows if min(w) >= 0).items() if c >= least}
        grams = levels[n - 1] if len(levels) >= n else None
        ours = {} if grams is None else {
            tuple(symbols[f : f + n]): c for f, c in zip(grams.first.tolist(), grams.count.tolist(), strict=True)
        }  # fmt: skip
        assert ours == plain
        if grams is not None:
            for gram, first in enumerate(grams.first.tolist()):
                assert math.isclose(
                    grams.freedom[gram], _freedom(symbols, tuple(symbols[first : first + n])), abs_tol=1e-9
                )


def _freedom(symbols: list[int], gram: tuple[int, ...]) -> float:
    """The slow plain reference: every break is a neighbour of its own."""
    n = len(gram)
    padded = [-1, *symbols, -1]
    sides: tuple[list[object], list[object]] = ([], [])
    for i in range(1, len(padded) - n):
        if tuple(padded[i : i + n]) == gram:
            for side, at in zip(sides, (i - 1, i + n), strict=True):
                side.append(padded[at] if padded[at] >= 0 else (at, "break"))
    return min(
        -sum(c / len(side) * math.log(c / len(side)) for c in Counter(side).values()) for side in sides
    )


@pytest.mark.data
def test_gift_cards() -> None:
    folder = DATA / "amazon2018-gift-cards"
    if not folder.exists():
        pytest.skip(f"needs {folder}: set RETAILOR_DATA to the folder of the benchmark data")
    lines: list[str] = []
    for name, columns in (("Gift_Cards_5", ["reviewText"]), ("meta_Gift_Cards", ["title", "description"])):
        with gzip.open(folder / f"{name}.json.gz", "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                for column in columns:
                    value = row.get(column) or ""
                    lines.extend([value] if isinstance(value, str) else value)
    found = [name.lower() for name in names(mine_terms(lines, n_terms=100))]
    for term in (
        "gift card",
        "amazon gift card",
        "e-mail delivery",
        "gift card holder",
        "birthday",
        "restaurant",
    ):
        assert term in found
    assert found[0] == "gift card"


@pytest.mark.data
@pytest.mark.slow
def test_ten_categories() -> None:
    path = DATA / "online-shopping-10-cats" / "online_shopping_10_cats.csv"
    if not path.exists():
        pytest.skip(f"needs {path}: set RETAILOR_DATA to the folder of the benchmark data")
    with path.open(encoding="utf-8") as file:
        found = names(mine_terms((row["review"] for row in csv.DictReader(file)), n_terms=300))
    for term in (
        "蒙牛",
        "洗发水",
        "热水器",
        "平板",
        "前台",
        "性价比",
        "酒店",
        "客服",
        "京东",
        "物流",
        "屏幕",
        "头皮屑",
        "面料",
    ):
        assert term in found
    assert {"京东自营", "快递小哥", "王者荣耀"} & set(found), "new words that no dictionary has"
