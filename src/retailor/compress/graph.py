"""The ONNX graph of an encoder: its export, its int8 weights and its smaller word embeddings."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from retailor.errors import MissingExtra, ModelError
from retailor.models.shapes import TrainableEncoder

if TYPE_CHECKING:
    import torch

Embeddings = Literal["float32", "float16", "int8"]

_OPSET = 20
_LIMIT_BYTES = 2**31 - 2**20
# A table with fewer rows (positions, token types) is not worth a cast at run time.
_LARGE_ROWS = 1000
_TALKERS = (
    "torch.onnx._internal.exporter._registration",
    "onnx_ir",
    "onnxscript",
    "onnxruntime.quantization.matmul_nbits_quantizer",
)


def export(encoder: TrainableEncoder, path: Path) -> tuple[str, ...]:
    """Writes the network of `encoder` as float32 ONNX; returns the names of the inputs it takes.

    Inputs are int64 [batch, length], both free; the output `last_hidden_state` is float32
    [batch, length, dim]. Raises ModelError for a network of over 2 GiB, which one file cannot hold.
    """
    _need_packages()
    import torch

    size = sum(p.numel() * 4 for p in encoder.network.parameters())
    if size > _LIMIT_BYTES:
        raise ModelError(f"'{encoder.name}' is {size / 2**30:.1f} GiB in float32; one ONNX file holds 2 GiB.")
    # Unequal lengths, so that the mask is no constant that the exporter could fold away.
    batch = encoder.tokens(["a few words to trace the network with", "fewer words"], role="passage")
    names = tuple(n for n in ("input_ids", "attention_mask", "token_type_ids") if n in batch)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    network = encoder.copy().network.eval().float().cpu()
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            _hidden_states(network, names),
            tuple(batch[name].cpu() for name in names),
            str(path),
            input_names=list(names),
            output_names=["last_hidden_state"],
            dynamic_shapes=(tuple(free for _ in names),),
            opset_version=_OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    _strip(path)
    return names


def _hidden_states(network: torch.nn.Module, names: tuple[str, ...]) -> torch.nn.Module:
    """A module that takes the named inputs by position and gives the last hidden state."""
    import torch

    class HiddenStates(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return self.network(**dict(zip(names, inputs, strict=True))).last_hidden_state  # type: ignore[no-any-return]

    return HiddenStates().eval()


def quantise(source: Path, target: Path, *, per_channel: bool, reduce_range: bool) -> None:
    """Writes `source` with the constant weights of its matrix products in int8.

    Activations are quantised as they come (dynamic quantisation), with one scale a batch.
    """
    with _quiet():
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

    with _quiet():
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


def _need_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"the package '{error.name}'", install="pip install 'retailor[compress]'"
        ) from None


def _strip(path: Path) -> None:
    """Takes out what the exporter notes of its own run: stack traces, file paths, shapes of each value."""
    import onnx

    model = onnx.load(path)
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the remarks of the exporter and the quantisers, and without handlers they leave on the root."""
    root, silent = logging.getLogger(), logging.NullHandler()
    levels = {name: logging.getLogger(name).level for name in _TALKERS}
    # With a handler in place neither logging.warning() nor basicConfig() installs one of its own for good.
    root.addHandler(silent)
    root.addFilter(_worth_saying)
    for name in _TALKERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated", category=FutureWarning)
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            yield
    finally:
        root.removeHandler(silent)
        root.removeFilter(_worth_saying)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _worth_saying(record: logging.LogRecord) -> bool:
    return "run pre-processing before quantization" not in record.getMessage()
