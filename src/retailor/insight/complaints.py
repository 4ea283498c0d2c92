"""The ranked digest of complaints: how many of those who wrote of an aspect complain, and in which words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from rapidfuzz import fuzz

from retailor.insight.figures import LEVELS, key_of, says
from retailor.insight.settings import InsightSettings

LEAST_COMPLAINTS = 2
SAME_QUOTE = 85
"""Two quotes at least this alike (0 to 100) are one."""
SAME_REVIEWS = 0.8
"""Two complaints of an item that share so many of their reviews are one."""
COUNTED = ("level", "key", "aspect", "n", "n_negative", "low", "high", "sure")
_NORMAL = re.compile(r"\W+")


@dataclass(frozen=True)
class Quote:
    """A sentence of a review: its row in the shop's table (from 0), its id, item, day, stars."""

    row: int
    review_id: str | None
    item_id: str
    time: str | None
    stars: float | None
    sentence: str


QUOTED = ("row", "review_id", "item_id", "time", "stars", "sentence")


@dataclass(frozen=True)
class Complaint:
    """n_negative of n customers who wrote of the aspect complain; `sure` is what ranks it."""

    level: str
    key: str
    aspect: int
    n: int
    n_negative: int
    low: float
    high: float
    sure: float
    quotes: tuple[Quote, ...]


def complaints_of(
    figures: pl.DataFrame, opinions: pl.DataFrame, quoted: pl.DataFrame, settings: InsightSettings
) -> list[Complaint]:
    """The complaints of shop, categories and items, those first that the most customers surely have.

    Ranked by the lower end of the share's 95 % interval times the customers who spoke of it, never by the
    share alone: one of one is no 100 %. `quoted` are the mentions with what `Quote` holds.
    """
    rows = figures.filter(pl.col("n_negative") >= LEAST_COMPLAINTS).sort(
        "sure", "n_negative", "key", "aspect", descending=[True, True, False, False]
    )
    against = opinions.filter(pl.col("says") == "negative")
    of_item = _reviews(against, "item_id")
    seen: dict[str, list[set[int]]] = {}
    found = []
    quotes = _Quotes(quoted, against, settings.n_quotes)
    for row in rows.iter_rows(named=True):
        if row["level"] == "item":
            reviews = of_item[row["key"], row["aspect"]]
            if any(_share(reviews, other) >= SAME_REVIEWS for other in seen.get(row["key"], ())):
                continue
            seen.setdefault(row["key"], []).append(reviews)
        told = {name: row[name] for name in COUNTED}
        found.append(Complaint(**told, quotes=quotes.of(row["level"], row["key"], row["aspect"])))
    return found


def _reviews(against: pl.DataFrame, column: str) -> Mapping[tuple[str, int], set[int]]:
    groups = against.group_by(column, "aspect").agg(pl.col("row"))
    return {(key, aspect): set(rows) for key, aspect, rows in groups.iter_rows()}


def _share(a: set[int], b: set[int]) -> float:
    return len(a & b) / max(len(a), len(b))


class _Quotes:
    """The most telling sentences against an aspect, of a level and key, no two alike."""

    def __init__(self, quoted: pl.DataFrame, against: pl.DataFrame, n: int) -> None:
        told = quoted.join(against.select("row", "aspect"), on=["row", "aspect"], how="semi")
        told = told.filter(says() == "negative").sort(
            pl.col("negative").round(1), pl.col("helpful").fill_null(0), "negative", "row",
            descending=[True, True, True, False],
        )  # fmt: skip
        self._n = n
        self._told = {level: _told(told, level, 12 * n) for level in LEVELS}

    def of(self, level: str, key: str, aspect: int) -> tuple[Quote, ...]:
        return different(self._told[level].get((key, aspect), ()), self._n)


def _told(told: pl.DataFrame, level: str, n: int) -> dict[tuple[str, int], list[Quote]]:
    rows = told.with_columns(key=key_of(level)).filter(pl.col("key").is_not_null())
    groups = rows.group_by("key", "aspect", maintain_order=True).agg(pl.struct(QUOTED).head(n).alias("said"))
    return {(key, aspect): [Quote(**each) for each in said] for key, aspect, said in groups.iter_rows()}


def different(quotes: Sequence[Quote], n: int) -> tuple[Quote, ...]:
    """The first `n` quotes that are not alike, each of another review."""
    kept: list[Quote] = []
    for quote in quotes:
        if len(kept) == n:
            break
        plain = _plain(quote.sentence)
        if all(
            each.row != quote.row and fuzz.ratio(plain, _plain(each.sentence)) < SAME_QUOTE for each in kept
        ):
            kept.append(quote)
    return tuple(kept)


def _plain(sentence: str) -> str:
    return _NORMAL.sub(" ", sentence.lower()).strip()
