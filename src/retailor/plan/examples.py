"""A few real predictions on the test part, for the report: what each task answers, beside the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.answer.shapes import AnswerQuery
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.search.shapes import SearchQuery
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.shapes import Task

Example = dict[str, Any]


def examples(name: str, task: Task[Any, Any], train: Shop, test: Shop, *, seed: int) -> list[Example]:
    """Up to six examples of the task `name`, chosen at random from the test part by `seed`."""
    makers: dict[str, Callable[[Task[Any, Any], Shop, Shop, int], list[Example]]] = {
        "recommend": _recommend,
        "search": _search,
        "answer": _answer,
        "sentiment": _sentiment,
        "review": _review,
    }
    return makers[name](task, train, test, seed)


def _sample(frame: pl.DataFrame, n: int, seed: int, name: str) -> pl.DataFrame:
    order = stream(seed, "examples", name).permutation(len(frame))[:n]
    return frame[sorted(order.tolist())]


def _titles(shop: Shop) -> dict[str, str]:
    return {item_id: title or item_id for item_id, title in shop.items.select("item_id", "title").iter_rows()}


def _recommend(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    title = _titles(train)
    known = test.events.filter(pl.col("user_id").is_in(train.events["user_id"].unique().implode()))
    users = _sample(known.select("user_id").unique(maintain_order=True), 4, seed, "recommend")["user_id"]
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


def _search(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    title = _titles(train)
    queries = _sample(test.judgments.select("query").unique(maintain_order=True), 4, seed, "search")["query"]
    answers = task.predict([SearchQuery(query, k=5) for query in queries])
    return [
        {"query": query, "found": [title.get(each.item_id, each.item_id) for each in answer.items]}
        for query, answer in zip(queries, answers, strict=True)
    ]


def _answer(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    title = _titles(train)
    asked = _sample(test.questions.filter(pl.col("question").is_not_null()), 6, seed, "answer").to_dicts()
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


def _sentiment(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    written = test.reviews.filter(pl.col("text").is_not_null())
    rows = _sample(written, 6, seed, "sentiment").to_dicts()
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


def _review(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[Example]:
    title = _titles(train)
    written = test.reviews.filter(pl.col("text").is_not_null() & pl.col("rating").is_not_null())
    rows = _sample(written.filter(pl.col("item_id").is_in(list(title))), 3, seed, "review").to_dicts()
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
