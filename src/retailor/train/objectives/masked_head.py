"""Masked language modelling for an encoder that came without a head for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from retailor.models.encoder import pool
from retailor.models.shapes import TrainableEncoder
from retailor.train.losses.functions import masked_lm
from retailor.train.losses.shared import gathered
from retailor.train.objectives.masking import IGNORED, Vocabulary, batch_randomness, draw_masks, hide, padded

Batch = Mapping[str, Tensor]


class MaskedHead(nn.Module):
    """A dense layer, a norm, and the word embeddings themselves as output; scores over `kept` tokens only.

    The shop's own tokens are a small part of a large vocabulary (of e5's 250,000 say): the rest could only
    be guessed wrong, and costs time. The bias starts as the log frequency of each token.
    """

    def __init__(self, dim: int, width: int, kept: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """`dim` numbers a hidden state, `width` a word embedding."""
        super().__init__()
        self.dense = nn.Linear(dim, width)
        if width == dim:
            nn.init.eye_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.norm.weight, 0.3)
        shares = np.log((counts + 1) / (counts + 1).sum())
        self.bias = nn.Parameter(torch.from_numpy(shares).float())
        self.register_buffer("kept", torch.from_numpy(kept), persistent=False)

    def forward(self, hidden: Tensor, words: Tensor) -> Tensor:
        """Scores [M, K] for hidden states [M, dim] and all word embeddings [V, width]."""
        made = self.norm(nn.functional.gelu(self.dense(hidden)))
        return made @ words[self.kept].T + self.bias  # type: ignore[index, no-any-return]


class MaskedModel(nn.Module):
    """The encoder's network with the head on it; `place` is the kept number of a token id, or −1."""

    def __init__(self, network: Any, head: MaskedHead) -> None:
        super().__init__()
        self.body = network
        self.head = head

    def hidden(self, batch: Batch) -> Tensor:
        """Hidden states [B, T, dim]."""
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return self.body(**inputs).last_hidden_state  # type: ignore[no-any-return]

    def scores(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [M, K] and labels [M] at the masked places alone."""
        masked = labels != IGNORED
        return self.head(hidden[masked], self.body.get_input_embeddings().weight), labels[masked]


@dataclass(frozen=True)
class Masker:
    """Makes batches of masked texts: an example is the number of a row of `rows`."""

    rows: Sequence[Sequence[int]]
    known: Vocabulary
    kept: NDArray[np.int64]
    place: NDArray[np.int64]
    rate: float
    whole_words: bool
    n_prompt: int
    weights: NDArray[np.float64] | None
    targets: NDArray[np.float32] | None
    """The vectors to keep near to, one a row."""
    halves: Sequence[int] | None = None
    """Where the second half of each row begins, 0 for none: half of them are swapped, and a batch says so."""

    def straight(self) -> Masker:
        """The same without swapped halves."""
        return replace(self, halves=None)

    def collate(self, numbers: Sequence[int]) -> Batch:
        draw = batch_randomness()
        rows = [self.rows[i] for i in numbers]
        order = None
        if self.halves is not None:
            order = np.array([draw.integers(2) if self.halves[i] else IGNORED for i in numbers])
            rows = [
                swapped(row, self.halves[i], self.n_prompt) if turned == 1 else row
                for row, i, turned in zip(rows, numbers, order, strict=True)
            ]
        ids = padded(rows, self.known.pad_id)
        masks = draw_masks(
            ids, self.known, self.rate, draw, n_prompt=self.n_prompt, whole_words=self.whole_words,
            weights=self.weights,
        )  # fmt: skip
        real = np.arange(ids.shape[1]) < np.array([[len(self.rows[i])] for i in numbers])
        batch = {
            "input_ids": hide(ids, masks, self.known, self.kept, draw),
            "attention_mask": real.astype(np.int64),
            "labels": np.where(masks, self.place[ids], IGNORED),
        }
        if self.targets is not None:
            batch["targets"] = self.targets[list(numbers)]
        if order is not None:
            batch["order"] = order
        return {name: torch.from_numpy(array) for name, array in batch.items()}


def swapped(row: Sequence[int], half: int, n_prompt: int) -> list[int]:
    """The row with what follows `half` before what precedes it; prompt and end mark stay in place."""
    return [*row[:n_prompt], *row[half:-1], *row[n_prompt:half], row[-1]]


def head_loss(model: nn.Module, batch: Batch) -> Tensor:
    """The masked loss with the body as it is: only the head learns."""
    assert isinstance(model, MaskedModel)
    with torch.no_grad():
        hidden = model.hidden(batch)
    return masked_lm(*model.scores(hidden, batch["labels"]))


def full_loss(
    encoder: TrainableEncoder, keep: float, apart: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[nn.Module, Batch], Tensor]:
    """The masked loss, plus `keep` times how far the pooled vectors went from where they were."""
    pooling = _Pooler(encoder)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, MaskedModel)
        hidden = model.hidden(batch)
        value = masked_lm(*model.scores(hidden, batch["labels"]))
        if "targets" not in batch:
            return value
        pooled = gathered(pooling(hidden, batch["attention_mask"]))
        return value + keep * apart(pooled, gathered(batch["targets"]))

    return loss


class _Pooler:
    def __init__(self, encoder: TrainableEncoder) -> None:
        # An encoder's own way has its head in it.
        self.pooled: Callable[[Tensor, Tensor], Tensor] | None = getattr(encoder, "pooled", None)
        self.pooling = str(getattr(encoder, "pooling", "mean"))

    def __call__(self, hidden: Tensor, mask: Tensor) -> Tensor:
        return pool(hidden, mask, self.pooling) if self.pooled is None else self.pooled(hidden, mask)


def mean_loss(model: MaskedModel, batches: Sequence[Batch]) -> float:
    """Mean masked loss a token over batches that were masked once and for all."""
    total, n = 0.0, 0
    device = next(model.parameters()).device
    with torch.inference_mode():
        for batch in batches:
            there = {name: tensor.to(device) for name, tensor in batch.items()}
            scores, labels = model.scores(model.hidden(there), there["labels"])
            total += masked_lm(scores, labels).item() * len(labels)
            n += len(labels)
    return total / max(n, 1)
