"""Who said what of which product: reviews as voices, and the sentences in which they speak of an aspect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from retailor.insight.aspects import Aspects
from retailor.shop.tables import TIME, Shop
from retailor.tasks.sentiment.texts import review_text, says_something
from retailor.text.fields import sentences

MAX_SENTENCES, MAX_CHARS = 60, 400
LEAST_COPY = 25
"""Two customers may both write "Great product!"; a longer text twice about one item is one text."""

VOICES: dict[str, Any] = {
    "row": pl.UInt32,
    "voice": pl.UInt32,
    "review_id": pl.String,
    "item_id": pl.String,
    "stars": pl.Float32,
    "helpful": pl.Int64,
    "time": TIME,
    "language": pl.String,
    "text": pl.String,
}
MENTIONS: dict[str, Any] = {"row": pl.UInt32, "aspect": pl.UInt32, "words": pl.String, "sentence": pl.String}


@dataclass(frozen=True)
class Voices:
    """One row a customer and item, the latest review of each; what was left out, counted."""

    table: pl.DataFrame
    """Columns as VOICES; `row` is the row of the review in the shop's table, from 0. Rows with one `voice`
    are one customer's same text under several items: it counts under each, once in category and shop."""
    n_empty: int
    n_copies: int
    n_earlier: int


def voices_of(shop: Shop) -> Voices:
    """The reviews that say something of an item, each text cleaned and its contacts masked.

    Of a customer's reviews of one item the latest counts, of the same long text about one item the first.
    A customer's long text that stands under several items, as shops copy it to variants, is one voice.
    """
    rows = shop.reviews.with_row_index("row").filter(pl.col("item_id").is_not_null())
    columns = rows.select("title", "text").iter_rows()
    rows = rows.rename({"rating": "stars"}).with_columns(
        text=pl.Series([review_text(*each) for each in columns], dtype=pl.String)
    )
    full = rows.filter(pl.col("text").map_elements(says_something, return_dtype=pl.Boolean))
    customer = pl.coalesce("user_id", pl.format("row {}", "row"))
    latest = _latest(full.with_columns(customer=customer))
    long = pl.col("text").str.len_chars() >= LEAST_COPY
    same = pl.when(long).then(pl.col("text").str.to_lowercase()).otherwise(pl.format("{}", "row"))
    unique = latest.with_columns(same=same).unique(["item_id", "same"], keep="first", maintain_order=True)
    unique = unique.with_columns(voice=pl.col("row").min().over("customer", "same"))
    return Voices(
        unique.select(pl.col(name).cast(kind) for name, kind in VOICES.items()).sort("row"),
        n_empty=len(rows) - len(full),
        n_copies=len(latest) - len(unique),
        n_earlier=len(full) - len(latest),
    )


def _latest(rows: pl.DataFrame) -> pl.DataFrame:
    ordered = rows.sort("time", nulls_last=False, maintain_order=True)
    return ordered.unique(["item_id", "customer"], keep="last", maintain_order=True)


def mentions_of(voices: pl.DataFrame, aspects: Aspects) -> pl.DataFrame:
    """A row a sentence and aspect that it speaks of: columns as MENTIONS, in the order of the voices."""
    found: list[tuple[int, int, str, str]] = []
    for row, text in voices.select("row", "text").iter_rows():
        for sentence in sentences(text)[:MAX_SENTENCES]:
            found.extend(
                (row, ix, words, _cut(sentence, words)) for ix, words in aspects.in_sentence(sentence).items()
            )
    return pl.DataFrame(found, schema=MENTIONS, orient="row")


def _cut(sentence: str, words: str) -> str:
    """At most `MAX_CHARS` of the sentence, the words among them."""
    end = sentence.find(words) + len(words)
    start = 0 if end <= MAX_CHARS else min(end - MAX_CHARS // 2, len(sentence) - MAX_CHARS)
    return sentence[start : start + MAX_CHARS]
