"""Synonyms in a search: an item that says it otherwise scores as if it had the word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    def _longest(self) -> int:
        return max(map(len, self.rules), default=0)

    @cached_property
    def _chinese(self) -> tuple[Phrase, ...]:
        return tuple(each for each in self.rules if HAS_CHINESE.search("".join(each)))

    def found(self, query: str) -> dict[Phrase, tuple[Phrase, ...]]:
        """The phrases of a query that have synonyms, the longest first where they overlap, and these.

        Chinese phrases are found however the words around them are cut.
        """
        said, found, at = words(query, bigrams=False) if self.rules else [], {}, 0
        while at < len(said):
            for n in range(min(self._longest, len(said) - at), 0, -1):
                if (phrase := tuple(said[at : at + n])) in self.rules:
                    found[phrase] = self.rules[phrase]
                    at += n - 1
                    break
            at += 1
        whole = "".join(said)
        return found | {each: self.rules[each] for each in self._chinese if "".join(each) in whole}

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
                scored = np.zeros_like(own)
                docs = docs_with_all(index, other)
                scored[docs] = _summed(index, other)[docs]
                np.maximum(best, np.float32(self.weight * rarer) * scored, out=best)
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
        found: dict[str, Ints] = {}
        for phrase, others in self.found(query).items():
            docs = np.unique(np.concatenate([docs_with_all(index, other) for other in others]))
            for word in phrase:
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


def _summed(index: BM25Index, phrase: Phrase) -> F32:
    scores = np.zeros(len(index), np.float32)
    for word in dict.fromkeys(phrase):
        docs, weights = index.postings(word)
        scores[docs] += weights
    return scores
