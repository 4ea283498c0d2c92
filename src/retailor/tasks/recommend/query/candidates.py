"""Some hundreds of items to look at in place of the whole catalogue, each with the score that it has there.

For catalogues too large to score every item for every question. The candidates are the items most linked to
the history, those whose vectors are nearest to what it asks for, those that share its rarest words, and best
sellers. Their z-scores are those of a scan: mean and deviation over the whole catalogue follow from what is
kept. Links are zero but for the linked items; inner products p · q have mean p · mean(q) and second moment
pᵀ E[q qᵀ] p. Only the deviation of TF-IDF is estimated, on SAMPLE items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.metrics.ranking import top_items
from retailor.retrieval.histories import Histories, Scorer
from retailor.retrieval.ials import Factors
from retailor.retrieval.item_to_item import ItemToItem, entries
from retailor.retrieval.popularity import Popularity
from retailor.retrieval.vectors import VectorIndex
from retailor.tasks.recommend.scorers.sasrec import SASRec
from retailor.tasks.recommend.scorers.tfidf import TfidfScorer
from retailor.tasks.recommend.scorers.two_tower import TwoTower
from retailor.tasks.recommend.scorers.user_history import UserHistory

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
SAMPLE = 65_536
BY_GRAPH = 4
"""A walk through a graph takes as long as the list it is asked for: it gives one in so many candidates."""
MAX_FRESH = 1_000
"""Items taken in since graphs and postings were built; with more they are built again."""
POSTINGS = 20_000
"""Entries of the inverted index that are read at most for one history, its rarest words first."""


@dataclass(frozen=True)
class Pool:
    """The candidates of one history: rows [C], and of each part their z-scores [C] and what they were
    divided by."""

    rows: I64
    z: Mapping[str, F32]
    spread: Mapping[str, float]


@dataclass(frozen=True)
class Popular:
    """The same for everybody: how many customers have each item [I], their mean and second moment."""

    counts: F32
    mean: float
    square: float

    @classmethod
    def of(cls, counts: F32) -> Self:
        """Counts are whole numbers: as float64 their sums are exact, in whatever order they are added up."""
        n = max(len(counts), 1)
        whole = counts.astype(np.float64)
        return cls(counts, float(whole.sum()) / n, float(whole @ whole) / n)

    def z(self, rows: I64) -> tuple[F32, float]:
        """The z-scores of some items [C]; no history has carried them."""
        return _standard(self.counts[rows], self.mean, self.square)[0], 0.0


@dataclass(frozen=True)
class Near:
    """The vectors of one part: an index to find the nearest in, their mean [d] and second moment [d, d]."""

    index: VectorIndex
    mean: NDArray[np.float64]
    moment: NDArray[np.float64]

    @classmethod
    def of(cls, table: F32, index: VectorIndex | None = None) -> Self:
        """From the vectors [I, d]; a graph is built over them unless `index` has it."""
        built = index or VectorIndex.build(table, method="approximate")
        return cls(
            built, table.mean(axis=0, dtype=np.float64), (table.T @ table).astype(np.float64) / len(table)
        )

    def grown(self, table: F32, n_new: int) -> Near:
        """Mean and moment with the last `n_new` vectors of [I, d] taken in; the index does not have them."""
        n, new = len(table), table[len(table) - n_new :].astype(np.float64)
        before = n - n_new
        mean = (before * self.mean + new.sum(axis=0)) / n
        return Near(self.index, mean, (before * self.moment + new.T @ new) / n)


@dataclass(frozen=True)
class TfidfPostings:
    """Words to the items that have them [w, I], the mean of each word [w], and a sample of items [s, w]."""

    postings: sp.csr_matrix
    mean: F32
    sample: sp.csr_matrix

    @classmethod
    def of(cls, features: sp.csr_matrix, ties: NDArray[np.unsignedinteger]) -> Self:
        """The sample has the items with the least hashes: it does not depend on the order of rows."""
        drawn = np.sort(np.argsort(ties)[:SAMPLE])
        return cls(features.T.tocsr(), np.asarray(features.mean(axis=0), np.float32).ravel(), features[drawn])

    def grown(self, features: sp.csr_matrix, n_new: int) -> TfidfPostings:
        """The mean with the last `n_new` items taken in, and the sample while it has room; no postings."""
        n = features.shape[0]
        new = features[n - n_new :]
        mean = (self.mean * np.float32(n - n_new) + np.asarray(new.sum(axis=0), np.float32).ravel()) / n
        room = n <= SAMPLE
        sample = sp.vstack([self.sample, new], format="csr") if room and n_new else self.sample
        return TfidfPostings(self.postings, np.asarray(mean, np.float32), sample)


@dataclass(frozen=True)
class Finder:
    """What is kept to find the candidates of a history: `n_each` of every part, and best sellers."""

    n_each: int
    popular: I64
    popularity: Popular
    near: Mapping[str, Near]
    tfidf: TfidfPostings | None
    fresh: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    """Items that no graph and no postings have: candidates of every history."""

    def grown(
        self, parts: Mapping[str, Scorer], ties: NDArray[np.unsignedinteger], n_new: int, *, counted: bool
    ) -> Finder | None:
        """The finder where `parts` have `n_new` further items at their ends; no graph is built.

        `counted`: popularity is another than it was. None where too many items are fresh: time to build anew.
        """
        popular = parts["popularity"]
        assert isinstance(popular, Popularity)
        n = len(popular.counts)
        fresh = np.concatenate([self.fresh, np.arange(n - n_new, n)])
        if len(fresh) > MAX_FRESH:
            return None
        near, tfidf, best = {}, self.tfidf, self.popular
        for name, one in self.near.items():
            table = vectors_of(parts[name])
            assert table is not None
            near[name] = one.grown(table, n_new)
        if tfidf is not None:
            words = next(part for part in parts.values() if isinstance(part, TfidfScorer))
            tfidf = tfidf.grown(words.features, n_new)
        if counted or len(best) < self.n_each:  # nobody has chosen what is new
            best = top_items(popular.counts[None], self.n_each, ties)[0]
        return Finder(self.n_each, best, Popular.of(popular.counts), near, tfidf, fresh)

    @classmethod
    def of(
        cls,
        parts: Mapping[str, Scorer],
        names: Sequence[str],
        ties: NDArray[np.unsignedinteger],
        n_each: int,
        indexes: Mapping[str, VectorIndex] | None = None,
    ) -> Self:
        """Over the parts `names`; a graph that `indexes` has by name is taken as it is."""
        popular = parts["popularity"]
        assert isinstance(popular, Popularity)
        near, tfidf = {}, None
        for name in names:
            part, table = parts[name], vectors_of(parts[name])
            if table is not None:
                near[name] = Near.of(table, (indexes or {}).get(name))
            elif isinstance(part, TfidfScorer):
                tfidf = TfidfPostings.of(part.features, ties)
        best = top_items(popular.counts[None], n_each, ties)[0]
        return cls(n_each, best, Popular.of(popular.counts), near, tfidf)

    def pool(self, parts: Mapping[str, Scorer], names: Sequence[str], history: Histories) -> Pool:
        """The candidates of one history, and their z-scores under the parts `names`."""
        found: list[NDArray[np.integer]] = [self.popular, self.fresh]
        scorers: dict[str, _Linked | _Tfidf | _Vector | Popular] = {}
        for name in names:
            part = parts[name]
            if isinstance(part, ItemToItem | UserHistory):
                linked = _Linked.of(part, history)
                scorers[name] = linked
                found.append(linked.best(self.n_each))
            elif isinstance(part, TfidfScorer) and self.tfidf is not None:
                by_tfidf = _Tfidf.of(part, self.tfidf, history)
                scorers[name] = by_tfidf
                found.append(by_tfidf.best(self.n_each))
            elif name in self.near:
                vector = _Vector(self.near[name], vectors_of(part), _asked(part, history))
                scorers[name] = vector
                found.append(vector.best(max(1, self.n_each // BY_GRAPH)))
            else:
                scorers[name] = self.popularity
        rows = np.unique(np.concatenate(found)).astype(np.int64)
        rows = rows[rows >= 0]
        made = {name: scorer.z(rows) for name, scorer in scorers.items()}
        return Pool(
            rows,
            {name: z.astype(np.float32) for name, (z, _) in made.items()},
            {name: spread for name, (_, spread) in made.items()},
        )


def vectors_of(part: Scorer) -> F32 | None:
    """The vectors [I, d] of which a part's scores are inner products, if they are."""
    if isinstance(part, Factors):
        return part.items
    if isinstance(part, TwoTower):
        return part.candidates
    return part.table if isinstance(part, SASRec) else None


def _asked(part: Scorer, history: Histories) -> F32:
    """The vector [d] whose inner products with `vectors_of` are the scores of one history."""
    if isinstance(part, Factors):
        asked = part.users(history)
    elif isinstance(part, TwoTower):
        means = history.matrix(len(part.items), decay=part.decay) @ part.items
        asked = part.wanted(np.asarray(means, np.float32))
    else:
        assert isinstance(part, SASRec)
        asked = part.states(history)
    return np.asarray(asked[0], np.float32)


@dataclass(frozen=True)
class _Linked:
    """Scores of a part that are 0 but for some items: their rows in order, and their sums."""

    rows: I64
    sums: NDArray[np.float64]
    n_items: int

    @classmethod
    def of(cls, part: ItemToItem | UserHistory, history: Histories) -> Self:
        if isinstance(part, UserHistory):
            return cls(*_summed(*part.each(history)[1:]), part.n_items)
        _, items, weights = history.weighed(part.decay)
        place, columns, values = entries(part.links, items)
        return cls(*_summed(columns, values * weights[place]), part.n_items)

    def best(self, n: int) -> I64:
        return self.rows[_most(self.sums, n)]

    def z(self, rows: I64) -> tuple[F32, float]:
        mean = self.sums.sum() / self.n_items
        there = _at(self.rows, self.sums, rows)
        return _standard(there, mean, np.square(self.sums).sum() / self.n_items)


@dataclass(frozen=True)
class _Tfidf:
    part: TfidfScorer
    kept: TfidfPostings
    words: I64
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, part: TfidfScorer, kept: TfidfPostings, history: Histories) -> Self:
        _, items, weights = history.weighed(part.decay)
        place, columns, values = entries(part.features, items)
        words, wanted = _summed(columns, values * weights[place])
        return cls(part, kept, words, wanted)

    def best(self, n: int) -> I64:
        """By the words that fewest items have, as many of them as POSTINGS allows."""
        n_items = self.kept.postings.indptr[self.words + 1] - self.kept.postings.indptr[self.words]
        order = np.argsort(n_items, kind="stable")
        order = order[np.cumsum(n_items[order]) <= POSTINGS]
        place, items, values = entries(self.kept.postings, self.words[order])
        rows, sums = _summed(items, values * self.weights[order][place])
        return rows[_most(sums, n)]

    def z(self, rows: I64) -> tuple[F32, float]:
        dense = np.zeros(self.part.features.shape[1], np.float32)
        dense[self.words] = self.weights
        return _standard(
            _times(self.part.features, rows, dense),
            float(self.kept.mean @ dense),
            float(np.square(self.kept.sample @ dense).mean(dtype=np.float64)),
        )


@dataclass(frozen=True)
class _Vector:
    near: Near
    table: F32 | None
    asked: F32  # [d]

    def best(self, n: int) -> I64:
        rows, _ = self.near.index.search(self.asked[None], n)
        return np.asarray(rows[0], np.int64)

    def z(self, rows: I64) -> tuple[F32, float]:
        assert self.table is not None
        asked = self.asked.astype(np.float64)
        square = float(asked @ self.near.moment @ asked)
        return _standard(self.table[rows] @ self.asked, float(asked @ self.near.mean), square)


def _standard(values: NDArray[np.floating], mean: float, square: float) -> tuple[F32, float]:
    """(values − mean) / deviation, and the deviation; 0 where all items score alike, as in a scan."""
    spread = float(np.sqrt(max(square - mean**2, 0.0)))
    if spread <= 1e-6 * max(abs(mean), 1e-30):
        return np.zeros(len(values), np.float32), 0.0
    return ((values - mean) / spread).astype(np.float32), spread


def _summed(columns: NDArray[np.integer], values: NDArray[np.floating]) -> tuple[I64, NDArray[np.float64]]:
    """The different columns in order, and the sum of the values of each."""
    if not len(columns):
        return np.zeros(0, np.int64), np.zeros(0)
    order = np.argsort(columns)
    ordered = columns[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sums = np.add.reduceat(values[order].astype(np.float64), starts)
    return ordered[starts].astype(np.int64), sums


def _most(values: NDArray[np.floating], n: int) -> NDArray[np.intp]:
    """Where the n greatest are, and what ties with the last of them."""
    if len(values) <= n:
        return np.arange(len(values))
    return np.flatnonzero(values >= np.partition(values, len(values) - n)[len(values) - n])


def _at(rows: I64, values: NDArray[np.float64], wanted: I64) -> NDArray[np.float64]:
    """The values at the wanted rows; 0 where a row is not there. `rows` is in order."""
    if not len(rows):
        return np.zeros(len(wanted))
    spot = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
    return np.where(rows[spot] == wanted, values[spot], 0.0)


def _times(matrix: sp.csr_matrix, rows: I64, dense: F32) -> F32:
    """`matrix[rows] @ dense` [len(rows)]."""
    place, columns, values = entries(matrix, rows)
    return np.bincount(place, values * dense[columns], minlength=len(rows)).astype(np.float32)
