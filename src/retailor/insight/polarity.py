"""What each sentence says of its aspect: for it, against it or neither, by a fitted reader of sentiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from retailor.insight.settings import InsightSettings
from retailor.models.hashed import HashEncoder
from retailor.seeds import stream
from retailor.shop.tables import LABELS, Shop, label_of_rating
from retailor.tasks.sentiment.shapes import Sentiment, SentimentQuery
from retailor.tasks.sentiment.texts import about
from retailor.text.opinions import OpinionWords

MOST_LEARNT = 20_000
LEAST_LABELS = 40
"""So many labelled reviews of the rarer side a reader of words needs."""
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


def word_reader(shop: Shop) -> Reader | None:
    """A reader of words, fitted on the stars or labels of the shop's own reviews; None where too few tell.

    Of both sides as many are taken as the rarer has, so that a shop full of praise does not read blame as it.
    """
    from retailor.tasks.sentiment import SentimentReader, SentimentSettings

    label = pl.coalesce(pl.col("label"), label_of_rating(pl.col("rating")))
    rows = shop.reviews.with_columns(label=label).filter(
        pl.col("label").is_in(LABELS) & pl.col("text").is_not_null()
    )
    counts = dict(rows["label"].value_counts().iter_rows())
    least = min(counts.get("negative", 0), counts.get("positive", 0))
    if least < LEAST_LABELS:
        return None
    most = {"negative": MOST_LEARNT // 2, "positive": MOST_LEARNT // 2, "neutral": MOST_LEARNT // 4}
    rng = stream(0, "insight words")
    order = pl.Series(rng.permutation(len(rows)))
    taken = rows.with_columns(order=order).sort("order").group_by("label", maintain_order=True)
    kept = pl.concat(part.head(min(most[str(name[0])], 4 * least)) for name, part in taken)
    settings = SentimentSettings(mode="nb-svm", class_weights="balanced", few_labels=0)
    return SentimentReader(HashEncoder(), settings).fit(shop.with_tables(reviews=kept.drop("order")))


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
