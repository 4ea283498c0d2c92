"""The state of a training on disk: safetensors, written whole or not at all, no pickle.

A checkpoint holds the trained weights, the optimiser's moments and what the log says so far. Nothing else
is needed to go on exactly: order and noise of each step come from the seed and the number of the step.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from retailor.store.keys import key_of


def identity(network: nn.Module, *parts: object) -> str:
    """A hash of what makes two trainings the same: the parts, the trained weights they start from, and the
    code and libraries that train."""
    hashed = hashlib.sha256(key_of(*parts).encode())
    for name, parameter in network.named_parameters():
        flat = parameter.detach().flatten()
        sample = flat[:: max(1, len(flat) // 16)].float().cpu().contiguous()
        hashed.update(f"{name} {tuple(parameter.shape)} {parameter.requires_grad}".encode())
        hashed.update(sample.numpy().tobytes())
    return hashed.hexdigest()


def batches_sha256(batches: Iterable[Mapping[str, Tensor]]) -> str:
    """A sha256 (hex) over the names, shapes and bytes of the tensors of some batches."""
    hashed = hashlib.sha256()
    for batch in batches:
        for name, tensor in sorted(batch.items()):
            hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            hashed.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Copies of the weights that train, and of the buffers, by name."""
    kept: dict[str, Tensor] = {name: p for name, p in network.named_parameters() if p.requires_grad}
    kept.update(network.named_buffers())
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in kept.items()}


@torch.no_grad()
def put_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies the weights back into the network, in place."""
    places: dict[str, Tensor] = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    for name, tensor in weights.items():
        places[name].copy_(tensor)


class Checkpoints:
    """The checkpoint of one training in a folder; with no folder it keeps nothing and finds nothing."""

    def __init__(self, work: Path | None, label: str, mark: str) -> None:
        self.mark = mark
        self.stem = re.sub(r"[^\w-]+", "-", label) or "train"
        self.work = work
        if work is not None:
            work.mkdir(parents=True, exist_ok=True)

    def _path(self, what: str) -> Path:
        assert self.work is not None
        return self.work / f"{self.stem}.{what}.safetensors"

    def write(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        best: tuple[int, dict[str, Tensor]] | None,
        state: Mapping[str, Any],
    ) -> None:
        """Writes all that a later `read` needs."""
        if self.work is None:
            return
        if best is not None and _mark_of(self._path(f"best-{best[0]}")) != self.mark:
            _write(self._path(f"best-{best[0]}"), best[1], {"mark": self.mark})
        tensors = {f"weight/{name}": tensor for name, tensor in weights_of(network).items()}
        for name, parameter in network.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"moment/{key}/{name}"] = value.detach().cpu().contiguous()
        best_step = -1 if best is None else best[0]
        told = {"mark": self.mark, "state": json.dumps({**state, "best_file": best_step})}
        _write(self._path("checkpoint"), tensors, told)
        for old in self.work.glob(f"{self.stem}.best-*.safetensors"):
            if best is None or old != self._path(f"best-{best[0]}"):
                old.unlink(missing_ok=True)

    def read(
        self, network: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[dict[str, Any], dict[str, Tensor] | None] | None:
        """The state and the best weights after everything was put back; None when there is nothing to go on.

        A checkpoint of another training, or one that is cut off, counts as nothing.
        """
        found = None if self.work is None else _read(self._path("checkpoint"), self.mark)
        if found is None:
            return None
        tensors, state = found
        best = None
        if state["best_file"] >= 0:
            kept = _read(self._path(f"best-{state['best_file']}"), self.mark)
            if kept is None:
                return None
            best = kept[0]
        put_weights(network, _under("weight/", tensors))
        moments = _under("moment/", tensors)
        places = dict(network.named_parameters())
        for key, value in moments.items():
            kind, _, name = key.partition("/")
            place = places[name]
            optimizer.state[place][kind] = value if kind == "step" else value.to(place.device)
        return state, best


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _write(path: Path, tensors: dict[str, Tensor], told: dict[str, str]) -> None:
    new = path.with_suffix(".new")
    save_file(tensors, new, metadata=told)
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.replace(path)


def _mark_of(path: Path) -> str | None:
    """Whose file it is; None where there is none that can be read."""
    try:
        with safe_open(path, "pt") as file:
            return str((file.metadata() or {}).get("mark"))
    except (SafetensorError, OSError):
        return None


def _read(path: Path, mark: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            if told.get("mark") != mark:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        return None
    return tensors, json.loads(told.get("state", "{}"))
