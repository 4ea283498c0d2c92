import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.metrics.generation import (
    CopyIndex,
    bits_per_character,
    bleu,
    copy_rate,
    corpus_distinct_n,
    distinct_n,
    lcs_length,
    perplexity,
    repetition,
    rouge_l,
    self_bleu,
    token_f1,
    tokens,
)

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


def test_bleu_is_one_on_the_same_text_in_both_languages() -> None:
    texts = ["the cat sat on the mat today", "这个手机的屏幕很好"]
    assert bleu(texts, texts) == pytest.approx([1, 1])
    assert bleu([""], ["a cat"])[0] == 0


def test_bleu_is_sacrebleus_own_figure() -> None:
    import sacrebleu

    hypothesis, reference = "the cat is on the mat now", "the cat sat on the mat today"
    expected = sacrebleu.sentence_bleu(hypothesis, [reference], use_effective_order=True).score / 100
    assert bleu([hypothesis], [reference])[0] == pytest.approx(expected)


def test_bleu_reads_chinese_by_character() -> None:
    assert bleu(["这个手机的屏幕很大"], ["这个手机的屏幕很好"])[0] > 0.6


def test_distinct_and_repetition_known_values() -> None:
    assert distinct_n(["a b a b", "a", ""]) == pytest.approx([2 / 3, 0, 0])
    assert repetition(["a b a b a b a b", "a b c d e", "a"], 2) == pytest.approx([5 / 7, 0, 0])
    assert corpus_distinct_n(["a b", "a b", "b c"]) == pytest.approx(2 / 3)


def test_self_bleu_tells_sameness_from_variety() -> None:
    same = self_bleu(["this is a very nice red cup"] * 3)
    varied = self_bleu(
        ["a very nice red cup here", "batteries died within two weeks", "my dog hates that smell"]
    )
    assert same == pytest.approx([1, 1, 1]) and varied.max() < 0.2
    assert self_bleu(["alone"]) == pytest.approx([0]) and len(self_bleu([])) == 0


def slow_run(text: list[str], sources: list[list[str]]) -> int:
    best = 0
    for i in range(len(text)):
        for j in range(i + 1, len(text) + 1):
            run = text[i:j]
            if any(run == s[k : k + len(run)] for s in sources for k in range(len(s))):
                best = max(best, j - i)
    return best


@given(words, st.lists(words, max_size=5))
def test_longest_copy_is_the_slow_reference(text: list[str], sources: list[list[str]]) -> None:
    found = CopyIndex([" ".join(source) for source in sources]).longest(" ".join(text))
    assert found.n_tokens == slow_run(text, sources)
    if found.n_tokens:
        run = text[found.start : found.start + found.n_tokens]
        assert " ".join(run) in " ".join(sources[found.source_ix])


def test_longest_copy_can_leave_sources_out() -> None:
    index = CopyIndex(["I love this cup so much", "this cup leaks"])
    assert index.longest("I love this cup").n_tokens == 4
    found = index.longest("I love this cup", allowed=np.array([False, True]))
    assert (found.n_tokens, found.start, found.source_ix) == (2, 2, 1)


def test_copy_rate_known_values() -> None:
    rates = copy_rate(["屏幕很好，我喜欢", "屏幕很好吗", "", "zzz"], ["屏幕很好，我喜欢这个手机"])
    assert rates == pytest.approx([1, 0.8, 0, 0])
    assert copy_rate(["a"], []) == pytest.approx([0])


def test_perplexity_is_weighted_by_tokens() -> None:
    assert perplexity([math.log(4), math.log(4)], [3, 5]) == pytest.approx(4)
    assert perplexity([0.0, math.log(16)], [1, 1]) == pytest.approx(4)
    assert math.isnan(perplexity([], [])) and perplexity([1e6], [1]) == math.inf


def test_bits_per_character_of_a_fair_coin_is_one() -> None:
    assert bits_per_character([math.log(2)], [4], ["abab"]) == pytest.approx(1)
