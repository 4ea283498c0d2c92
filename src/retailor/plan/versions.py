"""Versions of what decides the figures."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from retailor.artifact import retailor_version

LIBRARIES = ("torch", "transformers", "polars", "numpy", "scikit-learn", "onnxruntime", "peft")


def versions() -> dict[str, str]:
    """Versions of Python, Retailor and the libraries that decide the figures; absent ones are left out."""
    found = {"python": platform.python_version(), "retailor": retailor_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
