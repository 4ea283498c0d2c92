import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.metrics.generation import lcs_length, rouge_l, token_f1, tokens

words = st.lists(st.sampled_from("abcde"), max_size=12)


def slow_lcs(a: list[str], b: list[str]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def test_tokens_split_chinese_by_character_and_drop_punctuation() -> None:
    assert tokens("It's a 5G手机，很好！ v2.0.") == ["it's", "a", "5g", "手", "机", "很", "好", "v2.0"]
    assert tokens("…—!") == []


@given(words, words)
def test_lcs_is_the_slow_reference(a: list[str], b: list[str]) -> None:
    assert lcs_length(a, b) == slow_lcs(a, b)


def test_rouge_l_known_values() -> None:
    # Lin 2004, section 3: "police killed the gunman" against three candidates.
    reference = ["police killed the gunman"] * 3
    found = rouge_l(["police kill the gunman", "the gunman kill police", ""], reference)
    assert found == pytest.approx([0.75, 0.5, 0.0])
    assert rouge_l(["屏幕很好"], ["屏幕不好"]) == pytest.approx([0.75])


def test_token_f1_known_values() -> None:
    found = token_f1(["the red cup", "", "", "blue"], ["a red cup", "", "x", "red"])
    assert found == pytest.approx([2 / 3, 1, 0, 0])


@given(st.text(max_size=30), st.text(max_size=30))
def test_scores_are_symmetric_and_bounded(a: str, b: str) -> None:
    for score in (rouge_l, token_f1):
        there, back = score([a], [b]), score([b], [a])
        assert np.array_equal(there, back) and 0 <= there[0] <= 1
        assert score([a], [a])[0] == (1 if tokens(a) or score is token_f1 else 0)


def test_unequal_lengths_are_an_error() -> None:
    with pytest.raises(ValueError):
        rouge_l(["a"], [])
