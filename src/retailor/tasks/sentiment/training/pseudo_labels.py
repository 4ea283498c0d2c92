"""Tuning an encoder to a shop's opinions: pseudo-labels of its unlabelled reviews, and a training on them.

The pseudo-labels are those of a panel of judges (`panel.seat`), which need no label. Where some labels teach
one of them, they must be none of the held-out ones.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retailor.models.shapes import TrainableEncoder
from retailor.seeds import derive
from retailor.shop.tables import LABELS
from retailor.tasks.sentiment.readers.heads import Head
from retailor.tasks.sentiment.readers.panel import NEGATIVE, POSITIVE, OtherReader, Seated, seat
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.texts import Examples
from retailor.text.opinions import OpinionWords
from retailor.train.loop import TrainSettings
from retailor.train.pseudo_labels import pseudo_labels

if TYPE_CHECKING:
    from retailor.tasks.sentiment.training.tuned import FineTuned

STEEPNESS = 1.5


@dataclass(frozen=True)
class PseudoTuning:
    """How to make pseudo-labels and train on them; the fields are those of SentimentSettings."""

    train: TrainSettings
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
    teacher: OtherReader | None = None,
    labelled: Head | None = None,
    work: Path | None = None,
) -> Tuned:
    """An encoder trained to tell praise from blame in the shop's unlabelled `texts`; `encoder` is unchanged.

    `labelled`, a head over LABELS on the encoder's vectors, is one of the judges where it is given.

    Lee (ICML workshop 2013) for pseudo-labels; the surest of each class, as many of both.
    """
    start = time.perf_counter()
    seated = seat(
        encoder, texts, tuning.words, max_texts=tuning.max_texts, max_tokens=tuning.max_tokens,
        teacher=teacher, teacher_weight=tuning.teacher_weight, labelled=labelled, seed=tuning.seed, work=work,
    )  # fmt: skip
    if seated.panel is None:
        return Tuned(None, seated.why, {})
    judges = seated.panel.judges()
    examples = _pseudo_labelled(seated, len(judges), tuning)
    if len(examples) < 2:
        return Tuned(None, f"no pseudo-label is as sure as {tuning.floor}", {})
    tuned = _trained(encoder, examples, tuning, work)
    log = {
        "n_unlabelled": len(texts),
        "n_pseudo_labels": len(examples),
        "teachers": judges,
        "seconds": round(time.perf_counter() - start, 2),
        "training": tuned.log.to_dict(),
    }
    assert isinstance(tuned.reader.encoder, TrainableEncoder)
    return Tuned(tuned.reader.encoder, "", log)


def _pseudo_labelled(seated: Seated, n_judges: int, tuning: PseudoTuning) -> Examples:
    """The texts whose mean score by the judges is surest, as many of praise as of blame."""
    sure = 1 / (1 + np.exp(-STEEPNESS * seated.scores / n_judges))
    rows, found = pseudo_labels(np.stack([1 - sure, sure], 1), floor=tuning.floor, per_class=tuning.per_class)
    return _examples([seated.texts[i] for i in rows], np.where(found == 1, POSITIVE, NEGATIVE))


def _trained(
    encoder: TrainableEncoder, examples: Examples, tuning: PseudoTuning, work: Path | None
) -> FineTuned:
    """The encoder under a random head, trained to its end: there is nothing that could be held out."""
    from retailor.tasks.sentiment.training.tuned import Tuning, fine_tune

    nothing = examples.take(np.zeros(0, dtype=np.int64))
    dials = Tuning(tuning.train, tuning.max_tokens, tuning.dropout, 0.1, "accuracy", paired=False)
    work = None if work is None else work / "pseudo-labels"
    return fine_tune(encoder, None, examples, nothing, np.ones(len(LABELS)), dials, work)


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
