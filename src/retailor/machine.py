"""What this process runs on: how many cores it may use, and the processor's name."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path


def n_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has; at least 1."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def processor() -> str:
    """The processor's name as its maker gives it; its architecture where the system does not tell."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            named = next((line for line in file if line.startswith("model name")), "")
    except OSError:
        named = ""
    return named.partition(":")[2].strip() or platform.processor() or platform.machine()
