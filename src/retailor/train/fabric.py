"""Several processes by Lightning Fabric: the one file that imports it, and only when asked for."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial
from inspect import signature
from pickle import PicklingError
from typing import Any, ClassVar, Literal

import cloudpickle
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException
from torch.nn.parallel import DistributedDataParallel

from retailor.errors import ModelError
from retailor.together import Place, together
from retailor.train.losses.hooks import Batch, Loss
from retailor.train.losses.shared import gathering

_BUFFERS = "forward_sync_buffers"
if _BUFFERS not in signature(DistributedDataParallel).parameters:
    _BUFFERS = "broadcast_buffers"  # before torch 2.13
QUIET = "TORCH_CPP_LOG_LEVEL"
LONGEST_WAIT = timedelta(hours=12)
"""A process that has died is noticed at once; this is for the others while the first one validates."""


class QuietDDP(DDPStrategy):
    """DDP that says nothing about its start."""

    def setup_environment(self) -> None:
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        super().setup_environment()


class _Whole(nn.Module):
    """Network and loss as one module: gradients are exchanged however the loss uses the network."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network = network
        self._loss = loss

    def forward(self, batch: Batch) -> Tensor:
        return self._loss(self.network, batch)


class Processes:
    """The processes of a `Fabric`, as one of them sees it: a `World`."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric, self.rank, self.size = fabric, fabric.global_rank, fabric.world_size
        self.device = fabric.device
        self.empty = False
        """Whether this process has no example of the batch: what it then reads is not gathered."""
        self._whole: Any = None

    def forward(self, network: nn.Module, loss: Loss) -> Callable[[Batch], Tensor]:
        self._whole = self.fabric.setup_module(_Whole(network, loss))
        return self._whole  # type: ignore[no-any-return]

    def syncing(self, last: bool) -> AbstractContextManager[Any]:
        return self.fabric.no_backward_sync(self._whole, enabled=not last)

    def backward(self, value: Tensor) -> None:
        self.fabric.backward(value)

    def sum(self, value: float) -> float:
        given = torch.tensor(value, dtype=torch.float64, device=self.device)
        total: Any = self.fabric.all_reduce(given, reduce_op="sum")
        return float(total)

    def of_first(self, made: Callable[[], float]) -> float:
        with gathering(None):  # the others do not call the loss meanwhile
            return self.fabric.broadcast(made() if self.rank == 0 else 0.0)

    def agreed(self, wanted: bool) -> bool:
        return wanted

    def gathered(self, rows: Tensor) -> Tensor:
        own = rows[:0] if self.empty else rows
        n_rows = [int(n) for n in self._all(torch.tensor([len(own)], device=rows.device))]
        filled = torch.cat([own, own.new_zeros(max(n_rows) - len(own), *own.shape[1:])])
        return torch.cat([part[:n] for part, n in zip(self._all(filled), n_rows, strict=True)])

    def _all(self, rows: Tensor) -> Tensor:
        """What each process has, stacked; a gradient goes back to where the rows came from, summed."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Fabric takes a function of torch's that has a new name by now
            found: Any = self.fabric.all_gather(rows, sync_grads=rows.requires_grad)
        return found  # type: ignore[no-any-return]


def fabric_of(devices: int, accelerator: str, n_nodes: int = 1) -> Fabric:
    """A Fabric that starts so many processes, one a device; or the one of this process, of several nodes."""
    # alike in all processes, and a catalogue's vectors would travel at every step
    buffers: dict[str, Any] = {_BUFFERS: False}
    strategy = QuietDDP(
        start_method=_start_method(accelerator, n_nodes),
        find_unused_parameters=True,  # a pooler that no loss reads
        timeout=LONGEST_WAIT,
        **buffers,
    )
    return Fabric(
        accelerator=accelerator, devices=devices, num_nodes=n_nodes, strategy=strategy,
        plugins=[LightningEnvironment()],
    )  # fmt: skip


def on_hosts(work: Callable[[Processes], None], hosts: int, devices: int, label: str) -> None:
    """Runs `work` in so many processes of each of so many machines of the cluster, and waits for them.

    Raises what `work` raises, ModelError where a process is lost again and again.
    """
    together(partial(_on_host, _packed(work, label)), hosts, devices, label)


def _on_host(payload: bytes, place: Place) -> None:
    """One process of several machines: to Fabric a node of one device, beside others that it is told of."""
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    told = {"MASTER_ADDR": place.address, "MASTER_PORT": str(place.port), "LOCAL_RANK": "0",
            "NODE_RANK": str(place.rank)}  # fmt: skip
    with _environment():
        os.environ.update(told)
        fabric = fabric_of(1, accelerator, n_nodes=place.size)
        fabric.launch()
        try:
            work: Callable[[Processes], None] = cloudpickle.loads(payload)
            work(Processes(fabric))
            fabric.barrier()
        finally:
            torch.distributed.destroy_process_group()


def _start_method(accelerator: str, n_nodes: int) -> Literal["popen", "spawn", "forkserver"]:
    if n_nodes > 1:
        return "popen"  # which starts nothing: all are there
    return "forkserver" if accelerator == "cpu" and _can_fork() else "spawn"


def _can_fork() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()


def launched(work: Callable[[Processes], None], devices: int, accelerator: str, label: str) -> None:
    """Runs `work` in so many processes and waits for them; it travels there with all that it refers to.

    Raises ModelError with what the first process to fail said, or that it was killed.
    """
    payload = _packed(work, label)
    if _can_fork():
        multiprocessing.set_forkserver_preload(["retailor.train.fabric", *_loaded()])
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    try:
        with _environment():
            fabric_of(devices, accelerator).launch(partial(_process, payload=payload))
    except ProcessRaisedException as error:
        last = str(error).strip().splitlines()[-1]
        said = last.removeprefix("retailor.errors.ModelError: ")
        where = "" if said != last else f"{label}: process {error.error_index + 1} of {devices} failed: "
        raise ModelError(f"{where}{said}", asked="devices") from None
    except ProcessExitedException as error:
        how = error.signal_name or f"exit code {error.exit_code}"
        raise ModelError(
            f"{label}: process {error.error_index + 1} of {devices} ended by {how}: run the same again, it"
            " goes on from the last checkpoint; set fewer devices if memory was short.",
            asked="devices",
        ) from None


def _loaded() -> list[str]:
    """Modules that the work will need: imported once by the server that all processes are forked from."""
    return sorted(
        name
        for name in sys.modules
        if name.partition(".")[0] in ("retailor", "transformers", "peft") and "__main__" not in name
    )


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Of what crosses to another process, a lock is a new one there."""

    dispatch_table: ClassVar[Any] = {
        **cloudpickle.Pickler.dispatch_table,
        type(threading.Lock()): lambda lock: (threading.Lock, ()),
    }


def _packed(work: Callable[[Processes], None], label: str) -> bytes:
    """The work and all that it refers to, for processes of our own alone: it is written to no file."""
    packed = io.BytesIO()
    try:
        _Pickler(packed).dump(work)
    except (TypeError, PicklingError) as error:
        raise ModelError(f"{label}: this training cannot go to other processes ({error}): set devices = 1.",
                         asked="devices") from error  # fmt: skip
    return packed.getvalue()


@contextmanager
def _environment() -> Iterator[None]:
    """What Fabric writes into the environment is taken out again; a rank left there by others is put by."""
    names = ("MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", QUIET)
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ[QUIET] = before.get(QUIET, "ERROR")  # DDP warns where every weight happens to be used
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


def _process(fabric: Fabric, payload: bytes) -> None:
    """One process of several: ends with the one that started it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work: Callable[[Processes], None] = cloudpickle.loads(payload)
    work(Processes(fabric))
    fabric.barrier()
    torch.distributed.destroy_process_group()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
