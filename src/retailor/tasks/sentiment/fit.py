"""Fitting a sentiment reader: the baselines, the probe, the tuned networks, and which of them answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retailor.errors import ConfigError, DataError
from retailor.models.shapes import Encoder, TrainableEncoder
from retailor.shop.tables import LABELS
from retailor.tasks.sentiment.choice import candidates, choose
from retailor.tasks.sentiment.fitting import (
    BLENDED,
    CONTRAST,
    FROZEN,
    PANEL,
    PROMPT,
    PSEUDO,
    TF_IDF,
    TUNED,
    WORDS,
    Fitting,
    Probed,
)
from retailor.tasks.sentiment.readers.blended import BlendedReader
from retailor.tasks.sentiment.readers.heads import Fitted, Floats, Labels, class_weights
from retailor.tasks.sentiment.readers.linear import VectorReader, WordReader
from retailor.tasks.sentiment.readers.panel import PanelReader
from retailor.tasks.sentiment.readers.prompt import PromptReader
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.texts import Examples, stratified
from retailor.tasks.sentiment.training.few_labels import fit_contrast, fit_panel, fit_prompt, fit_pseudo
from retailor.tasks.sentiment.training.many_labels import fit_tuned
from retailor.tasks.sentiment.words import fit_words

if TYPE_CHECKING:
    from retailor.models.cloze import Cloze
    from retailor.tasks.sentiment.readers.panel import OtherReader

AnyReader = WordReader | VectorReader | BlendedReader | PanelReader | PromptReader


@dataclass(frozen=True)
class Fit:
    """All that fitting made: the reader that answers, and those that it is compared with."""

    reader: AnyReader
    words: dict[str, WordReader]
    """By row: 'tf-idf' and 'nb-svm'."""
    frozen: VectorReader | None
    chosen: str
    prior: Floats  # [C]

    def row_of(self, words: WordReader) -> str:
        """The row of one of its own readers of words."""
        return next(row for row, reader in self.words.items() if reader is words)


def fit_readers(
    encoder: Encoder | None,
    settings: SentimentSettings,
    examples: Examples,
    *,
    paired: bool,
    work: Path | None,
    unlabelled: Sequence[str] = (),
    teacher: OtherReader | None = None,
    cloze: Cloze | None = None,
) -> tuple[Fit, dict[str, Any]]:
    """The fitted readers, and the log of how they were made. Raises DataError on a single label."""
    _check(examples)
    fitting = _begun(settings, examples, unlabelled, teacher, cloze, paired, work)
    words = fit_words(fitting)
    readers: dict[str, AnyReader] = {row: reader for row, (reader, _) in words.items()}
    frozen: Probed | None = None
    if encoder is None or settings.mode in WORDS:
        chosen, why = _words_row(settings), "it is the mode that was asked for"
    else:
        frozen = fitting.probed(encoder, FROZEN, work=work)
        readers[FROZEN] = frozen.reader
        readers |= _fit_candidates(fitting, encoder, frozen, words)
        chosen, why = choose(fitting, readers)
    fitting.log["chosen"], fitting.log["why"] = chosen, why
    prior = np.bincount(examples.y, minlength=len(LABELS)) / len(examples)
    own = {row: reader for row, (reader, _) in words.items()}
    probe = None if frozen is None else frozen.reader
    return Fit(readers[chosen], own, probe, chosen, prior), fitting.log


def _words_row(settings: SentimentSettings) -> str:
    return settings.mode if settings.mode in WORDS else TF_IDF


def _begun(
    settings: SentimentSettings,
    examples: Examples,
    unlabelled: Sequence[str],
    teacher: OtherReader | None,
    cloze: Cloze | None,
    paired: bool,
    work: Path | None,
) -> Fitting:
    """The fit with its held-out part, where labels are not few, its class weights and its log."""
    few_labels = len(examples) < settings.few_labels
    held = None if few_labels else stratified(examples.y, settings.validation, settings.seed)[1]
    return Fitting(
        settings,
        examples,
        held,
        class_weights(examples.y, settings.class_weights, len(LABELS)),
        _first_log(examples, held, settings),
        unlabelled=unlabelled,
        teacher=teacher,
        cloze=cloze,
        paired=paired,
        work=work,
    )


def _fit_candidates(
    fitting: Fitting, encoder: Encoder, frozen: Probed, words: dict[str, tuple[WordReader, Fitted]]
) -> dict[str, AnyReader]:
    """By row the readers that the mode asks for, cheapest first; in the log those that could not be tried."""
    prompts = fitting.cloze is not None
    wanted = candidates(fitting.settings, few_labels=fitting.few_labels, prompts=prompts)
    readers: dict[str, AnyReader] = {}
    if PANEL in wanted:
        readers |= fit_panel(fitting, encoder)
    if PROMPT in wanted:
        assert fitting.cloze is not None, "the reader looked for it"
        readers[PROMPT] = fit_prompt(fitting, fitting.cloze)
    trained = [row for row in wanted if row not in (PANEL, PROMPT)]
    if isinstance(encoder, TrainableEncoder):
        return readers | _fit_trained(fitting, encoder, frozen, words, trained)
    if trained:
        fitting.log["not_tried"] = dict.fromkeys(trained, f"the encoder '{encoder.name}' cannot be trained")
    return readers


def _fit_trained(
    fitting: Fitting,
    encoder: TrainableEncoder,
    frozen: Probed,
    words: dict[str, tuple[WordReader, Fitted]],
    wanted: Sequence[str],
) -> dict[str, AnyReader]:
    """By row the readers whose networks are trained; the fine-tuned one may start at the one before it."""
    readers: dict[str, AnyReader] = {}
    start = frozen
    if CONTRAST in wanted:
        readers[CONTRAST] = fit_contrast(fitting, encoder)
    tunes = TUNED in wanted or BLENDED in wanted
    if PSEUDO in wanted or (tunes and fitting.settings.start_encoder == "pseudo-labels"):
        start = fit_pseudo(fitting, encoder, frozen) or frozen
        readers[start.row] = start.reader
    return readers | fit_tuned(fitting, start, words) if tunes else readers


def check_tuning(encoder: TrainableEncoder, settings: SentimentSettings) -> None:
    """Raises ConfigError, ModelError or MissingExtra, before any work, when the network cannot train so."""
    if settings.mode not in ("auto", "fine-tuned", "blended", "pseudo-labels", "contrastive"):
        return
    from retailor.train.lora import check_lora
    from retailor.train.losses.adversarial import AdversarialSettings, check_adversarial
    from retailor.train.schedule import check_layers

    check_layers(encoder.network, settings.train.freeze_layers)
    if settings.mode in ("pseudo-labels", "contrastive"):
        return
    if settings.lora_rank:
        check_lora(encoder, settings.lora_bits)
    if settings.adversarial == "r-drop" and settings.dropout:
        return  # the reader's own dropout will do
    try:
        check_adversarial(encoder.network, AdversarialSettings(method=settings.adversarial))
    except ConfigError as error:
        raise ConfigError(str(error), key="adversarial", value=settings.adversarial) from None


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
