"""Low-rank adapters through peft, for any encoder or generator whose network runs here.

With `bits=4` they are learned over a base in four bits (Dettmers et al., QLoRA, NeurIPS 2023): the weights of
linear layers in NF4 with quantised scales, half a byte a weight, multiplied in bf16 by bitsandbytes.
"""

from __future__ import annotations

import copy
import warnings
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Any, Literal, TypeVar

import torch
from torch import nn

from retailor import seeds
from retailor.errors import ConfigError, MissingExtra, ModelError
from retailor.models.hardware import default_device, in_four_bits
from retailor.train.devices import in_main_memory

M = TypeVar("M")
Bits = Literal[32, 4]
FOUR_BIT_DEVICES = ("cuda",)
"""Where four bits are worth it. On a processor they save nothing that it lacks, and every product waits for
the weights to be unpacked."""


def with_lora(
    model: M,
    rank: int,
    *,
    seed: int,
    alpha: int | None = None,
    dropout: float = 0.05,
    bits: Bits = 32,
    task_type: str | None = None,
) -> M:
    """A copy of the model with adapters of this rank on every linear layer; nothing else of it trains.

    `alpha` (default 2 · rank) scales what the adapters add. Before training they add nothing. Give it to the
    loop like any other; `merged` makes a plain model of it again. Hu et al., LoRA, ICLR 2022.
    With `bits=4` the copy is that of `quantised`. `task_type` is what peft's own folder of the
    adapters will say that they are for.

    Raises what `check_lora` raises.
    """
    check_lora(model, bits)
    from peft import LoraConfig, get_peft_model

    held: Any = model
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        target_modules="all-linear",
        lora_dropout=dropout,
        task_type=task_type,
    )
    made: Any = quantised(held) if bits == 4 else held.copy()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft asks transformers under names of last year
        torch.default_generator.manual_seed(seeds.derive(seed, "lora"))
        return held.with_network(get_peft_model(made.network, config))  # type: ignore[no-any-return]


def check_lora(model: object, bits: Bits = 32) -> None:
    """Raises ModelError when the model has no network here or no linear layer, MissingExtra without peft, and
    what `check_bits` raises."""
    held: Any = model
    name = getattr(held, "name", held)
    if not (hasattr(held, "with_network") and hasattr(held, "network")):
        raise ModelError(f"{name} has no network here for adapters.", asked="lora")
    if find_spec("peft") is None:
        raise MissingExtra("peft", install="pip install 'retailor[models]'")
    if not any("Linear" in type(part).__name__ or "Conv1D" in type(part).__name__
               for part in held.network.modules()):  # fmt: skip
        raise ModelError(f"{name} has no linear layer for adapters.", asked="lora")
    check_bits(bits)


def check_bits(bits: Bits) -> None:
    """Raises ConfigError for four bits where there is no GPU, MissingExtra without what packs them."""
    if bits != 4:
        return
    if default_device().type not in FOUR_BIT_DEVICES:
        raise ConfigError(
            f"lora_bits = 4 needs a GPU of CUDA or ROCm, and networks are on {default_device().type} here: "
            "set lora_bits = 32, which trains adapters of the same rank over the plain weights.",
            key="lora_bits",
            value=bits,
        )
    if find_spec("bitsandbytes") is None:
        raise MissingExtra("bitsandbytes", install="pip install 'retailor[quantised]'")


def merged(model: M, base: M | None = None) -> M:
    """The model with its adapters added into the weights, plain again; a model without any as it is.

    All of its weights can be trained again. Adapters that were fitted over four bits are added to a copy of
    `base`, the plain model that `with_lora` was given: nothing of the quantised weights is in the result,
    which saves as any other. It is not to the last digit the model that was validated, since the adapters
    were fitted to weights that were a little off. Raises ModelError where that base is not given.
    """
    held: Any = model
    network = held.network
    if not hasattr(network, "merge_and_unload"):
        return model
    if in_four_bits(network):
        if base is None:
            raise ModelError(
                f"{held.name} has its weights in four bits: give `merged` the plain model it was made of.",
                asked="merged",
            )
        network = _moved(network, base)
    plain = network.merge_and_unload()
    for parameter in plain.parameters():
        parameter.requires_grad_(parameter.is_floating_point())  # peft had frozen them
    return held.with_network(plain)  # type: ignore[no-any-return]


def _moved(tuned: Any, base: Any) -> Any:
    """A copy of the plain base under the adapters of the tuned network."""
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    config = copy.deepcopy(tuned.peft_config["default"])
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made: Any = get_peft_model(base.copy().network, config)
        set_peft_model_state_dict(made, get_peft_model_state_dict(tuned, save_embedding_layers=False))
    return made


# four bits ----------------------------------------------------------------------------------------


def quantised(model: M) -> M:
    """A copy on the GPU whose linear layers are in four bits; the model itself stays as and where it is.

    Embeddings, norms, the output layer and what the architecture wants in full (T5's `wo`) are plain copies,
    as transformers leaves them. Nothing of the linear layers is held a second time, whatever the size. The
    same weights give the same bits. It reads and trains adapters; it is not for saving.
    """
    from transformers.pytorch_utils import Conv1D

    held: Any = model
    network, device = held.network, default_device()
    whole = _kept_whole(network)
    layers = {
        id(part): _four_bit(part, device)
        for name, part in network.named_modules()
        if (type(part) is nn.Linear or isinstance(part, Conv1D)) and name not in whole
    }
    made = copy.deepcopy(network, layers).to(device)  # the copy of a layer is the one made of it above
    made.is_loaded_in_4bit = True
    return held.with_network(made)  # type: ignore[no-any-return]


def _kept_whole(network: Any) -> set[str]:
    """The modules that stay as they are, by name: the output layer, and what the architecture names."""
    output = network.get_output_embeddings() if hasattr(network, "get_output_embeddings") else None
    kept = ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict")
    named = {name for key in kept for name in getattr(network, key, None) or ()}
    return {
        name
        for name, part in network.named_modules()
        if part is output or not named.isdisjoint(name.split("."))
    }


def _four_bit(layer: Any, device: torch.device) -> nn.Module:
    """A linear layer in four bits, of a plain one or of GPT-2's, whose matrix lies the other way."""
    import bitsandbytes

    parts: Any = bitsandbytes.nn
    weight = layer.weight.detach()
    weight = weight if isinstance(layer, nn.Linear) else weight.T
    n_out, n_in = weight.shape
    with_bias = layer.bias is not None
    made: Any = parts.Linear4bit(
        n_in, n_out, with_bias, compute_dtype=torch.bfloat16, quant_type="nf4", device="meta"
    )
    packed = parts.Params4bit(weight.to(torch.bfloat16), requires_grad=False, quant_type="nf4", module=made)
    made.weight = packed.to(device)
    if with_bias:  # of its own: bitsandbytes turns it into bf16 in place
        bias = layer.bias.detach().to(device, torch.bfloat16, copy=True)
        made.bias = nn.Parameter(bias, requires_grad=False)
    return made.train(layer.training)  # type: ignore[no-any-return]


def set_aside(model: Any, bits: Bits) -> AbstractContextManager[None]:
    """While it lasts, a plain model waits in the machine's memory if its copy in four bits trains instead."""
    return in_main_memory(model.network, bits == 4)
