"""Sentiment: what a linear model of the vectors could tell of the labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from retailor.choose.logme import logme
from retailor.choose.shapes import ChooseSettings, Probe
from retailor.errors import DataError
from retailor.models.shapes import Encoder
from retailor.prove.words import WordVectors
from retailor.seeds import stream
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment.readers.heads import choose_head, class_weights
from retailor.tasks.sentiment.texts import Examples, read_examples

STRENGTHS = (0.1, 1.0, 10.0)
LEAST = 20
MAJORITY = "The commonest label alone reads {:.3f}."


def sentiment_probe(shop: Shop, given: ChooseSettings) -> Probe:
    """LogME over labelled reviews, and the accuracy of a linear probe over five folds.

    Raises DataError with fewer than 20 of them, or with one label.
    """
    examples = _sample(shop, given)
    texts = tuple(query.text for query in examples.queries)

    def look(encoder: Encoder) -> Mapping[str, float]:
        rows = encoder.encode(texts, role="query").astype(np.float64)
        centred = rows - rows.mean(axis=0)
        centred /= max(float(np.linalg.norm(centred, axis=1).mean()), 1e-12)
        weights = class_weights(examples.y, "none", len(LABELS))
        probe = choose_head(centred, examples.y, "logistic", STRENGTHS, weights, None, given.seed)
        return {"logme": logme(centred, examples.y), "probe": float(probe.figures["accuracy"])}

    majority = float(np.bincount(examples.y).max() / len(examples))
    return Probe(
        "sentiment", "labelled reviews", len(examples), texts, ("logme", "probe"), look,
        beside="TF-IDF", control=look(WordVectors(texts)), notes=(MAJORITY.format(majority),),
    )  # fmt: skip


def _sample(shop: Shop, given: ChooseSettings) -> Examples:
    examples = read_examples(shop, once=True)
    if len(examples) < LEAST or len(np.unique(examples.y)) < 2:
        raise DataError("choose needs 20 labelled or rated reviews of two labels at the least.")
    order = stream(given.seed, "choose").permutation(len(examples))[: given.sample]
    return examples.take(np.sort(order))
