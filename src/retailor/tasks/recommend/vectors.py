"""The encoder's vectors of the items, kept in the work folder so that a killed fit need not encode again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from retailor.artifact import fingerprint
from retailor.models.shapes import Encoder


def encoded(encoder: Encoder, texts: Sequence[str], work: Path | None) -> NDArray[np.float32]:
    """The vectors [n, dim] of the texts; from `work` where the same encoder left them for the same texts."""
    if work is None:
        return encoder.encode(texts)
    # Two encoders may share a name: the vectors of a few texts tell one's weights from the other's.
    probe = np.round(encoder.encode(list(texts[:3])), 2).tolist()
    path = work / f"vectors-{fingerprint(encoder.name, encoder.dim, probe, list(texts))[:16]}.safetensors"
    if path.exists():
        try:
            return load_file(path)["vectors"]
        except (SafetensorError, OSError, KeyError):
            path.unlink()
    vectors = encoder.encode(texts)
    work.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    save_file({"vectors": vectors}, new)
    new.replace(path)
    return vectors
