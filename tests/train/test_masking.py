"""What is hidden, how often, and what stands there instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retailor.errors import ModelError
from retailor.testing.models import tiny_encoder
from retailor.train.objectives.masked_head import swapped
from retailor.train.objectives.masking import (
    IGNORED,
    Vocabulary,
    batch_randomness,
    cut_spans,
    draw_masks,
    hide,
    padded,
    sentinels,
    vocabulary,
)

# Ids: 0 pad, 1 start, 2 end, 3 mask; 4–13 begin a word, 14–19 go on with one.
KNOWN = Vocabulary(
    starts=np.array([True] * 14 + [False] * 6),
    special=np.array([True] * 4 + [False] * 16),
    mask_id=3,
    pad_id=0,
)
KEPT = np.arange(4, 20)


def some_rows(n: int, t: int, seed: int = 0) -> np.ndarray:
    ids = np.random.default_rng(seed).integers(4, 20, size=(n, t))
    ids[:, 0], ids[:, -1] = 1, 2
    return ids


def test_of_the_hidden_80_percent_are_masked_10_another_token_and_10_left() -> None:
    ids = some_rows(400, 102)
    masks = np.zeros(ids.shape, bool)
    masks[:, 1:-1] = True
    hidden = hide(ids, masks, KNOWN, np.arange(1000, 51_000), np.random.default_rng(1))
    there = hidden[masks]
    n = masks.sum()
    spread = 4 * np.sqrt(0.25 / n)
    assert (there == KNOWN.mask_id).mean() == pytest.approx(0.8, abs=spread)
    assert (there >= 1000).mean() == pytest.approx(0.1, abs=spread)
    assert (there == ids[masks]).mean() == pytest.approx(0.1, abs=spread)
    assert (hidden[~masks] == ids[~masks]).all()
    # What stands in is any token of those kept, each as often as the next.
    others = there[there >= 1000]
    assert others.mean() == pytest.approx(26_000, rel=0.02) and others.max() < 51_000


@pytest.mark.parametrize("rate", [0.15, 0.4])
@pytest.mark.parametrize("whole_words", [True, False])
def test_about_the_rate_is_hidden_and_never_a_special_token(rate: float, whole_words: bool) -> None:
    ids = some_rows(300, 60)
    masks = draw_masks(ids, KNOWN, rate, np.random.default_rng(0), whole_words=whole_words)
    assert masks[:, 1:-1].mean() == pytest.approx(rate, abs=0.015)
    assert not masks[:, [0, -1]].any()


@given(st.integers(0, 1000), st.floats(0.001, 0.9), st.integers(0, 3))
def test_words_are_hidden_whole_one_at_least_and_the_prompt_never(
    seed: int, rate: float, n_prompt: int
) -> None:
    ids = some_rows(8, 20, seed)
    masks = draw_masks(ids, KNOWN, rate, np.random.default_rng(seed), n_prompt=n_prompt)
    assert masks.any(axis=1).all() and not masks[:, :n_prompt].any()
    for row, hidden in zip(ids, masks, strict=True):
        for i in range(max(2, n_prompt + 1), 19):
            if not KNOWN.starts[row[i]]:
                assert hidden[i] == hidden[i - 1]
    again = draw_masks(ids, KNOWN, rate, np.random.default_rng(seed), n_prompt=n_prompt)
    assert (masks == again).all()


def test_without_whole_words_pieces_are_hidden_on_their_own() -> None:
    ids = np.full((200, 12), 14)
    ids[:, 0], ids[:, 1], ids[:, -1] = 1, 4, 2
    whole = draw_masks(ids, KNOWN, 0.5, np.random.default_rng(0))
    parts = draw_masks(ids, KNOWN, 0.5, np.random.default_rng(0), whole_words=False)
    assert {int(row.sum()) for row in whole} == {10}
    assert len({int(row.sum()) for row in parts}) > 4


def test_a_row_without_any_free_token_hides_nothing() -> None:
    ids = np.array([[1, 2, 0, 0], [1, 5, 2, 0]])
    masks = draw_masks(ids, KNOWN, 0.01, np.random.default_rng(0))
    assert masks.tolist() == [[False] * 4, [False, True, False, False]]


def test_a_heavy_word_is_hidden_more_often_and_the_rate_stays() -> None:
    ids = some_rows(600, 40)
    weights = np.ones(20)
    weights[4] = 3.0
    masks = draw_masks(ids, KNOWN, 0.1, np.random.default_rng(0), whole_words=False, weights=weights)
    heavy, light = masks[ids == 4].mean(), masks[ids == 7].mean()
    assert heavy / light == pytest.approx(3.0, rel=0.2)
    assert masks[:, 1:-1].mean() == pytest.approx(0.1, abs=0.01)
    # No word is hidden more often than not, however heavy.
    weights[4] = 1000.0
    masks = draw_masks(ids, KNOWN, 0.4, np.random.default_rng(0), whole_words=False, weights=weights)
    assert masks[ids == 4].mean() == pytest.approx(0.5, abs=0.05)


def test_the_pieces_of_a_word_share_their_mean_weight() -> None:
    ids = np.array([[1, *([4, 14, 5, 15] * 20), 2]] * 300)
    weights = np.ones(20)
    weights[4], weights[14] = 4.0, 2.0
    masks = draw_masks(ids, KNOWN, 0.1, np.random.default_rng(0), weights=weights)
    assert masks[ids == 4].mean() / masks[ids == 5].mean() == pytest.approx(3.0, rel=0.2)
    assert (masks[ids == 4] == masks[ids == 14]).all()


def test_equal_weights_change_nothing_however_long_the_words() -> None:
    ids = some_rows(40, 30)
    plain = draw_masks(ids, KNOWN, 0.2, np.random.default_rng(3))
    assert (plain == draw_masks(ids, KNOWN, 0.2, np.random.default_rng(3), weights=np.full(20, 7.0))).all()


def test_a_vocabulary_is_read_off_the_tokens() -> None:
    tokenizer = tiny_encoder().tokenizer
    known = vocabulary(tokenizer)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    for token, begins, special in zip(tokens, known.starts, known.special, strict=True):
        assert begins == (not token.startswith("##")), token
        assert special == (token in tokenizer.all_special_tokens), token
    assert (known.mask_id, known.pad_id) == (tokenizer.mask_token_id, tokenizer.pad_token_id)


class Pieces:
    """A tokenizer of sentence pieces."""

    mask_token_id: Any = 5
    pad_token_id = 4
    all_special_ids = [4, 5]  # noqa: RUF012

    def __init__(self, *tokens: str) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [self.tokens[i] for i in ids]

    def get_vocab(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}


def test_sentence_pieces_begin_with_a_mark_and_chinese_is_a_word_of_its_own() -> None:
    pieces = Pieces("▁mug", "s", "Ġlamp", "好", "<pad>", "<mask>")
    known = vocabulary(pieces)
    assert known.starts.tolist() == [True, False, True, True, True, True]
    assert known.special.tolist() == [False] * 4 + [True] * 2
    assert (known.mask_id, known.pad_id) == (5, 4)
    pieces.mask_token_id = None
    with pytest.raises(ModelError, match="no mask token"):
        vocabulary(pieces)


def test_marks_of_spans_in_their_order_or_an_error() -> None:
    assert sentinels(Pieces("a", "<extra_id_1>", "<extra_id_0>", "<extra_id_3>")) == [2, 1]
    with pytest.raises(ModelError, match="extra_id"):
        sentinels(Pieces("a", "<extra_id_0>"))


@given(st.integers(1, 60), st.floats(0.01, 0.9), st.integers(0, 500))
def test_a_text_with_its_spans_put_back_is_the_text(n: int, rate: float, seed: int) -> None:
    row, marks = list(range(100, 100 + n)), [*range(20)]
    left, out = cut_spans(row, marks, rate, np.random.default_rng(seed))
    spans: dict[int, list[int]] = {}
    for token in out:
        if token < 100:
            spans[token] = last = []
        else:
            last.append(token)
    whole = [piece for token in left for piece in (spans.get(token, []) if token < 100 else [token])]
    assert whole == row
    used = [token for token in left if token < 100]
    assert used == marks[: len(used)] and out[-1] == marks[len(used)] and list(spans) == [*used, out[-1]]
    n_cut = sum(map(len, spans.values()))
    assert n_cut == min(max(1, round(n * rate)), max(1, n - 1))
    assert all(spans[mark] for mark in used)


def test_spans_are_three_tokens_on_average_and_may_come_first() -> None:
    firsts, sizes = [], []
    for seed in range(200):
        left, out = cut_spans(list(range(100, 200)), list(range(50)), 0.15, np.random.default_rng(seed))
        firsts.append(left[0] < 100)
        sizes.append(sum(token >= 100 for token in out) / sum(token < 100 for token in left))
    assert 0 < np.mean(firsts) < 0.3
    assert np.mean(sizes) == pytest.approx(3.0)


def test_rows_are_padded_to_the_longest_and_halves_swap_places() -> None:
    assert padded([[1, 2], [3]], 9).tolist() == [[1, 2], [3, 9]]
    assert swapped([1, 10, 11, 12, 13, 14, 2], 4, 1) == [1, 13, 14, 10, 11, 12, 2]
    assert IGNORED == -100


def test_the_randomness_of_a_batch_is_the_loops_own() -> None:
    def drawn(seed: int) -> list[float]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return batch_randomness().random(3).tolist()

    assert drawn(0) == drawn(0) != drawn(1)
