"""What few labels need: a panel, prompts, an encoder tuned on pseudo-labels, an encoder tuned by contrast."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from retailor.models.cloze import Cloze
from retailor.models.shapes import Encoder, TrainableEncoder
from retailor.store.artifact import fingerprint
from retailor.store.memo import memo_tensors
from retailor.tasks.sentiment.fitting import CONTRAST, PANEL, PROMPT, PSEUDO, Job, Probed, loop_of
from retailor.tasks.sentiment.readers.heads import Head, Labels, calibration, choose_head, fit_head
from retailor.tasks.sentiment.readers.linear import VectorReader
from retailor.tasks.sentiment.readers.panel import OtherReader, PanelReader, headed, seat
from retailor.tasks.sentiment.readers.prompt import Asker, PromptReader, prompts_of
from retailor.tasks.sentiment.readers.prompt import features as prompt_features
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.texts import folds
from retailor.text.opinions import OpinionWords


def _opinion_words(chosen: SentimentSettings) -> OpinionWords:
    known = OpinionWords()
    return OpinionWords(known.praise + chosen.praise, known.blame + chosen.blame)


def _fresh(job: Job, texts: Sequence[str]) -> list[str]:
    """The different unlabelled texts that are not among the labelled ones."""
    seen = {query.text for query in job.examples.queries}
    return [text for text in dict.fromkeys(texts) if text and text not in seen]


def fit_panel(
    job: Job, encoder: Encoder, texts: Sequence[str], teacher: OtherReader | None, work: Path | None
) -> dict[str, PanelReader]:
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
    reader, figures, logits = headed(
        seated.panel, job.examples.queries, job.examples.y, job.weights, job.held, job.seed
    )
    job.note(PANEL, time.perf_counter() - start, figures, logits, judges=seated.panel.judges())
    return {PANEL: reader}


def fit_pseudo(
    job: Job,
    encoder: TrainableEncoder,
    frozen: Probed,
    texts: Sequence[str],
    teacher: OtherReader | None,
    work: Path | None,
) -> Probed | None:
    """A probe over an encoder tuned on pseudo-labels; None, and a reason in the log, if it could not be.

    Unless labels are few, a probe on `frozen` vectors that has seen all but the held-out ones is a judge.
    """
    from retailor.tasks.sentiment.training.pseudo_labels import PseudoTuning, opinion_tuned, seed_of

    start, chosen = time.perf_counter(), job.settings
    tuning = PseudoTuning(
        loop=replace(
            loop_of(chosen, encoder, seed_of(chosen.seed)),
            epochs=chosen.pseudo_epochs,
            learning_rate=chosen.pseudo_rate,
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
    labelled = None if job.held is None else job.probe_without(job.held, frozen)
    tuned = opinion_tuned(encoder, _fresh(job, texts), tuning, teacher=teacher, labelled=labelled, work=work)
    job.log["pseudo_labels"] = tuned.log
    if tuned.encoder is None:
        job.log.setdefault("not_tried", {})[PSEUDO] = tuned.why
        return None
    return job.probed(tuned.encoder, PSEUDO, start)


def fit_contrast(job: Job, encoder: TrainableEncoder) -> VectorReader:
    """A head over an encoder that was tuned on the labels by contrast; its figures are over three folds."""
    from retailor.tasks.sentiment.training.contrastive import contrast_tuned

    start, chosen, y = time.perf_counter(), job.settings, job.examples.y
    blank = VectorReader(encoder, Head(np.zeros((0, 0)), np.zeros(0)), chosen.max_tokens)
    texts = blank.inputs(job.examples.queries)
    loop = replace(
        loop_of(chosen, encoder, job.seed),
        epochs=1e6,
        max_steps=min(chosen.contrastive_steps, chosen.max_steps or chosen.contrastive_steps),
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
    job.note(CONTRAST, time.perf_counter() - start, figures, logits[tested], strength=chosen.strengths[0])
    return replace(reader, head=replace(reader.head, temperature=figures["temperature"]))


def fit_prompt(job: Job, cloze: Cloze, work: Path | None) -> PromptReader:
    """The reader whose head is fitted on the labels, and its held-out figures in the log."""
    start, chosen = time.perf_counter(), job.settings
    asker = Asker.calibrated(cloze, prompts_of(chosen), chosen.max_tokens)
    queries = job.examples.queries
    texts = [(query.text, query.aspect) for query in queries]
    mark = fingerprint(asker.mark, texts)
    made = memo_tensors(work, "prompt", mark, lambda: {"odds": asker.log_odds(queries)})
    rows = prompt_features(np.asarray(made["odds"], dtype=np.float64))
    fitted = choose_head(rows, job.examples.y, "logistic", chosen.strengths, job.weights, job.held, job.seed)
    job.note(
        PROMPT,
        time.perf_counter() - start,
        fitted.figures,
        fitted.logits,
        strength=fitted.strength,
        model=cloze.name,
    )
    return PromptReader(asker, fitted.head)
