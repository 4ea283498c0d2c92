"""Pairs of words that may stand for each other, out of the shop's own titles and judged queries.

Names of one kind of thing stand in each other's place: in titles of one category, and never in the same title
('tent', 'bivouac'). A judged query has a word that the titles of what it means have not, and these have one
in common. Both are suggestions, to be looked at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.models.shapes import Encoder
from retailor.retrieval.tokens import content_words
from retailor.seeds import stream
from retailor.tasks.search.presence.rehearsal import kinds_of, phrase_of_title
from retailor.tasks.search.rerank.candidates import Catalogue
from retailor.tasks.search.synonyms.rules import rules_of

F32 = NDArray[np.float32]
LEAST_TITLES, LEAST_QUERIES = 2, 2
LIFT = 10.0
"""A name is so many times as frequent in the titles of its kind as in all."""
LEAST_SHARE = 0.6
"""Of the titles of what a query means, so many must have the word."""
N_TITLES = 2_000
MOST, STRANGE = 500, 0.05


@dataclass(frozen=True)
class Pair:
    """Two words, how near they are in meaning, and from what it was told."""

    one: str
    other: str
    closeness: float
    told_by: str


def mined_pairs(
    catalogue: Catalogue, encoder: Encoder, judged: Iterable[tuple[str, NDArray[np.floating]]]
) -> list[Pair]:
    """At most MOST pairs, the nearest in meaning first: nearer than all but STRANGE of the pairs of words
    that nothing speaks for.

    `judged` are queries with the grade of each item [I].
    """
    found = {**_of_titles(catalogue), **_of_queries(catalogue, judged)}
    told = {pair: by for pair, by in found.items() if _is_rule(*pair)}
    words = sorted({word for pair in told for word in pair})
    if not words:
        return []
    vectors = encoder.encode(words, role="query")
    cosines = vectors @ vectors.T
    place = {word: i for i, word in enumerate(words)}
    rows, columns = np.array([[place[word] for word in pair] for pair in told]).T
    strange = np.triu(np.ones(cosines.shape, np.bool_), 1)
    strange[np.minimum(rows, columns), np.maximum(rows, columns)] = False
    least = float(np.quantile(cosines[strange], 1 - STRANGE)) if strange.any() else 0.0
    pairs = [
        Pair(*pair, round(float(cosines[i, j]), 4), by)
        for (pair, by), i, j in zip(told.items(), rows, columns, strict=True)
    ]
    near = [each for each in pairs if each.closeness >= least]
    return sorted(near, key=lambda each: (-each.closeness, each.one, each.other))[:MOST]


def lines_of(pairs: Iterable[Pair]) -> list[str]:
    """The pairs as a file of synonyms."""
    return [
        "# Suggested by the shop's own texts. Strike out what is wrong; name the file in [search] synonyms.",
        *(f"{each.one}, {each.other}    # {each.closeness:.2f}, {each.told_by}" for each in pairs),
    ]


def _is_rule(one: str, other: str) -> bool:
    """Whether two words make a line of a file of synonyms: 'cable' and 'cables' are one."""
    try:
        return len(rules_of([f"{one}, {other}"])) == 2
    except DataError:
        return False


def _of_titles(catalogue: Catalogue) -> dict[tuple[str, str], str]:
    """Words of titles of one kind, and of hardly any other, that are never in the same title."""
    kinds = kinds_of(catalogue)
    frame = catalogue.table.frame.select(pl.col("title", "brand").fill_null(""))
    names: dict[int, Counter[str]] = defaultdict(Counter)
    some = stream(0, "search", "synonyms").permutation(np.flatnonzero(kinds >= 0))[:N_TITLES]
    for row in some.tolist():
        title, brand = frame.row(row)
        telling, _ = phrase_of_title(title, brand, kinds == kinds[row], catalogue.titles, LIFT)
        names[int(kinds[row])].update(word.lower() for word in telling)
    found = {}
    for counts in names.values():
        often = [word for word, n in sorted(counts.items()) if n >= LEAST_TITLES]
        for one, other in combinations(often, 2):
            if not _together(one, other, catalogue):
                found[one, other] = "titles"
    return found


def _together(one: str, other: str, catalogue: Catalogue) -> bool:
    docs = [
        set(catalogue.titles.docs_with(index).tolist())
        for word in (one, other)
        for index in content_words(word)[:1]
    ]
    return len(docs) < 2 or bool(docs[0] & docs[1])


def _of_queries(
    catalogue: Catalogue, judged: Iterable[tuple[str, NDArray[np.floating]]]
) -> dict[tuple[str, str], str]:
    titles = catalogue.table.frame["title"].fill_null("")
    counts: Counter[tuple[str, str]] = Counter()
    for query, grades in judged:
        rows = np.flatnonzero(grades == grades.max())
        said = [set(content_words(title)) for title in titles[rows]]
        often = Counter(word for each in said for word in each)
        missing = {
            word for word in content_words(query) if not often[word] and not any(map(str.isdigit, word))
        }
        common = [word for word, n in often.items() if n >= max(2, LEAST_SHARE * len(rows))]
        counts.update((word, other) for word in missing for other in common if not other.isdigit())
    return {pair: "queries" for pair, n in counts.items() if n >= LEAST_QUERIES}
