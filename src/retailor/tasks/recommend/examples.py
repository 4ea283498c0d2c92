"""A few customers of the test part and what the task makes of them, for the report."""

from __future__ import annotations

from typing import Any

import polars as pl

from retailor.shop.tables import Shop
from retailor.tasks.examples import Example, sample, titles_of
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.shapes import Task


def examples(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    """Some customers' histories, what they are recommended, and what they chose then."""
    title = titles_of(train)
    known = test.events.filter(pl.col("user_id").is_in(train.events["user_id"].unique().implode()))
    users = sample(known.select("user_id").unique(maintain_order=True), 4, seed, "recommend")["user_id"]
    answers = task.predict([RecommendQuery(user_id=user, k=5) for user in users])
    found = []
    for user, answer in zip(users, answers, strict=True):
        past = train.events.filter(pl.col("user_id") == user).sort("time")["item_id"].to_list()
        then = test.events.filter(pl.col("user_id") == user)["item_id"].to_list()
        found.append(
            {
                "history": [title.get(item, item) for item in dict.fromkeys(past[-5:])],
                "recommended": [
                    {"title": title.get(each.item_id, each.item_id), "reason": each.reason}
                    for each in answer.items
                ],
                "then": [title.get(item, item) for item in dict.fromkeys(then[:5])],
            }
        )
    return found
