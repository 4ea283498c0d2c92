"""Progress bars: shown on a terminal, silent elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def track(things: Iterable[T], label: str, total: float | None = None) -> Iterator[T]:
    """The same things, with a bar on standard error while they pass; no bar when that is not a terminal."""
    if not sys.stderr.isatty():
        yield from things
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(
        things, description=label, total=total, console=Console(stderr=True), transient=True
    )
