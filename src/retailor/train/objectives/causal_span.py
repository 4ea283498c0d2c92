"""Next words for a decoder, spans for an encoder-decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from retailor import seeds
from retailor.config import as_dict
from retailor.models.endpoints.chat import start_id
from retailor.train.loop import train
from retailor.train.lora import merged, set_aside, with_lora
from retailor.train.losses.functions import causal_lm, n_labels, seq2seq_lm
from retailor.train.objectives.masking import IGNORED, batch_randomness, cut_spans, sentinels
from retailor.train.objectives.settings import (
    AdaptSettings,
    Objective,
    Outcome,
    Texts,
    training_of,
)

Collate = Callable[[Sequence[Any]], Any]


def adapt_generator(
    model: Any, texts: Texts, given: AdaptSettings, work: Path | None, objective: Objective
) -> Outcome:
    """A copy of the generator, trained on `texts` by 'causal' or 'span'."""
    if given.lora_rank:
        made = with_lora(model, given.lora_rank, seed=given.seed, bits=given.lora_bits)
    else:
        made = model.copy()
    collate = _spans(made, given) if objective == "span" else _plain(made, given)
    loss_of = causal_lm if not made.is_seq2seq else seq2seq_lm
    first = 0 if made.is_seq2seq else 1  # nothing comes before a decoder's first token

    def loss(network: Any, batch: Any) -> torch.Tensor:
        return loss_of(network(**batch).logits, batch["labels"])

    shop, general = (_fixed(collate, some, given) for some in (texts.held_out, texts.general))

    def measured() -> tuple[float, float | None]:
        of_general = _mean_of(made.network, general, loss) if general else None
        return _mean_of(made.network, shop, loss), of_general

    examples, how, lengths = _examples(made, texts.learned, given, collate)
    with set_aside(model, given.lora_bits):
        before = measured()
        log = train(
            made.network, examples, how, loss,
            training_of(given, objective, len(made.tokenizer)),
            validate=lambda: -_mean_of(made.network, shop, loss), lengths=lengths,
            weigh=lambda batch: n_labels(batch["labels"][:, first:]), work=work, label="adapt",
            dials=(as_dict(given), texts.held_out),
        )  # fmt: skip
        after = measured()
    made = merged(made, model)
    return Outcome(made, before[0], after[0], log, general_before=before[1], general_after=after[1])


def _examples(
    made: Any, texts: list[str], given: AdaptSettings, collate: Collate
) -> tuple[Sequence[Any], Collate, list[int]]:
    """Texts with batches of similar length, or rows of full length."""
    if not given.packed:
        return texts, collate, [len(text) for text in texts]
    rows = packed_rows(made.tokenizer, texts, given.max_tokens)

    def stack(some: Sequence[list[int]]) -> Any:
        return made.stacked(some, [[IGNORED, *row[1:]] for row in some])

    return rows, stack, [len(row) for row in rows]


def packed_rows(tokenizer: Any, texts: Sequence[str], n_tokens: int) -> list[list[int]]:
    """All texts one after the other, the end mark between them, cut into rows of `n_tokens`.

    Every token but a row's first is learned from; what a text can look back on may be another text, which
    the end mark tells. The last row is shorter, and left out when it has one token.
    """
    end = [tokenizer.eos_token_id]
    start = [start_id(tokenizer)]
    flat: list[int] = list(start)
    for row in tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]:
        flat += row + end
    rows = [flat[i : i + n_tokens] for i in range(0, len(flat), n_tokens)]
    return [row for row in rows if len(row) > 1]


def _plain(generator: Any, given: AdaptSettings) -> Collate:
    def collate(texts: Sequence[str]) -> Any:
        return generator.plain(texts, max_tokens=given.max_tokens)

    return collate


def _spans(generator: Any, given: AdaptSettings) -> Collate:
    marks = sentinels(generator.tokenizer)
    eos = generator.tokenizer.eos_token_id

    def collate(texts: Sequence[str]) -> Any:
        draw = batch_randomness()
        rows = generator.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        cut = [cut_spans(row[: given.max_tokens - 1] or [eos], marks, given.mask_rate, draw) for row in rows]
        return generator.stacked([[*left, eos] for left, _ in cut], [[*out, eos] for _, out in cut])

    return collate


def _fixed(collate: Collate, texts: list[str], given: AdaptSettings) -> list[Any]:
    """Batches with their spans cut once and for all."""
    ordered = sorted(texts, key=len)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeds.derive(given.seed, "adapt", "held out"))
        return [collate(ordered[i : i + 16]) for i in range(0, len(ordered), 16)]


def _mean_of(network: Any, batches: list[Any], loss: Any) -> float:
    total, n = 0.0, 0
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for batch in batches:
            n_labels = int((batch["labels"] >= 0).sum())
            total += loss(network, batch).item() * n_labels
            n += n_labels
    network.train(was_training)
    return total / max(n, 1)
