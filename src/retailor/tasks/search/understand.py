"""From a query to what is searched for, and from scores to the order in which items are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.metrics.ranking import top_items
from retailor.retrieval.tokens import shared_words
from retailor.tasks.reasons import Why
from retailor.tasks.search.filters import read_filters
from retailor.tasks.search.item_table import Bools, ItemTable
from retailor.tasks.search.settings import SearchSettings
from retailor.tasks.search.shapes import Filter, SearchQuery
from retailor.tasks.search.spelling import IsWord, Speller

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]
_APART = 1000.0
"""Added to z-scores, it puts some items before all others."""
_LEAST_WORDS = 0.5
"""Of the words that the best item shares with a query, what an item that may be shown must share."""
_N_SORTED = 200
"""Of so many of the best an order by price or stars is made: beyond are things that hardly match."""


def check(query: SearchQuery, settings: SearchSettings, *, sees: bool = False) -> None:
    """Raises DataError on an empty or over-long query, a picture that nothing is known to be like, or a page
    out of bounds."""
    limit = settings.max_query_chars
    if query.image and not sees:
        raise DataError(
            "this search knows no pictures: fit it with those of the items (the plan's section [pictures]).",
            column="image",
        )
    if not query.text.strip() and not query.image:
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
    whole, joined = speller.joined(query.text, table.says)
    reading = read_filters(whole, table.vocabulary)
    asked = {(each.field, each.op, each.value, each.unit) for each in query.filters}
    read = tuple(
        each for each in reading.filters if (each.field, each.op, each.value, each.unit) not in asked
    )
    text, mended = speller.mended(reading.searched, is_word)
    return Understood(text, query.filters + read, {**joined, **mended})


@dataclass(frozen=True)
class Chosen:
    """Which items will do: `allowed` [I] may be shown, of them `wanted` [I] come first."""

    allowed: Bools
    wanted: Bools
    relaxed: tuple[Filter, ...] = ()

    def ordered(self, scores: F32) -> F32:
        """The scores [I] with wanted items before allowed ones, and these before all others."""
        if self.wanted.all() and self.allowed.all():
            return scores + np.float32(_APART)
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


def page(
    query: SearchQuery,
    scores: F32,
    chosen: Chosen,
    found: Rows,
    table: ItemTable,
    ties: NDArray[np.int64],
) -> Rows:
    """The rows of one page: by score, or of the best that were found by what was asked for."""
    n = min(query.offset + query.k, int(chosen.allowed.sum()))
    best = top_items(chosen.ordered(scores)[None], max(n, _N_SORTED * (query.sort != "relevance")), ties)[0]
    if query.sort != "relevance":
        known = set(found.tolist())
        best = table.sorted_by(query.sort, np.array([row for row in best if row in known], dtype=np.int64))
    rows: Rows = best[query.offset : n]
    return rows


def words_are_elsewhere(lexical: F32, allowed: NDArray[np.bool_]) -> bool:
    """Whether items that may not be shown have the words of a query, and none that may be.

    `lexical` [2, I] are the scores by words, `allowed` [I]. Of headphones under a price that none of them has
    a lip balm is nearer in meaning than words by chance are, and still is no match.
    """
    if allowed.all():
        return False
    best = lexical.max(axis=0, initial=0.0)
    inside, everywhere = best[allowed].max(initial=0.0), best.max(initial=0.0)
    return bool(inside < _LEAST_WORDS * everywhere)


def giving_way(
    filters: Sequence[Filter], chosen: Chosen, lexical: F32, table: ItemTable
) -> tuple[Filter, ...]:
    """The bounds that were read and leave no item with the words of a query; none where leaving them out
    brings none back. Of backpacks that all cost more than 60 the cheapest is nearer than a lip balm for 50.
    """
    read = tuple(each for each in filters if each.text and each.op != "=" and each not in chosen.relaxed)
    asked = [each for each in filters if not each.text]
    return () if not read or words_are_elsewhere(lexical, table.passing(asked)) else read


def whys(
    rows: Rows, raw: F32, table: ItemTable, understood: Understood, seen: Bools, otherwise: Bools
) -> list[Why]:
    """Why each of some items is found; `raw` [3, I], `seen` and `otherwise` [I] are of all."""
    return [
        Why("query synonyms")
        if otherwise[row] and raw[:2, row].any()
        else why(raw[:, row], table.title(row), understood.text, seen=bool(seen[row]))
        for row in rows
    ]


def why(raw: F32, title: str, query: str, *, seen: bool) -> Why:
    """Why an item is found: `raw` [3] are its scores; `seen`: query and item have a picture."""
    if not raw[:2].any():
        return Why("query picture" if seen else "query meaning")
    code = "query picture and words" if seen else "query words"
    return Why(code, words=tuple(shared_words(query, title)))


def ties_of(item_ids: Sequence[str]) -> NDArray[np.int64]:
    """The place of each item [I] among equal scores: by a hash, so that no name is favoured."""
    digests = [hashlib.sha256(item_id.encode()).digest()[:8] for item_id in item_ids]
    return np.argsort(np.argsort([int.from_bytes(digest) >> 1 for digest in digests]))
