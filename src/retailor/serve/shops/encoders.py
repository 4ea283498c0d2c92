"""Encoders that several shops have alike, opened once for all of them."""

from __future__ import annotations

import threading
from pathlib import Path
from weakref import WeakValueDictionary

from retailor.models.shapes import Encoder, OpenEncoder
from retailor.store import artifact


class EncoderPool:
    """Opens an encoder unless one with its fingerprint, a hash of all its files, is in use already.

    It keeps none alive: when the last shop has let go of an encoder, its memory is free.
    """

    def __init__(self, open_encoder: OpenEncoder) -> None:
        self._open = open_encoder
        self._opening = threading.Lock()
        self._in_use: WeakValueDictionary[str, Encoder] = WeakValueDictionary()
        self.n_opened = 0

    def __call__(self, folder: Path) -> Encoder:
        """The encoder that is saved in a folder; one without a manifest is opened each time."""
        if not (folder / artifact.MANIFEST).exists():
            return self._open(folder)
        fingerprint = artifact.read_manifest(folder).fingerprint
        with self._opening:
            found = self._in_use.get(fingerprint)
            if found is None:
                found = self._in_use[fingerprint] = self._open(folder)
                self.n_opened += 1
            return found
