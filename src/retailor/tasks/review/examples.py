"""A few drafts of the test part and what the task makes of them, for the report."""

from __future__ import annotations

from typing import Any

import polars as pl

from retailor.shop.tables import Shop
from retailor.tasks.examples import Example, sample, titles_of
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.shapes import Task


def examples(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    """Some drafts beside the real reviews."""
    title = titles_of(train)
    written = test.reviews.filter(pl.col("text").is_not_null() & pl.col("rating").is_not_null())
    rows = sample(written.filter(pl.col("item_id").is_in(list(title))), 3, seed, "review").to_dicts()
    queries = [
        ReviewQuery(row["item_id"], rating=row["rating"], user_id=row["user_id"], language=row["language"])
        for row in rows
    ]
    return [
        {
            "item": title.get(row["item_id"], row["item_id"]),
            "stars": row["rating"],
            "draft": draft.text,
            "generated": dict(draft.generated),
            "real review": row["text"][:300],
        }
        for row, draft in zip(rows, task.predict(queries), strict=True)
    ]
