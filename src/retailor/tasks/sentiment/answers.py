"""From a fitted reader to answers: rows of probabilities, and the label that they tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retailor.shop.tables import LABELS
from retailor.tasks.sentiment.fit import AnyReader
from retailor.tasks.sentiment.readers.blended import BlendedReader
from retailor.tasks.sentiment.readers.heads import Floats
from retailor.tasks.sentiment.shapes import UNKNOWN, Sentiment, SentimentQuery
from retailor.tasks.sentiment.texts import says_something
from retailor.text.clean_shop import clean_text


def probabilities(
    reader: AnyReader | None,
    queries: Sequence[SentimentQuery],
    prior: Floats,
    known: tuple[Floats, Floats] | None = None,
) -> Floats:
    """Rows [n, C]; the prior where there is no reader, or nothing to read.

    `known` are the probabilities of the two readers of a blend, so that they are not asked twice.
    """
    rows = np.tile(prior, (len(queries), 1))
    cleaned = [
        SentimentQuery(clean_text(q.text), clean_text(q.aspect) or None if q.aspect else None)
        for q in queries
    ]
    full = [i for i, query in enumerate(cleaned) if says_something(query.text)]
    if isinstance(reader, BlendedReader) and known is not None:
        rows[full] = reader.of(known[0][full], known[1][full])
    elif reader is not None and full:
        rows[full] = reader.probabilities([cleaned[i] for i in full])
    return rows


def answer_of(row: Floats, *, known: bool) -> Sentiment:
    """The answer that probabilities [C] tell; its label is 'unknown' where nothing could be read."""
    found = {label: round(float(p), 4) for label, p in zip(LABELS, row, strict=True)}
    # The label is read off the rounded figures: equal ones then give one label on every machine.
    label = max(found, key=lambda label: found[label]) if known else UNKNOWN
    return Sentiment(label, found)
