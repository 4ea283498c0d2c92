from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.errors import DataError
from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import content_words, stem, words

TEXTS = [
    "Stainless steel kettle, 1.7 L",
    "Cotton towels, set of 4",
    "Kettle descaler for steel kettles",
    "",
    "纯棉毛巾 四条装",
    "不锈钢电热水壶 1.7L",
]
QUERIES = ["steel kettle", "棉 毛巾", "towel towel cotton", "nothing at all like it", ""]


def plain_bm25(query: str, texts: list[str], k1: float, b: float) -> list[float]:
    """Lucene's BM25, term by term and text by text."""
    cut = [words(text) for text in texts]
    mean = sum(map(len, cut)) / len(cut)
    scores = []
    for text in cut:
        score = 0.0
        for word in words(query):
            n = sum(word in other for other in cut)
            f = Counter(text)[word]
            if f:
                idf = math.log(1 + (len(cut) - n + 0.5) / (n + 0.5))
                score += idf * f / (f + k1 * (1 - b + b * len(text) / mean))
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (2.0, 0.0)])
def test_scores_are_those_of_the_plain_reference(k1: float, b: float) -> None:
    expected = [plain_bm25(query, TEXTS, k1, b) for query in QUERIES]
    scores = BM25Index.of(TEXTS, k1=k1, b=b).scores(QUERIES)
    assert scores.shape == (len(QUERIES), len(TEXTS)) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_scores_are_those_of_bm25s() -> None:
    judge = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    judge.index([words(text) for text in TEXTS], show_progress=False)
    index = BM25Index.of(TEXTS)
    for query in QUERIES[:3]:
        np.testing.assert_allclose(index.score(query), judge.get_scores(words(query)), rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc 水壶", max_size=12), min_size=1, max_size=6), st.text("abc 水壶", max_size=8))
def test_any_texts_score_as_the_reference(texts: list[str], query: str) -> None:
    if not any(words(text) for text in texts):
        assert not BM25Index.of(texts).score(query).any()
        return
    np.testing.assert_allclose(
        BM25Index.of(texts).score(query), plain_bm25(query, texts, 1.2, 0.75), rtol=1e-4, atol=1e-6
    )


def test_search_sorts_cuts_and_leaves_out_what_shares_no_word() -> None:
    index = BM25Index.of(TEXTS)
    found = index.search(["steel kettle", "zzz"], k=2)
    scores = index.score("steel kettle")
    assert [row for row, _ in found[0]] == [int(row) for row in np.argsort(-scores, kind="stable")[:2]]
    assert found[1] == []
    assert index.search(["kettle"], k=100)[0][-1][1] > 0


def test_equal_scores_come_in_the_order_of_rows() -> None:
    assert [row for row, _ in BM25Index.of(["a b"] * 5).search(["a"], k=3)[0]] == [0, 1, 2]


def test_a_subset_scores_as_in_the_whole() -> None:
    index = BM25Index.of(TEXTS)
    np.testing.assert_array_equal(index.subset("kettle", [2, 0]), index.score("kettle")[[2, 0]])
    assert index.subset("kettle", []).shape == (0,)


def test_texts_from_elsewhere_weigh_as_texts_of_the_index() -> None:
    index = BM25Index.of(TEXTS)
    np.testing.assert_allclose(
        index.weigh("steel kettle 毛巾", TEXTS), index.score("steel kettle 毛巾"), rtol=1e-5
    )
    assert index.weigh("unseen", ["an unseen word"])[0] > index.weigh("steel", ["a steel word"])[0]


def test_an_index_of_nothing_scores_nothing() -> None:
    index = BM25Index.of([])
    assert len(index) == 0 and index.scores(["a"]).shape == (1, 0) and index.search(["a"], 3) == [[]]


def test_load_of_save_scores_the_same(tmp_path: Path) -> None:
    index = BM25Index.of(TEXTS, k1=1.0)
    index.save(tmp_path)
    loaded = BM25Index.load(tmp_path)
    np.testing.assert_array_equal(loaded.scores(QUERIES), index.scores(QUERIES))
    assert loaded.weigh("kettle", ["a kettle"]) == index.weigh("kettle", ["a kettle"])
    assert not any(path.suffix in (".pkl", ".npy", ".pickle") for path in tmp_path.iterdir())


def test_files_of_two_indexes_do_not_mix(tmp_path: Path) -> None:
    BM25Index.of(TEXTS).save(tmp_path)
    (tmp_path / "bm25.json").write_text('{"k1": 1.2, "b": 0.75, "vocabulary": ["kettle"]}')
    with pytest.raises(DataError, match="words and the arrays differ"):
        BM25Index.load(tmp_path)


@pytest.mark.parametrize("spelled", ["WH-1000XM4", "wh1000xm4", "ＷＨ－１０００ＸＭ４"])
def test_a_model_number_is_one_word_however_spelled(spelled: str) -> None:
    assert "wh1000xm4" in words(f"Sony {spelled} headphones")


@pytest.mark.parametrize("spelled", ["500 ml", "500ml", "500 ML", "500-ml"])
def test_a_number_and_its_unit_are_one_word(spelled: str) -> None:
    assert "500ml" in words(f"a {spelled} bottle")


def test_decimals_stay_whole() -> None:
    assert words("1.7 L") == ["1.7l", "1.7", "l"] and "0.5m" in words("0.5 m cable")


def test_chinese_gives_words_and_bigrams() -> None:
    found = words("不锈钢电热水壶")
    assert "不锈钢" in found and "水壶" in found and "热水" in found
    assert "1.7l" in words("容量1.7L")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("kettles", "kettl"),
        ("kettle", "kettl"),
        ("batteries", "battery"),
        ("boxes", "box"),
        ("watches", "watch"),
        ("glass", "glass"),
        ("washing", "wash"),
        ("washed", "wash"),
        ("running", "run"),
        ("bed", "bed"),
        ("ring", "ring"),
        ("usb", "usb"),
    ],
)
def test_stems(word: str, expected: str) -> None:
    assert stem(word) == expected


@given(st.text(max_size=40))
@settings(deadline=None)
def test_case_and_width_do_not_matter(text: str) -> None:
    ascii_text = "".join(char for char in text if " " <= char <= "~")
    wide = "".join("\u3000" if char == " " else chr(ord(char) + 0xFEE0) for char in ascii_text)
    assert words(ascii_text.upper()) == words(ascii_text.lower()) == words(wide)
    assert all(word == word.strip() and word for word in words(text))


def test_content_words_leave_out_the_stop_words() -> None:
    assert content_words("What is the weight of it?") == ["weight"]
    assert content_words("请问材质是什么？") == ["材质"] or "材质" in content_words("请问材质是什么？")


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([*TEXTS, "kettle " * 40, "steel"]), min_size=1, max_size=8),
    st.dictionaries(st.integers(0, 7), st.sampled_from([*TEXTS, "brewista kettle", "towel"]), max_size=4),
    st.lists(st.sampled_from([*TEXTS, "a word never seen"]), max_size=3),
)
def test_with_other_texts_it_is_the_index_of_all_of_them(
    old: list[str], changed: dict[int, str], added: list[str]
) -> None:
    texts = [changed.get(row, text) for row, text in enumerate(old)] + added
    other = {row: text for row, text in changed.items() if row < len(old)}
    other |= {len(old) + i: text for i, text in enumerate(added)}
    grown, anew = BM25Index.of(old).replaced(other), BM25Index.of(texts)
    assert sorted(grown.vocabulary) == sorted(anew.vocabulary)
    for query in [*QUERIES, "brewista", "kettle never"]:
        np.testing.assert_allclose(grown.score(query), anew.score(query), atol=1e-5)
        rows = np.arange(len(texts))
        np.testing.assert_allclose(
            grown.covered(words(query), rows), anew.covered(words(query), rows), atol=1e-5
        )
