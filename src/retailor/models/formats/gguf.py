"""Reads a decoder of the Llama family from a GGUF file into plain float32 weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retailor.errors import DataError, MissingExtra, ModelError
from retailor.models.files import quiet
from retailor.models.generator import LocalGenerator
from retailor.models.hardware import default_device

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
IN_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_norm": "post_attention_layernorm",
}


def read_gguf(path: Path, name: str) -> LocalGenerator:
    """The generator of the file, its weights dequantised, with the tokenizer and chat template it carries.

    Raises MissingExtra when the reader of the format is not installed, DataError when the file cannot be
    read, ModelError when it is not of the Llama family.
    """
    try:
        from gguf import GGUFReader
    except ImportError:
        raise MissingExtra("The GGUF reader", install="pip install 'retailor[models]'") from None
    from transformers import AutoConfig, AutoTokenizer

    try:
        reader = GGUFReader(path)
        with quiet():
            config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    except (ValueError, OSError, RuntimeError, KeyError, IndexError) as error:
        raise DataError(f"the file cannot be read ({error}).", path=path) from None
    if config.model_type != "llama":
        raise ModelError(
            f"{path.name} is a '{config.model_type}', and only the Llama family is read from GGUF: "
            "use its safetensors folder.",
            asked=config.model_type,
            can=("llama",),
        )
    return LocalGenerator(_network(reader, config).to(default_device()), tokenizer, name=name)


def _network(reader: Any, config: Any) -> Any:
    from transformers import LlamaForCausalLM

    weights = {_full_name(tensor.name): _values(tensor, config) for tensor in reader.tensors}
    config.tie_word_embeddings = "lm_head.weight" not in weights
    config.architectures = ["LlamaForCausalLM"]
    with torch.random.fork_rng(devices=[]):  # the random weights that come first are nobody's business
        network = LlamaForCausalLM(config)
    weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
    network.load_state_dict(weights)
    return network.train(False)


def _full_name(name: str) -> str:
    layer = re.fullmatch(r"blk\.(\d+)\.(\w+)\.(\w+)", name)
    if layer:
        return f"model.layers.{layer[1]}.{IN_LAYER[layer[2]]}.{layer[3]}"
    stem, _, kind = name.rpartition(".")
    return f"{NAMES[stem]}.{kind}"


def _values(tensor: Any, config: Any) -> Tensor:
    from gguf import dequantize

    values = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32))
    if ".attn_q." in tensor.name:
        return _halves(values, config.num_attention_heads)
    if ".attn_k." in tensor.name:
        return _halves(values, config.num_key_value_heads)
    return values


def _halves(rows: Tensor, n_heads: int) -> Tensor:
    """GGUF interleaves the two halves that rotary positions turn; transformers keeps one after the other."""
    shape = rows.shape
    return rows.reshape(n_heads, shape[0] // n_heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
