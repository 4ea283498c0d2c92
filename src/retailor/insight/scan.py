"""An exact test for one change in a row of yes and no: since when are there more of them than before?

The order of the reviews is what is tested. Given that k of n reviews complain, all orders are equally likely
where nothing has changed, so the chance of a scan as extreme as the one seen is a count of paths, which a
recursion over the reviews gives exactly: nothing is simulated, and no share is assumed. The statistic is the
least hypergeometric tail over all points of change (a maximally selected Fisher test: Miller & Siegmund 1982;
Boulesteix 2006 counts its paths in the same way).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
LEAST_SIDE = 3
"""A change has at least so many reviews before it and after it."""
MOST_KEPT = 20_000
_SLACK = 1 + 1e-9


@dataclass(frozen=True)
class Scan:
    """The point of change that speaks loudest, and the chance of one as loud where there is none."""

    p: float
    """1 where nothing can be tested."""
    at: int
    """The first case after the change."""


def more_and_fewer(hits: Bools, may_end: Bools | None = None, *, worth: float = 1.0) -> tuple[Scan, Scan]:
    """Whether there are more hits [n] from some case on than before it, and whether there are fewer.

    `may_end` [n] says after which cases, in the order of time, the first part may end: cases of one instant
    have no order and are not parted. A chance that is above `worth` for sure is given as 1, which spares the
    count of paths.
    """
    n, k = len(hits), int(np.sum(hits))
    ends = np.ones(n, dtype=bool) if may_end is None else np.asarray(may_end, dtype=bool)
    # Fewer from here on is more up to here: the same scan from the other end of time.
    back = np.append(ends[:-1][::-1], False) if n else ends
    if not 0 < k < n:
        return Scan(1.0, n), Scan(1.0, n)
    table = _tails(n, k)
    more = _scan(table, np.asarray(hits, dtype=bool), ends, worth)
    fewer = _scan(table, np.asarray(hits, dtype=bool)[::-1], back, worth)
    return more, Scan(fewer.p, n - fewer.at if fewer.at < n else n)


def _scan(table: Floats, hits: Bools, ends: Bools, worth: float) -> Scan:
    n = len(hits)
    allowed = ends.copy()
    allowed[: LEAST_SIDE - 1] = False
    allowed[max(n - LEAST_SIDE, 0) :] = False
    if not allowed.any():
        return Scan(1.0, n)
    before = np.cumsum(hits)  # hits in the first part, for each end of it
    tails = np.where(allowed, table[np.arange(n), before], np.inf)
    end = int(np.argmin(tails))
    if tails[end] > worth:  # the chance of a scan is no less than that of its loudest point
        return Scan(1.0, end + 1)
    return Scan(_chance(table, float(tails[end]), allowed), end + 1)


def _tails(n: int, k: int) -> Floats:
    """[n, k + 1]: the chance of at most so many of k hits among the first 1 … n of n cases."""
    return _small_tails(n, k) if n * k <= MOST_KEPT else _make_tails(n, k)


@lru_cache(maxsize=2048)
def _small_tails(n: int, k: int) -> Floats:
    return _make_tails(n, k)


def _make_tails(n: int, k: int) -> Floats:
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])  # log of 0! … n!

    def choose(a: NDArray[np.int64] | int, b: NDArray[np.int64]) -> Floats:
        inside = (b >= 0) & (b <= a)
        safe = np.where(inside, b, 0)
        return np.where(inside, logs[a] - logs[safe] - logs[a - safe], -np.inf)

    first, hits = np.arange(1, n + 1)[:, None], np.arange(k + 1)[None, :]
    masses = np.exp(choose(k, hits) + choose(n - k, first - hits) - choose(n, first))
    return np.cumsum(masses, axis=1)


def _chance(table: Floats, tail: float, ends: Bools) -> float:
    """The chance that a random order has, at an allowed end, a tail of at most `tail`."""
    n, k = table.shape[0], table.shape[1] - 1
    # Tails rise with the hits: those at least as extreme are the first so many.
    n_extreme = np.where(ends, (table <= tail * _SLACK).sum(axis=1), 0).tolist()
    left = np.arange(k, -1, -1, dtype=np.float64)
    mass, lost = np.zeros(k + 1), 0.0  # of the orders that were not extreme yet, by their hits so far
    mass[0] = 1.0
    for done, few in enumerate(n_extreme):
        hit = mass * left
        hit /= n - done
        mass -= hit
        mass[1:] += hit[:-1]
        if few:
            lost += float(mass[:few].sum())
            mass[:few] = 0.0
    return min(lost, 1.0)


def rejected(p: Floats, rate: float) -> Bools:
    """Which of the tests [m] are called at this rate of false discoveries (Benjamini & Hochberg 1995).

    Where none of them has anything to find, the chance that any is called is at most `rate`, too (Simes).
    """
    if not len(p):
        return np.zeros(0, dtype=bool)
    order = np.argsort(p, kind="stable")
    below = np.flatnonzero(p[order] <= rate * np.arange(1, len(p) + 1) / len(p))
    found = np.zeros(len(p), dtype=bool)
    if len(below):
        found[order[: below[-1] + 1]] = True
    return found
