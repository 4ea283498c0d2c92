"""What to hide from a model so that it learns to guess it: whole words for encoders, spans for T5."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.errors import ModelError
from retailor.scripts import CJK

IGNORED = -100
MEAN_SPAN = 3.0
_IS_CJK = re.compile(f"[{CJK}]")


@dataclass(frozen=True)
class Vocabulary:
    """What masking must know of a tokenizer's tokens, each array one entry a token id."""

    starts: NDArray[np.bool_]
    """Whether a token begins a word; Chinese and Japanese pieces are words of their own."""
    special: NDArray[np.bool_]
    mask_id: int
    pad_id: int


def vocabulary(tokenizer: Any) -> Vocabulary:
    """Read off the tokens themselves: `##` continues a word, `▁` and `Ġ` begin one.

    Raises ModelError when the tokenizer has no mask token.
    """
    if tokenizer.mask_token_id is None:
        raise ModelError(
            "this encoder's tokenizer has no mask token, so it cannot learn by masked words: give "
            "objective = 'contrastive' with pairs of the shop, or leave the step out (skip = ['adapt']).",
            asked="masked",
            can=("contrastive",),
        )
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    wordpiece = any(token.startswith("##") for token in tokens)
    special = np.zeros(len(tokens), dtype=np.bool_)
    special[tokenizer.all_special_ids] = True
    starts = [
        not token.startswith("##") if wordpiece else token[:1] in ("▁", "Ġ") or bool(_IS_CJK.search(token))
        for token in tokens
    ]
    return Vocabulary(
        np.array(starts) | special, special, tokenizer.mask_token_id, tokenizer.pad_token_id or 0
    )


def draw_masks(
    ids: NDArray[np.int64],
    known: Vocabulary,
    rate: float,
    draw: np.random.Generator,
    *,
    n_prompt: int = 0,
    whole_words: bool = True,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.bool_]:
    """Which tokens of `ids` [B, T] to hide: about `rate` of those that are not special, one at least a row.

    With `whole_words` a word is hidden whole or not at all. `weights`, one a token id, make some words
    likelier than others. The first `n_prompt` tokens of a row are never hidden.
    """
    free = ~known.special[ids]
    free[:, :n_prompt] = False
    begins = known.starts[ids] | ~free
    begins[:, n_prompt] = True
    words = (
        np.cumsum(begins, axis=1) - 1 if whole_words else np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    )
    chances = np.full(ids.shape, rate)
    if weights is not None:
        chances = _weighted(weights[ids], free, words, rate)
    dice = np.take_along_axis(draw.random(ids.shape), words, axis=1)
    masks = free & (dice < chances)
    for row in np.flatnonzero(free.any(axis=1) & ~masks.any(axis=1)):
        chosen = draw.choice(np.flatnonzero(free[row]))
        masks[row] = free[row] & (words[row] == words[row, chosen])
    return masks


def _weighted(
    weights: NDArray[np.float64], free: NDArray[np.bool_], words: NDArray[np.int64], rate: float
) -> NDArray[np.float64]:
    """Chances [B, T], alike within a word, whose mean over the free tokens is `rate`; none above a half."""
    total, count = np.zeros(words.shape), np.zeros(words.shape)
    rows = np.arange(len(words))[:, None]
    np.add.at(total, (rows, words), np.where(free, weights, 0.0))
    np.add.at(count, (rows, words), free)
    of_word = np.take_along_axis(total / np.maximum(count, 1), words, axis=1)
    mean = of_word[free].mean() if free.any() else 1.0
    return np.minimum(rate * of_word / mean, 0.5)


def hide(
    ids: NDArray[np.int64],
    masks: NDArray[np.bool_],
    known: Vocabulary,
    kept: NDArray[np.int64],
    draw: np.random.Generator,
) -> NDArray[np.int64]:
    """`ids` with the chosen tokens hidden: 80 % masked, 10 % another token of `kept`, 10 % left (BERT)."""
    dice = draw.random(ids.shape)
    hidden = np.where(masks & (dice < 0.8), known.mask_id, ids)
    others = kept[draw.integers(len(kept), size=ids.shape)]
    return np.where(masks & (dice >= 0.8) & (dice < 0.9), others, hidden)


def padded(rows: Sequence[Sequence[int]], pad: int) -> NDArray[np.int64]:
    """Rows of ids as one array [B, T]."""
    out = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def sentinels(tokenizer: Any) -> list[int]:
    """Ids of T5's `<extra_id_0>`, `<extra_id_1>`, …. Raises ModelError when there are none."""
    known: Mapping[str, int] = tokenizer.get_vocab()
    found: list[int] = []
    while f"<extra_id_{len(found)}>" in known:
        found.append(known[f"<extra_id_{len(found)}>"])
    if len(found) < 2:
        raise ModelError("this tokenizer has no <extra_id_0>, <extra_id_1>, …, so it cannot learn by spans.")
    return found


def cut_spans(
    row: Sequence[int], marks: Sequence[int], rate: float, draw: np.random.Generator
) -> tuple[list[int], list[int]]:
    """What is left of a text with spans cut out, and the spans, both with a mark in place of each other.

    About `rate` of the tokens are cut, three at a time on average. Raffel et al., T5, JMLR 2020.
    """
    n_cut = min(max(1, round(len(row) * rate)), max(1, len(row) - 1))
    n_spans = min(max(1, round(n_cut / MEAN_SPAN)), len(marks) - 1, max(1, len(row) - n_cut))
    cut = _parts(n_cut, n_spans, draw)
    kept = _parts(len(row) - n_cut + 1, n_spans, draw)
    kept[0] -= 1  # a text may begin with a span
    left: list[int] = []
    out: list[int] = []
    at = 0
    for mark, n_kept, n_gone in zip(marks, kept, cut, strict=False):
        left += [*row[at : at + n_kept], mark]
        out += [mark, *row[at + n_kept : at + n_kept + n_gone]]
        at += n_kept + n_gone
    return left + list(row[at:]), [*out, marks[n_spans]]


def _parts(total: int, n: int, draw: np.random.Generator) -> list[int]:
    """`total` in `n` random parts of at least one each."""
    borders = np.sort(draw.choice(total - 1, size=n - 1, replace=False)) + 1 if n > 1 else np.array([], int)
    return [int(part) for part in np.diff([0, *borders, total])]


def batch_randomness() -> np.random.Generator:
    """A numpy generator that the training loop's own seed of this step decides."""
    return np.random.default_rng(int(torch.randint(1 << 62, ()).item()))
