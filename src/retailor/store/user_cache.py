"""Where a user's cache lies: what is made or fetched once and can be made or fetched again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from retailor.errors import ConfigError


def cache_folder() -> Path:
    """RETAILOR_CACHE when it is set, else the platform's own place for caches. It may not exist yet.

    Raises ConfigError for a user without a home folder, as in many containers.
    """
    given = os.environ.get("RETAILOR_CACHE")
    if given:
        return Path(given)
    try:
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "retailor"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "retailor"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "retailor"
    except RuntimeError:
        raise ConfigError(
            "this user has no home folder to keep a cache in: set RETAILOR_CACHE to a folder.",
            key="RETAILOR_CACHE",
        ) from None
