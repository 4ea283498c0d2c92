"""A decoder as a stateful OpenVINO graph: the keys and values of what was read stay inside the runtime.

Traced from the network itself, so any decoder of transformers whose attention takes a mask of four
dimensions can be one. Weights of matrices may be kept as 8-bit numbers, each group of a row with a scale and
a lowest value of its own.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.models.files import quiet
from retailor.models.runtimes.openvino_package import GRAPH, openvino

GROUP = 64
"""Weights that share a scale."""
LEAST_SIDE = 64
"""Matrices with a shorter side stay in float32: there is nothing to gain."""


def graph_of(network: Any) -> Any:
    """OpenVINO's model of the network, in float32; raises what torch or OpenVINO raise where it cannot be."""
    return _stateful(openvino(), _traced(network), network.config)


def save_graph(model: Any, folder: Path) -> Path:
    """The path of the graph, whose weights lie in a file beside it."""
    openvino().save_model(model, folder / GRAPH, compress_to_fp16=False)
    return folder / GRAPH


class _Cache:
    """What an attention layer asks of a cache of transformers, over plain tensors [B, heads, T, size]."""

    is_compileable = False

    def __init__(self, past: tuple[torch.Tensor, ...]) -> None:
        self.past = past
        self.now = list(past)

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        for place, new in ((2 * layer, keys), (2 * layer + 1, values)):
            self.now[place] = torch.cat([self.past[place], new], dim=-2)
        return self.now[2 * layer], self.now[2 * layer + 1]

    def get_seq_length(self, layer: int = 0) -> int:
        return int(self.past[0].shape[-2])

    def get_mask_sizes(self, n_new: int, layer: int = 0) -> tuple[int, int]:
        return self.get_seq_length() + int(n_new), 0


class _Step(torch.nn.Module):
    """One step with everything that it needs as tensors: ids, mask, positions, and the past."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, *past: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        cache = _Cache(past)
        n_new, n_all = ids.shape[1], mask.shape[1]
        behind = torch.arange(n_all)[None, :] <= torch.arange(n_new)[:, None] + (n_all - n_new)
        seen = behind[None, None] & (mask[:, None, None, :] > 0)
        bias = torch.where(seen, 0.0, torch.finfo(torch.float32).min)  # [B, 1, new, all]
        made = self.network(
            input_ids=ids,
            attention_mask=bias,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return (made.logits, *cache.now)


def _shape(config: Any) -> tuple[int, int, int]:
    """Layers, heads of keys, and the size of one."""
    heads = int(config.num_attention_heads)
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return (
        int(config.num_hidden_layers),
        int(getattr(config, "num_key_value_heads", None) or heads),
        int(size),
    )


def _traced(network: Any) -> Any:
    """OpenVINO's model of one step: ids, mask, positions and 2 tensors a layer in; logits and these out."""
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    n_layers, heads, size = _shape(network.config)
    past = [torch.zeros(2, heads, 3, size) for _ in range(2 * n_layers)]
    example = (
        torch.ones(2, 2, dtype=torch.long),
        torch.ones(2, 5, dtype=torch.long),
        torch.tensor([[3, 4], [3, 4]]),
        *past,
    )
    was = network.training
    try:
        with torch.no_grad(), quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            step = torch.jit.trace(_Step(network.eval()), example, check_trace=False)  # type: ignore[no-untyped-call]
            frontend = FrontEndManager().load_by_framework("pytorch")
            decoder = TorchScriptPythonDecoder(step)  # the frontend does not keep it alive
            return frontend.convert(frontend.load(decoder))
    finally:
        network.train(was)


def _stateful(ov: Any, model: Any, config: Any) -> Any:
    """The model with its past as inner state, empty after a reset, rows picked by the input `beam_idx`."""
    from openvino import opset13 as op
    from openvino._offline_transformations import (
        apply_make_stateful_transformation,
        apply_moc_transformations,
    )

    apply_moc_transformations(model, cf=False)
    n_layers, heads, size = _shape(config)
    past = [f"past.{i}" for i in range(2 * n_layers)]
    now = [f"present.{i}" for i in range(2 * n_layers)]
    for name, given in zip(["input_ids", "attention_mask", "position_ids", *past], model.inputs, strict=True):
        given.get_tensor().set_names({name})
        shape = [-1, heads, -1, size] if name in past else [-1, -1]
        given.get_node().set_partial_shape(ov.PartialShape(shape))
        given.get_node().set_friendly_name(name)  # by which OpenVINO GenAI's paged attention knows it
    for name, made in zip(["logits", *now], model.outputs, strict=True):
        made.get_tensor().set_names({name})
    model.validate_nodes_and_infer_types()
    beam = op.parameter([-1], dtype=np.int32, name="beam_idx")
    beam.output(0).get_tensor().add_names({"beam_idx"})
    model.add_parameters([beam])
    zero = op.constant(np.int64(0))
    for name in past:  # the runtime joins attention and its cache where it finds this gather
        node = model.input(name).get_node()
        users = list(node.output(0).get_target_inputs())
        picked = op.gather(node, beam, zero)
        for user in users:
            user.replace_source_output(picked.output(0))
    model.validate_nodes_and_infer_types()
    apply_make_stateful_transformation(model, dict(zip(past, now, strict=True)))
    n_rows = op.gather(
        op.shape_of(model.input("input_ids"), "i64"), op.constant(np.array([0], dtype=np.int64)), zero
    )
    empty = op.concat([n_rows, op.constant(np.array([heads, 0, size], dtype=np.int64))], axis=0)
    for node in model.get_ops():
        if node.get_type_name() == "ReadValue":
            node.set_arguments([op.broadcast(op.constant(np.float32(0)), empty)])
    model.validate_nodes_and_infer_types()
    return model


def pack(model: Any) -> None:
    """Puts 8-bit weights in the place of float32 matrices; the runtime multiplies with them as they are."""
    ov = openvino()
    from openvino import opset13 as op

    for node in model.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f32:
            continue
        shape = list(node.get_shape())
        if len(shape) != 2 or min(shape) < LEAST_SIDE:
            continue
        codes, scales, zeros = packed(np.asarray(node.data, dtype=np.float32))
        made = op.subtract(op.convert(op.constant(codes), "f32"), op.constant(zeros))
        made = op.multiply(made, op.constant(scales))
        made = op.reshape(made, op.constant(np.array(shape, dtype=np.int64)), False)
        for user in list(node.output(0).get_target_inputs()):
            user.replace_source_output(made.output(0))


def packed(
    weights: NDArray[np.float32],
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Codes [n, groups, size], and scales and zeros [n, groups, 1]: weights ≈ (codes − zeros) · scales.

    Off by at most half a scale, which is 1/510 of a group's range. A row whose length is no multiple of the
    group is one group.
    """
    n, width = weights.shape
    size = GROUP if width % GROUP == 0 else width
    groups = weights.reshape(n, width // size, size)
    low, high = groups.min(-1, keepdims=True), groups.max(-1, keepdims=True)
    scales = ((high - low) / 255).astype(np.float32)
    scales[scales == 0] = 1
    zeros = (-low / scales).astype(np.float32)
    codes = np.clip(np.rint(groups / scales + zeros), 0, 255).astype(np.uint8)
    return codes, scales, zeros
