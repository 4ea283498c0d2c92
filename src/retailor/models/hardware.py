"""What this machine computes with, and batches that fit it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

Precision = Literal["auto", "32"]


@cache
def native_bf16() -> bool:
    """Whether the default device multiplies bf16 in hardware: a recent GPU, AVX-512 BF16 or AMX.

    Without it bf16 is emulated, and slower than float32.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    cpu = torch.cpu
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(cpu, name)()) for name in checks if hasattr(cpu, name))


def default_device() -> torch.device:
    """The GPU when there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(network: torch.nn.Module) -> torch.device:
    """Where the network's weights lie."""
    return next(network.parameters()).device


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


class InferenceCopy:
    """The network to predict with: a bf16 copy where the hardware has bf16, made again when weights change.

    A copy in bf16 is faster than autocast, which converts the weights anew in every call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[list[tuple[int, int, int]], torch.nn.Module] | None = None

    def of(self, network: torch.nn.Module, precision: Precision) -> torch.nn.Module:
        """The copy of today's weights, in evaluation mode; the network itself where it will do."""
        half = precision == "auto" and native_bf16()
        if not half and not network.training:
            return network
        with self._lock:
            # every in-place change of a weight (an optimiser step, load_state_dict) raises its version
            state = [(id(p), p.data_ptr(), p._version) for p in network.parameters()]
            if self._made is None or self._made[0] != state:
                self._made = None
                made = copy.deepcopy(network).eval().requires_grad_(False)
                self._made = (state, made.to(torch.bfloat16) if half else made)
            return self._made[1]
