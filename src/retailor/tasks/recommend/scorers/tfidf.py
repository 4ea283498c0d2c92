"""TF-IDF features of items: what the catalogue says without a language model, and the standing control."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import Histories, Tensors
from retailor.retrieval.tokens import words

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class TfidfVectorizer:
    """A vocabulary and its inverse document frequencies: texts in, sparse unit rows out."""

    vocabulary: dict[str, int]
    idf: F32

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
        values: F32 = ((1 + np.log(counts)) * self.idf[columns]).astype(np.float32)
        rows = np.repeat(np.arange(len(texts)), lengths)
        norms = np.sqrt(np.bincount(rows, values**2, minlength=len(texts)))
        values = (values / norms[rows]).astype(np.float32)
        shape = (len(texts), len(self.vocabulary))
        return sp.csr_matrix((values, (rows, columns)), shape=shape, dtype=np.float32)


@dataclass(frozen=True)
class TfidfScorer:
    """score(u, i) = TF-IDF of u's items, newer ones weighing more, times that of i: sparse features [I, w].

    Costs no more than it has words: for catalogues too large to hold words inside EASE.
    """

    features: sp.csr_matrix
    decay: float

    def scores(self, histories: Histories) -> F32:
        wanted = histories.matrix(self.features.shape[0], decay=self.decay) @ self.features
        return np.asarray((wanted @ self.features.T).toarray(), dtype=np.float32)

    def tensors(self) -> Tensors:
        parts = {name: getattr(self.features, name) for name in ("data", "indices", "indptr")}
        return {
            **parts,
            "shape": np.array(self.features.shape, np.int64),
            "decay": np.array([self.decay], np.float64),
        }

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        csr = tuple(tensors[name] for name in ("data", "indices", "indptr"))
        return cls(sp.csr_matrix(csr, shape=tuple(tensors["shape"])), float(tensors["decay"][0]))
