"""The user's cache folder: conversions that are made once."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from retailor.store import artifact


def cache_folder() -> Path:
    """RETAILOR_CACHE when it is set, else the platform's own place for caches. It may not exist yet."""
    given = os.environ.get("RETAILOR_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "retailor"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "retailor"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "retailor"


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
