"""The passages a question can be answered from: attributes, titles, sentences, earlier answers."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import polars as pl

from retailor.retrieval.tokens import HAS_CHINESE
from retailor.shop.tables import Shop
from retailor.tasks.answer.evidence.instructions import is_instruction

SCHEMA: dict[str, Any] = {
    "item_id": pl.String,
    "source": pl.String,
    "text": pl.String,
    "question": pl.String,
    "question_id": pl.String,
    "review": pl.String,
    "heading": pl.String,
    "path": pl.String,
    "stars": pl.Float32,
}
"""`question`: what an earlier answer answered; `review`: the id of the review that says it, or its row where
it has none, and its `stars`; `heading`, `path`: where a rule of the shop stands, which is about no item."""

Row = tuple[str | None, str, str, str | None, str | None, str | None, str | None, str | None, float | None]
"""In the order of SCHEMA."""
_NOWHERE = (None, None, None)

_TAG = re.compile(r"<[^>]{0,200}>")
_BREAK = re.compile(r"<(?:br|/?p|/?li|/?ul|/?div|/?tr|/?h\d)\b[^>]{0,200}>|[\r\n]+", re.IGNORECASE)
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'“(\d])|(?<=[。！？；])|\.\.+(?=\S)|\s*[•●▪◦■►★◆✔✓]\s*")
_SPACE = re.compile(r"\s+")
_UNIT_FIRST = re.compile(r"\bunit:\s*([\w ]+?),\s*(?:normalized_value:\{[^{}]*\},\s*)?value:\s*([\d.]+)")
_VALUE = re.compile(r"\b(?:value|unit):\s*")
_NOISE = re.compile(r"[{}\[\]\"\\]+")


def sentences(text: str) -> list[str]:
    """The sentences and list items of a text, without its tags; [] for none."""
    found = []
    for block in _BREAK.split(html.unescape(text)):
        for piece in _END.split(_TAG.sub(" ", block)):
            piece = _SPACE.sub(" ", piece).strip(" \t•·-*|")
            if len(piece) > 1:
                found.append(piece)
    return found


def plain(text: str) -> str:
    """An attribute as words: nested `{ unit:ounces, value:8.5 }` becomes `8.5 ounces`, `_` a space.

    A text that is not written so comes back as it is.
    """
    if "{" not in text:
        return text
    name, _, value = text.partition(":")
    value = _UNIT_FIRST.sub(r"\2 \1", value)
    value = _NOISE.sub(" ", _VALUE.sub("", value)).replace("_", " ")
    value = re.sub(r"\s+([,;:])", r"\1", _SPACE.sub(" ", value)).strip(" ;,")
    return f"{name.replace('_', ' ').strip()}: {value}"


def passages(
    shop: Shop,
    *,
    max_per_item: int,
    max_review_sentences: int,
    max_chars: int,
    left_out: Counter[str] | None = None,
) -> pl.DataFrame:
    """The passages of the shop, an item's together; no text twice an item, with the `reviews` that say it.

    An item keeps at most `max_per_item`; reviews are read most helpful first. A text that gives orders to
    whoever answers is left out, and counted by source in `left_out`.
    """
    out = Counter[str]() if left_out is None else left_out
    rows = pl.DataFrame(
        [
            *_of_items(shop.items, out),
            *_of_answers(shop.questions, out),
            *_of_reviews(shop.reviews, max_review_sentences, out),
            *_of_rules(shop.rules, max_chars, out),
        ],
        schema=SCHEMA,
        orient="row",
    )
    return (
        rows.with_columns(pl.col("text").str.slice(0, max_chars))
        .group_by("item_id", "text", "question", "heading", "path", maintain_order=True)
        .agg(
            pl.col("source", "question_id").first(),
            pl.col("review", "stars").filter(pl.col("review").is_not_null()).name.suffix("s"),
        )
        .rename({"starss": "stars"})
        .with_columns(n=pl.int_range(pl.len()).over("item_id"))
        .filter((pl.col("n") < max_per_item) | pl.col("item_id").is_null())
        .drop("n")
        .sort("item_id", maintain_order=True, nulls_last=True)
    )


def categories_of(items: pl.DataFrame) -> dict[str, str]:
    """An item to the path of its category, 'Luggage › Backpacks'; those without one are left out."""
    told = items.select("item_id", pl.col("category").list.drop_nulls().list.join(" › "))
    return {item: path for item, path in told.drop_nulls().iter_rows() if path.strip()}


def _of_items(items: pl.DataFrame, out: Counter[str]) -> Iterator[Row]:
    columns = ["item_id", "title", "brand", "price", "currency", "attributes", "description"]
    for item in items.select(columns).iter_rows(named=True):
        item_id = item["item_id"]
        if item["title"] and _speaks(item["title"], "title", out):
            yield item_id, "title", item["title"], None, None, None, *_NOWHERE
        named = {each["name"].casefold() for each in item["attributes"] or [] if each["name"]}
        for each in item["attributes"] or []:
            if each["name"] and each["value"]:
                text = plain(f"{each['name']}: {each['value']}")
                if not _speaks(text, "attribute", out):
                    continue
                yield item_id, "attribute", text, None, None, None, *_NOWHERE
        if item["brand"] and not named & {"brand", "品牌"}:
            yield item_id, "attribute", f"Brand: {item['brand']}", None, None, None, *_NOWHERE
        if item["price"] is not None and not named & {"price", "价格"}:
            name = "价格" if HAS_CHINESE.search(item["title"] or "") else "Price"
            text = f"{name}: {item['price']:.10g} {item['currency'] or ''}".strip()
            yield item_id, "attribute", text, None, None, None, *_NOWHERE
        for sentence in _without_orders(item["description"] or "", out):
            yield item_id, "description", sentence, None, None, None, *_NOWHERE


def _of_answers(questions: pl.DataFrame, out: Counter[str]) -> Iterator[Row]:
    answered = questions.filter(pl.col("answer").is_not_null() & pl.col("item_id").is_not_null())
    for row in answered.select("item_id", "answer", "question", "question_id").iter_rows():
        item_id, answer, question, question_id = row
        if answer.strip() and _speaks(answer, "answer", out) and not is_instruction(question or ""):
            yield item_id, "answer", _SPACE.sub(" ", answer).strip(), question, question_id, None, *_NOWHERE


def _of_reviews(reviews: pl.DataFrame, max_sentences: int, out: Counter[str]) -> Iterator[Row]:
    seen: dict[str, int] = {}
    ordered = (
        reviews.with_row_index("review")
        .filter(pl.col("text").is_not_null())
        .sort(pl.col("helpful").fill_null(0), descending=True, maintain_order=True)
    )
    named = pl.coalesce("review_id", pl.format("row {}", pl.col("review")))
    for item_id, text, review, stars in (
        ordered.select("item_id", "text", named, "rating").drop_nulls("item_id").iter_rows()
    ):
        if seen.get(item_id, 0) >= max_sentences or not _speaks(text, "review", out):
            continue
        for sentence in sentences(text):
            if seen.get(item_id, 0) >= max_sentences:
                break
            seen[item_id] = seen.get(item_id, 0) + 1
            yield item_id, "review", sentence, None, None, review, None, None, stars


def _of_rules(rules: pl.DataFrame, max_chars: int, out: Counter[str]) -> Iterator[Row]:
    """The sections of the shop's rules, a long one in several passages of whole lines."""
    for heading, text, path in rules.select("heading", "text", "path").iter_rows():
        if not _speaks(f"{heading}\n{text}", "rule", out):
            continue
        for piece in _pieces(text, max_chars):
            yield None, "rule", piece, None, None, None, heading, path, None


def _pieces(text: str, max_chars: int) -> Iterator[str]:
    piece = ""
    for line in text.split("\n"):
        for sentence in [line] if len(line) <= max_chars else sentences(line):
            if piece and len(piece) + len(sentence) >= max_chars:
                yield piece
                piece = ""
            piece = f"{piece}\n{sentence}" if piece else sentence
    if piece.strip():
        yield piece


def _speaks(text: str, source: str, out: Counter[str]) -> bool:
    """Whether a text speaks to readers; one that gives orders to a machine is counted."""
    order = is_instruction(text)
    out[source] += order
    return not order


def _without_orders(description: str, out: Counter[str]) -> list[str]:
    """The sentences of a description before the first that gives orders; none where only the whole does."""
    found = sentences(description)
    if _speaks(html.unescape(description), "description", out):
        return found
    first = next((n for n, sentence in enumerate(found) if is_instruction(sentence)), 0)
    return found[:first]
