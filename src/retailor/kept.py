"""What takes long is kept in the work folder, so that a killed fit need not make it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

Tensors = Mapping[str, NDArray[Any]]


def kept(work: Path | None, label: str, key: str, make: Callable[[], Tensors]) -> Tensors:
    """What `make` gives: from `work` where a call with the same label and key has left it, else made now.

    Written whole or not at all; a corrupt file is made again. Without `work` nothing is kept.
    """
    if work is None:
        return make()
    path = work / f"{label.replace(' ', '-')}-{key[:16]}.safetensors"
    if path.exists():
        try:
            return load_file(path)
        except (SafetensorError, OSError):
            path.unlink()
    made = {name: np.ascontiguousarray(values) for name, values in make().items()}
    work.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    save_file(made, new)
    new.replace(path)
    return made


def digest(*arrays: NDArray[Any]) -> str:
    """A sha256 over the bytes of some arrays."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
