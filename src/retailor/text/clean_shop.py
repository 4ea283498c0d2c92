"""Cleaning a whole shop: texts cleaned, languages filled in, duplicates and impossible values counted out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from retailor.progress import track
from retailor.shop.tables import NOT_FILLED, SCHEMAS, Shop
from retailor.text.by_blocks import by_blocks
from retailor.text.clean_text import clean_text
from retailor.text.languages import language_of
from retailor.text.private import mask

__all__ = ["clean", "clean_text", "language_of"]

_TEXTS = {
    "items": ("title", "description", "brand"),
    "reviews": ("title", "text"),
    "questions": ("question", "answer"),
    "preferences": ("chosen", "rejected"),
    "judgments": ("query",),
    "rules": ("heading", "text"),
}
_LINES = frozenset(
    {("items", "description"), ("reviews", "text"), ("questions", "answer"), ("rules", "text")}
)
"""Texts that keep their lines: what a bullet says is not glued to the next one."""
_LISTS = {"items": ("category",)}
_STRUCTS: dict[str, dict[str, tuple[str, ...]]] = {
    "items": {"attributes": ("name", "value")},
    "questions": {"evidence": ("text",)},
}
_LANGUAGE_OF = {
    "items": ("title", "description"),
    "reviews": ("title", "text"),
    "questions": ("question",),
    "preferences": ("chosen", "rejected"),
    "rules": ("heading", "text"),
}
_SAME = {
    "items": ("item_id",),
    "events": ("user_id", "item_id", "kind", "rating", "time"),
    "reviews": ("user_id", "item_id", "title", "text", "time"),
    "questions": ("item_id", "question", "answer", "time"),
    "preferences": ("user_id", "item_id", "rating", "chosen", "rejected"),
    "judgments": ("query", "item_id"),
    "rules": ("path", "heading", "text"),
    "facts": ("name",),
}


def clean(shop: Shop, work: Path | None = None) -> Shop:
    """The shop with every text cleaned (see `clean_text`) and null languages filled in where they show.

    Rows that repeat an earlier one, and ratings outside 1 to 5, leave their table. An item whose title is
    empty after cleaning keeps its row with a null title; a negative price becomes null. Each of these adds a
    row to `rejects` with path 'clean', the row's number in its table (from 1) and the reason. What rejects
    quote is masked. On a cluster, texts are cleaned there, a block a task, kept in `work`.
    """
    tables: dict[str, pl.DataFrame] = {}
    rejects = [shop.rejects.with_columns(pl.col("reason").map_elements(mask, return_dtype=pl.String))]
    for name, frame in track(shop.tables().items(), "clean", total=len(SCHEMAS)):
        if name in NOT_FILLED or not len(frame):
            continue
        cleaned = _languages(_texts(name, frame, work), name, work).with_row_index("line", offset=1)
        rejects.extend(_remarks(name, frame, cleaned))
        kept = _valid(name, cleaned)
        rejects.append(_reject(_lost(cleaned, kept), f"{name}: the rating is outside 1 to 5"))
        unique = _first_of_each(kept, list(_SAME[name]))
        rejects.append(_reject(_lost(kept, unique), f"{name}: the row repeats an earlier one"))
        tables[name] = unique.drop("line")
    if "items" in tables:
        tables["items"] = tables["items"].with_columns(
            pl.when(pl.col("price") >= 0).then(pl.col("price")).alias("price")
        )
    return shop.with_tables(**tables, rejects=pl.concat(rejects))


def _texts(name: str, frame: pl.DataFrame, work: Path | None) -> pl.DataFrame:
    columns = [
        _cleaned(frame[column], pl.col(column), work, lines=(name, column) in _LINES).alias(column)
        for column in _TEXTS.get(name, ())
    ]
    for column in _LISTS.get(name, ()):
        # null inside a list means that cleaning left nothing of it
        inner = _cleaned(frame[column].explode(), pl.element(), work)
        columns.append(pl.col(column).list.eval(inner).list.drop_nulls().alias(column))
    for column, fields in _STRUCTS.get(name, {}).items():
        columns.append(_cleaned_structs(frame, column, fields, work))
    return frame.with_columns(columns) if columns else frame


def _cleaned_structs(frame: pl.DataFrame, column: str, fields: tuple[str, ...], work: Path | None) -> pl.Expr:
    inner = frame[column].explode().struct
    cleaned = [_cleaned(inner.field(field), pl.element().struct.field(field), work) for field in fields]
    element = pl.element().struct.with_fields(c.alias(f) for c, f in zip(cleaned, fields, strict=True))
    said = pl.element().struct.field(fields[-1]).is_not_null()
    return pl.col(column).list.eval(element).list.eval(pl.element().filter(said)).alias(column)


def _cleaned(values: pl.Series, where: pl.Expr, work: Path | None, *, lines: bool = False) -> pl.Expr:
    """The expression that cleans `where`, whose values are `values`: each distinct text is cleaned once."""
    changed = {}
    texts = values.drop_nulls().unique(maintain_order=work is not None).to_list()
    label = "cleaning lines" if lines else "cleaning"
    for text, better in zip(
        texts, by_blocks(partial(clean_text, lines=lines), texts, label, work), strict=True
    ):
        if better != text or not text:
            changed[text] = better or None
    old = pl.Series(list(changed), dtype=pl.String)
    new = pl.Series(list(changed.values()), dtype=pl.String)
    return where.replace(old, new) if len(old) else where


def _languages(frame: pl.DataFrame, name: str, work: Path | None) -> pl.DataFrame:
    if name not in _LANGUAGE_OF or not frame["language"].null_count():
        return frame
    joined = frame.select(pl.concat_str(_LANGUAGE_OF[name], separator=" ", ignore_nulls=True)).to_series()
    told = by_blocks(_language_or_none, joined.fill_null("").to_list(), "languages", work)
    return frame.with_columns(pl.col("language").fill_null(pl.Series(told, dtype=pl.String)))


def _language_or_none(text: str) -> str | None:
    language = language_of(text)
    return None if language == "und" else language


def _valid(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    if "rating" not in SCHEMAS[name]:
        return frame
    possible = frame.select(pl.col("rating").is_between(1, 5).fill_null(True))["rating"]
    return frame if possible.all() else frame.filter(possible)  # a table of all rows once more, or not


def _remarks(name: str, frame: pl.DataFrame, cleaned: pl.DataFrame) -> Iterator[pl.DataFrame]:
    if name != "items":
        return
    emptied = cleaned.filter(frame["title"].is_not_null() & cleaned["title"].is_null())
    yield _reject(emptied, "items: nothing was left of the title, which is null now")
    odd = cleaned.filter(~(pl.col("price") >= 0))
    yield _reject(odd, "items: the price is negative, and null now")


def _first_of_each(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """The rows whose columns no earlier row has, in order.

    Rows are compared only where their hashes are alike: a table of all the texts of millions of events would
    take several times the memory of the events.
    """
    alike = frame.select(columns).hash_rows(seed=0).is_duplicated()
    suspects = frame.filter(alike)
    firsts = suspects.unique(subset=columns, keep="first", maintain_order=True)
    repeats = suspects["line"].filter(~suspects["line"].is_in(firsts["line"].implode()))
    return frame.filter(~pl.col("line").is_in(repeats.implode())) if len(repeats) else frame


def _lost(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    if len(before) == len(after):
        return before.clear()
    return before.join(after.select("line"), on="line", how="anti")


def _reject(frame: pl.DataFrame, reason: str) -> pl.DataFrame:
    columns: dict[str, Any] = {"path": pl.lit("clean"), "line": pl.col("line"), "reason": pl.lit(reason)}
    return frame.select(expr.cast(SCHEMAS["rejects"][name]).alias(name) for name, expr in columns.items())
