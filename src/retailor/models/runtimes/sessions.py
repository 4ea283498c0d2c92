"""A graph of an encoder opened in a runtime: batches of ids in, hidden states out, by any number of threads.

Each call computes on one core: batches beside each other gain more than one batch spread over the cores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retailor.errors import MissingExtra, ModelError
from retailor.machine import n_cores
from retailor.models.runtimes.openvino_package import core

Engine = Literal["onnx", "openvino"]
Backend = Literal["auto", "torch", "onnx", "openvino"]
Batch = Mapping[str, NDArray[np.int64]]
OUTPUT = "last_hidden_state"
PROVIDERS: Mapping[str, tuple[str, str]] = {
    "cpu": ("CPUExecutionProvider", "onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "onnxruntime-gpu"),
    "tensorrt": ("TensorrtExecutionProvider", "onnxruntime-gpu"),
    "directml": ("DmlExecutionProvider", "onnxruntime-directml"),
    "coreml": ("CoreMLExecutionProvider", "onnxruntime (macOS)"),
    "cann": ("CANNExecutionProvider", "onnxruntime-cann"),
}
"""Execution providers of ONNX Runtime by our name: by its own, and the package that brings it."""


@dataclass(frozen=True)
class Session:
    """An open graph: the names of its inputs, and what computes."""

    inputs: tuple[str, ...]
    run: Callable[[Batch], NDArray[np.float32]]
    """int64 [B, T] each to hidden states [B, T, dim]."""


def open_session(path: Path, engine: Engine, provider: str = "cpu", *, exact: bool = False) -> Session:
    """The graph of a file, `.onnx` or OpenVINO's `.xml`.

    `exact` keeps OpenVINO at float32 where the processor has bf16; ONNX Runtime computes in float32 always,
    but for what the graph itself has in int8. Raises MissingExtra without the runtime, ModelError for a
    provider that is not here or a file that it cannot open.
    """
    return _openvino(path, provider, exact) if engine == "openvino" else _onnx_runtime(path, provider)


def _onnx_runtime(path: Path, provider: str) -> Session:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("ONNX Runtime", install="pip install 'retailor[compress]'") from None
    if path.suffix != ".onnx":
        raise ModelError(f"{path} is a graph of OpenVINO: choose backend 'openvino'.", asked="onnx")
    name, package = PROVIDERS.get(provider, ("", ""))
    here = [
        ours for ours, (theirs, _) in PROVIDERS.items() if theirs in onnxruntime.get_available_providers()
    ]
    if provider not in here:
        advice = f"install {package} in the place of onnxruntime" if name else "choose one of these"
        raise _no_provider("ONNX Runtime", provider, here, advice)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    wanted = list(
        dict.fromkeys([name, PROVIDERS["cpu"][0]])
    )  # the second for what the first has no kernel of
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=wanted)
    except Exception as error:
        raise ModelError(f"{path}: ONNX Runtime cannot open this model: {error}") from None
    if session.get_providers()[0] != name:  # it goes on without a driver, and says nothing
        raise _no_provider("ONNX Runtime", provider, ["cpu"], "its driver or device is missing")
    inputs = tuple(given.name for given in session.get_inputs())
    return Session(inputs, lambda batch: np.asarray(session.run([OUTPUT], dict(batch))[0]))


def _openvino(path: Path, provider: str, exact: bool) -> Session:
    here = [name.lower() for name in core().available_devices]
    if provider not in here:
        raise _no_provider("OpenVINO", provider, here, "choose one of these")
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if provider == "cpu":
        settings = {"NUM_STREAMS": n_cores(), "INFERENCE_NUM_THREADS": n_cores()}
    if exact:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    try:
        compiled = core().compile_model(path, provider.upper(), settings)
    except Exception as error:
        raise ModelError(f"{path}: OpenVINO cannot open this model: {error}") from None
    inputs = tuple(given.get_any_name() for given in compiled.inputs)
    own = threading.local()  # a request holds the tensors of one call

    def run(batch: Batch) -> NDArray[np.float32]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        found = own.request.infer(dict(batch))[0]
        return np.array(found, dtype=np.float32)

    return Session(inputs, run)


def _no_provider(runtime: str, provider: str, here: list[str], advice: str) -> ModelError:
    return ModelError(
        f"{runtime} has no '{provider}' on this machine (it has: {', '.join(here)}): {advice}.",
        asked=provider,
        can=tuple(here),
    )
