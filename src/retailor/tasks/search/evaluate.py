"""The figures of search: its rows, and the measures of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.metrics.interval import score_mean
from retailor.metrics.ranking import Ranked, ndcg_at, recall_at, reciprocal_rank
from retailor.metrics.scores import Scores

F32 = NDArray[np.float32]
ROWS = ("bm25", "encoder", "retailor", "retailor without reading", "retailor, first look")


def judged_items(judgments: pl.DataFrame, rows: Mapping[str, int]) -> dict[str, F32]:
    """Query to the grade of every item [I], of queries that have a relevant item; `rows` of the catalogue."""
    judged: dict[str, F32] = {}
    for query, item_id, grade in judgments.select("query", "item_id", "grade").iter_rows():
        if query and query.strip() and item_id in rows and grade is not None and grade > 0:
            judged.setdefault(query, np.zeros(len(rows), dtype=np.float32))[rows[item_id]] = grade
    return judged


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
