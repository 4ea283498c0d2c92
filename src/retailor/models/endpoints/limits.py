"""What a network can take: how many tokens, and which ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from retailor.errors import ModelError

WITHOUT_LIMIT = 512
"""Tokens of a text where neither the positions nor the tokenizer of a model know an end (T5)."""


def usable_positions(network: torch.nn.Module) -> int | None:
    """The most tokens that the network has places for; None where its positions have no end.

    The RoBERTa family counts its places from the padding id on, so that padding_idx + 1 of them are lost.
    """
    found = []
    for module in network.modules():
        table = getattr(module, "position_embeddings", None) or getattr(module, "wpe", None)
        if isinstance(table, torch.nn.Embedding):
            padding = getattr(module, "padding_idx", None)
            found.append(table.num_embeddings - (padding + 1 if isinstance(padding, int) else 0))
    if found:
        return min(found)
    said = getattr(network.config, "max_position_embeddings", None)
    return said if isinstance(said, int) and said > 0 else None


def own_max_tokens(network: torch.nn.Module, tokenizer: Any) -> int:
    """The length that a model was made for, where its folder states none: by its positions or tokenizer."""
    limits = [usable_positions(network), tokenizer.model_max_length]
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < 1 << 24]
    return min(known, default=WITHOUT_LIMIT)


def check_max_tokens(network: torch.nn.Module, tokenizer: Any, asked: Any, name: str) -> int:
    """`asked` when texts of that many tokens can be read. Raises ModelError when they are too many or few."""
    most = usable_positions(network)
    least = tokenizer.num_special_tokens_to_add() + 1
    whole = isinstance(asked, int) and not isinstance(asked, bool)
    if not whole or asked < least or (most is not None and asked > most):
        raise ModelError(
            f"{name} cannot take max_tokens = {asked!r}: its tokenizer adds {least - 1} marks to a text and "
            f"its network has {'no end of' if most is None else most} positions, so it takes {least} to "
            f"{'any number' if most is None else most}.",
            asked=str(asked),
        )
    return int(asked)


def check_ids(network: Any, tokenizer: Any, folder: Path, *, used: Sequence[str] = ()) -> None:
    """Raises ModelError when an id of the tokenizer, or a special one of the config, has no embedding.

    `used` are the names of the config's special ids that will be fed to the network.
    """
    rows = int(network.get_input_embeddings().weight.shape[0])
    top = max(tokenizer.get_vocab().values(), default=-1)
    if top >= rows:
        raise ModelError(
            f"{folder}: the tokenizer knows {top + 1} tokens and the network has embeddings for {rows}: one "
            "of the two is of another model, or its embeddings were never resized; fetch both again.",
            asked=str(folder),
        )
    for name in used:
        value = getattr(network.config, name, None)
        for one in value if isinstance(value, list) else [value]:
            if one is not None and not 0 <= int(one) < rows:
                raise ModelError(
                    f"{folder}: config.json says {name} = {one}, and embeddings are for 0 to {rows - 1}.",
                    asked=name,
                )
