"""The speed of an encoder's network in several runtimes, measured in turn on the same batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.models.hardware import native_bf16
from retailor.models.shapes import TrainableEncoder

Batch = dict[str, NDArray[np.int64]]
Speeds = dict[str, float]
_BATCH_SIZE = 32


def speeds(
    encoder: TrainableEncoder, plain: Path, small: Path, texts: Sequence[str], *, rounds: int
) -> Speeds:
    """Texts a second by runtime: torch in float32 and, where there is hardware for it, bf16; ONNX twice.

    The network alone is timed, in batches of like length, on as many threads as torch has. Each round times
    every runtime once, so that a busy machine slows them all; the best round of each counts.
    """
    batches = _batches(encoder, texts)
    runs: dict[str, Callable[[Batch], Any]] = {"torch float32": _torch(encoder, half=False)}
    if native_bf16():
        runs["torch bf16"] = _torch(encoder, half=True)
    runs["onnx float32"] = _onnx(plain)
    runs["compressed"] = _onnx(small)
    for run in runs.values():
        run(batches[0])
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            for batch in batches:
                run(batch)
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: len(texts) / seconds for name, seconds in best.items()}


def _batches(encoder: TrainableEncoder, texts: Sequence[str]) -> list[Batch]:
    ordered = sorted(texts, key=len)
    return [
        {name: value.cpu().numpy() for name, value in encoder.tokens(ordered[i : i + _BATCH_SIZE]).items()}
        for i in range(0, len(ordered), _BATCH_SIZE)
    ]


def _torch(encoder: TrainableEncoder, *, half: bool) -> Callable[[Batch], Any]:
    import torch

    network = encoder.copy().network.eval().cpu()
    network = network.to(torch.bfloat16) if half else network.float()

    def run(batch: Batch) -> Any:
        with torch.inference_mode():
            return network(**{name: torch.from_numpy(value) for name, value in batch.items()})

    return run


def _onnx(path: Path) -> Callable[[Batch], Any]:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    # Threads that spin while they wait would slow whatever else runs here.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {given.name for given in session.get_inputs()}
    return lambda batch: session.run(None, {name: value for name, value in batch.items() if name in names})
