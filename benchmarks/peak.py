"""The most memory that a process has had since it began."""

from __future__ import annotations

from pathlib import Path


def peak_gib() -> float:
    """Of this process, GiB. (What `getrusage` tells a child begins with what its parent had.) Linux alone."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) / 2**20
