"""Which runtime computes an encoder, by one setting."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

from retailor.errors import ConfigError, MissingExtra, ModelError, RetailorError
from retailor.models import hashed
from retailor.models.runtimes.export_process import exported_into
from retailor.models.runtimes.onnx import OnnxEncoder, holds_graph
from retailor.models.runtimes.sessions import Backend, Engine
from retailor.models.saved_model import holds_saved_model
from retailor.models.shapes import Encoder
from retailor.models.static import is_static
from retailor.store import artifact
from retailor.store.memo import files_sha256, memo_folder, sweep
from retailor.store.user_cache import cache_folder

KEPT = 6
"""Exported encoders that stay in the cache, beside those used lately."""
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_log = logging.getLogger(__name__)


def open_encoder(folder: Path, backend: Backend = "auto", provider: str = "cpu") -> Encoder:
    """The encoder of a folder, computed by a runtime of one's choice.

    'auto' takes a graph in the runtime that it was saved for, and a network in ONNX Runtime where there is
    no GPU: a processor computes single texts there in half the time; it falls back to torch, and logs why.
    For 'onnx' and 'openvino' a network is exported once into the cache, in float32; the vectors are then
    those of torch to a cosine of .9999 where both compute in float32, .999 where one of them in bf16. What is
    neither (word vectors, a remote endpoint) is opened as it is. `provider` is where: see
    `sessions.PROVIDERS`, or a device of OpenVINO. Raises ModelError for what the runtime cannot do,
    MissingExtra without it.
    """
    folder = Path(folder)
    if provider != "cpu" and backend not in ("onnx", "openvino"):
        raise ConfigError(
            f"a provider is for the backends 'onnx' and 'openvino', and here is '{provider}' with "
            f"'{backend}'; torch takes a GPU by itself.",
            key="provider",
            value=provider,
        )
    if holds_graph(folder):
        if backend == "torch":
            raise ModelError(
                f"{folder} is a graph, which torch does not run: choose 'auto', 'onnx' or 'openvino'.",
                asked="torch",
                can=("auto", "onnx", "openvino"),
            )
        return OnnxEncoder.load(folder, None if backend == "auto" else backend, provider)
    from retailor.models.hardware import default_device
    from retailor.models.local import load_encoder

    if backend == "torch" or not _has_network(folder):
        return load_encoder(folder)
    if backend != "auto":
        return _exported(folder, backend, provider)
    if default_device().type == "cpu":
        try:
            _need_packages()
            return _exported(folder, "onnx", provider)
        except (RetailorError, OSError) as error:  # of the cache too: a full disk, no place to write to
            _log.info("torch computes the encoder in %s: %s", folder, error)
    return load_encoder(folder)


def _need_packages() -> None:
    for name in _PACKAGES:
        if find_spec(name) is None:
            raise MissingExtra(f"the package '{name}'", install="pip install 'retailor[compress]'")


def _exported(folder: Path, engine: Engine, provider: str) -> Encoder:
    """The network of a folder as a graph, made once and without torch from then on."""
    key = artifact.read_manifest(folder).fingerprint if (folder / artifact.MANIFEST).exists() else None

    def make(new: Path) -> None:
        _log.info("the encoder in %s is exported as a graph, once", folder)
        try:
            exported_into(folder, new)
        except ModelError as error:
            raise ModelError(
                f"{folder} cannot be exported for '{engine}' ({error}): leave backend at 'auto'.",
                asked=engine,
                can=("auto", "torch"),
            ) from None

    made, was_there = memo_folder(cache_folder(), "encoder-onnx", key or files_sha256([folder]), make)
    if not was_there:
        sweep(made.parent, "encoder-onnx", made, KEPT)
    return OnnxEncoder(made, engine=engine, provider=provider)


def _has_network(folder: Path) -> bool:
    others = (hashed.DESCRIPTION, "remote.json")
    return not (
        is_static(folder) or holds_saved_model(folder) or any((folder / name).exists() for name in others)
    )
