"""Reaching into a network while a loss runs: what a module gives out, read or changed on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from retailor.errors import ConfigError

Batch = Mapping[str, Tensor]
Loss = Callable[[nn.Module, Batch], Tensor]
Place = Callable[[nn.Module], nn.Module]
"""Which module of a network is meant."""


@contextmanager
def changing(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While it lasts, every output of the module is `change(output)`."""
    handle = module.register_forward_hook(lambda _module, _given, output: change(output))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def reading(module: nn.Module) -> Iterator[list[Tensor]]:
    """A list that the module's outputs are added to, in order, with their gradients."""
    seen: list[Tensor] = []

    def keep(output: Tensor) -> Tensor:
        seen.append(output)
        return output

    with changing(module, keep):
        yield seen


def word_embedding(network: nn.Module) -> nn.Module:
    """The module that gives the word embeddings of the transformer inside, or else the first table.

    Raises ConfigError when the network embeds no words.
    """
    modules: list[Any] = list(network.modules())
    for module in modules:
        if hasattr(module, "get_input_embeddings") and hasattr(module, "config"):
            return cast(nn.Module, module.get_input_embeddings())
    for module in modules:
        if isinstance(module, nn.Embedding):
            return module
    raise ConfigError(
        f"{type(network).__name__} has no word embeddings that could be disturbed: name the module by hand.",
        key="embedding",
    )


def place_in(network: nn.Module, place: Place, what: str) -> nn.Module:
    """`place(network)`, or a ConfigError when that is no module."""
    found: Any = place(network)
    if isinstance(found, nn.Module):
        return found
    raise ConfigError(
        f"'{what}' gave a {type(found).__name__} where a module of {type(network).__name__} is needed.",
        key=what,
    )


def dice(network: nn.Module) -> list[Tensor]:
    """The state of torch's random generators, those of the network's device included."""
    states = [torch.get_rng_state()]
    if next(network.parameters()).device.type == "cuda":
        states += torch.cuda.get_rng_state_all()
    return states


def throw_again(states: list[Tensor]) -> None:
    """Puts the generators back, so that the next pass drops out the same units as the last."""
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state_all(states[1:])


@contextmanager
def undropped(network: nn.Module) -> Iterator[None]:
    """While it lasts, no module of the network drops anything, also where it trains."""
    names = ("p", "dropout", "attention_dropout", "attn_dropout")
    found = [
        (module, name, value)
        for module in network.modules()
        for name in (names if not isinstance(module, nn.modules.dropout._DropoutNd) else names[:1])
        if isinstance(value := getattr(module, name, None), float)
    ]
    for module, name, _ in found:
        setattr(module, name, 0.0)
    try:
        yield
    finally:
        for module, name, value in found:
            setattr(module, name, value)


def drops(network: nn.Module) -> bool:
    """Whether some part of the network drops something while it trains."""
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            return True
        if getattr(getattr(module, "config", None), "attention_dropout", 0.0):
            return True
    return False
