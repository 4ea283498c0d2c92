"""Ranking metrics, one value a test case, so that intervals and paired tests work.

Ties are broken against us: an item tied with others ranks behind all of them that are less relevant. A model
that scores everything alike gets nothing, and the order of a table's rows can never help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NOT_FOUND = 1 << 40
"""The rank of a relevant thing that a list of answers does not have."""


# from scores to ranks -----------------------------------------------------------------------------


def target_ranks(scores: ArrayLike, targets: ArrayLike) -> Ints:
    """The rank, from 1, of the one target of each row: 1 + the number of other items that score as much.

    `scores` [B, I]: −inf hides an item, and a target that is hidden or NaN ranks last. `targets` [B].
    """
    table, columns = np.asarray(scores), np.asarray(targets)
    own = table[np.arange(len(table)), columns][:, None]
    ranks: Ints = np.count_nonzero(table >= own, axis=1).astype(np.int64)
    ranks[~np.isfinite(own[:, 0])] = table.shape[1]
    return ranks


def graded_ranks(scores: ArrayLike, grades: ArrayLike) -> tuple[Ints, Floats]:
    """Ranks and grades of the relevant items of one case, by rank. Arguments [I]; grade 0 is irrelevant."""
    score, grade = np.asarray(scores, dtype=np.float64), np.asarray(grades, dtype=np.float64)
    order = np.lexsort((grade, -np.nan_to_num(score, nan=-np.inf)))
    found = np.flatnonzero(grade[order] > 0)
    return found + 1, grade[order][found]


def top_items(scores: NDArray[np.floating], k: int, tie: NDArray[np.integer] | None = None) -> Ints:
    """The k best items of each row [B, k], best first; −1 where fewer are not hidden.

    Equal scores are ordered by `tie` [I] (give a hash of the item's id), never by column when it is given.
    """
    n = scores.shape[1]
    k = min(k, n)
    tie = np.arange(n) if tie is None else tie
    found = np.full((len(scores), k), -1, dtype=np.int64)
    if not k:
        return found
    kth = np.partition(scores, n - k, axis=1)[:, n - k]
    for row, (values, least) in enumerate(zip(scores, kth, strict=True)):
        able = np.flatnonzero((values >= least) & (values > -np.inf))
        best = able[np.lexsort((tie[able], -values[able]))][:k]
        found[row, : len(best)] = best
    return found


@dataclass(frozen=True)
class Ranked:
    """Where the relevant things of `n` cases came: three arrays [R], and the number of cases."""

    case: Ints
    rank: Ints
    grade: Floats
    n: int

    @classmethod
    def single(cls, ranks: ArrayLike) -> Ranked:
        """One relevant thing a case, at `ranks` [n]."""
        rank = np.asarray(ranks, dtype=np.int64)
        return cls(np.arange(len(rank)), rank, np.ones(len(rank)), len(rank))

    @classmethod
    def cases(cls, cases: Sequence[tuple[ArrayLike, ArrayLike]]) -> Ranked:
        """Several relevant things a case: (ranks, grades) each, as `graded_ranks` gives them."""
        pairs = [(np.atleast_1d(np.asarray(r)), np.atleast_1d(np.asarray(g))) for r, g in cases]
        return cls(
            np.repeat(np.arange(len(pairs)), [len(r) for r, _ in pairs]),
            np.concatenate([r for r, _ in pairs] or [np.zeros(0)]).astype(np.int64),
            np.concatenate([g for _, g in pairs] or [np.zeros(0)]).astype(np.float64),
            len(pairs),
        )

    @classmethod
    def lists(cls, answers: Sequence[Sequence[str]], judged: Sequence[Mapping[str, float]]) -> Ranked:
        """From lists of ids, best first, and the grades of the relevant ids of each."""
        cases = []
        for ids, grades in zip(answers, judged, strict=True):
            place = {one: i + 1 for i, one in reversed(list(enumerate(ids)))}
            good = [one for one in grades if grades[one] > 0]
            cases.append(([place.get(one, NOT_FOUND) for one in good], [grades[one] for one in good]))
        return cls.cases(cases)

    def _sum(self, values: Floats) -> Floats:
        return np.bincount(self.case, values, minlength=self.n).astype(np.float64)

    def n_relevant(self) -> Floats:
        """How many relevant things each case has [n]."""
        return np.bincount(self.case, minlength=self.n).astype(np.float64)


# accuracy, one value a case -----------------------------------------------------------------------


def recall_at(ranked: Ranked, k: int) -> Floats:
    """The part of the relevant things among the first k [n]; 0 for a case without any."""
    return ranked._sum((ranked.rank <= k).astype(np.float64)) / np.maximum(ranked.n_relevant(), 1)


def hit_at(ranked: Ranked, k: int) -> Floats:
    """1 where any relevant thing is among the first k, else 0 [n]."""
    return (ranked._sum((ranked.rank <= k).astype(np.float64)) > 0).astype(np.float64)


def reciprocal_rank(ranked: Ranked, k: int | None = None) -> Floats:
    """1 / the rank of the first relevant thing [n]; 0 when it is not among the first k. Its mean is MRR."""
    best = np.full(ranked.n, np.inf)
    np.minimum.at(best, ranked.case, ranked.rank.astype(np.float64))
    found = best <= (NOT_FOUND - 1 if k is None else k)
    return np.where(found, 1 / np.maximum(best, 1), 0.0)


def ndcg_at(ranked: Ranked, k: int, *, exponential: bool = False) -> Floats:
    """Normalised discounted cumulative gain of the first k [n], gain = grade (Järvelin & Kekäläinen 2002).

    `exponential` takes the gain 2^grade − 1 (Burges 2005). The ideal order has all relevant things in front.
    """
    gain = np.exp2(ranked.grade) - 1 if exponential else ranked.grade
    order = np.lexsort((-gain, ranked.case))
    first = np.searchsorted(ranked.case[order], np.arange(ranked.n))
    ideal_rank = np.arange(len(order)) - first[ranked.case[order]] + 1
    ideal = np.bincount(ranked.case[order], _discounted(gain[order], ideal_rank, k), minlength=ranked.n)
    return ranked._sum(_discounted(gain, ranked.rank, k)) / np.where(ideal > 0, ideal, 1.0)


def _discounted(gain: Floats, rank: Ints, k: int) -> Floats:
    return np.where(rank <= k, gain / np.log2(rank.astype(np.float64) + 1), 0.0)


def average_precision_at(ranked: Ranked, k: int) -> Floats:
    """Average precision of the first k [n], over all relevant things of the case. Its mean is MAP@k."""
    order = np.lexsort((ranked.rank, ranked.case))
    case, rank = ranked.case[order], ranked.rank[order]
    n_before = np.arange(len(order)) - np.searchsorted(case, np.arange(ranked.n))[case] + 1
    precision = np.where(rank <= k, n_before / rank, 0.0)
    return np.bincount(case, precision, minlength=ranked.n) / np.maximum(ranked.n_relevant(), 1)


# beyond accuracy ----------------------------------------------------------------------------------


def coverage(shown: NDArray[np.integer], n_items: int) -> float:
    """The part of the catalogue that is shown to anyone; `shown` [n, k], −1 is nothing."""
    return len(np.unique(shown[shown >= 0])) / max(n_items, 1)


def novelty(shown: NDArray[np.integer], n_seen: ArrayLike, n_customers: int) -> Floats:
    """Mean self-information, in bits, of what each case is shown [n] (Zhou et al. 2010).

    That is −log2 of the share of customers who have the item. `n_seen` [I] customers have it; one more is
    counted everywhere, so that a new item has a finite value.
    """
    share = (np.asarray(n_seen, dtype=np.float64) + 1) / (n_customers + 1)
    return _mean_shown(-np.log2(np.minimum(share, 1.0)), shown)


def popularity_percentile(shown: NDArray[np.integer], n_seen: ArrayLike) -> Floats:
    """Mean share of the catalogue that is seen less than what a case is shown [n]; ties count half.

    0.5 is no bias, towards 1 only hits are shown.
    """
    counts = np.asarray(n_seen, dtype=np.float64)
    ordered = np.sort(counts)
    below, upto = np.searchsorted(ordered, counts, "left"), np.searchsorted(ordered, counts, "right")
    return _mean_shown((below + upto) / (2 * max(len(counts), 1)), shown)


def gini(shown: NDArray[np.integer], n_items: int) -> float:
    """Gini coefficient of how often items are shown: 0 all alike, towards 1 a few have everything."""
    counts = np.sort(np.bincount(shown[shown >= 0].ravel(), minlength=n_items).astype(np.float64))
    if not counts.sum():
        return 0.0
    place = np.arange(1, n_items + 1)
    return float(2 * (place @ counts) / (n_items * counts.sum()) - (n_items + 1) / n_items)


def miscalibration(
    shown: NDArray[np.integer], history: sp.csr_matrix, categories: sp.csr_matrix, *, smoothing: float = 0.01
) -> Floats:
    """How far the categories of what is shown are from those of the history [n]: 0 where they are the same.

    Kullback–Leibler divergence in nats of the history's shares from those of the list, which has `smoothing`
    of the former mixed in (Steck 2018, eq. 2 and 3). `history` [n, I] has weights, `categories` [I, C] each
    item's shares. NaN where history or list knows no category.
    """
    there = shown >= 0
    rows = np.repeat(np.arange(len(shown)), there.sum(axis=1))
    lists = sp.csr_matrix((np.ones(len(rows)), (rows, shown[there])), shape=history.shape)
    wanted, given = _shares(history @ categories), _shares(lists @ categories)
    cells = wanted.tocoo()
    got = np.asarray(given[cells.row, cells.col]).ravel() if cells.nnz else np.zeros(0)
    part = cells.data * np.log(cells.data / ((1 - smoothing) * got + smoothing * cells.data))
    total = np.bincount(cells.row, part, minlength=len(shown))
    known = (np.diff(wanted.indptr) > 0) & (np.diff(given.indptr) > 0)
    return np.where(known, total, np.nan)


def _shares(weights: sp.csr_matrix) -> sp.csr_matrix:
    """Rows that sum to 1, or are empty."""
    found = sp.csr_matrix(weights, dtype=np.float64)
    found.eliminate_zeros()
    totals = np.asarray(found.sum(axis=1)).ravel()
    found.data /= np.repeat(totals, np.diff(found.indptr))
    return found


def _mean_shown(value: Floats, shown: NDArray[np.integer]) -> Floats:
    there = shown >= 0
    total: Floats = np.where(there, value[shown], 0.0).sum(axis=1)
    n_shown: Floats = np.maximum(there.sum(axis=1), 1).astype(np.float64)
    mean: Floats = total / n_shown
    return mean
