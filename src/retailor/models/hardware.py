"""What this machine computes with, and batches that fit it."""

from __future__ import annotations

import copy
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.errors import ModelError
from retailor.store.memo import digest
from retailor.store.shared import shared_folder, shared_tensors

Precision = Literal["auto", "32"]


@cache
def native_bf16(device_type: str | None = None) -> bool:
    """Whether a device (the default one when not named) multiplies bf16 in hardware.

    A GPU of compute capability 8 or more, AVX-512 BF16 or AMX BF16, Arm's BF16, Apple's M2 or later. Without
    it bf16 is emulated, and slower than float32, although torch calls it supported.
    """
    kind = device_type or default_device().type
    if kind == "cuda":
        return _cuda_bf16()
    if kind == "mps":
        return _apple_bf16()
    return _cpu_bf16()


def _cuda_bf16() -> bool:
    if torch.version.hip:
        return bool(torch.cuda.is_bf16_supported())
    return torch.cuda.get_device_capability()[0] >= 8


def _cpu_bf16() -> bool:
    if sys.platform == "darwin":
        return _apple_bf16()
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    named = [bool(there) for name, there in known.items() if str(name).endswith("bf16")]
    if named:  # avx512_bf16 and amx_bf16, or Arm's own
        return any(named)
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name)()) for name in checks if hasattr(torch.cpu, name)) or _arm_bf16()


def _arm_bf16() -> bool:
    """Whether Linux lists bf16 among the features of an Arm processor."""
    if platform.machine().lower() not in ("aarch64", "arm64"):
        return False
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(line.lower().startswith("features") and "bf16" in line.split() for line in lines)


def _apple_bf16() -> bool:
    """Whether macOS says that its processor has bf16."""
    try:
        said = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "hw.optional.arm.FEAT_BF16"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return said.stdout.strip() == "1"


def default_device() -> torch.device:
    """The GPU when there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(network: torch.nn.Module) -> torch.device:
    """Where the network's weights lie."""
    return next(network.parameters()).device


def in_four_bits(network: torch.nn.Module) -> bool:
    """Whether linear layers of the network are packed for training adapters over them (`train.lora`)."""
    return bool(getattr(network, "is_loaded_in_4bit", False))  # the name by which peft knows it


def check_plain(network: torch.nn.Module, name: str) -> None:
    """Raises ModelError where a network is to be saved whose weights are packed in four bits."""
    if in_four_bits(network):
        raise ModelError(
            f"{name} has its weights in four bits, for training alone: save what `train.lora.merged` makes "
            "of it and of the plain model.",
            asked="save",
        )


def by_length(lengths: Sequence[int], budget: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers in batches, longest first, each at most `budget` tokens once padded (or one text).

    The longest first, so that a batch that does not fit in memory fails at once and not at the end.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        width = max(1, int(lengths[order[start]]))
        stop = start + max(1, budget // width)
        yield order[start:stop]
        start = stop


def weights_state(network: torch.nn.Module) -> list[tuple[int, int, int]]:
    """What differs as soon as a weight has changed in this process."""
    # every in-place change of a weight (an optimiser step, load_state_dict) raises its version
    return [(id(p), p.data_ptr(), p._version) for p in network.parameters()]


_UNCOPIED: ContextVar[bool] = ContextVar("uncopied", default=False)


@contextmanager
def uncopied() -> Iterator[None]:
    """While it lasts, networks of this thread predict themselves: no copy is made of one that is shared out
    over processes."""
    token = _UNCOPIED.set(True)
    try:
        yield
    finally:
        _UNCOPIED.reset(token)


class InferenceCopy:
    """The network to predict with: a bf16 copy where the hardware has bf16, made again when weights change.

    A copy in bf16 is faster than autocast, which converts the weights anew in every call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[list[tuple[int, int, int]], torch.nn.Module] | None = None

    def __reduce__(self) -> tuple[type[InferenceCopy], tuple[()]]:
        """Another process makes its own copy, and has a lock of its own."""
        return InferenceCopy, ()

    def of(self, network: torch.nn.Module, precision: Precision) -> torch.nn.Module:
        """The copy of today's weights, in evaluation mode; the network itself where it will do."""
        half = precision == "auto" and native_bf16(device_of(network).type)
        if _UNCOPIED.get() or (not half and not network.training):
            return network
        with self._lock:
            state = weights_state(network)
            if self._made is None or self._made[0] != state:
                self._made = None
                made = copy.deepcopy(network).eval().requires_grad_(False)
                self._made = (state, _once_a_group(made.to(torch.bfloat16)) if half else made)
            return self._made[1]


def _once_a_group(network: torch.nn.Module) -> torch.nn.Module:
    """The network with its bf16 weights where the workers of a server have them once; else as it is."""
    if shared_folder() is None or device_of(network).type != "cpu":
        return network
    own = dict([*network.named_parameters(), *network.named_buffers()])
    own = {name: each for name, each in own.items() if each.dtype == torch.bfloat16}
    bits = {name: each.data.contiguous().view(torch.int16).numpy() for name, each in own.items()}
    found = shared_tensors("bf16", digest(*bits.values()), lambda: bits)
    for name, each in own.items():
        each.data = torch.from_numpy(found[name]).view(torch.bfloat16)
    return network
