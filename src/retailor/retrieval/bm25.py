"""BM25 over texts: every score is worked out when the index is built, so that a query only adds them up.

The variant is Lucene's (Kamphuis et al. 2020): idf = ln(1 + (D − n + ½) / (n + ½)), and a word that occurs
f times in a text of length L adds idf · f / (f + k1 · (1 − b + b · L / mean L)).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.retrieval.tokens import words
from retailor.store.shared import load_arrays

K1, B = 1.2, 0.75
DENSE = 8
_ARRAYS, _WORDS = "bm25.safetensors", "bm25.json"


class BM25Index:
    """Texts, ready to be scored against queries. Rows are in the order the texts came in."""

    def __init__(
        self,
        vocabulary: Sequence[str],
        weights: NDArray[np.float32],
        docs: NDArray[np.int32],
        starts: NDArray[np.int64],
        lengths: NDArray[np.int32],
        *,
        k1: float,
        b: float,
    ) -> None:
        self.vocabulary = list(vocabulary)
        self.k1, self.b = k1, b
        self.n_docs = len(lengths)
        self._ids = {word: i for i, word in enumerate(self.vocabulary)}
        # Postings by word: those of word i are weights[starts[i]:starts[i + 1]], in `docs` of the same slice.
        self._weights, self._docs, self._starts, self._lengths = weights, docs, starts, lengths
        self._mean_length = float(lengths.mean()) if self.n_docs else 0.0
        self._idf = _idf(np.diff(starts), self.n_docs)

    @classmethod
    def of(cls, texts: Iterable[str], *, k1: float = K1, b: float = B) -> Self:
        """The index of the texts. An empty text is a row that scores 0."""
        ids: dict[str, int] = {}
        flat: list[int] = []
        counts: list[int] = []
        for text in texts:
            found = words(text)
            flat.extend(ids.setdefault(word, len(ids)) for word in found)
            counts.append(len(found))
        lengths = np.array(counts, dtype=np.int32)
        weights, docs, starts = _postings(np.array(flat, dtype=np.int64), lengths, len(ids), k1, b)
        return cls(list(ids), weights, docs, starts, lengths, k1=k1, b=b)

    def replaced(self, texts: Mapping[int, str]) -> Self:
        """The index with other texts in some rows; rows behind the last one are new, and none is left out.

        It is the index of all texts as they are then: how often a word occurs is worked out of its weight.
        """
        n_docs = max(self.n_docs, *(row + 1 for row in texts)) if texts else self.n_docs
        owners, times = self._counted()
        is_changed = np.zeros(n_docs, np.bool_)
        is_changed[list(texts)] = True
        kept = ~is_changed[self._docs]
        ids, lengths = (
            dict(self._ids),
            np.concatenate([self._lengths, np.zeros(n_docs - self.n_docs, np.int32)]),
        )
        new: list[tuple[int, int, int]] = []
        for row, text in texts.items():
            own = words(text)
            lengths[row] = len(own)
            new += [(ids.setdefault(word, len(ids)), row, n) for word, n in Counter(own).items()]
        more = np.array(sorted(new), dtype=np.int64).reshape(-1, 3)
        old, docs = owners[kept], self._docs[kept]
        at = np.searchsorted(old * n_docs + docs, more[:, 0] * n_docs + more[:, 1])
        found, docs = np.insert(old, at, more[:, 0]), np.insert(docs, at, more[:, 1])
        return self._anew(list(ids), found, docs, np.insert(times[kept], at, more[:, 2]), lengths)

    def kept(self, rows: NDArray[np.bool_]) -> Self:
        """The index of some of its texts alone [D], with no word that is in none of them."""
        owners, times = self._counted()
        inside, place = rows[self._docs], np.cumsum(rows) - 1
        docs = place[self._docs[inside]]
        return self._anew(self.vocabulary, owners[inside], docs, times[inside], self._lengths[rows])

    def _counted(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The number of the word, and how often it occurs, of each posting."""
        owners = np.repeat(np.arange(len(self.vocabulary)), np.diff(self._starts))
        share = self._weights / self._idf[owners]
        norms = _norms(self._lengths, self.k1, self.b)
        return owners, np.rint(share * norms[self._docs] / (1 - share))

    def _anew(
        self,
        names: Sequence[str],
        found: NDArray[np.int64],
        docs: NDArray[np.integer],
        times: NDArray[np.float64],
        lengths: NDArray[np.int32],
    ) -> Self:
        """The index of postings by word, the texts of each ascending; of a word with none nothing stays."""
        is_there = np.bincount(found, minlength=len(names)) > 0
        if not is_there.all():
            found = (np.cumsum(is_there) - 1)[found]
            names = [name for name, there in zip(names, is_there.tolist(), strict=True) if there]
        weights, docs, starts = _weighed(found, docs, times, lengths, len(names), self.k1, self.b)
        return type(self)(names, weights, docs, starts, lengths, k1=self.k1, b=self.b)

    def __len__(self) -> int:
        return self.n_docs

    def score(self, query: str) -> NDArray[np.float32]:
        """The score of every text [D] for one query; a word that the query repeats counts each time."""
        scores = np.zeros(self.n_docs, dtype=np.float32)
        known = {word: n for word, n in Counter(words(query)).items() if word in self._ids}
        for i, (word, times) in enumerate(known.items()):
            docs, weights = self.postings(word)
            if i:
                scores[docs] += times * weights
            else:  # nothing is there yet
                scores[docs] = times * weights
        return scores

    def scores(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """Scores [Q, D]: Q × D × 4 bytes, so hand over many queries in chunks."""
        scores = np.zeros((len(queries), self.n_docs), dtype=np.float32)
        for row, query in zip(scores, queries, strict=True):
            row[:] = self.score(query)
        return scores

    def subset(self, query: str, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """The scores [len(rows)] of some texts only, with the whole index's statistics."""
        return self.score(query)[np.asarray(rows, dtype=np.int64)]

    def covered(self, wanted: Iterable[str], rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """The share [len(rows)] of the idf of some index words, each counted once, that each text has."""
        rows = np.asarray(rows, dtype=np.int64)
        if DENSE * len(rows) > self.n_docs:  # of most texts: through a table of all, not a search for each
            return self._covered_by_all(wanted)[rows]
        shares, whole = np.zeros(len(rows), dtype=np.float32), 0.0
        for word in dict.fromkeys(wanted):
            idf = self.idf(word)
            whole += idf
            if len(docs := self.docs_with(word)):
                place = np.minimum(np.searchsorted(docs, rows), len(docs) - 1)
                shares += np.float32(idf) * (docs[place] == rows)
        return shares / np.float32(whole or 1.0)

    def _covered_by_all(self, wanted: Iterable[str]) -> NDArray[np.float32]:
        shares, whole = np.zeros(self.n_docs, dtype=np.float32), 0.0
        for word in dict.fromkeys(wanted):
            idf = self.idf(word)
            whole += idf
            shares[self.docs_with(word)] += np.float32(idf)
        return shares / np.float32(whole or 1.0)

    def docs_with(self, word: str) -> NDArray[np.int32]:
        """The rows, ascending, of the texts that have an index word."""
        i = self._ids.get(word)
        return self._docs[:0] if i is None else self._docs[self._starts[i] : self._starts[i + 1]]

    def postings(self, word: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows, ascending, of the texts that have an index word, and what it adds to each score."""
        i = self._ids.get(word)
        place = slice(0, 0) if i is None else slice(self._starts[i], self._starts[i + 1])
        return self._docs[place], self._weights[place]

    def search(self, queries: Sequence[str], k: int) -> list[list[tuple[int, float]]]:
        """The best k (row, score) of each query, best first, ties by row; no text that shares no word."""
        return [self._best(self.score(query), k) for query in queries]

    def _best(self, scores: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        found = np.flatnonzero(scores)
        if k < len(found):
            edge = np.partition(scores[found], -k)[-k]
            found = found[scores[found] >= edge]
        order = found[np.lexsort((found, -scores[found]))][:k]
        return [(int(row), float(scores[row])) for row in order]

    def weigh(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Scores [len(texts)] of texts that are not in the index, with the index's statistics.

        A word that the index has never seen weighs as one that occurs in no text.
        """
        wanted = Counter(words(query))
        scores = np.zeros(len(texts), dtype=np.float32)
        for i, text in enumerate(texts):
            found = words(text)
            counts = Counter(found)
            norm = self._norm(len(found))
            scores[i] = sum(
                times * self.idf(word) * counts[word] / (counts[word] + norm)
                for word, times in wanted.items()
                if word in counts
            )
        return scores

    def idf(self, word: str) -> float:
        """How much a word tells: ln(1 + (D − n + ½) / (n + ½)), n = 0 for a word never seen."""
        i = self._ids.get(word)
        return float(self._idf[i]) if i is not None else float(np.log(2 * self.n_docs + 2))

    def _norm(self, length: int) -> float:
        return self.k1 * (1 - self.b + self.b * length / (self._mean_length or 1.0))

    def save(self, folder: Path) -> None:
        """Writes two files into `folder`: arrays in safetensors, words in JSON."""
        from safetensors.numpy import save_file

        arrays: dict[str, NDArray[Any]] = {
            "weights": self._weights, "docs": self._docs, "starts": self._starts, "lengths": self._lengths
        }  # fmt: skip
        save_file(arrays, Path(folder) / _ARRAYS)
        document = {"k1": self.k1, "b": self.b, "vocabulary": self.vocabulary}
        (Path(folder) / _WORDS).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The saved index. Raises DataError when the two files do not belong together."""
        document = json.loads((Path(folder) / _WORDS).read_text(encoding="utf-8"))
        arrays: dict[str, Any] = load_arrays(Path(folder) / _ARRAYS)
        if len(arrays["starts"]) != len(document["vocabulary"]) + 1:
            raise DataError("the words and the arrays differ; make the index again.", path=folder)
        return cls(**document, **arrays)


def _idf(n_with: NDArray[np.int64], n_docs: int) -> NDArray[np.float64]:
    return np.log1p((n_docs - n_with + 0.5) / (n_with + 0.5))


def _postings(
    flat: NDArray[np.int64], lengths: NDArray[np.int32], n_words: int, k1: float, b: float
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    """Weights, docs and starts of the postings by word, from all texts' word ids one after the other."""
    n_docs = len(lengths)
    owner = np.repeat(np.arange(n_docs), lengths)
    keys, times = np.unique(flat * n_docs + owner, return_counts=True)
    found, docs = np.divmod(keys, max(n_docs, 1))
    return _weighed(found, docs, times, lengths, n_words, k1, b)


def _weighed(
    found: NDArray[np.int64],
    docs: NDArray[np.integer],
    times: NDArray[Any],
    lengths: NDArray[np.int32],
    n_words: int,
    k1: float,
    b: float,
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    """The postings of words `found` [P], ascending, each so many times in one of `docs`."""
    n_with = np.bincount(found, minlength=n_words)
    weights = _idf(n_with, len(lengths))[found] * times / (times + _norms(lengths, k1, b)[docs])
    return weights.astype(np.float32), docs.astype(np.int32), np.concatenate([[0], np.cumsum(n_with)])


def _norms(lengths: NDArray[np.int32], k1: float, b: float) -> NDArray[np.float64]:
    """What a text's length adds below the fraction [D]."""
    mean = max(float(lengths.mean()), 1e-9) if len(lengths) else 1.0
    return np.asarray(k1 * (1 - b + b * lengths / mean), np.float64)
