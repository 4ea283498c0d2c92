"""What many labels pay for: a fine-tuned network, and one blended with a reader of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retailor.models.shapes import TrainableEncoder
from retailor.tasks.sentiment.fitting import BLENDED, FROZEN, TUNED, Fitting, Probed, training_of
from retailor.tasks.sentiment.readers.blended import BlendedReader, blended
from retailor.tasks.sentiment.readers.heads import Fitted, Labels
from retailor.tasks.sentiment.readers.linear import VectorReader, WordReader
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.texts import stratified

if TYPE_CHECKING:
    from retailor.tasks.sentiment.training.tuned import FineTuned, Tuning

FEW_HELD = 200
"""With fewer held-out texts a training goes to its end, unless told otherwise."""


def fit_tuned(
    fitting: Fitting, before: Probed, words: dict[str, tuple[WordReader, Fitted]]
) -> dict[str, VectorReader | BlendedReader]:
    """The fine-tuned reader, which starts at a probe, and the one that reads the words too."""
    from retailor.tasks.sentiment.training.tuned import fine_tune

    chosen, examples = fitting.settings, fitting.examples
    held = stratified(examples.y, chosen.validation, chosen.seed)[1] if fitting.held is None else fitting.held
    if chosen.domain_weight and not fitting.unlabelled:
        fitting.log["note"] = "every review has a label or stars, so domain_weight had nothing to work on"
    encoder = before.reader.encoder
    assert isinstance(encoder, TrainableEncoder), "nothing else is tuned"
    start = fitting.probe_without(held, before) if chosen.start_head == "probe" else None
    tuned = fine_tune(
        encoder,
        start,
        examples.take(np.setdiff1d(np.arange(len(examples)), held)),
        examples.take(held),
        fitting.weights,
        _tuning(fitting, encoder, len(held)),
        fitting.work,
        fitting.unlabelled,
    )
    fitting.note(
        TUNED,
        tuned.log.seconds,
        tuned.figures,
        tuned.held_logits,
        start_head=chosen.start_head,
        start_encoder="given" if before.row == FROZEN else before.row,
        stop_by=_stop_by(chosen, len(held)),
    )
    fitting.log["training"] = tuned.log.to_dict()
    return {TUNED: tuned.reader, BLENDED: _blended(fitting, tuned, held, words)}


def _blended(
    fitting: Fitting, tuned: FineTuned, held: Labels, words: dict[str, tuple[WordReader, Fitted]]
) -> BlendedReader:
    """The network with the better of the two readers of words."""
    row = min(words, key=lambda one: words[one][1].figures["log_loss"])
    reader, fitted = words[row]
    # Where no part was held out from the words, folds were, and they have logits of every text.
    of_words = fitted.logits[held] if fitting.held is None else fitted.logits
    y = fitting.examples.y[held]
    both, figures, logits = blended(reader, tuned.reader, of_words, tuned.held_logits, y)
    fitting.note(BLENDED, tuned.log.seconds, figures, logits, words=row, share_of_words=both.share)
    return both


def _tuning(fitting: Fitting, encoder: TrainableEncoder, n_held: int) -> Tuning:
    from retailor.tasks.sentiment.training.tuned import Tuning
    from retailor.train.losses.adversarial import AdversarialSettings

    chosen = fitting.settings
    return Tuning(
        train=training_of(chosen, encoder, fitting.seed),
        max_tokens=chosen.max_tokens,
        dropout=chosen.dropout,
        label_smoothing=chosen.label_smoothing,
        stop_by=_stop_by(chosen, n_held),
        paired=fitting.paired,
        augment=chosen.augment,
        adversarial=AdversarialSettings(method=chosen.adversarial, epsilon=chosen.epsilon),
        mixup=chosen.mixup,
        domain_weight=chosen.domain_weight,
        lora_rank=chosen.lora_rank,
        lora_bits=chosen.lora_bits,
    )


def _stop_by(settings: SentimentSettings, n_held: int) -> str:
    """The figure by which a training keeps its weights."""
    if settings.stop_by != "auto":
        return settings.stop_by
    if n_held < FEW_HELD:
        return "last"
    return "macro_f1" if settings.select_by == "log_loss" else settings.select_by
