"""Sentence order: whether the halves of a text stand the right way round. Lan et al., ALBERT, ICLR 2020."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retailor.train.losses.hooks import Loss
from retailor.train.losses.shared import gathered
from retailor.train.objectives.masked_head import MaskedHead, MaskedModel, Masker
from retailor.train.objectives.masking import IGNORED

_ENDS = frozenset(".!?;。！？；…")
LEAST_HALF = 3


class OrderedModel(MaskedModel):
    """The masked model with a second head, which reads the order off the first token's hidden state."""

    def __init__(self, network: Any, head: MaskedHead) -> None:
        super().__init__(network, head)
        self.order = nn.Linear(head.dense.in_features, 2)


def with_halves(masker: Masker, tokenizer: Any) -> Masker:
    """The masker, which now swaps the halves of half the texts that have two."""
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    ends = np.array([token.strip("▁Ġ#")[-1:] in _ENDS and len(token.strip("▁Ġ#")) == 1 for token in tokens])
    halves = [second_half(row, ends, masker.n_prompt) for row in masker.rows]
    return replace(masker, halves=halves)


def second_half(row: Sequence[int], ends: Any, n_prompt: int) -> int:
    """Where the second half of a text begins: at the end of a sentence nearest to its middle; 0 if nowhere.

    `ends` says of each token id whether it ends a sentence. Both halves have three tokens at least.
    """
    last = len(row) - 1  # the end mark stays where it is
    after = [
        i + 1
        for i in range(n_prompt, last)
        if ends[row[i]] and i + 1 - n_prompt >= LEAST_HALF and last - (i + 1) >= LEAST_HALF
    ]
    middle = (n_prompt + last) / 2
    return min(after, key=lambda i: abs(i - middle), default=0)


def with_order(loss: Loss) -> Loss:
    """The masked loss plus the cross entropy of the order, over the texts that have two halves."""

    def both(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        assert isinstance(model, OrderedModel)
        seen: list[Tensor] = []
        handle = model.body.register_forward_hook(lambda _m, _i, out: seen.append(out.last_hidden_state))
        try:
            value = loss(model, batch)
        finally:
            handle.remove()
        return value + order_loss(model, seen[-1], batch["order"])

    return both


def order_loss(model: OrderedModel, hidden: Tensor, order: Tensor) -> Tensor:
    """Mean cross entropy [] of hidden [B, T, dim] for order [B]: 1 swapped, 0 not, −100 for no halves."""
    logits, order = gathered(model.order(hidden[:, 0]).float()), gathered(order)
    total = F.cross_entropy(logits, order, ignore_index=IGNORED, reduction="sum")
    return total / torch.clamp((order != IGNORED).sum(), min=1)
