"""From a query to what is searched for, and from scores to the order in which items are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.tasks.search.filters import read_filters
from retailor.tasks.search.item_table import Bools, ItemTable
from retailor.tasks.search.settings import SearchSettings
from retailor.tasks.search.shapes import Filter, SearchQuery
from retailor.tasks.search.spelling import IsWord, Speller

F32 = NDArray[np.float32]
_APART = 1000.0
"""Added to z-scores, it puts some items before all others."""


def check(query: SearchQuery, settings: SearchSettings) -> None:
    """Raises DataError on an empty or over-long query, or a page out of bounds."""
    limit = settings.max_query_chars
    if not query.text.strip():
        raise DataError("the query is empty; give at least one word.", column="text", value=query.text)
    if len(query.text) > limit:
        raise DataError(
            f"the query has {len(query.text):,} characters; at most {limit:,} are read, so shorten it.",
            column="text",
        )
    if not 1 <= query.k <= settings.max_k:
        raise DataError(f"k = {query.k}; it goes from 1 to {settings.max_k}.", column="k", value=query.k)
    if query.offset < 0 or query.offset + query.k > settings.max_k:
        raise DataError(
            f"offset = {query.offset}; with k = {query.k} it goes from 0 to {settings.max_k - query.k}.",
            column="offset",
            value=query.offset,
        )


@dataclass(frozen=True)
class Understood:
    """A query taken apart."""

    text: str
    filters: tuple[Filter, ...] = ()
    mended: Mapping[str, str] = field(default_factory=dict)


def understand(query: SearchQuery, table: ItemTable, speller: Speller, is_word: IsWord) -> Understood:
    """The words to search for, the filters asked for and read, and what was mended."""
    if not query.read:
        return Understood(query.text.strip(), query.filters)
    reading = read_filters(query.text, table.vocabulary)
    asked = {(each.field, each.op, each.value, each.unit) for each in query.filters}
    read = tuple(
        each for each in reading.filters if (each.field, each.op, each.value, each.unit) not in asked
    )
    text, mended = speller.mended(reading.searched, is_word)
    return Understood(text, query.filters + read, mended)


@dataclass(frozen=True)
class Chosen:
    """Which items will do: `allowed` [I] may be shown, of them `wanted` [I] come first."""

    allowed: Bools
    wanted: Bools
    relaxed: tuple[Filter, ...] = ()

    def ordered(self, scores: F32) -> F32:
        """The scores [I] with wanted items before allowed ones, and these before all others."""
        return np.where(self.allowed, scores + np.float32(_APART) * self.wanted, scores - np.float32(_APART))

    def without(self, rows: Sequence[int]) -> Chosen:
        """The same but for these items, which may not be shown."""
        if not rows:
            return self
        allowed = self.allowed.copy()
        allowed[list(rows)] = False
        return Chosen(allowed, self.wanted & allowed, self.relaxed)


def choose(table: ItemTable, filters: Sequence[Filter]) -> Chosen:
    """The items that meet the filters.

    What was asked for, and bounds and refusals that were read, are kept to. A brand, a colour or a size that
    merely stands among the words is a wish: items that meet it come first, the others after them. Filters
    that were read give way, the last first, where no item meets them all.
    """
    strict = [each for each in filters if not (each.text and each.op == "=")]
    wishes = [each for each in filters if each.text and each.op == "="]
    allowed, relaxed = table.passing(strict), []
    while not allowed.any():
        read = [each for each in strict if each.text]
        if not read:
            break
        relaxed.append(read[-1])
        strict.remove(read[-1])
        allowed = table.passing(strict)
    wanted = table.passing(wishes) & allowed
    while wishes and not wanted.any():
        relaxed.append(wishes.pop())
        wanted = table.passing(wishes) & allowed
    return Chosen(allowed, wanted, tuple(relaxed))
