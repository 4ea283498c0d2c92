"""Versions of what decides the figures."""

from __future__ import annotations

from retailor.store.artifact import retailor_version
from retailor.store.keys import made_by


def versions() -> dict[str, str]:
    """Versions of Retailor, a hash of its code, and those of Python and the libraries that compute."""
    return {"retailor": retailor_version(), **made_by()}
