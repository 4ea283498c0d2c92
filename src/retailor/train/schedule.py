"""Which batch, which learning rate, which weights: what a training does at a step, as plain functions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import nn

from retailor import seeds
from retailor.errors import ConfigError
from retailor.train.settings import TrainSettings

_LAYER = re.compile(r"(?:^|\.)(?:layer|layers|h|block|blocks)\.(\d+)\.")
POOL_BATCHES = 50


def epoch_batches(
    n_examples: int, batch_size: int, seed: int, epoch: int, lengths: Sequence[int] | None = None
) -> list[list[int]]:
    """Every example once, in shuffled batches of example numbers; the same for the same seed and epoch.

    With `lengths`, examples of similar length share a batch: they are sorted within random pools of fifty
    batches, so that little is padded and the order stays random.
    """
    stream = seeds.stream(seed, "batches", str(epoch))
    order = stream.permutation(n_examples)
    if lengths is None:
        return [order[i : i + batch_size].tolist() for i in range(0, n_examples, batch_size)]
    sizes = np.asarray(lengths)
    batches: list[list[int]] = []
    for start in range(0, n_examples, batch_size * POOL_BATCHES):
        pool = order[start : start + batch_size * POOL_BATCHES]
        pool = pool[np.argsort(sizes[pool], kind="stable")]
        batches += [pool[i : i + batch_size].tolist() for i in range(0, len(pool), batch_size)]
    return [batches[i] for i in stream.permutation(len(batches))]


def steps_of(settings: TrainSettings, n_examples: int) -> tuple[int, int]:
    """Optimiser steps in one epoch, and in the whole training."""
    n_batches = math.ceil(n_examples / settings.batch_size)
    an_epoch = math.ceil(n_batches / settings.accumulate)
    total = max(1, math.ceil(an_epoch * settings.epochs - 1e-9))
    return an_epoch, min(total, settings.max_steps or total)


def rate_factor(settings: TrainSettings, step: int, total: int) -> float:
    """What the learning rate is multiplied by at `step`, 1 to `total`; it never reaches zero within them."""
    warm = settings.warmup * total
    if step <= warm:
        return step / max(1.0, warm)
    if settings.schedule == "constant":
        return 1.0
    gone = (step - 1 - warm) / max(1.0, total - warm)
    gone = min(max(gone, 0.0), 1.0)
    return 1 - gone if settings.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * gone))


def open_at(settings: TrainSettings, below_top: int, step: int) -> bool:
    """Whether a layer learns at `step`: the top from step 1, and every other `unfreeze_every` steps later.

    Howard and Ruder, ULMFiT, ACL 2018. A layer that is still shut costs the same time; its rate is zero.
    """
    return settings.unfreeze_every is None or step > below_top * settings.unfreeze_every


def layer_groups(network: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Parameter groups for AdamW: `params`, `scale` (of the learning rate), `below_top` and `weight_decay`.

    The output has scale 1, and each layer below it `layer_decay` times that of the layer above (Howard and
    Ruder, ULMFiT, ACL 2018); embeddings lie below the first layer. Biases and norms are not decayed.
    """
    trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    depths = {name: _depth(name) for name, _ in trained}
    top = max((depth for depth in depths.values() if depth is not None), default=-1) + 1
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in trained:
        depth = depths[name]
        key = (top if depth is None else depth, parameter.ndim >= 2)
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "scale": settings.layer_decay ** (top - depth),
            "below_top": top - depth,
            "weight_decay": settings.weight_decay if decayed else 0.0,
        }
        for (depth, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _depth(name: str) -> int | None:
    """−1 for embeddings, the number of a layer, None for what lies above the layers."""
    found = _LAYER.search(name)
    if found:
        return int(found.group(1))
    return -1 if re.search(r"embed|shared|wte|wpe", name) else None


@contextmanager
def frozen_embeddings(network: nn.Module, freeze: bool) -> Iterator[None]:
    """The network with its word embeddings out of training while it lasts, if `freeze`."""
    with _frozen(_word_embeddings(network) if freeze else []):
        yield


def check_layers(network: nn.Module, n_layers: int) -> dict[str, int | None]:
    """The depth of each parameter (see `_depth`). Raises ConfigError when there are not `n_layers` layers."""
    depths = {name: _depth(name) for name, _ in network.named_parameters()} if n_layers else {}
    there = max((depth for depth in depths.values() if depth is not None), default=-1) + 1
    if n_layers > there:
        raise ConfigError(
            f"freeze_layers = {n_layers}, and this network has {there} layers.",
            key="freeze_layers",
            value=n_layers,
        )
    return depths


@contextmanager
def frozen_layers(network: nn.Module, n_layers: int) -> Iterator[None]:
    """The network with its embeddings and its lowest `n_layers` layers out of training while it lasts.

    Raises ConfigError when it has fewer layers.
    """
    depths = check_layers(network, n_layers)
    low = {name for name, depth in depths.items() if depth is not None and depth < n_layers}
    with _frozen([p for name, p in network.named_parameters() if name in low]):
        yield


@contextmanager
def checkpointed_gradients(network: nn.Module, wanted: bool) -> Iterator[None]:
    """The network with its layers' activations computed again on the way back while it lasts, if `wanted`.

    Raises ConfigError when no part of it can do so.
    """
    modules: list[Any] = list(network.modules()) if wanted else []
    able = [part for part in modules if getattr(part, "supports_gradient_checkpointing", False)]
    if wanted and not able:
        raise ConfigError(
            f"gradient_checkpointing: {type(network).__name__} cannot compute its layers' output again: "
            "set it to false.",
            key="gradient_checkpointing",
            value=True,
        )
    for part in able:
        if hasattr(part, "activation_checkpointing_enable"):
            part.activation_checkpointing_enable()
        else:  # transformers before 5.20 or so
            part.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        for part in able:
            getattr(part, "activation_checkpointing_disable", part.gradient_checkpointing_disable)()


@contextmanager
def _frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Those of the parameters that were trained are not, while it lasts."""
    frozen = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _word_embeddings(network: nn.Module) -> list[nn.Parameter]:
    """The input embeddings of every transformer inside; where there is none, all embedding tables."""
    modules: list[Any] = list(network.modules())
    found = [
        module.get_input_embeddings().weight
        for module in modules
        if hasattr(module, "get_input_embeddings") and hasattr(module, "config")
    ]
    found = found or [module.weight for module in modules if isinstance(module, nn.Embedding)]
    return list({id(p): p for p in found}.values())
