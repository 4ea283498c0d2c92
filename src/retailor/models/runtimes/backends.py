"""Which runtime computes an encoder, by one setting."""

from __future__ import annotations

import shutil
from pathlib import Path

from retailor.errors import ConfigError, ModelError
from retailor.models import hashed
from retailor.models.conversions import cache_folder
from retailor.models.files import first_line
from retailor.models.runtimes.exporting import describe, export, exportable
from retailor.models.runtimes.onnx import OnnxEncoder, holds_graph
from retailor.models.runtimes.sessions import Backend, Engine
from retailor.models.saved_model import holds_saved_model
from retailor.models.shapes import Encoder
from retailor.models.static import is_static
from retailor.store import artifact
from retailor.store.memo import files_sha256, memo_folder

KEPT = 6
"""Exported encoders in the cache; the oldest go."""


def open_encoder(folder: Path, backend: Backend = "auto", provider: str = "cpu") -> Encoder:
    """The encoder of a folder, computed by a runtime of one's choice.

    'auto' takes what the folder was saved for: torch for a network, ONNX Runtime or OpenVINO for a graph. For
    'onnx' and 'openvino' a network is exported once into the cache, in float32; the vectors are then those
    of torch to a cosine of .9999 where both compute in float32, .999 where one of them in bf16. What is
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
    if backend in ("auto", "torch") or not _has_network(folder):
        from retailor.models.local import load_encoder

        return load_encoder(folder)
    return _exported(folder, backend, provider)  # type: ignore[arg-type]


def _exported(folder: Path, engine: Engine, provider: str) -> Encoder:
    """The network of a folder as a graph, made once and without torch from then on."""
    key = artifact.read_manifest(folder).fingerprint if (folder / artifact.MANIFEST).exists() else None

    def make(new: Path) -> None:
        from retailor.models.local import LocalEncoder, load_encoder

        try:
            encoder = exportable(load_encoder(folder), LocalEncoder)
            export(encoder, new / "model.onnx")
            describe(encoder, new)
        except (RuntimeError, TypeError, ValueError, AttributeError, KeyError) as error:
            raise ModelError(
                f"{folder} cannot be exported for '{engine}' ({first_line(error)}): leave backend at 'auto'.",
                asked=engine,
                can=("auto", "torch"),
            ) from None

    made, was_there = memo_folder(cache_folder(), "encoder-onnx", key or files_sha256([folder]), make)
    if not was_there:
        _sweep(made)
    return OnnxEncoder(made, engine=engine, provider=provider)


def _has_network(folder: Path) -> bool:
    others = (hashed.DESCRIPTION, "remote.json")
    return not (
        is_static(folder) or holds_saved_model(folder) or any((folder / name).exists() for name in others)
    )


def _sweep(newest: Path) -> None:
    """Takes the oldest exported encoders out of the cache."""
    folders = [path for path in newest.parent.glob("encoder-onnx-*") if path.is_dir() and path != newest]
    for old in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
