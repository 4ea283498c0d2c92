"""Where a training runs: on one device in plain PyTorch, or in several processes that share every batch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from retailor.errors import ConfigError, MissingExtra, ModelError
from retailor.machine import n_cores
from retailor.models.hardware import default_device
from retailor.runner import machines
from retailor.train.losses.hooks import Batch, Loss
from retailor.train.settings import DeviceSettings, TrainSettings

E = TypeVar("E")


class World(Protocol):
    """The processes of a training, as one of them sees it."""

    rank: int
    size: int
    empty: bool
    """Whether this process has no example of the batch: what it reads in its place is not gathered."""

    def forward(self, network: nn.Module, loss: Loss) -> Callable[[Batch], Tensor]:
        """The loss of a batch as a function whose gradients are the same in every process afterwards."""

    def syncing(self, last: bool) -> AbstractContextManager[Any]:
        """Around the passes over a part of a step: gradients are exchanged with the `last` one."""

    def backward(self, value: Tensor) -> None:
        """Adds the gradient of a scalar, a mean over processes."""

    def sum(self, value: float) -> float:
        """The sum of the processes' values, the same in each."""

    def of_first(self, made: Callable[[], float]) -> float:
        """What the first process makes. The others wait for it, or make it too where each has a share of the
        network that it is made with."""

    def agreed(self, wanted: bool) -> bool:
        """Whether the first process wants it, where all have to take part; else what this one wants."""

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows [n, …] of all processes, with their gradients."""


class Alone:
    """One device, plain PyTorch."""

    rank, size, empty = 0, 1, False

    def forward(self, network: nn.Module, loss: Loss) -> Callable[[Batch], Tensor]:
        return lambda batch: loss(network, batch)

    def syncing(self, last: bool) -> AbstractContextManager[Any]:
        return nullcontext()

    def backward(self, value: Tensor) -> None:
        value.backward()  # type: ignore[no-untyped-call]

    def sum(self, value: float) -> float:
        return value

    def of_first(self, made: Callable[[], float]) -> float:
        return made()

    def agreed(self, wanted: bool) -> bool:
        return wanted

    def gathered(self, rows: Tensor) -> Tensor:
        return rows


def share_of(world: World, group: Sequence[E]) -> Sequence[E]:
    """The examples of a batch that this process reads: every `size`-th, so that lengths are alike."""
    return group if world.size == 1 else group[world.rank :: world.size]


def rows_of(world: World, batch: Batch, n: int) -> Batch:
    """A batch of n examples cut to the rows of this process's share, or to the first row where it has none.

    Raises ModelError where a tensor has not one row an example.
    """
    for name, tensor in batch.items():
        if not tensor.ndim or len(tensor) != n:
            raise ModelError(
                f"'{name}' of shape {tuple(tensor.shape)} cannot be shared out by the rows of {n} examples: "
                "train with by_rows=False.",
                asked="devices",
            )
    own = slice(world.rank, None, world.size) if world.rank < n else slice(1)
    return {name: tensor[own].contiguous() for name, tensor in batch.items()}


def meeting_folder(settings: TrainSettings, work: Path | None) -> AbstractContextManager[Any]:
    """Where the training leaves what it makes: a folder of its own where none is given and others train."""
    if work is not None or not several(settings):
        return nullcontext(work)
    within = machines() if settings.hosts > 1 else None
    return tempfile.TemporaryDirectory(dir=None if within is None else within.shared)


@contextmanager
def in_main_memory(network: nn.Module, wanted: bool) -> Iterator[None]:
    """The network in main memory while it lasts, if `wanted`: it may not fit on a device that also trains."""
    if not wanted:
        yield
        return
    device = next(network.parameters()).device
    network.to("cpu")
    try:
        yield
    finally:
        network.to(device)


# what can be asked for ----------------------------------------------------------------------------


def several(settings: DeviceSettings | TrainSettings) -> bool:
    """Whether processes of their own are asked for."""
    return settings.devices > 1 or settings.hosts > 1 or settings.strategy != "auto"


def check_devices(settings: DeviceSettings | TrainSettings, device: torch.device | None = None) -> None:
    """Raises ConfigError on more devices or hosts than there are, MissingExtra without what starts several.

    `device` is where the network lies (default: where networks go); several hosts have their own.
    """
    if not several(settings):
        return
    if settings.hosts > 1:
        kind, there = _on_hosts(settings.hosts)
    else:
        kind = (device or default_device()).type
        there = n_devices(kind)
    if settings.strategy == "fsdp" and kind not in ("cuda", "cpu"):
        raise ConfigError(
            f"strategy = 'fsdp' is for GPUs of CUDA and for processors, and networks are on {kind} here.",
            key="strategy",
            value="fsdp",
        )
    if settings.devices > there:
        raise ConfigError(
            f"devices = {settings.devices}, and there {'is' if there == 1 else 'are'} {there} "
            f"({_named(kind)}): set devices = {there} at the most.",
            key="devices",
            value=settings.devices,
        )
    for package in ("lightning_fabric", "cloudpickle"):
        if find_spec(package) is None:
            raise MissingExtra(package, install="pip install 'retailor[devices]'")


def check_shares(network: nn.Module) -> None:
    """Raises ConfigError where the weights of a network cannot be shared out ('fsdp')."""
    single = [name for name, p in network.named_parameters() if not p.ndim]
    kinds = {str(p.dtype).removeprefix("torch.") for p in network.parameters() if p.requires_grad}
    packed = [name for name, p in network.named_parameters() if not p.is_floating_point()]
    if packed:
        told = f"'{packed[0]}' of this network is packed in few bits"
    elif single:
        told = f"'{single[0]}' of this network is a single number"
    elif len(kinds) > 1:
        told = f"the weights that train are {' and '.join(sorted(kinds))}"
    else:
        return
    raise ConfigError(
        f"strategy = 'fsdp', and {told}, which cannot be shared out: set strategy = 'ddp'.",
        key="strategy",
        value="fsdp",
    )


def _on_hosts(hosts: int) -> tuple[str, int]:
    """The kind of device of the cluster's machines, and how many the smallest of them has."""
    within = machines()
    if within is None:
        raise ConfigError(
            f"hosts = {hosts}, and this runs on one machine: run with --on ray.", key="hosts", value=hosts
        )
    if hosts > within.nodes:
        raise ConfigError(
            f"hosts = {hosts}, and the cluster has {within.nodes}: set hosts = {within.nodes} at the most.",
            key="hosts",
            value=hosts,
        )
    return ("cuda", within.gpus_a_node) if within.gpus_a_node else ("cpu", within.cpus_a_node)


def n_devices(kind: str) -> int:
    """How many devices of a kind this process may use; of processors their cores."""
    if kind == "cuda":
        return torch.cuda.device_count()
    if kind != "cpu":
        return 1
    return n_cores()


def _named(kind: str) -> str:
    return {"cuda": "GPUs", "cpu": "cores of the processor"}.get(kind, kind)
