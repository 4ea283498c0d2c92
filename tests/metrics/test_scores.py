"""The table of scores: by name, to dictionaries and back, as text."""

from __future__ import annotations

import numpy as np
import pytest

from retailor.metrics.scores import Score, Scores

ROWS = Scores(
    (
        Score("bm25", "mrr", 0.5, 0.4, 0.6, 1200, 1.0, draws=np.zeros(3)),
        Score("bm25", "map", 0.25, 0.2, 0.4, 1200),
        Score("retailor", "map", 0.125, 0.1, 0.2, 7, bucket="new"),
    )
)


def test_a_figure_is_found_by_row_metric_and_bucket() -> None:
    assert ROWS.value("bm25", "map") == 0.25 and ROWS.value("retailor", "map", "new") == 0.125
    for missing in (("bm25", "ndcg"), ("retailor", "map"), ("bm25", "map", "new"), ("nobody", "map")):
        with pytest.raises(KeyError):
            ROWS.value(*missing)
    assert len(ROWS) == 3 and len(ROWS + ROWS) == 6 and list(ROWS + Scores()) == list(ROWS.rows)


def test_dictionaries_and_back_without_the_draws() -> None:
    told = ROWS.to_dicts()
    assert told[0] == {
        "row": "bm25", "metric": "mrr", "value": 0.5, "low": 0.4, "high": 0.6, "n": 1200, "seconds": 1.0,
        "bucket": "all",
    }  # fmt: skip
    again = Scores.from_dicts(told)
    assert again == ROWS and again.rows[0].draws is None
    assert (ROWS.rows[1].seconds, ROWS.rows[1].bucket) == (0.0, "all")
    assert "draws" not in repr(ROWS.rows[0])
