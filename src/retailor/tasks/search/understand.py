"""From a query to what is searched for, and from scores to the order in which items are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.metrics.ranking import top_items
from retailor.retrieval.tokens import shared_words
from retailor.tasks.reasons import Why
from retailor.tasks.search.choosing import Chosen
from retailor.tasks.search.filters import read_filters
from retailor.tasks.search.item_table import Bools, ItemTable
from retailor.tasks.search.settings import SearchSettings
from retailor.tasks.search.shapes import Filter, SearchQuery
from retailor.tasks.search.spelling import IsWord, Speller

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]
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
    thing: str = ""
    """What is left of the text without brands, colours and sizes, '' of these alone: a red mug is no red
    backpack."""


def understand(query: SearchQuery, table: ItemTable, speller: Speller, is_word: IsWord) -> Understood:
    """The words to search for, the filters asked for and read, and what was mended."""
    if not query.read:
        return Understood(query.text.strip(), query.filters, thing=query.text.strip())
    whole, joined = speller.joined(query.text, table.says)
    reading = read_filters(whole, table.vocabulary)
    asked = {replace(each, text="") for each in query.filters}
    read = tuple(each for each in reading.filters if replace(each, text="") not in asked)
    text, mended = speller.mended(reading.searched, is_word)
    if not reading.filters:
        thing = text
    elif reading.rest == whole.strip():
        thing = ""
    else:
        thing = speller.mended(reading.rest, is_word)[0]
    return Understood(text, query.filters + read, {**joined, **mended}, thing)


def n_ordered(query: SearchQuery) -> int:
    """How many of the best have to be known for a page."""
    n = query.offset + query.k
    return n if query.sort == "relevance" else -(-n // _N_SORTED) * _N_SORTED


def page(
    query: SearchQuery,
    scores: F32,
    here: Chosen,
    is_found: Bools,
    rows: Rows,
    table: ItemTable,
    ties: NDArray[np.integer],
) -> Rows:
    """Which of the items in question, which are `rows` [n], are on one page: by score, or of the best that
    were found by what was asked for.

    By that each _N_SORTED of the best are ordered apart, so that a page is the same whatever came before.
    """
    n = min(query.offset + query.k, int(np.count_nonzero(here.allowed)))
    sorts = query.sort != "relevance"
    best: Rows = top_items(here.ordered(scores)[None], n_ordered(query) if sorts else n, ties[rows])[0]
    if not sorts:
        return best[query.offset :]
    parts = [best[i : i + _N_SORTED] for i in range(0, len(best), _N_SORTED)]
    kept = [table.sorted_by(query.sort, rows[part[is_found[part]]]) for part in parts]
    found = np.concatenate(kept or [rows[:0]])[query.offset : n]
    return np.searchsorted(rows, found)


def whys(
    rows: Rows, raw: F32, table: ItemTable, understood: Understood, seen: Bools, otherwise: Bools
) -> list[Why]:
    """Why each of some items [n] is found; `raw` [3, n] are their scores, `seen` and `otherwise` [n] too."""
    return [
        Why("query synonyms")
        if otherwise[i] and raw[:2, i].any()
        else why(raw[:, i], table.title(row), understood.text, seen=bool(seen[i]))
        for i, row in enumerate(rows)
    ]


def why(raw: F32, title: str, query: str, *, seen: bool) -> Why:
    """Why an item is found: `raw` [3] are its scores; `seen`: query and item have a picture."""
    if not raw[:2].any():
        return Why("query picture" if seen else "query meaning")
    code = "query picture and words" if seen else "query words"
    return Why(code, words=tuple(shared_words(query, title)))


def ties_of(item_ids: Sequence[str]) -> NDArray[np.int32]:
    """The place of each item [I] among equal scores: by a hash, so that no name is favoured."""
    digests = b"".join([hashlib.sha256(item_id.encode()).digest()[:8] for item_id in item_ids])
    order = np.argsort(np.frombuffer(digests, ">u8") >> np.uint64(1))
    places = np.empty(len(order), np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return places
