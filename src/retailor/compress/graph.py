"""The ONNX graph of an encoder made smaller: int8 weights, smaller word embeddings."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np

from retailor.models.runtimes.exporting import quiet

Embeddings = Literal["float32", "float16", "int8"]

# A table with fewer rows (positions, token types) is not worth a cast at run time.
_LARGE_ROWS = 1000


def quantise(source: Path, target: Path, *, per_channel: bool, reduce_range: bool) -> None:
    """Writes `source` with the constant weights of its matrix products in int8.

    Activations are quantised as they come (dynamic quantisation), with one scale a batch.
    """
    with quiet():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=per_channel,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
        )


def quantise_blocks(source: Path, target: Path, *, block_size: int) -> None:
    """Writes `source` with the constant weights of its matrix products in int8, a scale for every block.

    The runtime quantises activations to int8 too, each row in blocks of its own (accuracy level 4), so that
    outliers spoil their block alone and a row's result does not depend on its batch.
    """
    import onnx

    with quiet():
        from onnxruntime.quantization import matmul_nbits_quantizer as blocks

        logging.getLogger(blocks.__name__).setLevel(logging.ERROR)  # importing it has set INFO
        made = blocks.MatMulNBitsQuantizer(
            onnx.load(source), bits=8, block_size=block_size, is_symmetric=True, accuracy_level=4
        )
        made.process()
    made.model.save_model_to_file(str(target), False)


def shrink_embeddings(path: Path, how: Embeddings) -> None:
    """Rewrites the model at `path` with large embedding tables in float16, or in int8 with a scale a row.

    A scale for each row, not for the whole table as quantisation tools have it: rows of rare words are
    much shorter than others, and would lose most of their bits.
    """
    if how == "float32":
        return
    import onnx

    model = onnx.load(path)
    tables = {t.name: t for t in model.graph.initializer if len(t.dims) == 2 and t.dims[0] >= _LARGE_ROWS}
    nodes: list[Any] = []
    for node in model.graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        nodes.extend([node] if table is None else _small_gather(model.graph, node, table, how))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [t for t in model.graph.initializer if t.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.save(model, path)


def _small_gather(graph: Any, node: Any, table: Any, how: Embeddings) -> list[Any]:
    """Nodes that do what `node` does, from a smaller copy of its table."""
    from onnx import TensorProto, helper, numpy_helper

    values = numpy_helper.to_array(table).astype(np.float32)  # [V, D]
    ids, out, name = node.input[1], node.output[0], table.name
    small, picked, wide = f"{name}.{how}", f"{out}.picked", f"{out}.wide"
    if how == "float16":
        _add(graph, small, values.astype(np.float16))
        return [
            helper.make_node("Gather", [small, ids], [picked], name=f"{node.name}.gather"),
            helper.make_node("Cast", [picked], [out], name=f"{node.name}.cast", to=TensorProto.FLOAT),
        ]
    scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12) / 127
    _add(graph, small, np.round(values / scale).astype(np.int8))
    _add(graph, f"{name}.scale", scale.astype(np.float32))
    return [
        helper.make_node("Gather", [small, ids], [picked], name=f"{node.name}.gather"),
        helper.make_node("Cast", [picked], [wide], name=f"{node.name}.cast", to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}.scale", ids], [f"{out}.scale"], name=f"{node.name}.scale"),
        helper.make_node("Mul", [wide, f"{out}.scale"], [out], name=f"{node.name}.mul"),
    ]


def _add(graph: Any, name: str, values: Any) -> None:
    from onnx import numpy_helper

    if all(t.name != name for t in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(values, name))
