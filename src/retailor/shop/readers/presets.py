"""Public data sets that are read by name: column maps where that is enough, else a small function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from retailor.progress import track
from retailor.shop.cells.ids import content_ids
from retailor.shop.files.delimited import delimited
from retailor.shop.files.documents import any_objects
from retailor.shop.files.lines import Block, Reject, blocks, unreadable
from retailor.shop.files.nested import pairs_of
from retailor.shop.files.packed import streams
from retailor.shop.files.records import Row, as_number, as_text
from retailor.shop.files.sink import Sink
from retailor.shop.readers.columns import missing_column
from retailor.shop.readers.tabular import maps_of, read_tabular
from retailor.shop.tables import SCHEMAS

_TAOBAO: dict[str, Any] = {
    "header": False,
    "names": ("user", "item", "category", "behaviour", "time"),
    "delimiter": ",",
    "quote": None,
    "format": "csv",
}
_ONLINE_SHOPPING: dict[str, Any] = {"delimiter": ",", "format": "csv", "constants": {"language": "zh"}}

MAPS: dict[str, dict[str, Any]] = {
    # collected from 25 November to 3 December 2017 in Beijing; other times are slips of the clock
    "taobao": {
        "events": {
            **_TAOBAO,
            "columns": {"user_id": "user", "item_id": "item", "kind": "behaviour", "time": "time"},
            "values": {"kind": {"pv": "view", "cart": "cart", "fav": "favourite", "buy": "buy"}},
            "time_unit": "s",
            "since": "2017-11-24T16:00:00Z",
            "until": "2017-12-03T16:00:00Z",
        },
        "items": {**_TAOBAO, "columns": {"item_id": "item", "category": "category"}, "derived": True},
    },
    # reviews of ten categories: the category stands for the item, for no product is named
    "online-shopping-10-cats": {
        "reviews": {
            **_ONLINE_SHOPPING,
            "columns": {"item_id": "cat", "label": "label", "text": "review"},
            "values": {"label": {"1": "positive", "0": "negative"}},
        },
        "items": {
            **_ONLINE_SHOPPING,
            "columns": {"item_id": "cat", "title": "cat", "category": "cat"},
            "derived": True,
        },
    },
    "eprstmt": {
        "reviews": {
            "format": "jsonl",
            "columns": {"text": "sentence", "label": "label"},
            "optional": ("label",),
            "values": {"label": {"Positive": "positive", "Negative": "negative"}},
            "constants": {"language": "zh"},
        },
    },
}
_BEAUTY_ITEMS = {
    "items": {
        "format": "jsonl",
        "columns": {"item_id": "item_id", "title": "title", "category": "categories"},
        "constants": {"language": "en"},
    }
}
_ICECAT_JUDGMENTS = {
    "judgments": [
        {"format": "csv", "columns": {"query": "query", "item_id": "docid", "grade": grade}}
        for grade in ("rating", "final_rating")
    ]
}


@dataclass(frozen=True)
class EvidenceLayout:
    """Product questions with candidate evidence, a candidate a row."""

    delimiter: str
    item: str = "ASIN"
    group: str = "qid"
    """Rows that share it are one question; without it each row is one, and its evidence is relevant."""
    title: str | None = None


EVIDENCE = {
    "hetpqa": EvidenceLayout("\t"),
    "epqa": EvidenceLayout(",", title="title"),
    "semipqa": EvidenceLayout("\t"),
}
_SOURCES = {"desc": "description"}
_DAY_MS = 86_400_000


def read_evidence(layout: EvidenceLayout, files: Sequence[Path], sink: Sink) -> None:
    """Reads question files into questions with evidence, and items where titles are given.

    The answer of a grouped question is the first one given for its most relevant candidate.
    Holds one file in memory, since the rows of a question need not stand together.
    """
    for path in files:
        for name, stream in streams(path):
            frames = delimited(name, stream, partial(sink.reject, name), delimiter=layout.delimiter)
            parts = [frame.with_columns(line=lines) for frame, lines in frames]
            rows = pl.concat(parts)
            for column in ("question", "candidate"):
                if column not in rows.columns:
                    raise missing_column(name, column, rows.columns[:-1], 1)
                for line in rows.filter(pl.col(column).is_null())["line"]:
                    sink.reject(name, line, f"no {column}")
                rows = rows.filter(pl.col(column).is_not_null())
            if layout.title and {layout.title, layout.item} <= {*rows.columns}:
                items = rows.select(item_id=layout.item, title=layout.title, language=pl.lit("en"))
                sink.add_items(name, items.drop_nulls("item_id"), None)
            sink.add("questions", _questions(layout, rows))


def _questions(layout: EvidenceLayout, rows: pl.DataFrame) -> pl.DataFrame:
    null = pl.lit(None, pl.String)
    has = rows.columns
    relevance = pl.col("label").cast(pl.Float32, strict=False) if "label" in has else pl.lit(1.0, pl.Float32)
    source = pl.col("source").str.to_lowercase().replace(_SOURCES) if "source" in has else null
    flat = rows.select(
        item_id=pl.col(layout.item) if layout.item in has else null,
        question="question",
        answer=pl.col("answer") if "answer" in has else null,
        evidence=pl.struct(text="candidate", source=source, relevance=relevance),
        relevance=relevance,
        group=pl.col(layout.group) if layout.group in has else null,
    )
    if layout.group in has:
        best = (
            pl.col("answer").sort_by("relevance", descending=True, maintain_order=True).drop_nulls().first()
        )
        made = flat.group_by("group", maintain_order=True).agg(
            pl.col("item_id", "question").first(), answer=best, evidence="evidence"
        )
        made = made.rename({"group": "question_id"})
    else:
        made = flat.with_columns(evidence=pl.concat_list("evidence")).drop("group", "relevance")
        text = pl.col("evidence").list.first().struct.field("text")
        ids = content_ids(made.with_columns(seen=text), "item_id", "question", "answer", "seen")
        made = made.with_columns(question_id=ids)
    return made.with_columns(language=pl.lit("en"))


def read_beauty(files: Sequence[Path], sink: Sink) -> None:
    """Reads `items.jsonl` and `sequences.txt` (customer, then items in order of time, a customer a line).

    The order is all that is known of the times, so the event times are made up: the first event of each
    customer on 1 January 1970, the next a day later, and so on. Split such a shop with `leave_last_out`.
    The events are ratings whose stars are not given.
    """
    for path in files:
        with path.open("rb") as file:
            is_items = file.read(64).lstrip()[:1] == b"{"
        if is_items:
            read_tabular(maps_of(_BEAUTY_ITEMS), [path], sink)
            continue
        for name, stream in streams(path):
            reject = partial(sink.reject, name)
            for block in track(blocks(name, stream, reject), f"reading {path.name}"):
                sink.add("events", _sequences(block, reject))


def _sequences(block: Block, reject: Reject) -> pl.DataFrame:
    users: list[str] = []
    items: list[str] = []
    days: list[int] = []
    for line, text in _texts(block, reject):
        user, *bought = text.split()
        if not bought:
            reject(line, f"customer '{user}' without an item")
        users += [user] * len(bought)
        items += bought
        days += range(len(bought))
    time = (pl.col("day").cast(pl.Int64) * _DAY_MS).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    frame = pl.DataFrame({"user_id": users, "item_id": items, "day": days})
    return frame.select("user_id", "item_id", pl.lit("rate").alias("kind"), time.alias("time"))


def _texts(block: Block, reject: Reject) -> list[tuple[int, str]]:
    """Line number and text of the lines that hold something."""
    found = []
    for i, raw in enumerate(block.data.split(b"\n")[:-1]):
        if (reason := unreadable(raw)) is not None:
            reject(block.line + i, reason)
        elif raw.strip():
            found.append((block.line + i, raw.decode()))
    return found


def read_polarity(files: Sequence[Path], sink: Sink) -> None:
    """Reads lines of a review, then `$LABEL$0` (negative) or `$LABEL$1` (positive)."""
    labels = {"0": "negative", "1": "positive"}
    for path in files:
        for name, stream in streams(path):
            reject = partial(sink.reject, name)
            for block in track(blocks(name, stream, reject), f"reading {path.name}"):
                rows = []
                for line, said in _texts(block, reject):
                    text, mark, label = said.rpartition("$LABEL$")
                    if not mark or label.strip() not in labels or not text.strip():
                        reject(line, "no text with $LABEL$0 or $LABEL$1 at its end")
                    else:
                        rows.append({"text": text, "label": labels[label.strip()], "language": "en"})
                frame = pl.DataFrame(rows, schema=SCHEMAS["reviews"], orient="row")
                ids = content_ids(frame, "text", "label")
                sink.add("reviews", frame.with_columns(review_id=ids))


def read_icecat(files: Sequence[Path], sink: Sink) -> None:
    """Reads the Icecat catalogue (JSON arrays, zipped or not) and its judgments (query, docid, rating).

    `attr_t_…`, `attr_n_…`, `attr_b_…` become attributes. Prices are in hundredths, of no stated currency.
    """
    for path in files:
        if any(end in path.suffixes for end in (".csv", ".tsv")):
            read_tabular(maps_of(_ICECAT_JUDGMENTS), [path], sink)
            continue
        for name, stream in streams(path):
            reject = partial(sink.reject, name)
            for batch in track(any_objects(name, stream, reject, is_row=_is_product), f"reading {path.name}"):
                good = []
                for line, row in batch:
                    if not (as_text(row.get("id")) and as_text(row.get("title"))):
                        reject(line, "no 'id' or no 'title'")
                    else:
                        good.append((line, _product(row)))
                frame = pl.DataFrame([made for _, made in good], schema=SCHEMAS["items"], orient="row")
                sink.add_items(name, frame, pl.Series([line for line, _ in good], dtype=pl.Int64))


def _is_product(row: Row) -> bool:
    return "id" in row or "title" in row


def _product(row: Row) -> Row:
    price = as_number(row.get("price"))
    named = {
        key.split("_", 2)[-1].strip("_").replace("_", " "): v for key, v in row.items() if key[:5] == "attr_"
    }
    kind = as_text(row.get("attr_t_product_type"))
    return {
        "item_id": (as_text(row["id"]) or "").strip(),
        "title": as_text(row.get("title")),
        "description": as_text(row.get("short_description")),
        "brand": as_text(row.get("supplier")),
        "category": [kind] if kind else None,
        "price": None if price is None or price < 0 else price / 100,
        "attributes": pairs_of({name: v for name, v in named.items() if v not in (None, "")}),
        "image": as_text(row.get("img_high") or row.get("img_500x500")),
        "language": "en",
    }


def _by_map(name: str, files: Sequence[Path], sink: Sink) -> None:
    read_tabular(maps_of(MAPS[name]), files, sink)


READ: dict[str, Callable[[Sequence[Path], Sink], None]] = {
    **{name: partial(_by_map, name) for name in MAPS},
    **{name: partial(read_evidence, layout) for name, layout in EVIDENCE.items()},
    "amazon2014-beauty": read_beauty,
    "amazon-polarity": read_polarity,
    "icecat": read_icecat,
}
