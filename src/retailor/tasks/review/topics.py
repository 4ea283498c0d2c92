"""Whether a text speaks of a product like this one: by the words that the shop uses of each category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from retailor.metrics.generation import tokens
from retailor.tasks.review.facts import is_everyday

STEM = 6
"""Letters of a word that tell it: 'design', 'designed' and 'designer' are one."""
EVERYWHERE = 3
"""A word of so many categories belongs to none."""


@dataclass(frozen=True)
class Topics:
    """The beginning of each word to the categories whose items or reviews have it."""

    categories: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, items: pl.DataFrame, reviews: pl.DataFrame) -> Topics:
        """Learned from titles, descriptions and reviews."""
        place = {row["item_id"]: category_of(row) for row in items.iter_rows(named=True)}
        found: dict[str, set[str]] = {}
        told = pl.concat_str("title", "description", separator=" ", ignore_nulls=True)
        said = [*items.select("item_id", told).rows(), *reviews.select("item_id", "text").rows()]
        for item_id, text in said:
            for word in set(tokens(text or "")):
                found.setdefault(_stem(word), set()).add(place.get(item_id, ""))
        return cls({word: frozenset(places) for word, places in found.items()})

    def astray(self, text: str, category: str, source: str) -> list[str]:
        """The words of an English text that the shop does not use of such a product."""
        there = {_stem(word) for word in tokens(source)}
        return [word for word in dict.fromkeys(tokens(text)) if not self._fits(word, category, there)]

    def _fits(self, word: str, category: str, there: set[str]) -> bool:
        stem = _stem(word)
        places = self.categories.get(stem, frozenset())
        return (
            len(word) < 4
            or is_everyday(word)
            or stem in there
            or category in places
            or len(places) >= EVERYWHERE
        )


def _stem(word: str) -> str:
    return word.rstrip("s")[:STEM]


def category_of(item: Mapping[str, Any]) -> str:
    """The last step of the item's path; '' where it has none."""
    path = list(item.get("category") or [])
    return str(path[-1]) if path else ""
