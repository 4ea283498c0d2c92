"""Tuning an encoder to a shop's opinions without any label: pseudo-labels, and a training on them.

Three teachers vote on the shop's unlabelled reviews: opinion words and the company they keep
(`opinions.word_polarity`), a probe on the frozen vectors that learns from the surest of those, and, where
there is one, a reader of another shop. No label is seen, so held-out labels stay held out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from retailor.models.shapes import TrainableEncoder
from retailor.seeds import derive, stream
from retailor.shop.tables import LABELS
from retailor.tasks.sentiment.linear import Floats, Head, fit_head
from retailor.tasks.sentiment.opinions import OpinionWords, word_polarity
from retailor.tasks.sentiment.readers import VectorReader, kept_vectors
from retailor.tasks.sentiment.texts import Examples
from retailor.tasks.shapes import Sentiment, SentimentQuery
from retailor.train.loop import TrainSettings
from retailor.train.pseudo import pseudo_labels

NEGATIVE, POSITIVE = LABELS.index("negative"), LABELS.index("positive")
LEAST_TEXTS = 200
PROBE_STRENGTH, SURE_PART, STEEPNESS = 10.0, 0.25, 1.5


class Reading(Protocol):
    """All that is asked of a reader of another shop."""

    def predict(self, queries: Sequence[SentimentQuery]) -> list[Sentiment]: ...


@dataclass(frozen=True)
class PseudoTuning:
    """How to make pseudo-labels and train on them; the fields are those of SentimentSettings."""

    loop: TrainSettings
    words: OpinionWords
    max_texts: int
    per_class: int
    floor: float
    max_tokens: int
    dropout: float
    teacher_weight: float
    seed: int


@dataclass(frozen=True)
class Tuned:
    """The encoder and what was done to get it; None, with `why`, where it could not be done."""

    encoder: TrainableEncoder | None
    why: str
    log: dict[str, Any]


def opinion_tuned(
    encoder: TrainableEncoder,
    texts: Sequence[str],
    tuning: PseudoTuning,
    *,
    teacher: Reading | None = None,
    work: Path | None = None,
) -> Tuned:
    """An encoder trained to tell praise from blame in the shop's unlabelled `texts`; `encoder` is unchanged.

    Lee (ICML workshop 2013) for pseudo-labels; the surest of each class, as many of both.
    """
    from retailor.tasks.sentiment.tuned import Tuning, fine_tune

    if len(texts) < LEAST_TEXTS:
        return Tuned(None, f"{len(texts):,} unlabelled reviews are fewer than {LEAST_TEXTS}", {})
    start = time.perf_counter()
    sample = _sample(list(texts), tuning)
    scores, used = _scores(encoder, texts, sample, tuning, teacher, work)
    if scores is None:
        return Tuned(None, "too few of the unlabelled reviews have a word of praise or of blame", {})
    sure = 1 / (1 + np.exp(-STEEPNESS * scores))
    rows, found = pseudo_labels(np.stack([1 - sure, sure], 1), floor=tuning.floor, per_class=tuning.per_class)
    if len(rows) < 2:
        return Tuned(None, f"no pseudo-label is as sure as {tuning.floor}", {})
    examples = _examples([sample[i] for i in rows], np.where(found == 1, POSITIVE, NEGATIVE))
    reader, training, _ = fine_tune(
        encoder,
        None,
        examples,
        examples.take(np.zeros(0, dtype=np.int64)),
        np.ones(len(LABELS)),
        Tuning(tuning.loop, tuning.max_tokens, tuning.dropout, 0.1, "accuracy", False),
        None if work is None else work / "pseudo-labels",
    )
    log = {
        "n_unlabelled": len(texts),
        "n_pseudo_labels": len(rows),
        "teachers": used,
        "seconds": round(time.perf_counter() - start, 2),
        "training": training.to_dict(),
    }
    assert isinstance(reader.encoder, TrainableEncoder)
    return Tuned(reader.encoder, "", log)


def _sample(texts: list[str], tuning: PseudoTuning) -> list[str]:
    order = stream(tuning.seed, "sentiment", "unlabelled").permutation(len(texts))[: tuning.max_texts]
    return [texts[i] for i in sorted(order)]


def _scores(
    encoder: TrainableEncoder,
    texts: Sequence[str],
    sample: list[str],
    tuning: PseudoTuning,
    teacher: Reading | None,
    work: Path | None,
) -> tuple[Floats | None, list[str]]:
    """How sure the teachers are that each text of the sample praises [n], and who they are."""
    polarity = word_polarity(texts, tuning.words)
    total, used = np.zeros(len(sample)), []
    if polarity is not None:
        total, used = _standard(polarity.scores(sample)), ["opinion words"]
    if teacher is not None:
        answers = [a.probabilities for a in teacher.predict([SentimentQuery(text) for text in sample])]
        odds = [np.log((a["positive"] + 1e-3) / (a["negative"] + 1e-3)) for a in answers]
        total, used = total + tuning.teacher_weight * _standard(np.array(odds)), [*used, "another reader"]
    if not used:
        return None, []
    blank = VectorReader(encoder, Head(np.zeros((0, 0)), np.zeros(0)), tuning.max_tokens)
    vectors = kept_vectors(blank, blank.inputs([SentimentQuery(text) for text in sample]), work)
    low, high = np.quantile(total, [SURE_PART, 1 - SURE_PART])
    surest = np.flatnonzero((total < low) | (total > high))
    probe = fit_head(
        _centred(vectors)[surest],
        (total[surest] > high).astype(np.int64),
        "logistic",
        PROBE_STRENGTH,
        np.ones(2),
    )
    margin = probe.logits(_centred(vectors))
    return (total + _standard(margin[:, 1] - margin[:, 0])) / (len(used) + 1), [*used, "frozen vectors"]


def _standard(scores: Floats) -> Floats:
    """Scores with median 0 and deviation 1: half of the texts praise, as far as this teacher can tell."""
    return np.asarray((scores - np.median(scores)) / max(float(scores.std()), 1e-9))


def _centred(vectors: Floats) -> Floats:
    """Unit vectors less their mean, at a common scale: multilingual ones crowd around it."""
    moved = vectors - vectors.mean(axis=0)
    return np.asarray(moved / max(float(np.linalg.norm(moved, axis=1).mean()), 1e-9))


def _examples(texts: list[str], y: Any) -> Examples:
    return Examples(
        tuple(SentimentQuery(text) for text in texts),
        np.asarray(y, dtype=np.int64),
        np.full(len(texts), np.nan),
        ("",) * len(texts),
        {},
    )


def seed_of(seed: int) -> int:
    """The seed of this training, apart from that of other trainings of the same reader."""
    return derive(seed, "sentiment", "pseudo-labels")
