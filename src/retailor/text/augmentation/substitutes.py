"""Which words of a shop can stand for each other, learned from nothing but its own texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.scripts import HAN
from retailor.text.augmentation.facts import is_negation, is_number, is_opinion
from retailor.text.common_words import CHINESE_GENERAL, ENGLISH_STOP_WORDS

_RUN = re.compile(rf"[{HAN}]+")
_PIECE = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+(?:['’.&-][^\W_{HAN}]+)*|[^\w\s]|_|\s+")
MAX_WORDS = 6_000
MAX_POLARITY = 0.7
"""Longest difference of two words' log odds of a label, in nats, when labels are given."""


def pieces(text: str) -> list[str]:
    """The text cut into words, spaces and marks, of which it is the join; Chinese is cut by a dictionary."""
    found: list[str] = []
    end = 0
    for match in _PIECE.finditer(text):
        if match.start() > end:
            found.append(text[end : match.start()])
        found.extend(_cutter().cut(match[0]) if _RUN.fullmatch(match[0]) else [match[0]])
        end = match.end()
    if end < len(text):
        found.append(text[end:])
    return found


def _cutter() -> Any:
    import rjieba

    return rjieba


def word_neighbours(
    texts: Sequence[str],
    *,
    labels: Sequence[int] | None = None,
    n_neighbours: int = 3,
    dim: int = 100,
    window: int = 2,
    min_count: int = 5,
    least_cosine: float = 0.6,
) -> dict[str, list[str]]:
    """The words that each word's place could be given to, best first; words without any are left out.

    Vectors are a truncated SVD of the positive mutual information of words within `window` words of each
    other (Levy, Goldberg & Dagan, TACL 2015). Two words are neighbours when each is among the nearest of
    the other, at a cosine of `least_cosine` or more. Stop words, numbers, negations and opinions have none:
    'good' and 'bad' stand in the same places. With `labels`, one a text, words that lean to different
    labels are kept apart too. Empty where the texts are too few to tell.
    """
    rows = [[word.lower() for word in pieces(text) if _is_word(word)] for text in texts]
    counts = Counter(word for row in rows for word in row)
    words = [word for word, count in counts.most_common(MAX_WORDS) if count >= min_count]
    if len(words) < 10:
        return {}
    place = {word: i for i, word in enumerate(words)}
    vectors = _vectors(_together(rows, place, window), min(dim, len(words) - 2))
    lean = None if labels is None else _leanings(rows, labels, place)
    kinds = _kinds(words)
    return _mutual(words, vectors, kinds, lean, n_neighbours, least_cosine)


def _is_word(piece: str) -> bool:
    return any(letter.isalpha() for letter in piece)


def may_change(word: str) -> bool:
    """Whether a word carries a matter that another could carry: no number, negation, opinion, stop word."""
    low = word.lower()
    if low in ENGLISH_STOP_WORDS or word in CHINESE_GENERAL:
        return False
    return _is_word(word) and not (is_number(word) or is_negation(word) or is_opinion(word))


def _together(rows: list[list[str]], place: dict[str, int], window: int) -> Any:
    """How often two words stand within the window [V, V], sparse; unknown words keep their place."""
    from scipy.sparse import coo_array

    flat: list[int] = []
    for row in rows:
        flat += [place.get(word, -1) for word in row] + [-1] * window
    ids = np.array(flat, dtype=np.int64)
    left, right = [], []
    for apart in range(1, window + 1):
        both = (ids[:-apart] >= 0) & (ids[apart:] >= 0)
        left.append(ids[:-apart][both])
        right.append(ids[apart:][both])
    a, b = np.concatenate(left + right), np.concatenate(right + left)
    n = len(place)
    return coo_array((np.ones(len(a)), (a, b)), shape=(n, n)).tocsr()


def _vectors(together: Any, dim: int) -> NDArray[np.float64]:
    """Unit rows [V, dim]: the SVD of log(p(a, b) / p(a) p(b)^.75), where that is positive."""
    from scipy.sparse.linalg import svds

    table = together.tocoo()
    totals = np.asarray(together.sum(axis=1)).ravel()
    smooth = totals**0.75
    expected = totals[table.row] * smooth[table.col] / smooth.sum()
    table.data = np.maximum(np.log(table.data / expected), 0.0)
    start = np.ones(together.shape[0])  # ARPACK's own start is random
    left, strengths, _ = svds(table.tocsr(), k=max(1, dim), v0=start)
    rows = left * np.sqrt(strengths)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _kinds(words: list[str]) -> list[str]:
    """The part of speech of Chinese words, and one kind for all others: only like stands for like."""
    cutter = _cutter()
    kinds = []
    for word in words:
        tags = cutter.tag(word) if _RUN.fullmatch(word) else []
        kinds.append(tags[0][1][:1] if len(tags) == 1 else "compound" if tags else "latin")
    return kinds


def _leanings(rows: list[list[str]], labels: Sequence[int], place: dict[str, int]) -> NDArray[np.float64]:
    """Smoothed log odds [V, C] of each label among the texts that have the word."""
    n_labels = max(labels) + 1
    counts = np.full((len(place), n_labels), 2.0)
    for row, label in zip(rows, labels, strict=True):
        counts[[place[word] for word in set(row) if word in place], label] += 1
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(np.log(shares / (1 - shares)))


def _mutual(
    words: list[str],
    vectors: NDArray[np.float64],
    kinds: list[str],
    lean: NDArray[np.float64] | None,
    n: int,
    least: float,
) -> dict[str, list[str]]:
    free = np.array([may_change(word) for word in words])
    kind = np.array(kinds)
    nearest: dict[int, dict[int, float]] = {}
    for i in np.flatnonzero(free).tolist():
        cosines = np.where(free & (kind == kind[i]), vectors @ vectors[i], -1.0)
        cosines[i] = -1.0
        if lean is not None:
            cosines[np.abs(lean - lean[i]).max(axis=1) > MAX_POLARITY] = -1.0
        best = np.flatnonzero(cosines >= least)
        best = best[np.argsort(-cosines[best], kind="stable")][:n]
        nearest[i] = {j: float(cosines[j]) for j in best.tolist()}
    found = {}
    for i, others in nearest.items():
        both = [words[j] for j in others if i in nearest.get(j, {})]
        if both:
            found[words[i]] = both
    return found
