"""What is in the customer's next order: every item of it is asked for at once.

An order is the events of one customer at one time. Whether what the customer has chosen before counts (milk
does, a washing machine does not) is the setting `repeats`: then nothing is masked, and the baseline to beat
is personal frequency, which only counts what the customer chose most often.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.metrics import ranking
from retailor.metrics.interval import score_mean
from retailor.metrics.ranking import NOT_FOUND, Ranked
from retailor.metrics.scores import Score, Scores
from retailor.progress import track
from retailor.retrieval.blend import Blend, standardise
from retailor.retrieval.histories import Histories, Scorer
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.recommend.blend.coldness import ColdBlend, item_groups, joined
from retailor.tasks.recommend.catalogue import Catalogue
from retailor.tasks.recommend.customers import Customers, weighed_events
from retailor.tasks.recommend.evaluate.next_item import BLOCK_SCORES
from retailor.tasks.recommend.settings import RecommendSettings

I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Baskets:
    """One order a customer: whose (row of the histories), and its items [T] end to end."""

    customers: I64  # [n]
    owners: I64  # [T]: the number of the order
    items: I64  # [T]: −1 is not in the catalogue, so that nobody can find it
    known: Bools  # [T]: the customer has it already

    def __len__(self) -> int:
        return len(self.customers)


def read_baskets(
    shop: Shop, catalogue: Catalogue, customers: Customers, settings: RecommendSettings
) -> Baskets:
    """The first order in `shop` of each customer that has a history, at most `n_test`, drawn by the seed.

    An item twice in an order is one. Without `repeats` an order's known items are not asked for. Raises
    DataError when there is no order to ask for.
    """
    events = weighed_events(shop, settings).filter(pl.col("user_id").is_in(list(customers.ix)))
    first = events.filter((pl.col("time") == pl.col("time").min().over("user_id")).fill_null(False))
    users = np.array(first["user_id"].unique().sort(), dtype=object)
    users = np.sort(stream(settings.seed, "baskets").permutation(users)[: settings.n_test])
    number = {user: i for i, user in enumerate(users)}
    lines = (
        first.filter(pl.col("user_id").is_in(list(users)))
        .unique(["user_id", "item_id"])
        .sort("user_id", "item_id")
    )
    owners = np.array([number[user] for user in lines["user_id"]], np.int64)
    items = np.array([catalogue.ix.get(one, -1) for one in lines["item_id"]], np.int64)
    rows = np.array([customers.ix[user] for user in users], np.int64)
    own = customers.at(rows)
    pairs = own.owners() * (len(catalogue) + 1) + own.items
    known = np.isin(owners * (len(catalogue) + 1) + items, pairs)
    asked = np.ones(len(items), bool) if settings.repeats else ~known
    if not asked.any():
        raise DataError(
            "next-basket needs later events, with times, of customers that fit knows; there are none."
        )
    left, owners = np.unique(owners[asked], return_inverse=True)
    return Baskets(rows[left], owners.astype(np.int64), items[asked], known[asked])


def basket_scores(
    parts: Mapping[str, Scorer],
    systems: Mapping[str, Blend | ColdBlend],
    baskets: Baskets,
    histories: Histories,
    n_items: int,
    settings: RecommendSettings,
) -> Scores:
    """Recall@10 and NDCG@10 of every system, an order a case, over the whole catalogue.

    In all; by what the customer had before ('repeats') and by the others ('new items').
    """
    found, seconds = basket_ranks(parts, systems, baskets, histories, n_items, masked=not settings.repeats)
    inside = {"all": np.ones(len(baskets.items), bool)}
    if settings.repeats:
        inside |= {"repeats": baskets.known, "new items": ~baskets.known}
    rows: list[Score] = []
    for row, ranks in found.items():
        for bucket, some in inside.items():
            if not some.any():
                continue
            cases, number = np.unique(baskets.owners[some], return_inverse=True)
            ranked = Ranked(number.astype(np.int64), ranks[some], np.ones(len(number)), len(cases))
            for metric, value in (
                ("recall@10", ranking.recall_at(ranked, 10)),
                ("ndcg@10", ranking.ndcg_at(ranked, 10)),
            ):
                rows.append(score_mean(row, metric, value, bucket=bucket, seconds=seconds[row]))
    return Scores(tuple(rows))


def basket_ranks(
    parts: Mapping[str, Scorer],
    systems: Mapping[str, Blend | ColdBlend],
    baskets: Baskets,
    histories: Histories,
    n_items: int,
    *,
    masked: bool,
) -> tuple[dict[str, I64], dict[str, float]]:
    """Best and worst rank of each item asked for [T, 2] under each system, and the seconds of each."""
    ranks = {row: np.full((len(baskets.items), 2), NOT_FOUND, np.int64) for row in systems}
    seconds = dict.fromkeys(systems, 0.0)
    starts = np.searchsorted(baskets.owners, np.arange(len(baskets) + 1))
    groups = item_groups(parts["popularity"].scores(histories.at(slice(0, 1)))[0])
    size = max(1, BLOCK_SCORES // max(n_items, 1))
    for start in track(range(0, len(baskets), size), "ranking", -(-len(baskets) // size)):
        stop = min(start + size, len(baskets))
        own = histories.at(baskets.customers[start:stop])
        z = {
            name: standardise(parts[name].scores(own))
            for name in dict.fromkeys(name for blend in systems.values() for name in blend.used())
        }
        for row, blend in systems.items():
            started = time.perf_counter()
            scores = joined(blend, z, own, groups)
            if masked:
                scores[own.owners(), own.items] = -np.inf
            for i in range(start, stop):
                part = slice(starts[i], starts[i + 1])
                ranks[row][part] = ranks_of(scores[i - start], baskets.items[part])
            seconds[row] += time.perf_counter() - started
    return ranks, seconds


def ranks_of(scores: NDArray[np.float32], targets: I64) -> I64:
    """Best and worst ranks [n, 2] of several targets in one row of scores [I]; −1 is not found."""
    there = targets >= 0
    ranks = np.full((len(targets), 2), NOT_FOUND, np.int64)
    ranks[there] = ranking.item_ranks(scores, targets[there])
    return ranks
