"""Fitting a sentiment reader: the baselines, the probe, the tuned networks, and which of them answers."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retailor.errors import DataError
from retailor.models.shapes import Encoder, TrainableEncoder
from retailor.seeds import derive
from retailor.shop.tables import LABELS
from retailor.tasks.sentiment.linear import (
    Fitted,
    Floats,
    Head,
    Labels,
    calibration,
    choose_head,
    class_weights,
    fit_head,
)
from retailor.tasks.sentiment.opinions import OpinionWords
from retailor.tasks.sentiment.panel import PanelReader, headed, seat
from retailor.tasks.sentiment.readers import VectorReader, WordReader, kept_vectors
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.texts import Examples, folds, stratified

if TYPE_CHECKING:
    from retailor.tasks.sentiment.panel import OtherReader
    from retailor.train.loop import TrainSettings

TF_IDF, FROZEN, TUNED = "tf-idf", "frozen probe", "fine-tuned"
PANEL, PSEUDO, CONTRAST = "panel", "pseudo-labels", "contrastive"
_BY_MODE = {"tf-idf": TF_IDF, "frozen": FROZEN, "fine-tuned": TUNED}
_BY_MODE |= {row: row for row in (PANEL, PSEUDO, CONTRAST)}


AnyReader = WordReader | VectorReader | PanelReader


@dataclass(frozen=True)
class Fit:
    """All that fitting made: the reader that answers, and those that it is compared with."""

    reader: AnyReader
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
    unlabelled: Sequence[str] = (),
    teacher: OtherReader | None = None,
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
    readers: dict[str, AnyReader] = {TF_IDF: words, FROZEN: frozen}
    wanted = _wanted(settings, few)
    if PANEL in wanted:
        readers |= _fit_panel(job, encoder, unlabelled, teacher, work)
        wanted.remove(PANEL)
    if wanted and not isinstance(encoder, TrainableEncoder):
        log["not_tried"] = dict.fromkeys(wanted, f"the encoder '{encoder.name}' cannot be trained")
    elif isinstance(encoder, TrainableEncoder):
        if TUNED in wanted:
            readers[TUNED] = _fit_tuned(job, encoder, features, paired, work)
        if CONTRAST in wanted:
            readers[CONTRAST] = _fit_contrast(job, encoder)
        if PSEUDO in wanted:
            readers |= _fit_pseudo(job, encoder, unlabelled, teacher, work)
    chosen, log["why"] = _choose(settings, few, readers, log["validation"])
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
    features = kept_vectors(blank, blank.inputs(job.examples.queries), work)
    fitted = choose_head(
        features, job.examples.y, "logistic", chosen.strengths, job.weights, job.held, job.seed
    )
    job.note(FROZEN, time.perf_counter() - start, fitted.figures, strength=fitted.strength)
    return VectorReader(encoder, fitted.head, chosen.max_tokens), _Features(features, fitted)


@dataclass(frozen=True)
class _Features:
    """Frozen vectors [n, dim] of the examples, and the probe that was fitted on them."""

    rows: Floats
    fitted: Fitted


def _fit_tuned(
    job: _Job, encoder: TrainableEncoder, frozen: _Features, paired: bool, work: Path | None
) -> VectorReader:
    from retailor.tasks.sentiment.tuned import Tuning, fine_tune
    from retailor.train.adversarial import AdversarialSettings

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
        augment=chosen.augment,
        adversarial=AdversarialSettings(method=chosen.adversarial, epsilon=chosen.epsilon),
        mixup=chosen.mixup,
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


def _opinion_words(chosen: SentimentSettings) -> OpinionWords:
    known = OpinionWords()
    return OpinionWords(known.praise + chosen.praise, known.blame + chosen.blame)


def _fresh(job: _Job, texts: Sequence[str]) -> list[str]:
    """The different unlabelled texts that are not among the labelled ones."""
    seen = {query.text for query in job.examples.queries}
    return [text for text in dict.fromkeys(texts) if text and text not in seen]


def _fit_panel(
    job: _Job, encoder: Encoder, texts: Sequence[str], teacher: OtherReader | None, work: Path | None
) -> dict[str, AnyReader]:
    """A panel with a head; nothing, and a reason in the log, where it cannot be seated."""
    start, chosen = time.perf_counter(), job.settings
    seated = seat(
        encoder, _fresh(job, texts), _opinion_words(chosen), max_texts=chosen.pseudo_texts,
        max_tokens=chosen.max_tokens, teacher=teacher, teacher_weight=chosen.teacher_weight,
        seed=chosen.seed, work=work,
    )  # fmt: skip
    if seated.panel is None:
        job.log.setdefault("not_tried", {})[PANEL] = seated.why
        return {}
    reader, figures = headed(
        seated.panel, job.examples.queries, job.examples.y, job.weights, job.held, job.seed
    )
    job.note(PANEL, time.perf_counter() - start, figures, judges=seated.panel.judges())
    return {PANEL: reader}


def _fit_pseudo(
    job: _Job, encoder: TrainableEncoder, texts: Sequence[str], teacher: OtherReader | None, work: Path | None
) -> dict[str, AnyReader]:
    """A head over an encoder tuned on pseudo-labels; nothing, and a reason in the log, if it could not be."""
    from retailor.tasks.sentiment.pseudo import PseudoTuning, opinion_tuned, seed_of

    start, chosen = time.perf_counter(), job.settings
    tuning = PseudoTuning(
        loop=replace(
            _loop(chosen, seed_of(chosen.seed)),
            epochs=chosen.pseudo_epochs,
            learning_rate=chosen.pseudo_rate,
            max_steps=None,
        ),
        words=_opinion_words(chosen),
        max_texts=chosen.pseudo_texts,
        per_class=chosen.pseudo_per_class,
        floor=chosen.pseudo_floor,
        max_tokens=chosen.max_tokens,
        dropout=chosen.dropout,
        teacher_weight=chosen.teacher_weight,
        seed=chosen.seed,
    )
    tuned = opinion_tuned(encoder, _fresh(job, texts), tuning, teacher=teacher, work=work)
    job.log["pseudo_labels"] = tuned.log
    if tuned.encoder is None:
        job.log.setdefault("not_tried", {})[PSEUDO] = tuned.why
        return {}
    return {PSEUDO: _over(job, PSEUDO, tuned.encoder, start)}


def _over(job: _Job, row: str, encoder: TrainableEncoder, start: float) -> VectorReader:
    """A reader over a tuned encoder that has seen no labelled text: its head is chosen as the probe's is."""
    chosen = job.settings
    blank = VectorReader(encoder, Head(np.zeros((0, 0)), np.zeros(0)), chosen.max_tokens)
    features = blank.vectors(blank.inputs(job.examples.queries), exact=False)
    fitted = choose_head(
        features, job.examples.y, "logistic", chosen.strengths, job.weights, job.held, job.seed
    )
    job.note(row, time.perf_counter() - start, fitted.figures, strength=fitted.strength)
    return VectorReader(encoder, fitted.head, chosen.max_tokens)


def _fit_contrast(job: _Job, encoder: TrainableEncoder) -> VectorReader:
    """A head over an encoder that was tuned on the labels by contrast; its figures are over three folds."""
    from retailor.tasks.sentiment.contrastive import contrast_tuned

    start, chosen, y = time.perf_counter(), job.settings, job.examples.y
    blank = VectorReader(encoder, Head(np.zeros((0, 0)), np.zeros(0)), chosen.max_tokens)
    texts = blank.inputs(job.examples.queries)
    loop = replace(
        _loop(chosen, job.seed),
        epochs=1e6,
        max_steps=chosen.contrastive_steps,
        learning_rate=chosen.pseudo_rate,
    )

    def made(rows: Labels) -> VectorReader:
        tuned, log = contrast_tuned(encoder, [texts[i] for i in rows], y[rows], loop)
        job.log["contrastive"] = log.to_dict()
        own = replace(blank, encoder=tuned)
        features = own.vectors([texts[i] for i in rows], exact=False)
        return replace(own, head=fit_head(features, y[rows], "logistic", chosen.strengths[0], job.weights))

    number = folds(y, 3, job.seed) if job.held is None else np.isin(np.arange(len(y)), job.held).astype(int)
    parts = range(3) if job.held is None else (1,)
    logits = np.zeros((len(y), len(job.weights)))
    for part in parts:
        held = np.flatnonzero(number == part)
        reader = made(np.flatnonzero(number != part))
        logits[held] = reader.head.logits(reader.vectors([texts[i] for i in held], exact=False))
    tested = np.isin(number, list(parts))
    figures = calibration(logits[tested], y[tested])
    reader = made(np.arange(len(y)))
    job.note(CONTRAST, time.perf_counter() - start, figures, strength=chosen.strengths[0])
    return replace(reader, head=replace(reader.head, temperature=figures["temperature"]))


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


def _wanted(settings: SentimentSettings, few: bool) -> list[str]:
    """The trained rows that the mode asks for."""
    if settings.mode == "auto":
        return [row for row in settings.candidates if row != "frozen"] if few else [TUNED]
    return [_BY_MODE[settings.mode]] if settings.mode != "frozen" else []


def _choose(
    settings: SentimentSettings,
    few: bool,
    readers: dict[str, AnyReader],
    figures: dict[str, dict[str, Any]],
) -> tuple[str, str]:
    """Which reader answers, and why in words."""
    wanted = _BY_MODE.get(settings.mode)
    if wanted in readers:
        return wanted, "it is the mode that was asked for"
    values = {row: figures[row][settings.select_by] or 0.0 for row in readers}
    if few:
        # Folds of a few texts cannot tell TF-IDF from chance, and it has no words but theirs.
        values.pop(TF_IDF)
        if len(values) == 1:
            return FROZEN, f"there are fewer than {settings.few_labels} labelled texts"
    # max keeps the first of equals, and the cheaper reader comes first.
    best = max(values, key=lambda row: values[row])
    found = ", ".join(f"{row} {value:.4f}" for row, value in values.items())
    return best, f"best {settings.select_by} on held-out training texts ({found})"


def _plain(value: float) -> float | None:
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else round(float(value), 6)
