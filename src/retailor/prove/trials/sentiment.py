"""The rows of reading sentiment: one step, one draw of labels, one seed; trained and tested."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from retailor.errors import MissingTable
from retailor.metrics.classify import accuracy_cases
from retailor.models.local import LocalEncoder
from retailor.prove.contract import Cell, Cells, Inputs, Trial
from retailor.prove.encoders import Encoders, local, mark_of, untrained
from retailor.prove.settings import ADDED, ROWS, ProveSettings
from retailor.seeds import stream
from retailor.shop.tables import LABELS, Shop, label_of_rating
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.texts import Examples, read_examples

LEAST_TEST = 20
NAMES = tuple(step.name for step in ROWS["sentiment"])


def sentiment_trial(inputs: Inputs) -> Trial:
    """Reading sentiment, ready to be tried. Raises MissingTable with too few labels, ModelError."""
    train, given = inputs.train, inputs.given
    own, cases = local(inputs.encoder), _test_cases(train, inputs.test, given)
    known = read_examples(train, once=True)
    # A head is fitted on the vectors, so they need not stay near where they were.
    encoders = Encoders(own, train, given, inputs.work, keep=0.0)

    def make(step: str, n: int, seed: int, before: Cells) -> Cell:
        encoder = encoders.adapted.encoder if _has("domain adaptation", step, given) else own
        return sentiment_cell(step, seed, drawn(train, n, seed), cases, encoder, given)

    queries = [(query.text, query.aspect) for query in cases.queries]
    return Trial(
        task="sentiment",
        model=own.name,
        metric="accuracy",
        unit="labels",
        n_all=len(known),
        make=make,
        mark=[mark_of(own, train), queries, cases.y.tolist()],
        shared=encoders.shared,
    )


def _test_cases(train: Shop, test: Shop, given: ProveSettings) -> Examples:
    cases = read_examples(test, once=False)
    known = sum(n > 0 for n in read_examples(train, once=True).counts().values())
    if known < 2 or len(cases) < LEAST_TEST:
        raise MissingTable(
            f"a ledger needs reviews of two labels to learn from and {LEAST_TEST} to test on, and there are "
            f"{known} labels and {len(cases)} reviews to test on."
        )
    order = stream(0, "prove", "test").permutation(len(cases))[: given.max_test]
    return cases.take(np.sort(order))


def drawn(shop: Shop, n: int, seed: int) -> Shop:
    """The shop with `n` labelled reviews, as many of each label as there are; all of them for 0.

    A smaller draw of the same seed is a part of a larger one.
    """
    if not n:
        return shop
    label = pl.coalesce(pl.col("label"), label_of_rating(pl.col("rating")))
    labels = np.array(shop.reviews.select(label).to_series().to_list(), dtype=object)
    rng = stream(seed, "prove", "labels")
    queues = [rng.permutation(np.flatnonzero(labels == name)).tolist() for name in LABELS]
    order = [queue[i] for i in range(max(map(len, queues))) for queue in queues if i < len(queue)]
    return shop.with_tables(reviews=shop.reviews[sorted(order[:n])])


def sentiment_cell(
    step: str,
    seed: int,
    train: Shop,
    test: Examples,
    encoder: LocalEncoder,
    settings: ProveSettings,
) -> Cell:
    """The step fitted on the labelled reviews of `train`."""
    if step == "from scratch":
        encoder = untrained(encoder, seed)
    n_labels = len(read_examples(train, once=True))
    chosen = reader_settings(step, seed, n_labels, settings)
    reader = SentimentReader(encoder, chosen).fit(train).in_bulk()
    answers = reader.predict(list(test.queries))
    predicted = [
        LABELS.index(max(answer.probabilities, key=answer.probabilities.__getitem__)) for answer in answers
    ]
    log = reader.log.get("training", {})
    own = reader.log["validation"][reader.log["chosen"]]
    return Cell(
        accuracy_cases(test.y, np.array(predicted)),
        float(own["seconds"]),
        int(log.get("examples_seen", n_labels)),
        int(log.get("n_parameters_trained", _n_head(reader, encoder))),
        validation=float(own["accuracy"]) if "accuracy" in own else None,
    )


def _n_head(reader: SentimentReader, encoder: LocalEncoder) -> int:
    """Weights of a linear head over the features of the reader that answers."""
    n_terms = reader.log["validation"]["tf-idf"].get("n_terms", 0)
    present = sum(n > 0 for n in reader.log["labels"].values())
    n_features = int(n_terms) if reader.log["chosen"] == "tf-idf" else encoder.dim
    return int(present * (n_features + 1))


def _has(added: str, step: str, settings: ProveSettings) -> bool:
    """Whether an added step is part of this row: it is when it stands at or before it."""
    asked = not settings.steps or added in settings.steps
    return asked and step in ADDED and NAMES.index(added) <= NAMES.index(step)


def reader_settings(step: str, seed: int, n_labels: int, settings: ProveSettings) -> SentimentSettings:
    """The settings of the reader of one row: each row differs from the one above by its step alone."""
    plain: dict[str, Any] = {
        "max_tokens": settings.max_tokens,
        "seed": seed,
        "few_labels": 0,
        "keep_frozen": False,
    }
    if step == "cheap baseline":
        return SentimentSettings(mode="tf-idf", **{**plain, "few_labels": 200})
    if step == "pretrained, frozen":
        return SentimentSettings(mode="frozen", **{**plain, "few_labels": 200})
    scratch = step == "from scratch"
    train = replace(
        settings.train,
        learning_rate=settings.scratch_rate if scratch else settings.train.learning_rate,
        layer_decay=settings.train.layer_decay if _has("layer-wise rates", step, settings) else 1.0,
        epochs=1e6,
        max_steps=_n_steps(n_labels, settings, settings.scratch_times if scratch else 1),
        freeze_embeddings=False if scratch else settings.train.freeze_embeddings,
    )
    return SentimentSettings(
        mode="fine-tuned",
        validation=0.1 if n_labels >= 500 else 0.2,
        start_head="random" if scratch else "probe",
        train=train,
        augment={"method": "edits" if _has("augmentation", step, settings) else "none"},  # type: ignore[arg-type]
        adversarial=settings.adversarial if _has("adversarial", step, settings) else "none",
        **plain,
    )


def _n_steps(n_labels: int, settings: ProveSettings, times: int) -> int:
    """So many times the steps that the labels ask for, and never more than `max_steps`."""
    train = settings.train
    n = times * max(settings.min_steps, math.ceil(train.epochs * n_labels / train.batch_size))
    return min(n, train.max_steps or n)
