"""Question rows of the McAuley files: one question and answer a row, or one item with a list of questions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl

from retailor.shop.cells.ids import content_ids
from retailor.shop.files.lines import Block, Reject
from retailor.shop.files.records import Row, as_number, as_text, objects
from retailor.shop.readers.amazon_eras import role_of
from retailor.shop.tables import SCHEMAS, TIME

_LATEST_S = 4_102_444_800  # 2100


def parse_questions(name: str, block: Block, reject: Reject) -> pl.DataFrame:
    """The questions of a block as rows of the table."""
    rows = []
    for line, row in objects(block, reject):
        for made in question_rows(row):
            if isinstance(made, str):
                reject(line, made)
            else:
                rows.append(made)
    schema = {**SCHEMAS["questions"], "time": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(
        content_ids(frame, "item_id", "question", "answer", "time").alias("question_id"),
        pl.col("time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").cast(TIME),
    )


def question_rows(row: Row) -> Iterator[Row | str]:
    """The pairs of question and answer of a row (one, or an item with a list of them), or reasons."""
    item = (as_text(row.get("asin")) or "").strip() or None
    if item is None:
        yield "no 'asin'"
        return
    if isinstance(row.get("questions"), list):
        for asked in row["questions"]:
            question = as_text(asked.get("questionText")) if isinstance(asked, dict) else None
            if question is None:
                yield "no 'questionText'"
                continue
            for answer in _answers(asked.get("answers")):
                yield _pair(item, question, answer, asked.get("questionTime"))
        return
    question = as_text(row.get("question"))
    if question is None:
        yield (
            "no 'question'"
            if role_of(row) == "questions"
            else f"a row of {role_of(row)} in a file of questions"
        )
        return
    yield _pair(item, question, row.get("answer"), row.get("unixTime") or row.get("answerTime"))


def _answers(value: Any) -> list[Any]:
    """The texts of a list of answers, `[None]` without any: the question stands on its own."""
    given = value if isinstance(value, list) else [value]
    return [each.get("answerText") if isinstance(each, dict) else each for each in given] or [None]


def _pair(item: str, question: str, answer: Any, time: Any) -> Row:
    seconds = as_number(time)
    if seconds is not None and not 0 <= seconds < _LATEST_S:
        seconds = None
    return {
        "item_id": item,
        "question": question,
        "answer": as_text(answer),
        "time": int(seconds * 1000) if seconds is not None else _answer_time(time),
    }


def _answer_time(value: Any) -> int | None:
    """'Jun 27, 2014' in milliseconds; None for '29 days ago', whose day nobody knows any more."""
    for form in ("%b %d, %Y", "%B %d, %Y"):
        try:
            return int(datetime.strptime(value, form).replace(tzinfo=UTC).timestamp() * 1000)
        except (TypeError, ValueError):
            continue
    return None
