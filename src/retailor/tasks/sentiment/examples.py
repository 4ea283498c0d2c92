"""A few texts of the test part and what the task makes of them, for the report."""

from __future__ import annotations

from typing import Any

import polars as pl

from retailor.shop.tables import Shop
from retailor.tasks.examples import Example, sample
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.shapes import Task


def examples(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    """Some reviews of the test part, with stars and probabilities."""
    written = test.reviews.filter(pl.col("text").is_not_null())
    rows = sample(written, 6, seed, "sentiment").to_dicts()
    answers = task.predict([SentimentQuery(row["text"]) for row in rows])
    return [
        {
            "text": row["text"][:300],
            "stars": row["rating"],
            "label": row["label"],
            "predicted": answer.label,
            "probabilities": dict(answer.probabilities),
        }
        for row, answer in zip(rows, answers, strict=True)
    ]
