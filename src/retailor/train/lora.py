"""Low-rank adapters through peft, for any encoder or generator whose network runs here."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any, TypeVar

import torch

from retailor import seeds
from retailor.errors import MissingExtra, ModelError

M = TypeVar("M")


def with_lora(model: M, rank: int, *, seed: int, alpha: int | None = None, dropout: float = 0.05) -> M:
    """A copy of the model with adapters of this rank on every linear layer; nothing else of it trains.

    `alpha` (default 2 · rank) scales what the adapters add. Before training they add nothing. Give it to the
    loop like any other; `merged` makes a plain model of it again. Hu et al., LoRA, ICLR 2022.

    Raises what `check_lora` raises.
    """
    check_lora(model)
    from peft import LoraConfig, get_peft_model

    held: Any = model
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


def check_lora(model: object) -> None:
    """Raises ModelError when the model has no network here or no linear layer, MissingExtra without peft."""
    held: Any = model
    name = getattr(held, "name", held)
    if not (hasattr(held, "with_network") and hasattr(held, "network")):
        raise ModelError(f"{name} has no network here for adapters.", asked="lora")
    if find_spec("peft") is None:
        raise MissingExtra("peft", install="pip install 'retailor[models]'")
    if not any("Linear" in type(part).__name__ or "Conv1D" in type(part).__name__
               for part in held.network.modules()):  # fmt: skip
        raise ModelError(f"{name} has no linear layer for adapters.", asked="lora")


def merged(model: M) -> M:
    """The model with its adapters added into the weights, plain again; a model without any as it is.

    All of its weights can be trained again.
    """
    held: Any = model
    if not hasattr(held.network, "merge_and_unload"):
        return model
    plain = held.network.merge_and_unload()
    for parameter in plain.parameters():
        parameter.requires_grad_(parameter.is_floating_point())  # peft had frozen them
    return held.with_network(plain)  # type: ignore[no-any-return]
