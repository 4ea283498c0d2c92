"""What is chosen on held-out customers: how strong each closed form's ridge is, and what each part weighs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.ranking import Ranked, ndcg_at, target_ranks
from retailor.retrieval.blend import Blend, choose_weights
from retailor.retrieval.collab import Histories, Scorer
from retailor.tasks.recommend.customers import Cases
from retailor.tasks.recommend.parts import Features, closed_forms, systems_of
from retailor.tasks.recommend.settings import RecommendSettings

SCALES = (1.0, 0.01, 0.03, 0.1, 0.3, 3.0)
"""Tried in this order: where several are equally good the setting as it is wins."""


def measure_of(asked: Histories, cases: Cases, n_items: int) -> Callable[[NDArray[np.float32]], float]:
    """NDCG@10 of scores [B, I] on the cases, own histories masked; it leaves the scores as they are."""
    rows = np.arange(len(cases))
    seen = asked.matrix(n_items).tocoo()

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
    measure = measure_of(asked, cases, n_items)
    matrix = histories.matrix(n_items)
    found = {}
    for name, make in closed_forms(matrix, features, settings).items():
        values = {scale: measure(make(scale).scores(asked)) for scale in SCALES}
        found[name] = max(SCALES, key=lambda scale: values[scale])
    return found


def choose_blends(
    parts: Mapping[str, Scorer], histories: Histories, n_items: int, cases: Cases, settings: RecommendSettings
) -> tuple[dict[str, Blend], dict[str, Any]]:
    """The weights of each system that are best on the cases, and how they were found."""
    asked = histories.at(cases.customers)
    measure = measure_of(asked, cases, n_items)
    systems, log = {}, {}
    scores = {name: part.scores(asked) for name, part in parts.items()}
    for row, names in systems_of(parts).items():
        blocks = {name: scores[name] for name in names}
        gain = settings.least_gain if row == "retailor" else 0.0
        systems[row], log[row] = choose_weights(blocks, measure, least_gain=gain)
    return systems, log
