"""What all parts of one fit share: its names, its texts, its log, and the settings of its trainings."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
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
    from retailor.models.cloze import Cloze
    from retailor.tasks.sentiment.readers.panel import OtherReader
    from retailor.train.settings import TrainSettings

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
class Fitting:
    """One fit: what it works on, and the log that it writes into."""

    settings: SentimentSettings
    examples: Examples
    held: Labels | None
    """Rows that are held out; None where labels are few, and folds are held out in turn."""
    weights: Floats
    log: dict[str, Any]
    unlabelled: Sequence[str] = ()
    teacher: OtherReader | None = None
    cloze: Cloze | None = None
    paired: bool = False
    """Whether the network reads an aspect beside the text."""
    work: Path | None = None
    logits: dict[str, Floats] = field(default_factory=dict)
    """By row of the candidates, [n, C] over the texts `tested`, before calibration."""

    @property
    def seed(self) -> int:
        return derive(self.settings.seed, "sentiment")

    @property
    def few_labels(self) -> bool:
        return self.held is None

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
        fitted = self.head(rows)
        self.note(row, time.perf_counter() - start, fitted.figures, fitted.logits, strength=fitted.strength)
        return Probed(row, VectorReader(encoder, fitted.head, chosen.max_tokens), rows, fitted)

    def head(self, rows: Floats) -> Fitted:
        """A logistic head over features [n, F] of the labelled texts; held-out ones choose its strength."""
        return choose_head(
            rows, self.examples.y, "logistic", self.settings.strengths, self.weights, self.held, self.seed
        )

    def probe_without(self, held: Labels, probed: Probed) -> Head:
        """The probe's head without the held-out texts: what goes on from it must not have seen them."""
        seen = np.setdiff1d(np.arange(len(self.examples)), held)
        y = self.examples.y[seen]
        return fit_head(probed.rows[seen], y, "logistic", probed.fitted.strength, self.weights)

    def note(
        self, row: str, seconds: float, figures: dict[str, float], logits: Floats, **more: object
    ) -> None:
        """Keeps a candidate's logits of the texts `tested`, and writes its figures into the log."""
        self.logits[row] = logits
        plain = {name: _plain(value) for name, value in figures.items()}
        self.log["validation"][row] = {**plain, **more, "seconds": round(seconds, 2)}


def training_of(settings: SentimentSettings, encoder: TrainableEncoder, seed: int) -> TrainSettings:
    """The loop's settings for the fine-tuned network; other trainings replace some."""
    rate = LORA_RATE if settings.lora_rank else RATE
    return settings.train.resolved(rate=rate, seed=seed, vocabulary_size=len(encoder.tokenizer))


def _plain(value: float) -> float | None:
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else round(float(value), 6)
