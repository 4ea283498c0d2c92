"""What all parts of one fit share: its names, its texts, its log, and the dials of its trainings."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retailor.models.shapes import Encoder, TrainableEncoder
from retailor.seeds import derive
from retailor.tasks.sentiment.readers.heads import Fitted, Floats, Head, Labels, choose_head, fit_head
from retailor.tasks.sentiment.readers.linear import VectorReader
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.texts import Examples

if TYPE_CHECKING:
    from retailor.train.loop import TrainSettings

TF_IDF, NB_SVM = "tf-idf", "nb-svm"
WORDS = (TF_IDF, NB_SVM)
"""Rows that know nothing but the words of the labelled texts."""
FROZEN, TUNED, BLENDED = "frozen probe", "fine-tuned", "blended"
ALONE = "retailor without words"
"""The network of a blended reader by itself: a row of our own, no baseline."""
PANEL, PSEUDO, CONTRAST, PROMPT = "panel", "pseudo-labels", "contrastive", "prompt"
BY_MODE = {"tf-idf": TF_IDF, "frozen": FROZEN, "fine-tuned": TUNED}
BY_MODE |= {row: row for row in (NB_SVM, BLENDED, PANEL, PSEUDO, CONTRAST, PROMPT)}
RATE, LORA_RATE = 5e-5, 2e-4


@dataclass(frozen=True)
class Probed:
    """A probe over an encoder: its row and reader, the vectors [n, dim] of the examples, how it was fit."""

    row: str
    reader: VectorReader
    rows: Floats
    fitted: Fitted


@dataclass(frozen=True)
class Job:
    """One fit: what it works on, and the log that it writes into."""

    settings: SentimentSettings
    examples: Examples
    held: Labels | None
    weights: Floats
    log: dict[str, Any]
    heard: dict[str, Floats] = field(default_factory=dict)
    """By row its logits [n, C], before calibration, of the texts `tested`."""

    @property
    def seed(self) -> int:
        return derive(self.settings.seed, "sentiment")

    @property
    def tested(self) -> Labels:
        """The labels [n] of the texts that candidates are compared on: those held out, or all in folds."""
        return self.examples.y if self.held is None else self.examples.y[self.held]

    def probed(
        self, encoder: Encoder, row: str, start: float | None = None, work: Path | None = None
    ) -> Probed:
        """A probe over an encoder that has seen no label; noted as `row`, with the seconds since `start`."""
        start = time.perf_counter() if start is None else start
        chosen = self.settings
        blank = VectorReader(encoder, Head(np.zeros((0, 0)), np.zeros(0)), chosen.max_tokens)
        rows = blank.vectors(blank.inputs(self.examples.queries), exact=False, work=work)
        fitted = choose_head(
            rows, self.examples.y, "logistic", chosen.strengths, self.weights, self.held, self.seed
        )
        self.note(row, time.perf_counter() - start, fitted.figures, fitted.logits, strength=fitted.strength)
        return Probed(row, VectorReader(encoder, fitted.head, chosen.max_tokens), rows, fitted)

    def probe_without(self, held: Labels, probed: Probed) -> Head:
        """The probe's head without the held-out texts: what goes on from it must not have seen them."""
        seen = np.setdiff1d(np.arange(len(self.examples)), held)
        y = self.examples.y[seen]
        return fit_head(probed.rows[seen], y, "logistic", probed.fitted.strength, self.weights)

    def note(
        self, row: str, seconds: float, figures: dict[str, float], logits: Floats, **more: object
    ) -> None:
        """Keeps what a candidate said to the texts `tested`, and writes its figures into the log."""
        self.heard[row] = logits
        plain = {name: _plain(value) for name, value in figures.items()}
        self.log["validation"][row] = {**plain, **more, "seconds": round(seconds, 2)}


def rate_of(chosen: SentimentSettings) -> float:
    """The learning rate of the fine-tuned network: the one asked for, or what its trained weights need."""
    return chosen.learning_rate or (LORA_RATE if chosen.lora_rank else RATE)


def loop_of(chosen: SentimentSettings, encoder: TrainableEncoder, seed: int) -> TrainSettings:
    """The loop's dials for the fine-tuned network; other trainings replace some."""
    from retailor.train.settings import LARGE_VOCABULARY, TrainSettings

    frozen = chosen.freeze_embeddings
    return TrainSettings(
        epochs=chosen.epochs,
        max_steps=chosen.max_steps,
        batch_size=chosen.batch_size,
        accumulate=chosen.accumulate,
        learning_rate=rate_of(chosen),
        schedule=chosen.schedule,
        clip=chosen.clip,
        layer_decay=chosen.layer_decay,
        weight_decay=chosen.weight_decay,
        warmup=chosen.warmup,
        validate_every=chosen.validate_every,
        patience=chosen.patience,
        precision=chosen.precision,
        freeze_embeddings=len(encoder.tokenizer) > LARGE_VOCABULARY if frozen is None else frozen,
        freeze_layers=chosen.freeze_layers,
        seed=seed,
    )


def _plain(value: float) -> float | None:
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else round(float(value), 6)
