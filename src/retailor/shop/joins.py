"""Tables that do not join: rows about unknown items, items without a title, customers without events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from retailor.shop.tables import SCHEMAS, Shop

_N_EXAMPLES = 3
_WAYS: dict[str, Any] = {
    "without the white space around them": lambda key: key.str.strip_chars(),
    "in small letters": lambda key: key.str.strip_chars().str.to_lowercase(),
    "without leading zeros": lambda key: key.str.strip_chars().str.replace(r"^0+(\d)", "$1"),
    "without a '.0' at the end": lambda key: key.str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1"),
    "without dashes, dots and spaces": lambda key: key.str.to_lowercase().str.replace_all(r"[\s._-]", ""),
}


@dataclass(frozen=True)
class Gap:
    """Rows of one table that do not join: how many of how many, some of their ids, and what would help."""

    table: str
    what: str
    n: int
    of: int
    examples: tuple[str, ...]
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return {**asdict(self), "examples": list(self.examples)}

    def __str__(self) -> str:
        shown = f", like '{self.examples[0]}'" if self.examples else ""
        return f"{self.table}: {self.n:,} of {self.of:,} {self.what}{shown}" + (
            f"; {self.hint}" if self.hint else ""
        )


def gaps(shop: Shop) -> list[Gap]:
    """What does not join in a shop; none where all does."""
    return _gaps({name: table.lazy() for name, table in shop.tables().items()})


def gaps_in(folder: str | Path) -> list[Gap]:
    """The same of a saved shop, whose rows stay on disk: only its distinct ids are held in memory."""
    paths = {name: Path(folder) / f"{name}.parquet" for name in SCHEMAS}
    return _gaps(
        {
            name: pl.scan_parquet(path) if path.exists() else pl.LazyFrame(schema=SCHEMAS[name])
            for name, path in paths.items()
        }
    )


def _gaps(tables: Mapping[str, pl.LazyFrame]) -> list[Gap]:
    items = _counts(tables["items"], "item_id")["item_id"]
    found = [
        _unknown_items(name, tables[name], items)
        for name in ("events", "reviews", "questions", "preferences", "judgments")
    ]
    return [gap for gap in (*found, _untitled(tables["items"]), _silent(tables)) if gap is not None]


def _counts(table: pl.LazyFrame, key: str) -> pl.DataFrame:
    """Distinct keys with the number of their rows, the most frequent first."""
    counts = table.select(key).drop_nulls().group_by(key).len("n")
    return counts.collect(engine="streaming").sort("n", key, descending=[True, False])


def _unknown_items(name: str, table: pl.LazyFrame, items: pl.Series) -> Gap | None:
    counts = _counts(table, "item_id")
    unknown = counts.filter(~pl.col("item_id").is_in(items.implode()))
    if not len(unknown):
        return None
    n, of = int(unknown["n"].sum()), int(counts["n"].sum())
    if not len(items):
        what = "rows are about items, and there is no catalogue"
        return Gap(name, what, n, of, (), "read the items' file too")
    what = "rows are about items that the catalogue lacks"
    return Gap(name, what, n, of, _examples(unknown["item_id"]), _near(unknown, items))


def _near(unknown: pl.DataFrame, items: pl.Series) -> str:
    """How the ids would have to be changed to join more rows than any other way, in words; '' without one."""
    best, words = 0, ""
    for way, key in _WAYS.items():
        known = items.to_frame("theirs").with_columns(key=key(pl.col("theirs"))).unique("key", keep="none")
        hit = unknown.with_columns(key=key(pl.col("item_id"))).join(known, on="key")
        n = int(hit["n"].sum())
        if n > best:
            first = hit.sort("n", "item_id", descending=[True, False]).row(0, named=True)
            best, words = n, f"{n:,} would join {way}: '{first['item_id']}' against '{first['theirs']}'"
    return words


def _untitled(items: pl.LazyFrame) -> Gap | None:
    none = pl.col("title").is_null() | (pl.col("title").str.strip_chars() == "")
    rows = items.select("item_id", none=none).collect(engine="streaming")
    bad = rows.filter("none")["item_id"]
    return Gap("items", "have no title", len(bad), len(rows), _examples(bad)) if len(bad) else None


def _silent(tables: Mapping[str, pl.LazyFrame]) -> Gap | None:
    """Customers who wrote reviews and have no events, in a shop that has events."""
    active, wrote = (_counts(tables[name], "user_id")["user_id"] for name in ("events", "reviews"))
    silent = wrote.filter(~wrote.is_in(active.implode()))
    if not len(silent) or not len(active):
        return None
    # No examples: this is told in logs and in the report, where no customer is named.
    return Gap("reviews", "customers have no events", len(silent), len(wrote), ())


def _examples(ids: pl.Series) -> tuple[str, ...]:
    return tuple(str(each)[:80] for each in ids.head(_N_EXAMPLES))
