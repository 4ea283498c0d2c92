"""Synonyms in a search: an item that says it otherwise scores as if it had the word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import HAS_CHINESE, words
from retailor.tasks.search.synonyms.rules import Phrase, Rules, rules_of

F32 = NDArray[np.float32]
Ints = NDArray[np.integer]
MAX_SEARCHED = 100
"""So many synonyms of one query are searched for: those of its longest phrases."""


@dataclass(frozen=True)
class Synonyms:
    """Rules, and what a synonym weighs beside the word that was asked for."""

    rules: Rules = field(default_factory=dict)
    weight: float = 1.0

    @classmethod
    def of(cls, plain: Iterable[str], weight: float = 1.0) -> Self:
        """Of the lines of a file."""
        return cls(rules_of(plain), weight)

    @cached_property
    def _written(self) -> dict[str, Phrase]:
        return {_joined(phrase): phrase for phrase in self.rules}

    @cached_property
    def _sizes(self) -> dict[str, list[int]]:
        """First character to the numbers of characters of what begins with it."""
        found: dict[str, set[int]] = {}
        for written in self._written:
            found.setdefault(written[0], set()).add(len(written))
        return {first: sorted(sizes) for first, sizes in found.items()}

    def found(self, query: str) -> dict[Phrase, tuple[Phrase, ...]]:
        """The phrases of a query that have synonyms, the longest where they overlap, and these.

        Chinese phrases are found however the words around them are cut. At most MAX_SEARCHED synonyms in all.
        """
        whole = _joined(words(query, bigrams=False)) if self.rules else ""
        taken, found, left = np.zeros(len(whole), np.bool_), {}, MAX_SEARCHED
        for start, end in sorted(self._places(whole), key=lambda place: (place[0] - place[1], place[0])):
            phrase = self._written[whole[start:end]]
            if taken[start:end].any() or not left:
                continue
            taken[start:end] = True
            if phrase not in found:
                found[phrase] = self.rules[phrase][:left]
                left -= len(found[phrase])
        return found

    def _places(self, whole: str) -> Iterator[tuple[int, int]]:
        """From where to where a phrase with synonyms stands; in Latin letters it has whole words."""
        for start, first in enumerate(whole):
            for size in self._sizes.get(first, ()):
                end = start + size
                known = end <= len(whole) and whole[start:end] in self._written
                if known and _is_cut(whole, start) and _is_cut(whole, end):
                    yield start, end

    def score(self, index: BM25Index, query: str) -> F32:
        """The score of every text [D]: a phrase's own, or that of its best synonym × weight where it is more.

        A synonym that is rarer than the phrase counts as one as rare as it.
        """
        scores = index.score(query)
        for phrase, others in self.found(query).items():
            own, idf = _summed(index, phrase), sum(map(index.idf, phrase))
            best = own.copy()
            for other in others:
                rarer = min(1.0, idf / max(sum(map(index.idf, other)), 1e-9))
                docs = docs_with_all(index, other)
                scored = np.float32(self.weight * rarer) * _summed_of(index, other, docs)
                best[docs] = np.maximum(best[docs], scored)
            scores += best - own
        return scores

    def covered(self, index: BM25Index, query: str, asked: Sequence[str], rows: NDArray[np.int64]) -> F32:
        """The share [len(rows)] of the idf of some index words of a query that each text has, or has a
        synonym of."""
        others = self.docs(index, query)
        if not others:
            return index.covered(asked, rows)
        weights = {word: index.idf(word) for word in asked}
        shares = np.zeros(len(rows), np.float32)
        for word, weight in weights.items():
            shares += np.float32(weight) * np.isin(rows, docs_with(index, word, others))
        return shares / np.float32(sum(weights.values()) or 1.0)

    def docs(self, index: BM25Index, query: str) -> Mapping[str, Ints]:
        """Index word of the query that is in a phrase with synonyms to the texts that have one of these."""
        return self._by_word(index, query, with_own=False)

    def meant(self, index: BM25Index, query: str) -> Mapping[str, Ints]:
        """The same with the texts that have the phrase itself: 'baby' of "baby carriage" is no word alone."""
        return self._by_word(index, query, with_own=True)

    def _by_word(self, index: BM25Index, query: str, *, with_own: bool) -> dict[str, Ints]:
        said = words(query, bigrams=False)
        found: dict[str, Ints] = {}
        for phrase, others in self.found(query).items():
            phrases = [*others, phrase] if with_own else others
            docs = np.unique(np.concatenate([docs_with_all(index, each) for each in phrases]))
            for word in _cut_as(said, phrase):
                found[word] = np.union1d(found[word], docs) if word in found else docs
        return found


def docs_with(index: BM25Index, word: str, others: Mapping[str, Ints]) -> Ints:
    """The texts that have a word or a synonym of it."""
    own = index.docs_with(word)
    return np.union1d(own, others[word]) if word in others else own


def docs_with_all(index: BM25Index, phrase: Sequence[str]) -> Ints:
    """The rows, ascending, of the texts that have every word of a phrase."""
    docs: Ints = index.docs_with(phrase[0])
    for word in phrase[1:]:
        docs = np.intersect1d(docs, index.docs_with(word))
    return docs


def _joined(said: Sequence[str]) -> str:
    """Words as one text, with a space between two unless both are Chinese."""
    found = ""
    for word in said:
        together = not found or (HAS_CHINESE.match(found[-1]) and HAS_CHINESE.match(word[0]))
        found += word if together else f" {word}"
    return found


def _is_cut(whole: str, at: int) -> bool:
    """Whether a phrase may begin or end at a place: not inside a word of Latin letters."""
    if at in (0, len(whole)):
        return True
    before, after = whole[at - 1], whole[at]
    return " " in (before, after) or bool(HAS_CHINESE.match(before) or HAS_CHINESE.match(after))


def _cut_as(said: Sequence[str], phrase: Phrase) -> list[str]:
    """The words of a query that are of a phrase; in Chinese those that have a character of it together."""
    written = _joined(phrase)
    return [word for word in dict.fromkeys(said) if word in phrase or _overlaps(word, written)]


def _overlaps(word: str, written: str) -> bool:
    return bool(HAS_CHINESE.search(word)) and (word in written or written in word)


def _summed(index: BM25Index, phrase: Phrase) -> F32:
    scores = np.zeros(len(index), np.float32)
    for word in dict.fromkeys(phrase):
        docs, weights = index.postings(word)
        scores[docs] += weights
    return scores


def _summed_of(index: BM25Index, phrase: Phrase, rows: Ints) -> F32:
    """What the words of a phrase add to the scores of some texts, each of which has them all."""
    scores = np.zeros(len(rows), np.float32)
    for word in dict.fromkeys(phrase):
        docs, weights = index.postings(word)
        scores += weights[np.searchsorted(docs, rows)]
    return scores
