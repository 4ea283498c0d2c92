"""The state of a training on disk: safetensors, written whole or not at all, no pickle.

A checkpoint holds the trained weights, the optimiser's moments and what the log says so far. Nothing else
is needed to go on exactly: order and noise of each step come from the seed and the number of the step.
Where each process holds a share of every weight, files have the whole ones: what was trained in shares is
read by one process, and the other way round.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
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


# Weights that are shared out are DTensors. They are known by their methods: where there are none, torch's
# part for several processes is not even loaded.


def own(tensor: Any) -> Tensor:
    """What this process holds of a tensor: its share, or all of it."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor  # type: ignore[no-any-return]


def whole(tensor: Any) -> Tensor:
    """A tensor with the shares of all processes, which must call this at the same time."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor  # type: ignore[no-any-return]


def _cut(tensor: Tensor, place: Any) -> Tensor:
    """Of a whole tensor the share that this process holds of `place`."""
    if not hasattr(place, "to_local") or tensor.shape != place.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    there = tensor.to(place.device)
    shared = distribute_tensor(there, place.device_mesh, place.placements, src_data_rank=None)
    return shared.to_local().clone()


def _places(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Copies of what this process holds of the weights that train, and of the buffers, by name."""
    kept: dict[str, Tensor] = {name: p for name, p in network.named_parameters() if p.requires_grad}
    kept.update(network.named_buffers())
    return {name: own(tensor.detach()).to("cpu", copy=True).contiguous() for name, tensor in kept.items()}


@torch.no_grad()
def put_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies what `weights_of` gave back into the network, in place."""
    places = _places(network)
    for name, tensor in weights.items():
        own(places[name]).copy_(tensor)


@torch.no_grad()
def _put_whole(place: Tensor, share: Tensor) -> Tensor:
    """The whole tensor like `place` of which this process has a share."""
    filled = torch.empty_like(place)
    own(filled).copy_(share)
    return whole(filled)


class Checkpoints:
    """The checkpoint of one training in a folder; with no folder it keeps nothing and finds nothing."""

    def __init__(self, work: Path | None, label: str, mark: str) -> None:
        self.mark = mark
        self.stem = re.sub(r"[^\w-]+", "-", label) or "train"
        self.work = work
        self._best_there = -1
        """The step whose weights the file of the best has."""
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
        *,
        first: bool = True,
    ) -> None:
        """Writes all that a later `read` needs: the `first` process does, the others give it their shares."""
        if self.work is None:
            return
        places = _places(network)
        best_step = -1 if best is None else best[0]
        if best is not None and best_step != self._best_there:
            shares = best[1].items()
            kept = _gathered(((name, _put_whole(places[name], share)) for name, share in shares), first)
            if first:
                _write(self._path(f"best-{best_step}"), kept, {"mark": self.mark})
            self._best_there = best_step
        tensors = _gathered(_state_of(network, optimizer), first)
        if not first:
            return
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
        places = _places(network)
        found = None if self.work is None else _read(self._path("checkpoint"), self.mark, places)
        if found is None:
            return None
        tensors, state = found
        best = None
        if state["best_file"] >= 0:
            kept = _read(self._path(f"best-{state['best_file']}"), self.mark, places)
            if kept is None:
                return None
            best = {name: share.cpu() for name, share in kept[0].items()}
        self._best_there = state["best_file"]
        put_weights(network, _under("weight/", tensors))
        for key, value in _under("moment/", tensors).items():
            kind, _, name = key.partition("/")
            optimizer.state[places[name]][kind] = value if kind == "step" else _moment(places[name], value)
        return state, best


def _state_of(network: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    """The trained weights, the buffers and the optimiser's moments, whole, one at a time."""
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            yield f"weight/{name}", whole(parameter.detach())
        for key, value in optimizer.state.get(parameter, {}).items():
            yield f"moment/{key}/{name}", whole(value.detach())
    for name, buffer in network.named_buffers():
        yield f"weight/{name}", buffer


def _gathered(tensors: Iterable[tuple[str, Tensor]], first: bool) -> dict[str, Tensor]:
    """Copies in the first process's memory; the others only take part in making them whole."""
    kept = {}
    for name, tensor in tensors:
        if first:
            kept[name] = tensor.detach().to("cpu", copy=True).contiguous()
    return kept


@torch.no_grad()
def _moment(place: Tensor, value: Tensor) -> Tensor:
    """A moment of the optimiser, shared out as its weight is."""
    filled = torch.empty_like(place, requires_grad=False)
    own(filled).copy_(value)
    return filled


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _write(path: Path, tensors: dict[str, Tensor], told: dict[str, str]) -> None:
    new = path.with_suffix(".new")
    save_file(tensors, new, metadata=told)
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.replace(path)


def _read(
    path: Path, mark: str, places: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What this process needs of a file's tensors, and what the file says; None where it is no such file."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            if told.get("mark") != mark:
                return None
            tensors = {
                key: _cut(file.get_tensor(key), places.get(key.rpartition("/")[2]))
                for key in file.keys()  # noqa: SIM118
            }
    except (SafetensorError, OSError):
        return None
    return tensors, json.loads(told.get("state", "{}"))
