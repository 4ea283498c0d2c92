"""The ONNX graph of an encoder made smaller: weights in 8 or 4 bits, smaller word embeddings."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retailor.models.runtimes.exporting import quiet

Embeddings = Literal["float32", "float16", "int8", "int4"]
Bits = Literal[4, 8]
ROW_BLOCK = 32
"""Numbers of a row of word embeddings that share a scale in four bits."""

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


def quantise_blocks(source: Path, target: Path, *, block_size: int, bits: Bits = 8) -> None:
    """Writes `source` with the constant weights of its matrix products in 8 or 4 bits, a scale a block.

    The runtime quantises activations to int8 too, each row in blocks of its own (accuracy level 4), so that
    outliers spoil their block alone and a row's result does not depend on its batch.
    """
    import onnx

    with quiet():
        from onnxruntime.quantization import matmul_nbits_quantizer as blocks

        logging.getLogger(blocks.__name__).setLevel(logging.ERROR)  # importing it has set INFO
        made = blocks.MatMulNBitsQuantizer(
            onnx.load(source), bits=bits, block_size=block_size, is_symmetric=True, accuracy_level=4
        )
        made.process()
    made.model.save_model_to_file(str(target), False)


def shrink_embeddings(path: Path, how: Embeddings) -> None:
    """Rewrites the model at `path` with large embedding tables in float16, in int8 with a scale a row, or in
    four bits with a scale for every 32 numbers (int8 where a row is no multiple of these).

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
    if how == "int4":
        model.ir_version = max(model.ir_version, 10)  # the first that knows four bits
        if all(one.domain != "com.microsoft" for one in model.opset_import):
            model.opset_import.extend([onnx.helper.make_opsetid("com.microsoft", 1)])
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
    if how == "int4" and values.shape[1] % ROW_BLOCK == 0:
        codes, scales = four_bits(values)
        if all(t.name != small for t in graph.initializer):
            graph.initializer.append(_packed(small, codes))
        _add(graph, f"{name}.scale", scales)
        inputs = [small, ids, f"{name}.scale"]
        return [
            helper.make_node(
                "GatherBlockQuantized",
                inputs,
                [out],
                f"{node.name}.gather",
                domain="com.microsoft",
                block_size=ROW_BLOCK,
                gather_axis=0,
                quantize_axis=1,
            )
        ]
    small = f"{name}.int8"
    scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12) / 127
    _add(graph, small, np.round(values / scale).astype(np.int8))
    _add(graph, f"{name}.scale", scale.astype(np.float32))
    return [
        helper.make_node("Gather", [small, ids], [picked], name=f"{node.name}.gather"),
        helper.make_node("Cast", [picked], [wide], name=f"{node.name}.cast", to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}.scale", ids], [f"{out}.scale"], name=f"{node.name}.scale"),
        helper.make_node("Mul", [wide, f"{out}.scale"], [out], name=f"{node.name}.mul"),
    ]


def four_bits(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes of −8 to 7 [V, D], and a scale for every 32 numbers of a row [V, D / 32]: codes · scales.

    The number farthest from 0 of a block is −8 times its scale, as in Q4_0 of llama.cpp: what was rounded
    that way before is kept as it is.
    """
    blocks = values.reshape(len(values), -1, ROW_BLOCK)
    farthest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=-1)[..., None], axis=-1)
    scales = (farthest / -8).astype(np.float32)
    codes = np.clip(np.rint(blocks / np.where(scales == 0, 1, scales)), -8, 7).astype(np.int8)
    return codes.reshape(values.shape), scales[..., 0]


def _packed(name: str, codes: NDArray[np.int8]) -> Any:
    """A tensor of four-bit numbers, two a byte, the first in the lower half."""
    from onnx import TensorProto

    halves = (codes[:, 0::2] & 15) | (codes[:, 1::2] & 15) << 4
    made = TensorProto(name=name, data_type=TensorProto.INT4, raw_data=halves.astype(np.uint8).tobytes())
    made.dims.extend(codes.shape)
    return made


def _add(graph: Any, name: str, values: Any) -> None:
    from onnx import numpy_helper

    if all(t.name != name for t in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(values, name))
