"""Opinion words as a first teacher: what a text says by words that everybody knows, and by their company.

No label is needed. A few words of praise and of blame vote on each unlabelled text of the shop, and counting
which words keep company with those votes makes a reader of the shop's own language out of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retailor.scripts import CJK
from retailor.tasks.sentiment.readers.heads import Floats
from retailor.tasks.sentiment.readers.linear import ngrams
from retailor.text.opinions import OpinionWords

_IS_CJK = re.compile(rf"[{CJK}]")
_MARKS = re.compile(r"[!?]+|\.{3,}|…")
_SPACE = re.compile(r"\s+")
LEAST_VOTES = 30
SMOOTHING = 1.0


@dataclass(frozen=True)
class WordPolarity:
    """How much each term of a shop's reviews speaks for praise rather than blame."""

    weights: dict[str, float]
    """Log odds by term: a word, a pair of words, or a run of one to four characters of Chinese."""
    n_votes: tuple[int, int]
    """Texts that voted for blame, and for praise."""

    def scores(self, texts: Sequence[str]) -> Floats:
        """The polarity of each text [n]: the sum over its terms, over the root of their number."""
        found = np.zeros(len(texts))
        for row, text in enumerate(texts):
            known = [self.weights[term] for term in _terms(text) if term in self.weights]
            found[row] = sum(known) / np.sqrt(len(known)) if known else 0.0
        return found


def _terms(text: str) -> set[str]:
    """Words, pairs of words and marks; of Chinese, runs of one to four characters, marks among them.

    Marks are kept because blame asks, exclaims and trails off more than praise does.
    """
    lower = text.lower()
    if not _IS_CJK.search(lower):
        return {*ngrams(lower), *_MARKS.findall(lower)}
    dense = _SPACE.sub("", lower)
    return {dense[i : i + n] for n in range(1, 5) for i in range(len(dense) - n + 1)}


def word_polarity(texts: Sequence[str], words: OpinionWords, *, min_count: int = 5) -> WordPolarity | None:
    """Polarities of the terms of unlabelled texts; None where too few texts vote for one of the sides.

    Naive Bayes over the presence of terms, with the votes as labels; terms of fewer than `min_count` texts
    are left out. Turney & Littman (2003) weigh words by their company with such seeds in the same way.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    votes = words.votes(texts)
    sides = np.stack([votes < 0, votes > 0], axis=1).astype(np.float64)  # [n, 2]
    n_votes = sides.sum(axis=0)
    if n_votes.min() < LEAST_VOTES:
        return None
    counter = CountVectorizer(analyzer=_terms, min_df=min_count, binary=True)
    counts = counter.fit_transform(texts).T @ sides + SMOOTHING  # [V, 2]
    shares = counts / (n_votes + 2 * SMOOTHING)
    odds = np.log(shares[:, 1] / shares[:, 0])
    weights = {str(term): float(w) for term, w in zip(counter.get_feature_names_out(), odds, strict=True)}
    return WordPolarity(weights, (int(n_votes[0]), int(n_votes[1])))
