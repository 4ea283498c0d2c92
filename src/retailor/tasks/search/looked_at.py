"""The items that come into question for one query, and their scores by words and meaning.

Of a large catalogue most items have none of the words, and are as near in meaning as any: their scores are
all the same, and only the first few of them, in the order of equal ones, can ever be shown. So a query is
about the rows that differ and these few, not about a million numbers many times over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.ranking import top_items
from retailor.retrieval.blend import standardise
from retailor.retrieval.bm25 import BM25Index
from retailor.tasks.search.nearest import Near, Nearest
from retailor.tasks.search.synonyms.expansion import Synonyms
from retailor.tasks.search.weights import SCORERS

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]
N_BEST = 1_000
"""So many of the best by words, and by words and attributes, are compared in meaning."""
N_COMPARED = 20_000
"""So many items that filters leave are compared one by one."""
_CHUNK = 4_096


@dataclass(frozen=True)
class Said:
    """The scores of all items by words and by details [2, I], and the rows [n] that have any, ascending."""

    scores: tuple[F32, F32]
    rows: Rows

    @property
    def best(self) -> F32:
        """The better of the two scores of those rows [n]."""
        return np.maximum(self.scores[0][self.rows], self.scores[1][self.rows])


@dataclass(frozen=True)
class Scored:
    """The items in question by words, details and meaning: `rows` [n], ascending, scores and z-scores [3, n].

    All others have no word and are `rest_cosine` near; −inf where there are none.
    """

    rows: Rows
    raw: F32
    z: F32
    own_z: F32
    """Of the cosines as the encoder has them [n], where those of `z` compare across languages."""
    rest_cosine: float = -np.inf


@dataclass(frozen=True)
class Fill:
    """How many of all others may be shown, in the `order` [I] of equal ones."""

    order: Rows
    n: int


def said(lexical: Mapping[str, BM25Index], query: str, synonyms: Synonyms) -> Said:
    """What the words of a query find."""
    words, details = (synonyms.score(lexical[name], query) for name in SCORERS[:2])
    return Said((words, details), np.flatnonzero((words != 0) | (details != 0)))


def scored(
    words: Said, nearest: Nearest, vector: F32, left: Sequence[Bools] = (), fill: Fill | None = None
) -> Scored:
    """The scores of the items in question for one query; of all without an index, or without `fill`.

    `left` [I] each are items that filters leave: those of few are in question, and of many as many besides as
    `fill` says.
    """
    n_items = len(words.scores[0])
    near = nearest.near(vector, _compared(words, left) if nearest.index else np.zeros(0, np.int64))
    if fill is None or len(near.rows) == n_items:
        return _of_all(words, near, n_items)
    marked = np.zeros(n_items, np.bool_)
    marked[words.rows] = True
    marked[near.rows] = True
    others = ~marked
    for able in (*(able & others for able in left if not able.all()), others):
        marked[first_of(fill.order, able, fill.n)] = True
    rows = np.flatnonzero(marked)
    raw = np.full((3, len(rows)), near.mean, np.float32)
    raw[0], raw[1] = words.scores[0][rows], words.scores[1][rows]
    place = np.searchsorted(rows, near.rows)
    raw[2, place] = near.cosines
    by_words = _standardised(raw[:2], n_items)
    meaning = np.zeros(len(rows), np.float32)
    meaning[place] = near.z
    own = np.zeros(len(rows), np.float32)
    own[place] = near.own_z
    return Scored(rows, raw, np.concatenate([by_words, meaning[None]]), own, near.mean)


def _of_all(words: Said, near: Near, n_items: int) -> Scored:
    by_words = np.stack(words.scores)
    cosines, z, own_z = near.cosines, near.z, near.own_z
    if len(near.rows) < n_items:
        cosines, (z, own_z) = np.full(n_items, near.mean, np.float32), np.zeros((2, n_items), np.float32)
        cosines[near.rows], z[near.rows], own_z[near.rows] = near.cosines, near.z, near.own_z
    return Scored(
        np.arange(n_items),
        np.concatenate([by_words, cosines[None]]),
        np.concatenate([standardise(by_words), z[None]]),
        own_z,
    )


def _standardised(scores: F32, n_items: int) -> F32:
    """`retrieval.blend.standardise` of rows [2, n] that are 0 beyond the n."""
    found = np.zeros_like(scores)
    for i, row in enumerate(scores):
        mean = float(row.sum(dtype=np.float64)) / n_items
        inside = float(np.square(row - np.float32(mean)).sum(dtype=np.float64))
        spread = np.sqrt((inside + (n_items - len(row)) * mean**2) / n_items)
        if spread > 1e-6 * max(abs(mean), 1e-30):
            found[i] = (row - np.float32(mean)) / np.float32(spread)
    return found


def first_of(order: Rows, able: Bools, n: int) -> Rows:
    """The first `n` rows in `order` [I] that are able [I]; all of them where they are few."""
    if np.count_nonzero(able) <= max(n, _CHUNK):
        return np.flatnonzero(able)
    found: list[Rows] = []
    for start in range(0, len(order), _CHUNK):
        part = order[start : start + _CHUNK]
        part = part[able[part]][:n]
        found.append(part)
        n -= len(part)
        if not n:
            break
    return np.concatenate(found) if found else order[:0]


def _compared(words: Said, left: Sequence[Bools]) -> Rows:
    """The rows of the best by words, and of what filters leave where it is not much; some more than once."""
    found = []
    for scores in words.scores:
        own = scores[words.rows]
        best = top_items(own[None], min(N_BEST, int(np.count_nonzero(own))))[0]
        found.append(words.rows[best])
    found += [np.flatnonzero(each) for each in left if np.count_nonzero(each) <= N_COMPARED]
    return np.concatenate(found)
