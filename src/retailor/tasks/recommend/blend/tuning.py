"""What is chosen on held-out customers: how strong each closed form's ridge is, and what each part weighs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.metrics.ranking import NOT_FOUND, Ranked, ndcg_at, target_ranks
from retailor.progress import track
from retailor.retrieval.blend import GRID, Blend, choose_weights, standardise
from retailor.retrieval.collab import Histories, Scorer
from retailor.tasks.recommend.blend.coldness import (
    CUSTOMERS,
    ITEMS,
    ColdBlend,
    Groups,
    customer_groups,
    item_groups,
    without_say,
)
from retailor.tasks.recommend.customers import Cases
from retailor.tasks.recommend.query.candidates import Finder
from retailor.tasks.recommend.scorers.parts import OURS, Features, closed_forms, systems_of
from retailor.tasks.recommend.settings import RecommendSettings

ROUNDS = 2
LEAST_CASES = 200
LEAST_GROUP_GAIN = 0.003
SCALES = (1.0, 0.01, 0.03, 0.1, 0.3, 3.0)
"""Tried in this order: where several are equally good the setting as it is wins."""


def measure_of(
    asked: Histories, cases: Cases, n_items: int, *, masked: bool = True
) -> Callable[[NDArray[np.float32]], float]:
    """NDCG@10 of scores [B, I] on the cases, own histories masked; it leaves the scores as they are."""
    rows = np.arange(len(cases))
    seen = asked.matrix(n_items).tocoo()
    if not masked:
        seen = sp.coo_matrix(seen.shape)

    def ndcg(scores: NDArray[np.float32]) -> float:
        own = scores[rows, cases.targets]
        hidden = scores[seen.row, seen.col] >= own[seen.row]
        ranks = target_ranks(scores, cases.targets) - np.bincount(seen.row[hidden], minlength=len(rows))
        return float(ndcg_at(Ranked.single(ranks), 10).mean())

    return ndcg


def choose_scales(
    histories: Histories, n_items: int, features: Features, settings: RecommendSettings, cases: Cases
) -> dict[str, float]:
    """For each closed form the factor on its ridge and kernel that is best on the cases; {} for many items.

    The defaults suit thousands of customers. With fewer, such a ridge leaves nothing but popularity.
    """
    if not 0 < n_items <= settings.max_tuned:
        return {}
    asked = histories.at(cases.customers)
    measure = measure_of(asked, cases, n_items, masked=not settings.repeats)
    matrix = histories.matrix(n_items)
    found = {}
    for name, make in closed_forms(matrix, features, settings).items():
        values = {scale: measure(make(scale).scores(asked)) for scale in SCALES}
        found[name] = max(SCALES, key=lambda scale: values[scale])
    return found


def choose_blends(
    parts: Mapping[str, Scorer],
    histories: Histories,
    n_items: int,
    cases: Cases,
    settings: RecommendSettings,
) -> tuple[dict[str, Blend], ColdBlend, dict[str, Any]]:
    """The best weights on the cases, of each system and of the one that answers, and how they were found.

    The one that answers has weights of its own for cold customers and items.
    """
    asked = histories.at(cases.customers)
    measure = measure_of(asked, cases, n_items, masked=not settings.repeats)
    systems: dict[str, Blend] = {}
    log: dict[str, Any] = {}
    scores = {name: part.scores(asked) for name, part in parts.items()}
    for row, names in systems_of(parts).items():
        systems[row], log[row] = choose_weights({name: scores[name] for name in names}, measure)
    start = systems.pop(OURS)
    seen = np.asarray((histories.matrix(n_items) > 0).sum(axis=0)).ravel()
    z = {name: standardise(scores.pop(name)) for name in start.names}
    scores.clear()
    blend, log[OURS]["by coldness"] = choose_by_coldness(
        start, z, asked, cases, item_groups(seen), masked=not settings.repeats
    )
    blend, log[OURS]["dropped"] = drop_parts(blend, z, asked, item_groups(seen), measure, settings.least_gain)
    return systems, blend, log


def choose_among(
    parts: Mapping[str, Scorer],
    finder: Finder,
    histories: Histories,
    cases: Cases,
    settings: RecommendSettings,
) -> tuple[dict[str, Blend], ColdBlend, dict[str, Any]]:
    """`choose_blends` on candidates in place of every item: a target that is not among them is not found.

    The weights are the same for cold customers and items as for others: candidates of a large catalogue
    are seldom cold.
    """
    asked, names = histories.at(cases.customers), list(parts)
    pools = [
        finder.pool(parts, names, asked.at(slice(i, i + 1)))
        for i in track(range(len(cases)), "candidates", len(cases))
    ]
    width = max(len(pool.rows) for pool in pools)
    hidden = np.ones((len(cases), width), bool)
    place = np.full(len(cases), -1)
    z = {name: np.zeros((len(cases), width), np.float32) for name in names}
    for i, pool in enumerate(pools):
        own = asked.items[asked.offsets[i] : asked.offsets[i + 1]]
        hidden[i, : len(pool.rows)] = np.isin(pool.rows, own) & (not settings.repeats)
        place[i] = next(iter(np.flatnonzero(pool.rows == cases.targets[i])), -1)
        for name in names:
            z[name][i, : len(pool.rows)] = pool.z[name]
    del pools

    def ndcg(scores: NDArray[np.float32]) -> float:
        shown = np.where(hidden, np.float32(-np.inf), scores)
        ranks = np.where(place >= 0, target_ranks(shown, np.maximum(place, 0)), NOT_FOUND)
        return float(ndcg_at(Ranked.single(ranks), 10).mean())

    systems: dict[str, Blend] = {}
    log: dict[str, Any] = {}
    for row, some in systems_of(parts).items():
        least = settings.least_gain if row == OURS else 0.0
        blocks = {name: z[name] for name in some}
        systems[row], log[row] = choose_weights(blocks, ndcg, least_gain=least, standardised=True)
    log[OURS]["by coldness"] = []
    log[OURS]["found"] = float((place >= 0).mean())
    return systems, ColdBlend.of(systems.pop(OURS)), log


def choose_by_coldness(
    start: Blend,
    z: Mapping[str, NDArray[np.float32]],
    asked: Histories,
    cases: Cases,
    items: Groups,
    *,
    masked: bool = True,
) -> tuple[ColdBlend, list[dict[str, Any]]]:
    """The weights a group of customers and items that are best on the cases, and the steps to them.

    Starts from `start` for all and goes ROUNDS times through the parts: another weight of a part in one pair
    of groups is taken where NDCG on that group's customers gains LEAST_GROUP_GAIN of itself. Groups of fewer
    than LEAST_CASES customers keep `start`.
    """
    blend = ColdBlend.of(start)
    weights, log = blend.weights.copy(), []
    customers = customer_groups(asked)
    for i, customer in enumerate(CUSTOMERS):
        rows = np.flatnonzero(customers == i)
        if len(rows) < LEAST_CASES:
            continue
        inside = {name: block[rows] for name, block in z.items()}
        measure = measure_of(
            asked.at(rows), Cases(cases.customers[rows], cases.targets[rows]), len(items), masked=masked
        )
        total = blend.join_standardised(inside, customers[rows], items)
        best = measure(total)
        for j, p in [(j, p) for _ in range(ROUNDS) for j in (1, 2) for p in range(len(blend.names))]:
            name, own = blend.names[p], weights[i, j, p]
            step = inside[name] * (items == j).astype(np.float32)
            values = {w: measure(total + np.float32(w - own) * step) for w in GRID if w != own}
            weight = max(values, key=lambda w: values[w])
            if values[weight] > best * (1 + LEAST_GROUP_GAIN):
                total += np.float32(weight - own) * step
                log.append({"customers": customer, "items": ITEMS[j], "part": name, "weight": weight})
                log[-1] |= {"before": best, "after": values[weight]}
                best, weights[i, j, p] = values[weight], weight
    return ColdBlend(blend.names, without_say(blend.names, weights)), log


def drop_parts(
    blend: ColdBlend,
    z: Mapping[str, NDArray[np.float32]],
    asked: Histories,
    items: Groups,
    measure: Callable[[NDArray[np.float32]], float],
    least_gain: float,
) -> tuple[ColdBlend, dict[str, float]]:
    """The blend without the parts that do not pay, and what NDCG would be without each of those.

    A part that weighs least is looked at first; it is dropped when NDCG without it is at least 1 − least_gain
    of the best.
    """
    customers = customer_groups(asked)

    def without(weights: NDArray[np.float64]) -> ColdBlend:
        return ColdBlend(blend.names, without_say(blend.names, weights))

    weights, dropped = blend.weights.copy(), {}
    best = measure(blend.join_standardised(z, customers, items))
    for p in np.argsort(weights.sum(axis=(0, 1))):
        changed = weights.copy()
        changed[:, :, p] = 0
        if not changed.any():
            break
        value = measure(without(changed).join_standardised(z, customers, items))
        if value >= best * (1 - least_gain):
            weights, dropped[blend.names[p]] = changed, value
    return without(weights), dropped
