"""A few questions of the test part and what the task makes of them, for the report."""

from __future__ import annotations

from typing import Any

import polars as pl

from retailor.shop.tables import Shop
from retailor.tasks.answer.shapes import AnswerQuery
from retailor.tasks.examples import Example, sample, titles_of
from retailor.tasks.shapes import Task


def examples(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    """Some questions of the test part, with evidence and the reference."""
    title = titles_of(train)
    asked = sample(test.questions.filter(pl.col("question").is_not_null()), 6, seed, "answer").to_dicts()
    answers = task.predict([AnswerQuery(row["question"], row["item_id"]) for row in asked])
    return [
        {
            "item": title.get(row["item_id"], row["item_id"]),
            "question": row["question"],
            "answer": answer.text,
            "known": answer.known,
            "evidence": [f"{each.source}: {each.text}" for each in answer.evidence[:3]],
            "reference": row["answer"],
        }
        for row, answer in zip(asked, answers, strict=True)
    ]
