"""Ranks of what customers chose next, under each system, and the figures made of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.metrics import ranking
from retailor.metrics.interval import score_mean
from retailor.metrics.ranking import NOT_FOUND, Ranked
from retailor.metrics.scores import Score, Scores
from retailor.progress import track
from retailor.retrieval.blend import Blend, standardise
from retailor.retrieval.histories import Histories, Scorer
from retailor.tasks.recommend.blend.coldness import ColdBlend, item_groups, joined
from retailor.tasks.recommend.cases import Cases

BLOCK_SCORES = 12_000_000
BUCKETS = (
    ("item seen 0", 0, 0),
    ("item seen 1-2", 1, 2),
    ("item seen 3-5", 3, 5),
    ("item seen 6-10", 6, 10),
    ("item seen more", 11, np.inf),
)


@dataclass
class Ranks:
    """Of each system: best and worst rank of each case's target [n, 2], items shown [n, 10], seconds."""

    ranks: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    shown: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def rank_cases(
    parts: Mapping[str, Scorer],
    systems: Mapping[str, Blend | ColdBlend],
    cases: Cases,
    histories: Histories,
    ties: NDArray[np.unsignedinteger],
    *,
    masked: bool = True,
) -> Ranks:
    """Ranks over the whole catalogue with the customer's own history `masked`, in blocks of customers.

    A customer without history gets the most popular items from every blend. A system of one part has nothing
    to say of them: there every item ties. A target that is hidden or not in the catalogue is not found.
    """
    n_items = len(ties)
    found = Ranks()
    n = len(cases)
    for row in systems:
        found.ranks[row] = np.full((n, 2), NOT_FOUND, np.int64)
        found.shown[row] = np.full((n, min(10, n_items)), -1, np.int64)
        found.seconds[row] = 0.0
    known = np.append(histories.lengths(), 0)
    cold = known[cases.customers] == 0
    # Several cases of one customer have the same scores: they are ranked together.
    order = np.argsort(cases.customers, kind="stable")
    size = max(1, BLOCK_SCORES // n_items)
    for start in track(range(0, n, size), "ranking", -(-n // size)):
        block = order[start : start + size]
        _rank_block(found, block, parts, systems, cases, histories, cold[block], ties, masked)
    return found


def _rank_block(
    found: Ranks,
    block: NDArray[np.int64],
    parts: Mapping[str, Scorer],
    systems: Mapping[str, Blend | ColdBlend],
    cases: Cases,
    histories: Histories,
    cold: NDArray[np.bool_],
    ties: NDArray[np.unsignedinteger],
    masked: bool,
) -> None:
    customers, back = np.unique(cases.customers[block], return_inverse=True)
    own = _histories_of(histories, customers)
    seen = own.matrix(len(ties)).tocoo()
    cold_rows = own.lengths() == 0
    z, took = {}, {}
    for name in dict.fromkeys(name for blend in systems.values() for name in blend.used()):
        started = time.perf_counter()
        z[name] = standardise(parts[name].scores(own))
        took[name] = time.perf_counter() - started
    popular = standardise(parts["popularity"].scores(own))
    targets = cases.targets[block]
    items = item_groups(parts["popularity"].scores(own.at(slice(0, 1)))[0])
    for row, blend in systems.items():
        started = time.perf_counter()
        scores = joined(blend, z, own, items)
        if len(blend.names) > 1:
            scores[cold_rows] = popular[cold_rows]
        if masked:
            scores[seen.row, seen.col] = -np.inf
        shown = ranking.top_items(scores, 10, ties)
        scores = scores[back]
        there = targets >= 0
        ranks = ranking.tied_ranks(scores, np.maximum(targets, 0))
        found.ranks[row][block] = np.where(there[:, None], ranks, NOT_FOUND)
        found.shown[row][block] = shown[back]
        found.seconds[row] += time.perf_counter() - started + sum(took[name] for name in blend.used())


def _histories_of(histories: Histories, customers: NDArray[np.int64]) -> Histories:
    """Those of the customers; an empty one for −1."""
    if len(customers) and customers[0] < 0:
        rest = histories.at(customers[1:])
        return replace(rest, offsets=np.concatenate([[0], rest.offsets]))
    return histories.at(customers)


def buckets_of(cases: Cases, n_seen: NDArray[np.float32]) -> dict[str, NDArray[np.bool_]]:
    """Which cases are in each bucket: by how many customers had the target in training."""
    counts = np.where(cases.targets >= 0, n_seen[np.maximum(cases.targets, 0)], 0)
    found = {"all": np.ones(len(cases), bool)}
    for name, low, high in BUCKETS:
        found[name] = (counts >= low) & (counts <= high)
    return found


def scores_of(
    ranks: Ranks,
    cases: Cases,
    n_seen: NDArray[np.float32],
    n_customers: int,
    *,
    histories: Histories | None = None,
    categories: sp.csr_matrix | None = None,
) -> Scores:
    """Recall@10, NDCG@10 and MRR of every system by bucket; coverage, novelty and popularity in all.

    With the customers' histories and the items' categories [I, C] miscalibration too, over the cases of which
    both are known.
    """
    rows: list[Score] = []
    buckets = buckets_of(cases, n_seen)
    for row, rank in ranks.ranks.items():
        ranked = Ranked.single(rank)
        values = {
            "recall@10": ranking.recall_at(ranked, 10),
            "ndcg@10": ranking.ndcg_at(ranked, 10),
            "mrr": ranking.reciprocal_rank(ranked),
        }
        for bucket, inside in buckets.items():
            if not inside.any():
                continue
            for metric, value in values.items():
                rows.append(score_mean(row, metric, value[inside], bucket=bucket, seconds=ranks.seconds[row]))
        shown = ranks.shown[row]
        rows += [
            _figure(row, "coverage@10", ranking.coverage(shown, len(n_seen)), len(cases)),
            score_mean(row, "novelty@10", ranking.novelty(shown, n_seen, n_customers)),
            score_mean(row, "popularity@10", ranking.popularity_percentile(shown, n_seen)),
            _figure(row, "gini@10", ranking.gini(shown, len(n_seen)), len(cases)),
        ]
        if histories is not None and categories is not None:
            known = cases.customers >= 0
            own = histories.at(cases.customers[known]).matrix(len(n_seen))
            far = ranking.miscalibration(shown[known], own, categories)
            if np.isfinite(far).any():
                rows.append(score_mean(row, "miscalibration@10", far[np.isfinite(far)]))
    return Scores(tuple(rows))


def _figure(row: str, metric: str, value: float, n: int) -> Score:
    """A figure of the whole list, which has no interval over cases."""
    return Score(row, metric, value, value, value, n)
