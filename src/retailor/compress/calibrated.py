"""An ONNX graph in int8 whose activations have fixed scales, calibrated on the shop's texts.

Some channels of a transformer's activations are many times larger than the others, and one scale for all
would leave these few bits. They are levelled first: divided by a factor a channel, by which the weights that
read it are multiplied (SmoothQuant, Xiao et al., ICML 2023), which changes nothing in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.models.runtimes.exporting import quiet
from retailor.models.shapes import TrainableEncoder

Batch = dict[str, NDArray[np.int64]]
STRENGTH = 0.6
"""How much of the range of activations is moved into the weights, 0 to 1."""
BATCH_SIZE = 16


def calibration(encoder: TrainableEncoder, texts: Sequence[str]) -> list[Batch]:
    """Batches of like length of the texts, as the graph takes them."""
    ordered = sorted(texts, key=len)
    return [
        {name: rows.cpu().numpy() for name, rows in encoder.tokens(ordered[at : at + BATCH_SIZE]).items()}
        for at in range(0, len(ordered), BATCH_SIZE)
    ]


def quantise_calibrated(
    source: Path, target: Path, batches: Sequence[Batch], *, strength: float = STRENGTH
) -> None:
    """Writes `source` with its matrix products in int8, by scales that the batches give.

    Weights have a scale for each output channel, activations one for each tensor. Products of activations
    with each other (attention) stay in float32, and so do those that make a tensor narrower: what comes out
    of the activation function has a few numbers that are hundreds of times the others in some tokens alone,
    which no factor a channel levels.
    """
    level = target.with_name("levelled.onnx")
    with quiet():
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

        class Reader(CalibrationDataReader):
            def __init__(self) -> None:
                self.left = iter(batches)

            def get_next(self) -> Batch | None:
                return next(self.left, None)

        try:
            levelled(source, level, batches, strength)
            quantize_static(
                level,
                target,
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_narrowing(level),
                extra_options={"MatMulConstBOnly": True},
            )
        finally:
            level.unlink(missing_ok=True)


def _narrowing(path: Path) -> list[str]:
    """Names of the products with a weight [more, fewer]."""
    import onnx

    graph = onnx.load(path).graph
    shape = {one.name: tuple(one.dims) for one in graph.initializer if len(one.dims) == 2}
    products = [one for one in graph.node if one.op_type == "MatMul" and one.input[1] in shape]
    return [one.name for one in products if shape[one.input[1]][0] > shape[one.input[1]][1]]


def levelled(source: Path, target: Path, batches: Sequence[Batch], strength: float) -> None:
    """Writes `source` with activations divided, and the weights that read them multiplied, by the channel."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    weights = {one.name: one for one in model.graph.initializer if len(one.dims) == 2}
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in weights:
            readers.setdefault(node.input[0], []).append(node)
    most = _most(model, list(readers), batches)
    made: dict[str, Any] = {}
    for name, nodes in readers.items():
        tables = {node.input[1]: numpy_helper.to_array(weights[node.input[1]]) for node in nodes}
        widest = np.max([np.abs(table).max(axis=1) for table in tables.values()], axis=0)
        factor = np.maximum(most[name], 1e-5) ** strength / np.maximum(widest, 1e-5) ** (1 - strength)
        factor = (factor / np.exp(np.log(factor).mean())).astype(np.float32)
        for node in nodes:
            # A weight may read several tensors, as DeBERTa's do words and places: levelled for each.
            own = f"{node.input[1]}.{name}.levelled"
            if own not in made:
                made[own] = numpy_helper.from_array(tables[node.input[1]] * factor[:, None], own)
            node.input[0], node.input[1] = f"{name}.levelled", own
        made[f"{name}.factor"] = numpy_helper.from_array(1 / factor, f"{name}.factor")
    nodes = list(model.graph.node)
    given = {one.name for one in model.graph.input}
    ordered = [
        helper.make_node("Mul", [name, f"{name}.factor"], [f"{name}.levelled"], name=f"{name}.level")
        for name in readers
        if name in given
    ]
    for node in nodes:
        ordered.append(node)
        ordered += [
            helper.make_node("Mul", [name, f"{name}.factor"], [f"{name}.levelled"], name=f"{name}.level")
            for name in node.output
            if name in readers
        ]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    model.graph.initializer.extend(made.values())
    used = {name for node in ordered for name in node.input}
    kept = [one for one in model.graph.initializer if one.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.save(model, target)


def _most(model: Any, names: Sequence[str], batches: Sequence[Batch]) -> dict[str, NDArray[np.float32]]:
    """The largest size of each channel of the named tensors [..., channels] over the batches.

    Of a tensor with a row a token those of padding are left out; one of places has other rows, and all count.
    """
    import onnxruntime
    from onnx import TensorProto, helper

    probe = type(model)()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    inputs = {one.name for one in session.get_inputs()}
    most: dict[str, NDArray[np.float32]] = {}
    for batch in batches:
        seen = session.run(list(names), {name: rows for name, rows in batch.items() if name in inputs})
        for name, values in zip(names, seen, strict=True):
            mask = batch["attention_mask"]
            rows = values[mask > 0] if values.shape[:-1] == mask.shape else values
            found = np.abs(rows.reshape(-1, values.shape[-1])).max(axis=0)
            most[name] = np.maximum(most.get(name, 0.0), found)
    return most
