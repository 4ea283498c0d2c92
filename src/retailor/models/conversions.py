"""Conversions that are made once, in the user's cache."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from retailor.store import artifact
from retailor.store.user_cache import cache_folder


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The cached artifact `name`, made by `make(folder)` if it is not there yet.

    Two processes that ask at once make it once: the second waits. `make` must write its folder whole or not
    at all, as `artifact.writing` does; what a killed one left behind is swept away.
    """
    from filelock import FileLock

    folder = cache_folder() / name
    if (folder / artifact.MANIFEST).exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{name}.lock")):
        if not (folder / artifact.MANIFEST).exists():
            for left in folder.parent.glob(f".{name}.*.new"):
                shutil.rmtree(left, ignore_errors=True)
            make(folder)
    return folder
