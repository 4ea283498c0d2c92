"""A few queries of the test part and what the task makes of them, for the report."""

from __future__ import annotations

from typing import Any

from retailor.shop.tables import Shop
from retailor.tasks.examples import Example, sample, titles_of
from retailor.tasks.search.shapes import SearchQuery
from retailor.tasks.shapes import Task


def examples(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    """Some judged queries and what is found."""
    title = titles_of(train)
    queries = sample(test.judgments.select("query").unique(maintain_order=True), 4, seed, "search")["query"]
    answers = task.predict([SearchQuery(query, k=5) for query in queries])
    return [
        {"query": query, "found": [title.get(each.item_id, each.item_id) for each in answer.items]}
        for query, answer in zip(queries, answers, strict=True)
    ]
