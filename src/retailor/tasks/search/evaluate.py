"""The figures of search: its rows, and the measures of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.interval import score_mean
from retailor.metrics.ranking import Ranked, ndcg_at, recall_at, reciprocal_rank
from retailor.metrics.scores import Scores

ROWS = ("bm25", "encoder", "retailor", "retailor without reading", "retailor, first look")


def scores_of(ranks: Mapping[str, Sequence[Any]], seconds: float) -> Scores:
    """The measures of each row, from `metrics.ranking.graded_ranks` of its cases."""
    return Scores(
        tuple(
            score_mean(row, metric, values, seconds=seconds)
            for row, cases in ranks.items()
            for metric, values in _measures(Ranked.cases(list(cases))).items()
        )
    )


def _measures(ranked: Ranked) -> Mapping[str, NDArray[np.float64]]:
    return {
        "ndcg@10": ndcg_at(ranked, 10),
        "mrr": reciprocal_rank(ranked),
        "recall@10": recall_at(ranked, 10),
        "recall@100": recall_at(ranked, 100),
    }
