"""What tells the three releases of Amazon Reviews apart, and the kinds of files in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from retailor.errors import DataError
from retailor.shop.files.records import Row

Role = Literal["reviews", "metadata", "questions"]


@dataclass(frozen=True)
class Era:
    """The names that one release gives to what all of them hold."""

    name: str
    rating: str
    user: str
    item: str
    title: str
    text: str
    helpful: str
    helpful_type: Any
    time: str
    ms: int
    """Milliseconds in one unit of `time`."""


_OLD: dict[str, Any] = {
    "rating": "overall",
    "user": "reviewerID",
    "item": "asin",
    "title": "summary",
    "text": "reviewText",
    "time": "unixReviewTime",
    "ms": 1000,
}
_NEW: dict[str, Any] = {
    "rating": "rating",
    "user": "user_id",
    "item": "parent_asin",
    "title": "title",
    "text": "text",
    "time": "timestamp",
    "ms": 1,
}
ERAS = {
    era.name: era
    for era in (
        Era("amazon-2014", **_OLD, helpful="helpful", helpful_type=pl.List(pl.Int64)),
        Era("amazon-2018", **_OLD, helpful="vote", helpful_type=pl.String),
        Era("amazon-2023", **_NEW, helpful="helpful_vote", helpful_type=pl.Int64),
    )
}

# What only one era's rows have: the evidence against a row of another era, the best-known name first.
SIGNS: dict[str, dict[str, tuple[str, ...]]] = {
    "reviews": {
        "amazon-2014": ("helpful",),
        "amazon-2018": ("verified", "vote", "style", "image"),
        "amazon-2023": ("rating", "user_id", "parent_asin", "timestamp", "helpful_vote", "verified_purchase"),
    },
    "metadata": {
        "amazon-2014": ("imUrl", "salesRank", "related"),
        "amazon-2018": ("main_cat", "also_buy", "also_view", "tech1", "tech2", "similar_item", "feature",
                        "image", "imageURL", "imageURLHighRes", "category", "rank"),
        "amazon-2023": ("parent_asin", "main_category", "store", "features", "bought_together"),
    },
}  # fmt: skip
_OLD_REVIEW = ("overall", "reviewerID", "unixReviewTime", "reviewText")
_REVIEW_KEYS = {*_OLD_REVIEW, "rating", "user_id", "timestamp", "helpful_vote"}


def role_of(row: Row) -> Role | None:
    """What kind of row this is, by its keys."""
    if "question" in row or "questions" in row:
        return "questions"
    if not _REVIEW_KEYS.isdisjoint(row):
        return "reviews"
    return "metadata" if "asin" in row or "parent_asin" in row else None


def eras_of(role: str, row: Row) -> list[str]:
    """The eras that a row can be of: those whose signs it shows, else all that its keys leave open."""
    shown = [era for era, signs in SIGNS[role].items() if any(sign in row for sign in signs)]
    if shown:
        return shown
    return ["amazon-2014", "amazon-2018"] if any(key in row for key in _OLD_REVIEW) else list(ERAS)


def foreign_reason(era: Era, role: str, row: Row) -> str | None:
    """Why the row is no row of the era: it shows signs of another one and none of this one. Else None."""
    shown = eras_of(role, row)
    if era.name in shown:
        return None
    other = " or ".join(shown)
    signs = [*SIGNS[role][shown[0]], *(_OLD_REVIEW if role == "reviews" else ())]
    if era.name == "amazon-2023" and role == "reviews":
        signs = [*_OLD_REVIEW, *signs]
    sign = next(sign for sign in signs if sign in row)
    lacks = "rating" if (era.name, role) == ("amazon-2023", "reviews") else SIGNS[role][era.name][0]
    if shown == ["amazon-2023"] and role == "reviews":
        lacks = "overall"
    return f"no '{lacks}', but '{sign}': this is {other}, read it as that"


@dataclass
class Foreign:
    """The rows of other eras in one file: a few are rejects, more than there are good ones an error."""

    n_rows: int = 0
    first: tuple[int, str] | None = None

    def reason(self, era: Era, role: str, line: int, row: Row) -> str | None:
        """Why the row is of another era, which is counted; None where it is of this one."""
        told = foreign_reason(era, role, row)
        if told is not None:
            self.n_rows += 1
            self.first = self.first or (line, told)
        return told

    def check(self, name: str, n_good: int) -> None:
        """Raises DataError, with the first of them, when they are more than the file's good rows so far."""
        if self.first is not None and self.n_rows > n_good:
            raise DataError(f"{self.first[1]}.", path=name, row=self.first[0])
