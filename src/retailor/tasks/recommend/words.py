"""TF-IDF features of items: what the catalogue says without a language model, and the standing control."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.words import words

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class WordSpace:
    """A vocabulary and how rare its words are: texts in, sparse unit rows out."""

    vocabulary: dict[str, int]
    rarity: F32

    @classmethod
    def of(cls, texts: Sequence[str], *, least: int = 2) -> Self:
        """From the texts of a catalogue; words in fewer than `least` of them link nothing: left out."""
        counts = Counter(word for text in texts for word in set(words(text)))
        kept = sorted(word for word, n in counts.items() if n >= least)
        shares = np.array([(1 + len(texts)) / (1 + counts[word]) for word in kept], np.float64)
        return cls({word: i for i, word in enumerate(kept)}, (np.log(shares) + 1).astype(np.float32))

    def features(self, texts: Sequence[str]) -> sp.csr_matrix:
        """(1 + log count) × inverse document frequency, unit rows [n, words]; zero where no word is known."""
        found = [Counter(w for w in words(text) if w in self.vocabulary) for text in texts]
        lengths = [len(one) for one in found]
        columns = np.array([self.vocabulary[w] for one in found for w in one], np.int32)
        counts = np.array([n for one in found for n in one.values()], np.float32)
        values: F32 = ((1 + np.log(counts)) * self.rarity[columns]).astype(np.float32)
        rows = np.repeat(np.arange(len(texts)), lengths)
        norms = np.sqrt(np.bincount(rows, values**2, minlength=len(texts)))
        values = (values / norms[rows]).astype(np.float32)
        shape = (len(texts), len(self.vocabulary))
        return sp.csr_matrix((values, (rows, columns)), shape=shape, dtype=np.float32)
