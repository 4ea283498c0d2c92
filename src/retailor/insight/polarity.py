"""What each sentence says of its aspect: for it, against it or neither, by a fitted reader of sentiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from retailor.insight.settings import InsightSettings
from retailor.seeds import stream
from retailor.shop.tables import LABELS, Shop, label_of_rating
from retailor.tasks.sentiment.readers.heads import Floats, class_weights, fit_head, softmax
from retailor.tasks.sentiment.readers.linear import WordReader
from retailor.tasks.sentiment.shapes import Sentiment, SentimentQuery
from retailor.tasks.sentiment.texts import about, read_examples
from retailor.text.opinions import OpinionWords

MOST_LEARNT = 20_000
LEAST_LABELS = 40
"""So many labelled reviews of the rarer side a reader of words needs."""
MOST_TERMS = 100_000
VOTE = 0.5
_BATCH = 2048


class Reader(Protocol):
    """What reads a clause about an aspect."""

    def predict(self, queries: Sequence[SentimentQuery]) -> list[Sentiment]: ...


@dataclass(frozen=True)
class Read:
    """Mentions with `negative` and `positive`, probabilities; and by what they were read."""

    mentions: pl.DataFrame
    by: str
    """'run', 'words' or 'opinions'."""
    n_clauses: int


def open_reader(folder: Path) -> Reader:
    """The fitted sentiment reader in a folder, for many texts: in its encoder's own precision."""
    from retailor.tasks.sentiment import SentimentReader

    return SentimentReader.load(folder).in_bulk()


def read_polarity(
    mentions: pl.DataFrame, shop: Shop, settings: InsightSettings, reader: Reader | None
) -> Read:
    """The mentions with what each says of its aspect; each different sentence is read once.

    The run's `reader` reads where the settings let it; else one of words, fitted on the shop's own stars, and
    where these are too few, words of praise and blame that everybody knows.
    """
    asked = mentions.select("sentence", "words").unique(maintain_order=True)
    few = settings.reader == "auto" and len(asked) <= settings.max_read
    by = "run" if reader is not None and (settings.reader == "run" or few) else "words"
    known: Reader | None = reader if by == "run" else word_reader(shop)
    if known is None:
        by, known = "opinions", OpinionReader()
    found: list[Sentiment] = []
    for first in range(0, len(asked), _BATCH):
        rows = asked.slice(first, _BATCH).iter_rows()
        found.extend(known.predict([SentimentQuery(sentence, words) for sentence, words in rows]))
    asked = asked.with_columns(
        pl.Series(label, [each.probabilities[label] for each in found], dtype=pl.Float64)
        for label in ("negative", "positive")
    )
    joined = mentions.join(asked, on=["sentence", "words"], how="left", maintain_order="left")
    return Read(joined, by, len(asked))


@dataclass(frozen=True)
class ClauseReader:
    """A reader of words, fitted on whole reviews, that reads a clause and the sentence that it stands in.

    The logits of both are halved and added, and words of praise and blame that everybody knows have a say in
    their clause: stars of whole reviews teach little of short sentences.
    """

    words: WordReader

    def predict(self, queries: Sequence[SentimentQuery]) -> list[Sentiment]:
        clauses = [about(query.text, query.aspect) if query.aspect else query.text for query in queries]
        logits = (self._logits(clauses) + self._logits([query.text for query in queries])) / 2
        votes = np.clip(OpinionWords().votes(clauses), -2, 2)
        logits[:, LABELS.index("negative")] -= VOTE * votes / 2
        logits[:, LABELS.index("positive")] += VOTE * votes / 2
        rows = softmax(logits)
        return [Sentiment("", dict(zip(LABELS, row, strict=True))) for row in rows.tolist()]

    def _logits(self, texts: Sequence[str]) -> Floats:
        features = self.words.features([SentimentQuery(text) for text in texts])
        return self.words.head.logits(features)


def word_reader(shop: Shop) -> Reader | None:
    """A reader of words, fitted on the stars or labels of the shop's own reviews; None where too few tell.

    Labels weigh the same however rare they are, so that a shop full of praise does not read blame as it.
    """
    label = pl.coalesce(pl.col("label"), label_of_rating(pl.col("rating")))
    rows = shop.reviews.filter(label.is_in(LABELS))
    order = stream(0, "insight words").permutation(len(rows))
    examples = read_examples(shop.with_tables(reviews=rows[order[:MOST_LEARNT]]), once=True)
    counts = examples.counts()
    if min(counts["negative"], counts["positive"]) < LEAST_LABELS:
        return None
    words = WordReader.counted(examples.queries, 2, MOST_TERMS)
    weights = class_weights(examples.y, "balanced", len(LABELS))
    head = fit_head(words.features(examples.queries), examples.y, "logistic", 1.0, weights)
    return ClauseReader(replace(words, head=head))


class OpinionReader:
    """Words of praise and blame, the same in every shop: a sentence with neither is neutral."""

    def predict(self, queries: Sequence[SentimentQuery]) -> list[Sentiment]:
        texts = [about(query.text, query.aspect) if query.aspect else query.text for query in queries]
        votes = OpinionWords().votes(texts)
        return [Sentiment(*_OF_VOTE[int(vote > 0) - int(vote < 0)]) for vote in votes]


_OF_VOTE = {
    -1: ("negative", {"negative": 0.8, "neutral": 0.1, "positive": 0.1}),
    0: ("neutral", {"negative": 0.1, "neutral": 0.8, "positive": 0.1}),
    1: ("positive", {"negative": 0.1, "neutral": 0.1, "positive": 0.8}),
}
