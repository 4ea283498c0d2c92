"""Fitting a sentiment reader: the baselines, the probe, the tuned networks, and which of them answers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retailor.errors import ConfigError, DataError
from retailor.metrics.classify import log_loss_cases
from retailor.models.shapes import Encoder, TrainableEncoder
from retailor.shop.tables import LABELS
from retailor.tasks.sentiment.fitting import (
    BLENDED,
    BY_MODE,
    CONTRAST,
    FROZEN,
    NB_SVM,
    PANEL,
    PROMPT,
    PSEUDO,
    TF_IDF,
    TUNED,
    WORDS,
    Job,
    Probed,
    loop_of,
)
from retailor.tasks.sentiment.readers.blended import BlendedReader, blended
from retailor.tasks.sentiment.readers.heads import (
    Fitted,
    Floats,
    Kind,
    Labels,
    choose_head,
    class_weights,
    cross_calibrated,
)
from retailor.tasks.sentiment.readers.linear import VectorReader, WordReader
from retailor.tasks.sentiment.readers.panel import PanelReader
from retailor.tasks.sentiment.readers.prompt import PromptReader
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.texts import Examples, stratified
from retailor.tasks.sentiment.training.few_labels import fit_contrast, fit_panel, fit_prompt, fit_pseudo

if TYPE_CHECKING:
    from retailor.models.cloze import Cloze
    from retailor.tasks.sentiment.readers.panel import OtherReader

FEW_HELD = 200
"""With fewer held-out texts a training goes to its end, unless told otherwise."""
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
    few = len(examples) < settings.few_labels
    held = None if few else stratified(examples.y, settings.validation, settings.seed)[1]
    log = _first_log(examples, held, settings)
    weights = class_weights(examples.y, settings.class_weights, len(LABELS))
    job = Job(settings, examples, held, weights, log)
    heard = _fit_words(job)
    words = {row: reader for row, (reader, _) in heard.items()}
    prior = np.bincount(examples.y, minlength=len(LABELS)) / len(examples)
    if encoder is None or settings.mode in WORDS:
        row = settings.mode if settings.mode in WORDS else TF_IDF
        log["chosen"], log["why"] = row, "it is the mode that was asked for"
        return Fit(words[row], words, None, row, prior), log
    frozen = start = job.probed(encoder, FROZEN, work=work)
    readers: dict[str, AnyReader] = {**words, FROZEN: frozen.reader}
    wanted = _wanted(settings, few, cloze)
    if PANEL in wanted:
        readers |= fit_panel(job, encoder, unlabelled, teacher, work)
        wanted.remove(PANEL)
    if PROMPT in wanted:
        assert cloze is not None, "the reader looked for it"
        readers[PROMPT] = fit_prompt(job, cloze, work)
        wanted.remove(PROMPT)
    if wanted and not isinstance(encoder, TrainableEncoder):
        log["not_tried"] = dict.fromkeys(wanted, f"the encoder '{encoder.name}' cannot be trained")
    elif isinstance(encoder, TrainableEncoder):
        if CONTRAST in wanted:
            readers[CONTRAST] = fit_contrast(job, encoder)
        tunes = TUNED in wanted or BLENDED in wanted
        if PSEUDO in wanted or (tunes and settings.start_encoder == "pseudo-labels"):
            start = fit_pseudo(job, encoder, frozen, unlabelled, teacher, work) or start
            readers[start.row] = start.reader
        if tunes:
            readers |= _fit_tuned(job, start, heard, paired, unlabelled, work)
    chosen, log["why"] = _choose(settings, few, readers, job)
    log["chosen"] = chosen
    return Fit(readers[chosen], words, frozen.reader, chosen, prior), log


def check_tuning(encoder: TrainableEncoder, settings: SentimentSettings) -> None:
    """Raises ConfigError, ModelError or MissingExtra, before any work, when the network cannot train so."""
    if settings.mode not in ("auto", "fine-tuned", "blended", "pseudo-labels", "contrastive"):
        return
    from retailor.train.lora import check_lora
    from retailor.train.losses.adversarial import AdversarialSettings, check_adversarial
    from retailor.train.schedule import check_layers

    check_layers(encoder.network, settings.freeze_layers)
    if settings.mode in ("pseudo-labels", "contrastive"):
        return
    if settings.lora_rank:
        check_lora(encoder)
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


def _fit_words(job: Job) -> dict[str, tuple[WordReader, Fitted]]:
    """By row the two readers of words, over the same features, and how their heads were fitted.

    Terms are counted twice: without the held-out texts, which must not say which rare ones count, and in all.
    """
    start, chosen, queries = time.perf_counter(), job.settings, job.examples.queries
    known = WordReader.counted(queries, 1 if job.held is None else chosen.min_count, chosen.max_terms)
    features = every = known.features(queries)
    if job.held is not None:
        seen = [queries[i] for i in np.setdiff1d(np.arange(len(queries)), job.held)]
        features = WordReader.counted(seen, chosen.min_count, chosen.max_terms).features(queries)
    counting = time.perf_counter() - start
    kinds: dict[str, Kind] = {TF_IDF: "svm", NB_SVM: "nb-svm"}
    found = {}
    for row, kind in kinds.items():
        start = time.perf_counter()
        fitted = choose_head(
            features, job.examples.y, kind, chosen.word_strengths, job.weights, job.held, job.seed,
            in_the_end=every,
        )  # fmt: skip
        seconds = counting + time.perf_counter() - start
        job.note(
            row,
            seconds,
            fitted.figures,
            fitted.logits,
            strength=fitted.strength,
            n_terms=len(known.vocabulary),
        )
        found[row] = replace(known, head=fitted.head), fitted
    return found


def _fit_tuned(
    job: Job,
    before: Probed,
    heard: dict[str, tuple[WordReader, Fitted]],
    paired: bool,
    unlabelled: Sequence[str],
    work: Path | None,
) -> dict[str, AnyReader]:
    """The fine-tuned reader, which starts at a probe, and the one that hears the words too."""
    from retailor.tasks.sentiment.training.tuned import Tuning, fine_tune
    from retailor.train.losses.adversarial import AdversarialSettings

    chosen, y = job.settings, job.examples.y
    held = stratified(y, chosen.validation, chosen.seed)[1] if job.held is None else job.held
    train = np.setdiff1d(np.arange(len(y)), held)
    start = job.probe_without(held, before)
    stop_by = _stop_by(chosen, len(held))
    encoder = before.reader.encoder
    assert isinstance(encoder, TrainableEncoder), "nothing else is tuned"
    tuning = Tuning(
        settings=replace(loop_of(chosen, encoder, job.seed), unfreeze_every=chosen.unfreeze_every),
        max_tokens=chosen.max_tokens,
        dropout=chosen.dropout,
        label_smoothing=chosen.label_smoothing,
        stop_by=stop_by,
        paired=paired,
        augment=chosen.augment,
        adversarial=AdversarialSettings(method=chosen.adversarial, epsilon=chosen.epsilon),
        mixup=chosen.mixup,
        domain_weight=chosen.domain_weight,
        lora_rank=chosen.lora_rank,
    )
    if chosen.domain_weight and not unlabelled:
        job.log["note"] = "every review has a label or stars, so domain_weight had nothing to work on"
    tuned = fine_tune(
        encoder,
        start if chosen.start_head == "probe" else None,
        job.examples.take(train),
        job.examples.take(held),
        job.weights,
        tuning,
        work,
        unlabelled,
    )
    start_encoder = "given" if before.row == FROZEN else before.row
    job.note(
        TUNED,
        tuned.log.seconds,
        tuned.figures,
        tuned.held_logits,
        start_head=chosen.start_head,
        start_encoder=start_encoder,
        stop_by=stop_by,
    )
    job.log["training"] = tuned.log.to_dict()
    row = min(heard, key=lambda one: heard[one][1].figures["log_loss"])
    words, fitted = heard[row]
    # Where no part was held out from the words, folds were, and they have logits of every text.
    of_words = fitted.logits if job.held is not None else fitted.logits[held]
    both, figures, logits = blended(words, tuned.reader, of_words, tuned.held_logits, y[held])
    job.note(BLENDED, tuned.log.seconds, figures, logits, words=row, share_of_words=both.share)
    return {TUNED: tuned.reader, BLENDED: both}


def _stop_by(settings: SentimentSettings, n_held: int) -> str:
    """The figure by which a training keeps its weights."""
    if settings.stop_by != "auto":
        return settings.stop_by
    if n_held < FEW_HELD:
        return "last"
    return "macro_f1" if settings.select_by == "log_loss" else settings.select_by


def _wanted(settings: SentimentSettings, few: bool, cloze: Cloze | None) -> list[str]:
    """The rows that the mode asks for, beside the baselines; few labels try a language model if given one."""
    if settings.mode == "auto" and few:
        asked = [PROMPT] if cloze is not None else []
        return list(dict.fromkeys([*(row for row in settings.candidates if row != "frozen"), *asked]))
    if settings.mode == "auto":
        return [TUNED, BLENDED]
    return [BY_MODE[settings.mode]] if settings.mode != "frozen" else []


def _choose(settings: SentimentSettings, few: bool, readers: Iterable[str], job: Job) -> tuple[str, str]:
    """Which of the candidates, cheapest first, answers, and why in words.

    The best on held-out texts; by log loss, where there is one, 'blended' unless another leads it (see
    `choose_by_loss`). With few labels the last of equals: it has read more than the labels.
    """
    wanted, rows = BY_MODE.get(settings.mode), list(readers)
    if wanted in rows:
        return wanted, "it is the mode that was asked for"
    if few:
        # Folds of a few texts cannot tell words from chance, and these readers have no words but theirs.
        rows = [row for row in reversed(rows) if row not in WORDS]
        if rows == [FROZEN]:
            return FROZEN, f"there are fewer than {settings.few_labels} labelled texts"
    by = settings.select_by
    if by == "log_loss":
        y = job.tested
        cases = {row: log_loss_cases(y, cross_calibrated(job.heard[row], y)) for row in rows}
        best = choose_by_loss(cases)
        values = {row: float(loss.mean()) for row, loss in cases.items()}
    else:
        values = {row: job.log["validation"][row][by] or 0.0 for row in rows}
        best = max(values, key=lambda row: values[row])
    found = ", ".join(f"{row} {value:.4f}" for row, value in values.items())
    return best, f"chosen by {by} on held-out training texts ({found})"


def choose_by_loss(cases: Mapping[str, Floats]) -> str:
    """The row to take by the log loss [n] of each on the same held-out texts, cheapest first.

    'blended' unless another's is lower by more than two standard errors of the paired difference: it hears
    what the others hear, so it is seldom far behind the best of them, while the best of so few texts often is
    (`benchmarks/sentiment_auto.py`). Without it the row of the least.
    """
    best = min(cases, key=lambda row: float(cases[row].mean()))
    if BLENDED not in cases:
        return best
    behind = cases[BLENDED] - cases[best]
    error = behind.std(ddof=1) / math.sqrt(len(behind)) if len(behind) > 1 else math.inf
    return best if behind.mean() > 2 * error else BLENDED
