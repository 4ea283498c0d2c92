"""New problems, and mended ones: since when more customers, or fewer, complain of an aspect than before."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from retailor.insight.complaints import Quote, different
from retailor.insight.figures import LEVELS, key_of, once, says
from retailor.insight.scan import Bools, more_and_fewer, rejected

LEAST_HITS = 4
"""Fewer complaints than this cannot be told from chance after all the others that are looked at."""
MOST_CASES = 3000
"""Of more reviews every second, third, … is tested: which, does not depend on what it says. The counts of a
change are of all."""
LOW_STARS = 2
STARS = -1
"""In place of an aspect: the review has one or two stars, whatever it speaks of."""


@dataclass(frozen=True)
class Change:
    """Of `n_before` reviews until `since`, `k_before` complain; of `n_after` from then on, `k_after`."""

    level: str
    key: str
    aspect: int
    worse: bool
    since: str
    p: float
    n_before: int
    k_before: int
    n_after: int
    k_after: int
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True)
class Changes:
    """The changes that were called, the most certain first, of how many that were tested."""

    found: tuple[Change, ...]
    n_tested: int
    timed: bool
    """False for a shop whose reviews have no times: nothing can be tested."""


def changes_of(
    voices: pl.DataFrame, opinions: pl.DataFrame, quoted: pl.DataFrame, rate: float, n_quotes: int
) -> Changes:
    """The changes of shop, categories and items, called at `rate` (see `scan.rejected`).

    A case is a review, a hit one that complains of the aspect: an aspect of which nobody spoke before it
    broke has its reviews before, too. `voices` has `category` beside its own columns.
    """
    timed = voices.filter(pl.col("time").is_not_null()).sort("time", "row")
    tested = _decidable([each for level in LEVELS for each in _tests(timed, opinions, level, rate)], rate)
    called = rejected(np.array([change.p for change in tested]), rate)
    found = sorted(
        (change for change, call in zip(tested, called, strict=True) if call),
        key=lambda change: (not change.worse, change.p, change.level, change.key, change.aspect),
    )
    with_quotes = tuple(_quoted(change, quoted, n_quotes) for change in found)
    return Changes(with_quotes, len(tested), bool(len(timed)))


def _decidable(tests: list[Change], rate: float) -> list[Change]:
    """The tests that can be called at all among so many: the others would only make it harder for these.

    No order of k hits among n cases is rarer than one of all orders (Tarone 1990). Which tests are left
    depends on n and k alone, so it spoils nothing.
    """
    log_least = math.log(max(len(tests), 1) / rate)
    return [
        each for each in tests
        if _log_orders(each.n_before + each.n_after, each.k_before + each.k_after) >= log_least
    ]  # fmt: skip


def _log_orders(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _tests(timed: pl.DataFrame, opinions: pl.DataFrame, level: str, rate: float) -> Iterator[Change]:
    against = opinions.filter(pl.col("says") == "negative").select("row", "aspect")
    low = timed.filter(pl.col("stars") <= LOW_STARS).select("row", aspect=pl.lit(STARS))
    hits = pl.concat([against.cast({"aspect": pl.Int64}), low.cast({"aspect": pl.Int64})])
    rows = once(timed.with_columns(key=key_of(level)).filter(pl.col("key").is_not_null()), "key")
    told = rows.select("row", "key").join(hits, on="row")
    by_key: dict[str, dict[int, set[int]]] = {}
    for key, aspect, hit in told.group_by("key", "aspect").agg("row").sort("key", "aspect").iter_rows():
        if len(hit) >= LEAST_HITS:
            by_key.setdefault(key, {})[aspect] = set(hit)
    for (key,), part in rows.filter(pl.col("key").is_in([*by_key])).group_by("key", maintain_order=True):
        yield from _of_key(level, str(key), part, by_key[str(key)], rate)


def _of_key(
    level: str, key: str, part: pl.DataFrame, aspects: Mapping[int, set[int]], rate: float
) -> Iterator[Change]:
    step = -(-len(part) // MOST_CASES)
    times: list[datetime] = part["time"].to_list()
    tested = times[::step]
    # Reviews of one instant have no order: a first part ends where the next review is later.
    may_end = np.array([a < b for a, b in pairwise(tested)] + [False])
    for aspect, rows in aspects.items():
        hits = np.array([row in rows for row in part["row"]], dtype=bool)
        if hits[::step].sum() < LEAST_HITS:
            continue
        more, fewer = more_and_fewer(hits[::step], may_end, worth=rate)
        for worse, scan in ((True, more), (False, fewer)):
            if scan.at < len(tested):
                at = bisect_left(times, tested[scan.at])
                yield _change(level, key, aspect, worse, scan.p, hits, at, times)


def _change(
    level: str, key: str, aspect: int, worse: bool, p: float, hits: Bools, at: int, times: list[Any]
) -> Change:
    before, after = hits[:at], hits[at:]
    return Change(
        level, key, aspect, worse, times[at].date().isoformat(), p,
        len(before), int(before.sum()), len(after), int(after.sum()),
    )  # fmt: skip


def _quoted(change: Change, quoted: pl.DataFrame, n: int) -> Change:
    """The change with what customers wrote against the aspect since; nothing for one that is mended."""
    if not change.worse or change.aspect == STARS:
        return change
    rows = quoted.with_columns(key=key_of(change.level)).filter(
        (pl.col("key") == change.key)
        & (pl.col("aspect") == change.aspect)
        & (says() == "negative")
        & (pl.col("time") >= change.since)
    )
    ordered = rows.sort("negative", "row", descending=[True, False]).head(12 * n)
    quotes = [Quote(**each) for each in ordered.select(*Quote.__annotations__).iter_rows(named=True)]
    return Change(**{**vars(change), "quotes": different(quotes, n)})
