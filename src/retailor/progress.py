"""Progress bars: shown on a terminal, silent elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_shown = threading.Lock()
"""Held by the bar that is on the terminal; two would write over each other."""


def track(things: Iterable[T], label: str, total: float | None = None) -> Iterator[T]:
    """The same things, with a bar on standard error while they pass.

    No bar when that is not a terminal, and none within another bar.
    """
    if not sys.stderr.isatty() or not _shown.acquire(blocking=False):
        yield from things
        return
    try:
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(
            things, description=label, total=total, console=Console(stderr=True), transient=True
        )
    finally:
        _shown.release()
