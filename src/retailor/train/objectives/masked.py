"""Masked words for an encoder, and with them, if asked, which half of a text comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retailor import seeds
from retailor.config import as_dict
from retailor.models.shapes import TrainableEncoder
from retailor.text.terms import mine_terms
from retailor.train.loop import train
from retailor.train.lora import merged, set_aside, with_lora
from retailor.train.losses.functions import n_labels, similarity_distillation
from retailor.train.objectives.growth import grown
from retailor.train.objectives.masked_head import (
    MaskedHead,
    MaskedModel,
    Masker,
    full_loss,
    head_loss,
    mean_loss,
)
from retailor.train.objectives.masking import vocabulary
from retailor.train.objectives.measures import neighbours_kept
from retailor.train.objectives.order import OrderedModel, with_halves, with_order
from retailor.train.objectives.settings import (
    AdaptSettings,
    Outcome,
    Texts,
    head_training_of,
    training_of,
)


@dataclass(frozen=True)
class _Training:
    """The encoder in training under its head, and the rows of its texts."""

    made: Any
    joined: MaskedModel
    masker: Masker
    lengths: list[int]
    given: AdaptSettings
    work: Path | None


def adapt_masked(
    model: TrainableEncoder, texts: Texts, given: AdaptSettings, work: Path | None, *, order: bool
) -> Outcome:
    """A copy of the encoder, trained on `texts`; an example of this training is the number of a text."""
    made: Any
    if given.lora_rank:  # nothing grows then: `check_growth`
        made, n_new = with_lora(model, given.lora_rank, seed=given.seed, bits=given.lora_bits), 0
    else:
        made, n_new = grown(model, texts.learned, given, work)
    targets = model.encode(texts.learned) if given.keep else None
    training = _under_head(made, texts, given, targets, order, work)
    shop, general = _fixed(training, texts)

    def measured() -> tuple[float, float | None]:
        return mean_loss(training.joined, shop), mean_loss(training.joined, general) if general else None

    loss = full_loss(made, given.keep, similarity_distillation)
    with set_aside(model, given.lora_bits):
        _fit_head(training)
        training.joined.eval()
        before = measured()
        log = train(
            training.joined, range(len(training.lengths)), training.masker.collate,
            with_order(loss) if order else loss, training_of(given, "masked", len(training.masker.place)),
            validate=lambda: -mean_loss(training.joined, shop), lengths=training.lengths,
            weigh=lambda batch: n_labels(batch["labels"]), work=work, label="adapt",
            dials=(as_dict(given), order, texts.held_out),
        )  # fmt: skip
        training.joined.eval()
        after = measured()
    made = merged(made, model)
    kept = neighbours_kept(model, made, texts.held_out)
    return Outcome(made, before[0], after[0], log, kept, before[1], after[1], n_new)


def _under_head(
    made: Any, texts: Texts, given: AdaptSettings, targets: Any, order: bool, work: Path | None
) -> _Training:
    everything = [*texts.learned, *texts.held_out, *texts.general]
    masker, counts = _masker(made, everything, len(texts.learned), given, targets, work)
    if order:
        masker = with_halves(masker, made.tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(given.seed, "adapt", "head"))
        kind = OrderedModel if order else MaskedModel
        width = int(made.network.get_input_embeddings().weight.shape[1])
        joined = kind(made.network, MaskedHead(_hidden(made), width, masker.kept, counts))
    joined.to(next(made.network.parameters()).device)
    return _Training(
        made, joined, masker, [len(row) for row in masker.rows[: len(texts.learned)]], given, work
    )


def _hidden(encoder: Any) -> int:
    """Numbers of a hidden state, which are not those of a vector where something follows the pooling."""
    config = encoder.network.config
    return int(getattr(config, "hidden_size", None) or config.d_model)


def _masker(
    encoder: Any, texts: list[str], n_learned: int, given: AdaptSettings, targets: Any, work: Path | None
) -> tuple[Masker, NDArray[np.int64]]:
    """The masker of all texts, those to measure on last, and how often each kept token occurs."""
    known = vocabulary(encoder.tokenizer)
    rows = [_shortened(row, given.max_tokens) for row in _ids(encoder, texts)]
    counts = np.bincount(np.concatenate([np.asarray(row) for row in rows]), minlength=len(known.starts))
    counts[known.special] = 0
    kept = np.flatnonzero(counts)
    place = np.full(len(counts), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    if targets is not None:
        nothing = np.zeros((len(texts) - n_learned, targets.shape[1]), np.float32)
        targets = np.concatenate([targets, nothing])
    weights = None
    if given.term_boost > 1:
        weights = _term_weights(encoder, texts[:n_learned], given.term_boost, len(counts), work)
    n_prompt = len(_ids(encoder, [""])[0]) - 1
    masker = Masker(
        rows, known, kept, place, given.mask_rate, given.whole_words, max(n_prompt, 1), weights, targets
    )
    return masker, counts[kept]


def _ids(encoder: Any, texts: list[str]) -> list[list[int]]:
    if hasattr(encoder, "token_ids"):
        return encoder.token_ids(texts)  # type: ignore[no-any-return]
    return encoder.tokenizer(texts)["input_ids"]  # type: ignore[no-any-return]


def _shortened(row: list[int], n: int) -> list[int]:
    return row if len(row) <= n else [*row[: n - 1], row[-1]]


def _term_weights(
    encoder: Any, texts: list[str], boost: float, n_ids: int, work: Path | None
) -> NDArray[np.float64]:
    """One a token id: `boost` for the tokens that the shop's terms are made of, else 1."""
    weights = np.ones(n_ids)
    terms = [term.text for term in mine_terms(texts, work=work)]
    if terms:
        for row in encoder.tokenizer(terms, add_special_tokens=False)["input_ids"]:
            weights[row] = boost
    return weights


def _fixed(training: _Training, texts: Texts) -> list[list[Any]]:
    """The held-out shop texts and general texts, masked once and for all, in their order of words."""
    start = len(texts.learned)
    middle, end = start + len(texts.held_out), len(training.masker.rows)
    masker = training.masker.straight()

    def masked(numbers: Sequence[int]) -> list[Any]:
        return [masker.collate(numbers[i : i + 32]) for i in range(0, len(numbers), 32)]

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeds.derive(training.given.seed, "adapt", "held out"))
        return [masked(range(start, middle)), masked(range(middle, end))]


def _fit_head(training: _Training) -> None:
    """Trains the head alone, on the encoder as it is."""
    if not training.given.head_steps:
        return
    trained = [p for p in training.joined.body.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        train(
            training.joined, range(len(training.lengths)), training.masker.straight().collate,
            head_loss, head_training_of(training.given), lengths=training.lengths,
            weigh=lambda batch: n_labels(batch["labels"]), work=training.work, label="adapt-head",
            dials=as_dict(training.given),
        )  # fmt: skip
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
