"""What few labels need: a panel, prompts, an encoder tuned on pseudo-labels, an encoder tuned by contrast."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from retailor.models.cloze import Cloze
from retailor.models.shapes import Encoder, TrainableEncoder
from retailor.store.artifact import fingerprint
from retailor.store.memo import memo_tensors
from retailor.tasks.sentiment.fitting import CONTRAST, PANEL, PROMPT, PSEUDO, Fitting, Probed, training_of
from retailor.tasks.sentiment.readers.heads import Head, Labels, calibration, fit_head
from retailor.tasks.sentiment.readers.linear import VectorReader
from retailor.tasks.sentiment.readers.panel import PanelReader, headed, seat
from retailor.tasks.sentiment.readers.prompt import Asker, PromptReader, prompts_of
from retailor.tasks.sentiment.readers.prompt import features as prompt_features
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.texts import folds
from retailor.text.opinions import OpinionWords

if TYPE_CHECKING:
    from retailor.tasks.sentiment.training.pseudo_labels import PseudoTuning


def _opinion_words(chosen: SentimentSettings) -> OpinionWords:
    known = OpinionWords()
    return OpinionWords(known.praise + chosen.praise, known.blame + chosen.blame)


def _fresh(fitting: Fitting) -> list[str]:
    """The different unlabelled texts that are not among the labelled ones."""
    seen = {query.text for query in fitting.examples.queries}
    return [text for text in dict.fromkeys(fitting.unlabelled) if text and text not in seen]


def fit_panel(fitting: Fitting, encoder: Encoder) -> dict[str, PanelReader]:
    """A panel with a head; nothing, and a reason in the log, where it cannot be seated."""
    start, chosen = time.perf_counter(), fitting.settings
    seated = seat(
        encoder, _fresh(fitting), _opinion_words(chosen), max_texts=chosen.pseudo_texts,
        max_tokens=chosen.max_tokens, teacher=fitting.teacher, teacher_weight=chosen.teacher_weight,
        seed=chosen.seed, work=fitting.work,
    )  # fmt: skip
    if seated.panel is None:
        fitting.log.setdefault("not_tried", {})[PANEL] = seated.why
        return {}
    reader, figures, logits = headed(
        seated.panel,
        fitting.examples.queries,
        fitting.examples.y,
        fitting.weights,
        fitting.held,
        fitting.seed,
    )
    fitting.note(PANEL, time.perf_counter() - start, figures, logits, judges=seated.panel.judges())
    return {PANEL: reader}


def fit_pseudo(fitting: Fitting, encoder: TrainableEncoder, frozen: Probed) -> Probed | None:
    """A probe over an encoder tuned on pseudo-labels; None, and a reason in the log, if it could not be.

    Unless labels are few, a probe on `frozen` vectors that has seen all but the held-out ones is a judge.
    """
    from retailor.tasks.sentiment.training.pseudo_labels import opinion_tuned

    start = time.perf_counter()
    labelled = None if fitting.held is None else fitting.probe_without(fitting.held, frozen)
    tuned = opinion_tuned(
        encoder, _fresh(fitting), _pseudo_tuning(fitting.settings, encoder), teacher=fitting.teacher,
        labelled=labelled, work=fitting.work,
    )  # fmt: skip
    fitting.log["pseudo_labels"] = tuned.log
    if tuned.encoder is None:
        fitting.log.setdefault("not_tried", {})[PSEUDO] = tuned.why
        return None
    return fitting.probed(tuned.encoder, PSEUDO, start)


def _pseudo_tuning(chosen: SentimentSettings, encoder: TrainableEncoder) -> PseudoTuning:
    from retailor.tasks.sentiment.training.pseudo_labels import PseudoTuning, seed_of

    return PseudoTuning(
        train=replace(
            training_of(chosen, encoder, seed_of(chosen.seed)),
            epochs=chosen.pseudo_epochs,
            learning_rate=chosen.pseudo_rate,
            unfreeze_every=None,
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


def fit_contrast(fitting: Fitting, encoder: TrainableEncoder) -> VectorReader:
    """A head over an encoder that was tuned on the labels by contrast; its figures are over three folds."""
    start, y = time.perf_counter(), fitting.examples.y
    number = _parts(fitting)
    parts = range(3) if fitting.held is None else (1,)
    logits = np.zeros((len(y), len(fitting.weights)))
    for part in parts:
        held = np.flatnonzero(number == part)
        reader, texts = _contrasted(fitting, encoder, np.flatnonzero(number != part))
        logits[held] = reader.head.logits(reader.vectors([texts[i] for i in held], exact=False))
    tested = np.isin(number, list(parts))
    figures = calibration(logits[tested], y[tested])
    reader, _ = _contrasted(fitting, encoder, np.arange(len(y)))
    strength = fitting.settings.strengths[0]
    fitting.note(CONTRAST, time.perf_counter() - start, figures, logits[tested], strength=strength)
    return replace(reader, head=replace(reader.head, temperature=figures["temperature"]))


def _parts(fitting: Fitting) -> Labels:
    """The part [n] of each labelled text: three folds, or 1 where it is held out and 0 where not."""
    y = fitting.examples.y
    if fitting.held is None:
        return folds(y, 3, fitting.seed)
    return np.isin(np.arange(len(y)), fitting.held).astype(int)


def _contrasted(fitting: Fitting, encoder: TrainableEncoder, rows: Labels) -> tuple[VectorReader, list[str]]:
    """A head over the encoder, both fitted on these rows, and all labelled texts as it reads them."""
    from retailor.tasks.sentiment.training.contrastive import contrast_tuned

    chosen, y = fitting.settings, fitting.examples.y[rows]
    blank = VectorReader(encoder, Head(np.zeros((0, 0)), np.zeros(0)), chosen.max_tokens)
    texts = blank.inputs(fitting.examples.queries)
    learned = [texts[i] for i in rows]
    most = chosen.train.max_steps or chosen.contrastive_steps
    loop = replace(
        training_of(chosen, encoder, fitting.seed),
        epochs=1e6,
        max_steps=min(chosen.contrastive_steps, most),
        learning_rate=chosen.pseudo_rate,
        unfreeze_every=None,
    )
    tuned, log = contrast_tuned(encoder, learned, y, loop)
    fitting.log["contrastive"] = log.to_dict()
    own = replace(blank, encoder=tuned)
    vectors = own.vectors(learned, exact=False)
    head = fit_head(vectors, y, "logistic", chosen.strengths[0], fitting.weights)
    return replace(own, head=head), texts


def fit_prompt(fitting: Fitting, cloze: Cloze) -> PromptReader:
    """The reader whose head is fitted on the labels, and its held-out figures in the log."""
    start, chosen = time.perf_counter(), fitting.settings
    asker = Asker.calibrated(cloze, prompts_of(chosen), chosen.max_tokens)
    queries = fitting.examples.queries
    texts = [(query.text, query.aspect) for query in queries]
    mark = fingerprint(asker.mark, texts)
    made = memo_tensors(fitting.work, "prompt", mark, lambda: {"odds": asker.log_odds(queries)})
    rows = prompt_features(np.asarray(made["odds"], dtype=np.float64))
    fitted = fitting.head(rows)
    fitting.note(
        PROMPT,
        time.perf_counter() - start,
        fitted.figures,
        fitted.logits,
        strength=fitted.strength,
        model=cloze.name,
    )
    return PromptReader(asker, fitted.head)
