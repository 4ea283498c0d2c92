"""Fitting a sentiment reader: the baselines, the probe, the fine-tuned network, and which of them answers."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from retailor.artifact import fingerprint
from retailor.config import Field, settings
from retailor.errors import DataError
from retailor.models.shapes import Encoder, TrainableEncoder
from retailor.seeds import derive
from retailor.shop.tables import LABELS
from retailor.tasks.sentiment.linear import (
    Fitted,
    Floats,
    Head,
    Labels,
    choose_head,
    class_weights,
    fit_head,
)
from retailor.tasks.sentiment.readers import VectorReader, WordReader
from retailor.tasks.sentiment.texts import Examples, stratified

if TYPE_CHECKING:
    from retailor.train.loop import TrainSettings

TF_IDF, FROZEN, TUNED = "tf-idf", "frozen probe", "fine-tuned"
_BY_MODE = {"tf-idf": TF_IDF, "frozen": FROZEN, "fine-tuned": TUNED}


@settings
class SentimentSettings:
    """How a SentimentReader is fitted."""

    mode: Literal["auto", "fine-tuned", "frozen", "tf-idf"] = "auto"
    """What answers; 'auto' takes the best on the validation part, or 'frozen' when labels are few."""
    max_tokens: int = Field(default=128, ge=8, le=8192)
    """Longer texts lose their middles."""
    validation: float = Field(default=0.1, gt=0, lt=0.9)
    """The share of labelled texts kept from training, for early stopping, calibration and choices."""
    few_labels: int = Field(default=200, ge=0)
    """Below so many labelled texts, 'auto' takes the frozen probe; no share is held out, folds are."""
    select_by: Literal["macro_f1", "accuracy"] = "macro_f1"
    class_weights: Literal["none", "sqrt", "balanced"] = "sqrt"
    """How much rare labels count: with 'balanced' all labels weigh the same in the loss."""
    start_head: Literal["probe", "random"] = "probe"
    """Where the head of the fine-tuned network starts."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    epochs: float = Field(default=2.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    layer_decay: float = Field(default=0.9, gt=0, le=1)
    """Each layer below the top learns at this share of the rate of the one above it."""
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    validate_every: int | None = Field(default=100, ge=1)
    patience: int | None = Field(default=3, ge=1)
    """Training stops after so many validations without a better one."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    freeze_embeddings: bool = False
    strengths: tuple[float, ...] = (1.0, 10.0, 100.0)
    """The probe's inverse regularisations to choose from."""
    word_strengths: tuple[float, ...] = (0.1, 0.3, 1.0)
    """The same for TF-IDF."""
    min_count: int = Field(default=2, ge=1)
    """TF-IDF leaves out terms of fewer texts, unless labels are few."""
    max_terms: int = Field(default=200_000, ge=10)
    keep_frozen: bool = True
    """Whether a fine-tuned reader is saved with the frozen encoder too, for its row in `evaluate`."""
    seed: int = 0


@dataclass(frozen=True)
class Fit:
    """All that fitting made: the reader that answers, and those that it is compared with."""

    reader: WordReader | VectorReader
    words: WordReader
    frozen: VectorReader | None
    chosen: str
    prior: Floats  # [C]


@dataclass(frozen=True)
class _Job:
    """One fit: what it works on, and the log that it writes into."""

    settings: SentimentSettings
    examples: Examples
    held: Labels | None
    weights: Floats
    log: dict[str, Any]

    @property
    def seed(self) -> int:
        return derive(self.settings.seed, "sentiment")

    def note(self, row: str, seconds: float, figures: dict[str, float], **more: object) -> None:
        plain = {name: _plain(value) for name, value in figures.items()}
        self.log["validation"][row] = {**plain, **more, "seconds": round(seconds, 2)}


def fit_readers(
    encoder: Encoder | None,
    settings: SentimentSettings,
    examples: Examples,
    *,
    paired: bool,
    work: Path | None,
) -> tuple[Fit, dict[str, Any]]:
    """The fitted readers, and the log of how they were made. Raises DataError on a single label."""
    _check(examples)
    few = len(examples) < settings.few_labels
    held = None if few else stratified(examples.y, settings.validation, settings.seed)[1]
    log = _first_log(examples, held, settings)
    weights = class_weights(examples.y, settings.class_weights, len(LABELS))
    job = _Job(settings, examples, held, weights, log)
    words = _fit_words(job)
    prior = np.bincount(examples.y, minlength=len(LABELS)) / len(examples)
    if encoder is None or settings.mode == "tf-idf":
        log["chosen"], log["why"] = TF_IDF, "it is the mode that was asked for"
        return Fit(words, words, None, TF_IDF, prior), log
    frozen, features = _fit_frozen(job, encoder, work)
    readers: dict[str, WordReader | VectorReader] = {TF_IDF: words, FROZEN: frozen}
    if settings.mode == "fine-tuned" or (settings.mode == "auto" and not few):
        if isinstance(encoder, TrainableEncoder):
            readers[TUNED] = _fit_tuned(job, encoder, features, paired, work)
        else:
            log["not_tried"] = f"fine-tuning: the encoder '{encoder.name}' cannot be trained"
    chosen, log["why"] = _choose(settings, few, log["validation"])
    log["chosen"] = chosen
    return Fit(readers[chosen], words, frozen, chosen, prior), log


def _check(examples: Examples) -> None:
    present = [label for label, n in examples.counts().items() if n]
    if not present:
        raise DataError(
            "sentiment needs the table 'reviews' with a label or a rating, and no row has either."
        )
    if len(present) < 2:
        raise DataError(
            f"sentiment needs reviews of at least two labels, and all {len(examples):,} are '{present[0]}'.",
            column="label",
            value=present[0],
        )


def _first_log(examples: Examples, held: Labels | None, settings: SentimentSettings) -> dict[str, Any]:
    counts = examples.counts()
    return {
        "n_labelled": len(examples),
        "n_validation": 0 if held is None else len(held),
        "held_out": "five folds, in turn" if held is None else "a stratified part",
        "labels": counts,
        "absent_labels": [label for label, n in counts.items() if not n],
        "dropped": examples.dropped,
        "mode": settings.mode,
        "select_by": settings.select_by,
        "validation": {},
    }


def _fit_words(job: _Job) -> WordReader:
    start, chosen = time.perf_counter(), job.settings
    known = WordReader.counted(
        job.examples.queries, 1 if job.held is None else chosen.min_count, chosen.max_terms
    )
    features = known.features(job.examples.queries)
    fitted = choose_head(
        features, job.examples.y, "svm", chosen.word_strengths, job.weights, job.held, job.seed
    )
    job.note(
        TF_IDF,
        time.perf_counter() - start,
        fitted.figures,
        strength=fitted.strength,
        n_terms=len(known.vocabulary),
    )
    return WordReader(known.vocabulary, known.idf, fitted.head)


def _fit_frozen(job: _Job, encoder: Encoder, work: Path | None) -> tuple[VectorReader, _Features]:
    start, chosen = time.perf_counter(), job.settings
    blank = VectorReader(encoder, Head(np.zeros((0, 0)), np.zeros(0)), chosen.max_tokens)
    features = _vectors(blank, blank.inputs(job.examples.queries), work)
    fitted = choose_head(
        features, job.examples.y, "logistic", chosen.strengths, job.weights, job.held, job.seed
    )
    job.note(FROZEN, time.perf_counter() - start, fitted.figures, strength=fitted.strength)
    return VectorReader(encoder, fitted.head, chosen.max_tokens), _Features(features, fitted)


def _vectors(reader: VectorReader, texts: list[str], work: Path | None) -> Floats:
    """Frozen vectors [n, dim]; kept in the work folder, as they are half of the time of a fit."""
    if work is None:
        return reader.vectors(texts, exact=False)
    from safetensors.numpy import load_file, save_file

    # A few vectors tell the encoder: its name stays the same when its weights are adapted.
    sample = np.round(reader.vectors(texts[:4], exact=False), 4).tolist()
    path = work / f"frozen-{fingerprint(sample, texts)[:16]}.safetensors"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        save_file({"vectors": reader.vectors(texts, exact=False)}, new)
        new.replace(path)
    return np.asarray(load_file(path)["vectors"], dtype=np.float64)


@dataclass(frozen=True)
class _Features:
    """Frozen vectors [n, dim] of the examples, and the probe that was fitted on them."""

    rows: Floats
    fitted: Fitted


def _fit_tuned(
    job: _Job, encoder: TrainableEncoder, frozen: _Features, paired: bool, work: Path | None
) -> VectorReader:
    from retailor.tasks.sentiment.tuned import Tuning, fine_tune

    chosen, y = job.settings, job.examples.y
    held = stratified(y, chosen.validation, chosen.seed)[1] if job.held is None else job.held
    train = np.setdiff1d(np.arange(len(y)), held)
    # A head that has seen the held-out texts would flatter the validation, so it starts without them.
    start = fit_head(frozen.rows[train], y[train], "logistic", frozen.fitted.strength, job.weights)
    tuning = Tuning(
        settings=_loop(chosen, job.seed),
        max_tokens=chosen.max_tokens,
        dropout=chosen.dropout,
        label_smoothing=chosen.label_smoothing,
        select_by=chosen.select_by,
        paired=paired,
    )
    reader, training, figures = fine_tune(
        encoder,
        start if chosen.start_head == "probe" else None,
        job.examples.take(train),
        job.examples.take(held),
        job.weights,
        tuning,
        work,
    )
    job.note(TUNED, training.seconds, figures, start_head=chosen.start_head)
    job.log["training"] = training.to_dict()
    return reader


def _loop(chosen: SentimentSettings, seed: int) -> TrainSettings:
    from retailor.train.loop import TrainSettings

    return TrainSettings(
        epochs=chosen.epochs,
        max_steps=chosen.max_steps,
        batch_size=chosen.batch_size,
        learning_rate=chosen.learning_rate,
        layer_decay=chosen.layer_decay,
        weight_decay=chosen.weight_decay,
        warmup=chosen.warmup,
        validate_every=chosen.validate_every,
        patience=chosen.patience,
        precision=chosen.precision,
        freeze_embeddings=chosen.freeze_embeddings,
        seed=seed,
    )


def _choose(settings: SentimentSettings, few: bool, figures: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """Which reader answers, and why in words."""
    if settings.mode != "auto":
        return _BY_MODE[settings.mode], "it is the mode that was asked for"
    if few:
        return FROZEN, f"there are fewer than {settings.few_labels} labelled texts"
    values = {
        row: figures[row][settings.select_by] or 0.0 for row in (TF_IDF, FROZEN, TUNED) if row in figures
    }
    # max keeps the first of equals, and the cheaper reader comes first.
    best = max(values, key=lambda row: values[row])
    found = ", ".join(f"{row} {value:.4f}" for row, value in values.items())
    return best, f"best {settings.select_by} on the validation part ({found})"


def _plain(value: float) -> float | None:
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else round(float(value), 6)
