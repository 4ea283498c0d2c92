"""What a unit of work costs on this machine, measured on a slice in seconds."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retailor.models.hardware import default_device
from retailor.models.weights import load_model
from retailor.train.devices import n_devices
from retailor.train.loop import train
from retailor.train.lora import with_lora
from retailor.train.settings import TrainSettings

WRITTEN = 32 << 20
SIDE = 1024
N_TEXTS = 32
FEW = 4
"""The first call of anything is slow: it is made with so many, and not measured."""


@dataclass(frozen=True)
class Machine:
    """The device that networks run on, and what is free of memory and disk."""

    device: str
    n_devices: int
    memory_bytes: int
    """Free memory of the machine."""
    device_bytes: int
    """Free memory of the device; that of the machine where networks are on the processor."""
    disk_bytes: int
    flops: float
    """Of a product of float32 matrices, a second."""
    write_bytes: float
    """Written to the disk, a second."""


@dataclass(frozen=True)
class ModelUnits:
    """Sizes of a model and what it takes; tokens are those of the shop's own texts, cut as the plan says."""

    name: str
    parameters: int
    trained: int
    """Parameters but for the word embeddings."""
    layers: int
    hidden: int
    open_s: float
    forward: float
    """Tokens read a second."""
    trained_tokens: float
    """Tokens learned from a second; of a generator with adapters."""
    letters_a_token: float = 3.0
    generated: float = 0.0
    """Tokens written a second, one text at a time."""


def machine(folder: Path) -> Machine:
    """This machine, for a run in `folder`."""
    device = default_device()
    memory = _free_memory()
    there = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    return Machine(
        device=str(device), n_devices=n_devices(device.type), memory_bytes=memory,
        device_bytes=torch.cuda.mem_get_info()[0] if device.type == "cuda" else memory,
        disk_bytes=shutil.disk_usage(there).free, flops=_flops(), write_bytes=_write_bytes(),
    )  # fmt: skip


def _free_memory() -> int:
    """What is free, or what a container leaves of it."""
    free = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            free.append(int(line.split()[1]) * 1024)
    limit, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit and used and limit[0].isdigit():
        free.append(int(limit[0]) - int(used[0]))
    return max(0, min(free))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _flops() -> float:
    a = np.ones((SIDE, SIDE), np.float32)
    return float(2 * SIDE**3 / least_s(lambda: a @ a, 5))


def _write_bytes() -> float:
    with tempfile.TemporaryDirectory() as folder:
        return WRITTEN / least_s(lambda: _written(Path(folder) / "some"), 1)


def _written(path: Path) -> None:
    with path.open("wb") as file:
        file.write(bytes(WRITTEN))
        file.flush()
        os.fsync(file.fileno())


def least_s(work: Callable[[], object], n: int) -> float:
    """The shortest of n times that the work took: others use the machine too."""
    times = []
    for _ in range(n):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return max(min(times), 1e-9)


def encoder_units(name: str, texts: Sequence[str], max_tokens: int, batch_size: int) -> ModelUnits:
    """Of an encoder, on some of the shop's texts."""
    started = time.perf_counter()
    model: Any = load_model(name, kind="encoder")
    open_s = time.perf_counter() - started
    some = list(texts[:N_TEXTS])
    n_tokens = sum(map(len, model.token_ids(some)))
    model.encode(some[:FEW])
    forward = n_tokens / least_s(lambda: model.encode(some), 1)
    copied = model.copy()

    def collate(chosen: Sequence[str]) -> Any:
        return {key: rows[:, :max_tokens] for key, rows in copied.tokens(chosen).items()}

    settings = TrainSettings(batch_size=min(batch_size, len(some))).resolved(
        rate=1e-6, seed=0, vocabulary_size=len(model.tokenizer)
    )
    loss: Any = lambda network, batch: copied.vectors(batch).square().mean()  # noqa: E731
    learned = sum(min(len(row), max_tokens) for row in model.token_ids(some))
    step_s = least_s(lambda: train(copied.network, some, collate, loss, settings), 2)
    return _of(model, open_s, forward, learned / step_s, letters_a_token=sum(map(len, some)) / n_tokens)


def generator_units(name: str, texts: Sequence[str], max_tokens: int) -> ModelUnits:
    """Of a generator, on some of the shop's texts: adapters are what learns."""
    started = time.perf_counter()
    model: Any = load_model(name, kind="generator")
    open_s = time.perf_counter() - started
    some = list(texts[:FEW])
    model.generate(some[:1], max_tokens=2)
    generated = 12 / least_s(lambda: model.generate(some[:1], max_tokens=12), 1)
    batch = model.plain(some, max_tokens=max_tokens)
    n_tokens = int(batch["attention_mask"].sum())
    with torch.inference_mode():
        forward = n_tokens / least_s(lambda: model.network(**batch), 1)
    tuned: Any = with_lora(model, 8, seed=0)
    settings = TrainSettings(batch_size=len(some), learning_rate=1e-6)
    loss: Any = lambda network, rows: network(**rows).logits.float().square().mean()  # noqa: E731
    collate: Any = lambda chosen: tuned.plain(chosen, max_tokens=max_tokens)  # noqa: E731
    step_s = least_s(lambda: train(tuned.network, some, collate, loss, settings), 1)
    return _of(model, open_s, forward, n_tokens / step_s, generated=generated)


def _of(
    model: Any, open_s: float, forward: float, trained: float, *,
    letters_a_token: float = 3.0, generated: float = 0.0,
) -> ModelUnits:  # fmt: skip
    network = model.network
    parameters = sum(p.numel() for p in network.parameters())
    words = network.get_input_embeddings().weight.numel()
    config = network.config
    hidden = int(getattr(config, "hidden_size", None) or config.d_model)
    layers = int(getattr(config, "num_hidden_layers", None) or config.num_layers)
    return ModelUnits(
        model.name, parameters, parameters - words, layers, hidden, open_s, forward, trained,
        letters_a_token, generated,
    )  # fmt: skip
