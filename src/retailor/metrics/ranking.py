"""Ranking metrics, one value a test case, so that intervals and paired tests work.

Ties count as what they are worth on average: a thing that is tied with others may have any of their places,
all equally likely, and each metric is its exact expectation over these orders (McSherry & Najork, ECIR 2008).
A scorer that says nothing gets what a random order gets, and the order of a table's rows can never help.

Every metric of the first k is over what the first k can hold at most, so that a perfect order gets 1: the
ideal of nDCG has the k best grades, recall and average precision divide by the smaller of k and the number of
relevant things. A case without anything relevant gets 0 in all of them, and so does an empty list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BLOCKS_A_PLACE, LEAST_BLOCKS = 8, 4_096
"""Of many values so many blocks for each that is sought, and at least so many."""
NOT_FOUND = 1 << 40
"""The rank of a relevant thing that a list of answers does not have."""


# from scores to ranks -----------------------------------------------------------------------------


def target_ranks(scores: ArrayLike, targets: ArrayLike) -> Ints:
    """The worst rank, from 1, that the target of each row may have [B]: to choose dials by, not to report.

    `scores` [B, I]: −inf hides an item; a target that is hidden or NaN ranks last. `targets` [B].
    """
    table, columns = np.asarray(scores), np.asarray(targets)
    own = table[np.arange(len(table)), columns][:, None]
    ranks: Ints = np.count_nonzero(table >= own, axis=1).astype(np.int64)
    ranks[~np.isfinite(own[:, 0])] = table.shape[1]
    return ranks


def tied_ranks(scores: ArrayLike, targets: ArrayLike) -> Ints:
    """The best and the worst rank, from 1, that the one target of each row may have [B, 2].

    `scores` [B, I]: −inf hides an item, and a target that is hidden or NaN is not found. `targets` [B].
    """
    table, columns = np.asarray(scores), np.asarray(targets)
    own = table[np.arange(len(table)), columns][:, None]
    best, worst = np.count_nonzero(table > own, axis=1) + 1, np.count_nonzero(table >= own, axis=1)
    found = own[:, 0] > -np.inf
    return np.where(found[:, None], np.stack([best, worst], axis=1), NOT_FOUND).astype(np.int64)


def item_ranks(scores: ArrayLike, items: ArrayLike) -> Ints:
    """The best and the worst rank of each of several items of one case [R, 2], in the order given.

    `scores` [I]; `items` [R] are columns of it. One whose score is −inf or NaN is not found.
    """
    score = np.asarray(scores)
    own, ordered = score[np.asarray(items, dtype=np.int64)], np.sort(score[~np.isnan(score)])
    best = len(ordered) - np.searchsorted(ordered, own, side="right") + 1
    worst = len(ordered) - np.searchsorted(ordered, own, side="left")
    found = np.where((own > -np.inf)[:, None], np.stack([best, worst], axis=1), NOT_FOUND)
    return found.astype(np.int64)


def graded_ranks(scores: ArrayLike, grades: ArrayLike) -> tuple[Ints, Floats]:
    """Best and worst ranks [R, 2] and grades [R] of the relevant items of one case, the first ones first.

    `scores` and `grades` [I]: grade 0 is irrelevant. Equal ranks are ordered by grade, so that not even the
    last digit of a metric hangs on the order of the items.
    """
    grade = np.asarray(grades, dtype=np.float64)
    relevant = np.flatnonzero(grade > 0)
    ranks = item_ranks(scores, relevant)
    order = np.lexsort((grade[relevant], ranks[:, 1], ranks[:, 0]))
    return ranks[order], grade[relevant][order]


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
    for row, values in enumerate(scores):
        able = np.flatnonzero((values >= _kth_largest(values, k)) & (values > -np.inf))
        best = able[np.lexsort((tie[able], -values[able]))][:k]
        found[row, : len(best)] = best
    return found


def _kth_largest(values: NDArray[np.floating], k: int) -> float:
    """The k-th largest of some values, NaN being the largest.

    Of many, first the k-th largest of the maxima of blocks: there are k values as large, so that only those
    that are larger need a partition; where they are fewer, it is the answer. A partition of many equal
    values, such as the zeros of words that few texts have, takes ten times as long as one of different ones.
    """
    size = len(values) // max(BLOCKS_A_PLACE * k, LEAST_BLOCKS)
    if size > 1:
        n = len(values) // size
        maxima = values[: n * size].reshape(size, n).max(axis=0)  # a block is a column: many at once
        if not np.isnan(maxima).any() and not np.isnan(values[n * size :]).any():
            below = float(np.partition(maxima, n - k)[n - k])
            values = values[values > below]
            if len(values) < k:
                return below
    return float(np.partition(values, len(values) - k)[len(values) - k])


@dataclass(frozen=True)
class Ranked:
    """Where the relevant things of `n` cases came: three arrays of R rows, and the number of cases."""

    case: Ints  # [R]
    ranks: Ints  # [R, 2]: the best and the worst place of each; all things of a tie have the same two
    grade: Floats  # [R]
    n: int

    @classmethod
    def single(cls, ranks: ArrayLike) -> Ranked:
        """One relevant thing a case, at `ranks` [n], or [n, 2] where there may be ties."""
        places = _places(ranks)
        return cls(np.arange(len(places)), places, np.ones(len(places)), len(places))

    @classmethod
    def cases(cls, cases: Sequence[tuple[ArrayLike, ArrayLike]]) -> Ranked:
        """Several relevant things a case: (ranks, grades) each, as `graded_ranks` gives them."""
        pairs = [(_places(ranks), np.atleast_1d(np.asarray(grades, np.float64))) for ranks, grades in cases]
        return cls(
            np.repeat(np.arange(len(pairs)), [len(places) for places, _ in pairs]),
            np.concatenate([places for places, _ in pairs] or [_places([])]),
            np.concatenate([grades for _, grades in pairs] or [np.zeros(0)]),
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

    def n_relevant(self) -> Ints:
        """How many relevant things each case has [n]."""
        return np.bincount(self.case, minlength=self.n)

    def sum(self, values: Floats) -> Floats:
        """The sum of one value a relevant thing [R] over those of each case [n]."""
        return np.bincount(self.case, values, minlength=self.n).astype(np.float64)


@dataclass(frozen=True)
class _Ties:
    """The relevant things of each case that share their places, best first: arrays [G]."""

    case: Ints
    before: Ints  # places before the first of the tie
    size: Ints  # places that it takes
    relevant: Ints  # relevant things in it
    above: Ints  # relevant things of the case that are better

    @classmethod
    def of(cls, ranked: Ranked) -> _Ties:
        keys = np.column_stack([ranked.case, ranked.ranks])
        groups, relevant = np.unique(keys, axis=0, return_counts=True)
        case, first, last = groups.T
        upto = np.cumsum(relevant)
        so_far = np.append(0, upto)[np.searchsorted(case, case)]
        # What no list has shares a place without being tied there.
        size = np.where(first == NOT_FOUND, relevant, last - first + 1)
        return cls(case, first - 1, size, relevant, upto - relevant - so_far)

    def inside(self, k: int | None) -> Ints:
        """How many of the places of each tie are among the first k [G]."""
        return np.clip((NOT_FOUND - 1 if k is None else k) - self.before, 0, self.size)


def _places(ranks: ArrayLike) -> Ints:
    found = np.atleast_1d(np.asarray(ranks)).astype(np.int64)
    return found if found.ndim == 2 else np.column_stack([found, found])


# accuracy, one value a case -----------------------------------------------------------------------


def recall_at(ranked: Ranked, k: int) -> Floats:
    """Relevant things among the first k, over the smaller of k and all there are [n]."""
    best, worst = ranked.ranks.T
    part = np.clip(k - best + 1, 0, worst - best + 1) / (worst - best + 1)
    return ranked.sum(part) / np.clip(ranked.n_relevant(), 1, k)


def hit_at(ranked: Ranked, k: int) -> Floats:
    """1 where any relevant thing is among the first k, else 0 [n]; the chance of it where there are ties."""
    ties = _Ties.of(ranked)
    inside = ties.inside(k)
    missed = np.ones(len(inside))
    # None of r things, thrown into `size` places one after the other, hits the first `inside` of them.
    for done in range(int(ties.relevant.max(initial=0))):
        left = np.maximum(ties.size - inside - done, 0) / np.maximum(ties.size - done, 1)
        missed = np.where(done < ties.relevant, missed * left, missed)
    all_missed = np.ones(ranked.n)
    np.multiply.at(all_missed, ties.case, missed)
    return 1 - all_missed


def reciprocal_rank(ranked: Ranked, k: int | None = None) -> Floats:
    """1 / the rank of the first relevant thing [n]; 0 when it is not among the first k. Its mean is MRR."""
    ties = _Ties.of(ranked)
    inside = ties.inside(k)
    value = np.where(inside > 0, _harmonic(ties.before, inside) / ties.size, 0.0)
    for i in np.flatnonzero((ties.relevant > 1) & (ties.size > 1) & (inside > 0) & (ties.above == 0)):
        value[i] = _first_of(int(ties.before[i]), int(ties.size[i]), int(ties.relevant[i]), int(inside[i]))
    first = ties.above == 0
    return np.bincount(ties.case[first], value[first], minlength=ranked.n).astype(np.float64)


def average_precision_at(ranked: Ranked, k: int | None = None) -> Floats:
    """Average precision of the first k, or of the whole order [n]. Its mean is MAP@k."""
    ties = _Ties.of(ranked)
    inside, size = ties.inside(k), ties.size
    # A relevant thing at the i-th place of its tie has (i − 1)(r − 1) / (size − 1) others before it there.
    others = (ties.relevant - 1) / np.maximum(size - 1, 1)
    harmonic = _harmonic(ties.before, inside)
    precisions = (ties.above + 1) * harmonic + others * (inside - (ties.before + 1) * harmonic)
    total = np.bincount(ties.case, ties.relevant / size * precisions, minlength=ranked.n)
    return np.asarray(total / np.clip(ranked.n_relevant(), 1, k), dtype=np.float64)


def ndcg_at(ranked: Ranked, k: int, *, exponential: bool = False) -> Floats:
    """Normalised discounted cumulative gain of the first k [n], gain = grade (Järvelin & Kekäläinen 2002).

    `exponential` takes the gain 2^grade − 1 (Burges 2005).
    """
    gain = np.exp2(ranked.grade) - 1 if exponential else ranked.grade
    order = np.lexsort((-gain, ranked.case))
    first = np.searchsorted(ranked.case[order], np.arange(ranked.n))
    ideal_rank = np.arange(len(order)) - first[ranked.case[order]]
    discounts = np.append(0.0, np.cumsum(1 / np.log2(np.arange(2, k + 2))))  # of the first 0, 1, … k places
    upto, before = np.minimum(ideal_rank + 1, k), np.minimum(ideal_rank, k)
    ideal = np.bincount(ranked.case[order], gain[order] * (discounts[upto] - discounts[before]), ranked.n)
    best, worst = ranked.ranks.T
    mean = (discounts[np.minimum(worst, k)] - discounts[np.minimum(best - 1, k)]) / (worst - best + 1)
    return ranked.sum(gain * mean) / np.where(ideal > 0, ideal, 1.0)


def _harmonic(before: Ints, n: Ints) -> Floats:
    """1 / (before + 1) + … + 1 / (before + n)."""
    one = 1 / (before + 1)
    return np.where(n == 1, one, np.where(n > 0, digamma(before + n + 1.0) - digamma(before + 1.0), 0.0))


def _first_of(before: int, size: int, relevant: int, inside: int) -> float:
    """1 / the rank of the first of several relevant things in a tie, where it is among the first `inside`."""
    i = np.arange(min(inside, size - relevant + 1))
    passed = np.append(1.0, np.cumprod(1 - relevant / (size - i[:-1])))  # none at the places before
    return float((passed * relevant / (size - i) / (before + i + 1)).sum())


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
