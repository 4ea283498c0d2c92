"""Low-rank adapters through peft, for any encoder or generator whose network runs here."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

import torch

from retailor import seeds
from retailor.errors import MissingExtra, ModelError

M = TypeVar("M")


def with_lora(model: M, rank: int, *, seed: int, alpha: int | None = None, dropout: float = 0.05) -> M:
    """A copy of the model with adapters of this rank on every linear layer; nothing else of it trains.

    `alpha` (default 2 · rank) scales what the adapters add. Before training they add nothing. Give it to the
    loop like any other; `merged` makes a plain model of it again. Hu et al., LoRA, ICLR 2022.

    Raises ModelError when the model has no network here, or no linear layer.
    """
    held: Any = model
    if not (hasattr(held, "with_network") and hasattr(held, "network")):
        raise ModelError(f"{getattr(held, 'name', held)} has no network here for adapters.", asked="lora")
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise MissingExtra("peft", install="pip install 'retailor[models]'") from None
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        target_modules="all-linear",
        lora_dropout=dropout,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft asks transformers under names of last year
        torch.default_generator.manual_seed(seeds.derive(seed, "lora"))
        return held.with_network(get_peft_model(held.copy().network, config))  # type: ignore[no-any-return]


def merged(model: M) -> M:
    """The model with its adapters added into the weights, plain again; a model without any as it is."""
    held: Any = model
    if not hasattr(held.network, "merge_and_unload"):
        return model
    return held.with_network(held.network.merge_and_unload())  # type: ignore[no-any-return]
