"""Readers of sentiment, each with `probabilities(queries) -> [n, C]`: over words, and over an encoder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from retailor.models.encoding import exact_vectors, memo_vectors
from retailor.models.shapes import Encoder, ExactEncoder, TrainableEncoder
from retailor.scripts import CJK
from retailor.tasks.sentiment.readers.heads import Floats, Head, read_head
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.texts import MiddleCut, about

_PART = re.compile(rf"[{CJK}]+|(?:(?![{CJK}])\w)+(?:['’]\w+)?")
_IS_CJK = re.compile(rf"[{CJK}]")
_NO_WORD = " "
"""No text has it."""


def ngrams(text: str) -> Iterator[str]:
    """Words and pairs of words; of Chinese, Japanese and Korean, runs of one to three characters."""
    before = ""
    for part in _PART.findall(text.lower()):
        if _IS_CJK.match(part):
            for size in (1, 2, 3):
                yield from (part[i : i + size] for i in range(len(part) - size + 1))
            before = ""
        else:
            yield part
            if before:
                yield f"{before} {part}"
            before = part


@dataclass(frozen=True)
class WordReader:
    """TF-IDF (sublinear, unit rows) with a linear head, an SVM or an NB-SVM: the cheap baselines."""

    vocabulary: dict[str, int]
    idf: Floats  # [V]
    head: Head

    @classmethod
    def counted(cls, queries: Sequence[SentimentQuery], min_count: int, max_terms: int) -> Self:
        """A reader that knows the words of `queries`, but has no head yet.

        Where no term is in `min_count` of them, all count; of texts without any word it knows none.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        blank = Head(np.zeros((0, 0)), np.zeros(0))
        for least in (min(min_count, len(queries)), 1):
            model = TfidfVectorizer(analyzer=ngrams, sublinear_tf=True, min_df=least, max_features=max_terms)
            try:
                model.fit(map(_words_of, queries))
            except ValueError:  # no term is left
                continue
            vocabulary = {term: int(ix) for term, ix in sorted(model.vocabulary_.items())}
            return cls(vocabulary, np.asarray(model.idf_, dtype=np.float64), blank)
        return cls({_NO_WORD: 0}, np.ones(1), blank)

    def features(self, queries: Sequence[SentimentQuery]) -> Any:
        """A sparse matrix [n, V] of unit rows."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        model = TfidfVectorizer(analyzer=ngrams, sublinear_tf=True, vocabulary=self.vocabulary)
        model.idf_ = self.idf
        return model.transform([_words_of(query) for query in queries])

    def probabilities(self, queries: Sequence[SentimentQuery]) -> Floats:
        return (
            self.head.probabilities(self.features(queries)) if queries else np.zeros((0, len(self.head.bias)))
        )

    def save(self, folder: Path) -> None:
        folder.mkdir()
        text = json.dumps(self.vocabulary, ensure_ascii=False, separators=(",", ":"))
        (folder / "vocabulary.json").write_text(text, encoding="utf-8")
        self.head.save(folder / "head.safetensors", idf=self.idf)

    @classmethod
    def load(cls, folder: Path) -> Self:
        head, arrays = read_head(folder / "head.safetensors")
        vocabulary = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        return cls(vocabulary, arrays["idf"], head)


def _words_of(query: SentimentQuery) -> str:
    return query.text if query.aspect is None else about(query.text, query.aspect)


@dataclass(frozen=True)
class VectorReader:
    """An encoder, frozen or fine-tuned, with a linear head over its unit vectors.

    With `paired` an aspect is put before the whole text, as it was in training; without, only the clauses
    that mention the aspect are read. `exact` reads in float32, so that a text has one vector in every batch;
    without, in the encoder's own precision, which is faster.
    """

    encoder: Encoder
    head: Head
    max_tokens: int
    paired: bool = False
    exact: bool = True

    def probabilities(self, queries: Sequence[SentimentQuery]) -> Floats:
        return (
            self.head.probabilities(self.features(queries)) if queries else np.zeros((0, len(self.head.bias)))
        )

    def with_encoder(self, encoder: Encoder) -> VectorReader:
        """The same reader over another encoder of the same vectors."""
        return replace(self, encoder=encoder)

    def features(self, queries: Sequence[SentimentQuery]) -> Floats:
        """Unit rows [n, dim] of the texts of the queries."""
        return self.vectors(self.inputs(queries), exact=self.exact)

    def vectors(self, texts: Sequence[str], *, exact: bool = True, work: Path | None = None) -> Floats:
        """Unit rows [n, dim] of texts that `inputs` made; not exact, in the encoder's own precision, and
        kept in `work`: what is many and takes half of the time of a fit.
        """
        if exact and isinstance(self.encoder, ExactEncoder | TrainableEncoder):
            return exact_vectors(self.encoder, texts, role="query").astype(np.float64)
        return memo_vectors(self.encoder, texts, role="query", work=work).astype(np.float64)

    def inputs(self, queries: Sequence[SentimentQuery]) -> list[str]:
        """The texts that the encoder sees, cut in their middles to `max_tokens`."""
        return [self._input(query) for query in queries]

    def _input(self, query: SentimentQuery) -> str:
        n_tokens = max(self.max_tokens - 2, 1)  # two are the sequence's own marks
        if query.aspect is None:
            return self._cut(query.text, n_tokens)
        if not self.paired:
            return self._cut(about(query.text, query.aspect), n_tokens)
        mark = getattr(getattr(self.encoder, "tokenizer", None), "sep_token", None) or ":"
        n_aspect = max(n_tokens // 4, 1)
        text = self._cut(query.text, max(n_tokens - n_aspect - 1, 1))
        return f"{self._cut(query.aspect, n_aspect)} {mark} {text}"

    @cached_property
    def _cut(self) -> MiddleCut:
        return MiddleCut(getattr(self.encoder, "tokenizer", None))
