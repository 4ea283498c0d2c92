"""An encoder as a float32 ONNX graph, with what is needed beside it to read texts."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from retailor.errors import MissingExtra, ModelError
from retailor.models.runtimes.onnx import POOLINGS
from retailor.models.runtimes.sessions import Engine
from retailor.models.shapes import Encoder, TrainableEncoder

if TYPE_CHECKING:
    import torch

E = TypeVar("E")
_OPSET = 20
_LIMIT_BYTES = 2**31 - 2**20
WEIGHTS = "model.weights"
"""The weights of a graph, where they are apart."""
_SMALL_BYTES = 4096
"""Smaller ones stay in the graph."""
_TALKERS = (
    "torch.onnx._internal.exporter._registration",
    "onnx_ir",
    "onnxscript",
    "onnxruntime.quantization.matmul_nbits_quantizer",
)


def export(encoder: TrainableEncoder, path: Path, *, weights_apart: bool = False) -> tuple[str, ...]:
    """Writes the network of `encoder` as float32 ONNX; returns the names of the inputs it takes.

    Inputs are int64 [batch, length], both free; the output `last_hidden_state` is float32
    [batch, length, dim]. `weights_apart`: the weights in a file beside the graph, which ONNX Runtime maps:
    processes share it, and of word embeddings only those that are met are read. Raises ModelError for a
    network of over 2 GiB that is to be one file.
    """
    _need_packages()
    import torch

    size = sum(p.numel() * 4 for p in encoder.network.parameters())
    if size > _LIMIT_BYTES and not weights_apart:
        raise ModelError(f"'{encoder.name}' is {size / 2**30:.1f} GiB in float32; one ONNX file holds 2 GiB.")
    # Unequal lengths, so that the mask is no constant that the exporter could fold away.
    batch = encoder.tokens(["a few words to trace the network with", "fewer words"], role="passage")
    names = tuple(n for n in ("input_ids", "attention_mask", "token_type_ids") if n in batch)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    network = encoder.copy().network.eval().float().cpu()
    with quiet(), torch.no_grad():
        torch.onnx.export(
            _hidden_states(network, names),
            tuple(batch[name].cpu() for name in names),
            str(path),
            input_names=list(names),
            output_names=["last_hidden_state"],
            dynamic_shapes=(tuple(free for _ in names),),
            opset_version=_OPSET,
            external_data=weights_apart,
            dynamo=True,
            verbose=False,
        )
    _strip(path, weights_apart)
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


def _need_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"the package '{error.name}'", install="pip install 'retailor[compress]'"
        ) from None


def _strip(path: Path, weights_apart: bool) -> None:
    """Takes out what the exporter notes of its own run: stack traces, file paths, shapes of each value."""
    import onnx

    model = onnx.load(path)
    for made in path.parent.glob(f"{path.name}.data"):
        made.unlink()
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    if weights_apart:
        onnx.save_model(
            model, path, save_as_external_data=True, location=WEIGHTS, size_threshold=_SMALL_BYTES
        )
        path.with_name(WEIGHTS).chmod(path.stat().st_mode)  # who serves may be another than who exports
    else:
        onnx.save_model(model, path)


@contextmanager
def quiet() -> Iterator[None]:
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


def exportable(encoder: Encoder, kind: type[E]) -> E:
    """The encoder, which is of that kind.

    Raises ModelError when it has no network, or when its vectors are not made as the runtime makes them.
    """
    if not hasattr(encoder, "encode"):
        raise ModelError(
            f"'{encoder.name}' is a generator, and encoders alone are compressed: its runtime 'openvino' "
            "is what "
            "makes it faster.",
            asked="compress",
            can=("generate",),
        )
    if not isinstance(encoder, kind):
        raise ModelError(
            f"the encoder '{encoder.name}' has no network here that could be exported.",
            asked="compress",
            can=("encode",),
        )
    pooling = str(getattr(encoder, "pooling", "mean"))
    if pooling in POOLINGS and not getattr(encoder, "head", None) and getattr(encoder, "pool_prompt", True):
        return encoder
    raise ModelError(
        f"the encoder '{encoder.name}' pools by '{pooling}', has layers after its pooling or leaves its "
        f"prompt out; what is compressed pools by {', '.join(POOLINGS)} and no more.",
        asked="compress",
        can=POOLINGS,
    )


def describe(encoder: TrainableEncoder, folder: Path, engine: Engine = "onnx") -> None:
    """Writes what a folder has beside its graph: the tokenizer, and how the graph is read and run."""
    about: dict[str, Any] = {
        "name": encoder.name,
        "dim": encoder.dim,
        "pooling": getattr(encoder, "pooling", "mean"),
        "prompts": dict(getattr(encoder, "prompts", {})),
        "max_tokens": int(getattr(encoder, "max_tokens", 256)),
        "pad_id": int(getattr(encoder.tokenizer, "pad_token_id", 0) or 0),
        "engine": engine,
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (folder / "retailor_encoder.json").write_text(text, encoding="utf-8")
    _save_tokenizer(encoder.tokenizer, folder / "tokenizer.json", about["max_tokens"])


def _save_tokenizer(tokenizer: Any, path: Path, max_tokens: int) -> None:
    """Writes a tokenizer that cuts long texts by itself, so that no one meets the network's limit."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    own = type(backend).from_str(backend.to_str())
    own.no_padding()
    own.enable_truncation(max_tokens)
    own.save(str(path))
