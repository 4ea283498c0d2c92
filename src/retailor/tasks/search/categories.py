"""Which category a query asks for, as the shop's own titles and vectors tell it.

A word speaks for the categories in whose titles it stands, and the head of the query ('tent' of "light tent
for two", the last word in Chinese) more than the others. Words are pooled as naive Bayes pools them, each
word's shares drawn to those of the catalogue, and joined with how near in meaning the nearest items of each
category are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.metrics.ranking import top_items
from retailor.retrieval.blend import standardise
from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import HAS_CHINESE, STOP_WORDS, content_words, words
from retailor.seeds import stream

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
LEAST = 2
"""Categories of fewer items are none."""
PULL = 1.0
"""So many items of the catalogue's shares stand beside those that have a word."""
N_NEAREST = 3
"""So many of the nearest items of a category say how near it is."""
NEARNESS = 2.0
"""What a standard deviation of nearness counts, in the logarithm of the odds."""
HEAD, OTHER, AFTER, PART = 2.0, 1.0, 0.5, 0.5
"""What a word counts: the head, one before it, one after a preposition, and a pair of Chinese characters."""
N_REHEARSED, N_OTHERS = 200, 200
"""How reliable categories are is measured on so many items, each among so many nearest others."""
_ENDS = "for with without that in of to from against by and who which when whose on at under over"
_PREPOSITIONS = frozenset(_ENDS.split())


@dataclass(frozen=True)
class Categories:
    """The categories of a catalogue, and what tells that a query asks for one."""

    titles: BM25Index
    of_item: I64
    """The category of each item [I], −1 of none."""
    counts: F32
    """The items of each category [C]."""

    @classmethod
    def of(cls, names: Sequence[str | None], titles: BM25Index) -> Self:
        """From the name of each item's category [I]."""
        column = pl.Series("name", names, dtype=pl.String).fill_null("")
        known = column.unique().sort()
        of_item = column.cast(pl.Enum(known)).to_physical().to_numpy()
        counts = np.bincount(of_item, minlength=len(known))
        kept = (counts >= LEAST) & (known != "").to_numpy()
        place = np.where(kept, np.cumsum(kept) - 1, -1)
        return cls(titles, place[of_item], counts[kept].astype(np.float32))

    def __len__(self) -> int:
        return len(self.counts)

    def asked(
        self, query: str, rows: I64, nearness: F32, otherwise: Mapping[str, NDArray[np.integer]] | None = None
    ) -> F32:
        """How probable it is that a query asks for the category of each of some items [n].

        Of the categories that these items are of, as far as titles have the words of the query; 0 of an item
        without one. `nearness` [n] are z-scores. For a word in `otherwise`, which is part of a phrase with
        synonyms, the titles of these items speak: they have the phrase or a synonym.
        """
        of_rows = self.of_item[rows]
        told = of_rows >= 0
        if not told.any():
            return np.zeros(len(rows), np.float32)
        present, place = np.unique(of_rows[told], return_inverse=True)
        odds = NEARNESS * _nearest(place, nearness[told], len(present))
        weights = weighed_words(query)
        said = {word: self.titles.docs_with(word) for word in weights} | dict(otherwise or {})
        known = {word: docs for word, docs in said.items() if word in weights and len(docs)}
        for word, docs in known.items():
            odds += np.float32(weights[word]) * self._evidence(docs)[present]
        found = np.zeros(len(rows), np.float32)
        sure = sum(map(weights.__getitem__, known)) / max(sum(weights.values()), 1e-9)
        found[told] = np.float32(sure) * _shares(odds)[place]
        return found

    def reliability(self, titles: Sequence[str], vectors: F32) -> float:
        """How far a query's category can be told in this shop, 0 to 1.

        The mean probability that is given to the category of an item asked for by its own title and vector,
        with the item itself left out, × the square of the share of items that have a category: where most
        have none, what is asked for is among them.
        """
        inside = np.flatnonzero(self.of_item >= 0)
        if len(self) < 2:
            return 0.0
        drawn = stream(0, "search", "categories").permutation(inside)[:N_REHEARSED]
        told = np.mean([self._told(int(row), titles[row], vectors) for row in drawn])
        return float(told * (len(inside) / len(self.of_item)) ** 2)

    def _told(self, row: int, title: str, vectors: F32) -> float:
        cosines = vectors @ vectors[row]
        cosines[row] = -np.inf
        near = standardise(cosines[None])[0]
        rows = top_items(near[None], min(N_OTHERS, len(near) - 1))[0]
        rows = rows[self.of_item[rows] >= 0]
        present, place = np.unique(self.of_item[rows], return_inverse=True)
        if self.of_item[row] not in present:
            return 0.0
        odds = NEARNESS * _nearest(place, near[rows], len(present))
        for word, weight in weighed_words(title).items():
            docs = self.titles.docs_with(word)
            odds += np.float32(weight) * self._evidence(docs[docs != row])[present]
        return float(_shares(odds)[present == self.of_item[row]][0])

    def _evidence(self, docs: NDArray[np.integer]) -> F32:
        """ln of how many times as probable each category is [C] for an item whose title has a word."""
        of_docs = self.of_item[docs]
        n = np.bincount(of_docs + 1, minlength=len(self) + 1)[1:]
        shares = self.counts / self.counts.sum()
        found: F32 = np.log((n + PULL * shares) / (n.sum() + PULL) / shares).astype(np.float32)
        return found


def weighed_words(query: str) -> dict[str, float]:
    """The index words of a query and what each counts as a sign of its category."""
    return _chinese(query) if HAS_CHINESE.search(query) else _latin(query)


def _latin(query: str) -> dict[str, float]:
    """The head is the last word before the first preposition."""
    written = query.lower().split()
    cut = next((i for i, word in enumerate(written) if word in _PREPOSITIONS), len(written))
    phrase = content_words(" ".join(written[:cut]))
    found = dict.fromkeys(content_words(" ".join(written[cut:])), AFTER)
    found |= dict.fromkeys(phrase, OTHER)
    return found | dict.fromkeys(phrase[-1:], HEAD)


def _chinese(query: str) -> dict[str, float]:
    """The head is the last word before the first space."""
    phrase = query.split()[0]  # it has a character
    whole = dict.fromkeys(content_words(query), OTHER)
    parts = {word: PART for word in words(query) if word not in whole and word not in STOP_WORDS}
    ends = content_words(phrase)[-1:] + [part for part in parts if phrase.endswith(part)]
    return {word: weight * HEAD if word in ends else weight for word, weight in {**whole, **parts}.items()}


def _nearest(place: I64, nearness: F32, n: int) -> F32:
    """The mean nearness of the nearest items of each category [n]; `place` is the category of each item."""
    order = np.lexsort((-nearness, place))
    starts = np.searchsorted(place[order], np.arange(n + 1))
    rank = np.arange(len(order)) - starts[place[order]]
    best = order[rank < N_NEAREST]
    sums = np.bincount(place[best], nearness[best], minlength=n)
    return (sums / np.bincount(place[best], minlength=n)).astype(np.float32)


def _shares(odds: F32) -> F32:
    likely = np.exp(odds - odds.max())
    return np.asarray(likely / likely.sum(), np.float32)
