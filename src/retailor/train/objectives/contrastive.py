"""Contrastive adaptation of an encoder: a text and its partner against the other texts of the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retailor import seeds
from retailor.config import as_dict
from retailor.errors import ConfigError, DataError
from retailor.models.shapes import TrainableEncoder
from retailor.train.loop import train
from retailor.train.lora import merged, set_aside, with_lora
from retailor.train.losses.functions import contrastive
from retailor.train.losses.hooks import drops
from retailor.train.losses.shared import gathered
from retailor.train.objectives.growth import grown
from retailor.train.objectives.measures import neighbours_kept
from retailor.train.objectives.settings import AdaptSettings, Outcome, Texts, training_of

Pair = tuple[str, str]
Batch = Mapping[str, Tensor]
LEAST_PAIRS = 10
HELD_OUT_BATCH = 32


def check_contrastive(model: TrainableEncoder, pairs: Sequence[Pair] | None) -> None:
    """Raises ConfigError where two dropouts of a text would be the same, DataError on too few pairs."""
    if pairs is None and not drops(model.network):
        raise ConfigError(
            f"'contrastive' without pairs compares two dropouts of a text, and {model.name} drops nothing: "
            "give pairs, or choose 'masked'.",
            key="objective",
            value="contrastive",
        )
    if pairs is not None and len(_usable(pairs)) < LEAST_PAIRS:
        raise DataError(f"there are {len(_usable(pairs))} usable pairs, and {LEAST_PAIRS} are needed.")


def adapt_contrastive(
    model: TrainableEncoder,
    texts: Texts,
    pairs: Sequence[Pair] | None,
    given: AdaptSettings,
    work: Path | None,
) -> Outcome:
    """A copy of the encoder for which a text is nearer to its partner than to the batch's other partners.

    The partner is the other text of its pair, or the text itself under another dropout (Gao, Yao & Chen,
    SimCSE, EMNLP 2021). `keep` has no part in it.
    """
    made: Any
    if given.lora_rank:  # nothing grows then: `check_growth`
        made, n_new = with_lora(model, given.lora_rank, seed=given.seed, bits=given.lora_bits), 0
    else:
        made, n_new = grown(model, texts.learned, given, work)
    learned, held_out, general = _pairs(texts, pairs, given)
    collate, loss = _collate(made, given), _loss(made, given)

    def mean(some: list[Pair]) -> float:
        return _mean(made.network, some, collate, loss, given)

    def measured() -> tuple[float, float | None]:
        return mean(held_out), mean(general) if general else None

    with set_aside(model, given.lora_bits):
        before = measured()
        log = train(
            made.network, learned, collate, loss,
            training_of(given, "contrastive", len(made.tokenizer)),
            validate=lambda: -mean(held_out), lengths=[len(a) + len(b) for a, b in learned],
            by_rows=False, work=work, label="adapt", dials=(as_dict(given), held_out),
        )  # fmt: skip
        after = measured()
    made = merged(made, model)
    kept = neighbours_kept(model, made, texts.held_out)
    return Outcome(made, before[0], after[0], log, kept, before[1], after[1], n_new)


def _usable(pairs: Sequence[Pair]) -> list[Pair]:
    return [(a, b) for a, b in dict.fromkeys(pairs) if a and b and a.strip() and b.strip()]


def _pairs(texts: Texts, pairs: Sequence[Pair] | None, given: AdaptSettings) -> tuple[list[Pair], ...]:
    """Pairs to learn from, those held out, and those of general text; no left text is on both sides."""
    if pairs is None:
        return tuple(
            [(text, text) for text in some] for some in (texts.learned, texts.held_out, texts.general)
        )
    usable = _usable(pairs)
    lefts = list(dict.fromkeys(left for left, _ in usable))
    order = seeds.stream(given.seed, "adapt", "pairs").permutation(len(lefts))
    n_out = min(512, max(2, round(len(lefts) * given.held_out)))
    out = {lefts[i] for i in order[:n_out]}
    mixed = [(text, text) for text in texts.learned[len(texts.learned) - texts.n_general :]]
    learned = [pair for pair in usable if pair[0] not in out][: given.max_texts]
    general = [(text, text) for text in texts.general]
    return [*learned, *mixed], [pair for pair in usable if pair[0] in out], general


def _collate(encoder: Any, given: AdaptSettings) -> Callable[[Sequence[Pair]], Batch]:
    def collate(pairs: Sequence[Pair]) -> Batch:
        lefts, rights = ([pair[side] for pair in pairs] for side in (0, 1))
        batch = encoder.tokens([*lefts, *rights])
        cut = {name: rows[:, : given.max_tokens] for name, rows in batch.items()}
        return {**cut, "left": _known(lefts), "right": _known(rights)}

    return collate


def _known(texts: list[str]) -> Tensor:
    """A number a text [B], the same in every process."""
    return torch.tensor([seeds.derive(0, text) for text in texts])


def _same(known: Tensor) -> Tensor:
    """Whether two rows have the same text [B, B]: they are then no wrong partners for each other."""
    return known[:, None] == known[None, :]


def _loss(encoder: Any, given: AdaptSettings) -> Callable[[nn.Module, Batch], Tensor]:
    def loss(_: nn.Module, batch: Batch) -> Tensor:
        inputs = {name: rows for name, rows in batch.items() if name not in ("left", "right")}
        left, right = (gathered(side) for side in encoder.vectors(inputs).chunk(2))
        same = _same(gathered(batch["left"])) | _same(gathered(batch["right"]))
        return contrastive(left, right, temperature=given.temperature, same=same)

    return loss


def _mean(network: nn.Module, pairs: list[Pair], collate: Any, loss: Any, given: AdaptSettings) -> float:
    """Mean loss over pairs in fixed batches of 32, with dropout where that alone parts a text from itself."""
    was_training = network.training
    network.train(all(a == b for a, b in pairs))
    total = 0.0
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.no_grad():
        torch.manual_seed(seeds.derive(given.seed, "adapt", "held out"))
        for start in range(0, len(pairs), HELD_OUT_BATCH):
            some = pairs[start : start + HELD_OUT_BATCH]
            batch = {name: rows.to(next(network.parameters()).device) for name, rows in collate(some).items()}
            total += loss(network, batch).item() * len(some)
    network.train(was_training)
    return total / len(pairs)
