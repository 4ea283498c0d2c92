"""Frozen encoders of TensorFlow: a SavedModel from a folder, an archive or a handle of TensorFlow Hub."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError, ModelError
from retailor.models.conversions import cached
from retailor.models.files import read_object
from retailor.models.formats.archives import fetch_archive, unpack
from retailor.models.formats.saved_model import GRAPH, Read, is_saved_model, open_saved_model
from retailor.models.shapes import Role
from retailor.models.well_formed import well_formed
from retailor.store import artifact

DESCRIPTION = "saved_model.json"
INNER = "saved_model"
MAX_CHARS = 20_000
"""Of a text that is read; graphs have no limit of their own, and memory has."""
BATCH = 64
_COPIED = (GRAPH, "variables", "assets")


class SavedModelEncoder:
    """Texts in, unit vectors out, through TensorFlow on the processor. Nothing in it can be trained.

    Every text is read alike, as a query or a passage. The vector of a text of which the model knows nothing
    may be 0.
    """

    def __init__(self, folder: Path, *, name: str) -> None:
        """Opens the SavedModel in `folder`, which must stay there. Raises what `open_saved_model` raises."""
        self.name, self.folder = name, Path(folder)
        self._read: Read
        self._read, self.signature = open_saved_model(self.folder)
        self.dim = int(self._read(["a"]).shape[1])

    def __repr__(self) -> str:
        return f"SavedModelEncoder({self.name!r}, dim={self.dim}, signature={self.signature!r})"

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim], in the order of `texts`; [0, dim] for no texts. Texts are cut at MAX_CHARS."""
        said = [text[:MAX_CHARS] for text in well_formed(texts)]
        rows = np.zeros((len(said), self.dim), dtype=np.float32)
        order = sorted(range(len(said)), key=lambda i: len(said[i]))
        for start in range(0, len(said), BATCH):
            chosen = order[start : start + BATCH]
            rows[chosen] = self._read([said[i] for i in chosen])
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(norms, 1e-12), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'encoder' with the SavedModel in it, which TensorFlow opens alone."""
        about = {"name": self.name, "dim": self.dim, "signature": self.signature}
        card = (
            f"# {self.name}\n\nA SavedModel of TensorFlow: texts to {self.dim} numbers, signature "
            f"`{self.signature}`.\n\n```python\nimport tensorflow as tf\n\n"
            f'model = tf.saved_model.load("{INNER}")\n```\n'
        )
        with artifact.writing(folder, "encoder", settings=about, card=card) as new:
            for name in _COPIED:
                path = self.folder / name
                if path.is_dir():
                    shutil.copytree(path, new / INNER / name)
                elif path.is_file():
                    (new / INNER).mkdir(exist_ok=True)
                    shutil.copyfile(path, new / INNER / name)
            (new / DESCRIPTION).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The encoder of an artifact, or of a folder as TensorFlow wrote it."""
        folder = Path(folder)
        if is_saved_model(folder):
            return cls(folder, name=folder.name)
        return cls(folder / INNER, name=str(read_object(folder / DESCRIPTION).get("name") or folder.name))


def holds_saved_model(folder: Path) -> bool:
    """Whether a folder is a SavedModel, or an artifact with one in it."""
    return is_saved_model(folder) or (folder / DESCRIPTION).is_file()


def load_archive(path: Path, *, name: str | None = None) -> SavedModelEncoder:
    """The encoder in an archive of TensorFlow Hub (.tar.gz); unpacked once, into the user's cache.

    Raises DataError for an archive that is corrupt, too large or leads out of its folder, ModelError for what
    is in it.
    """
    if not path.is_file():
        raise DataError("there is no such archive.", path=path)
    named = name or path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
    folder = cached(f"tfhub-{artifact.file_sha256(path)[:16]}", lambda new: _converted(path, named, new))
    return SavedModelEncoder.load(folder)


def load_handle(handle: str) -> SavedModelEncoder:
    """The encoder that a hub has under a handle; fetched once, into the user's cache.

    Raises ModelError where the hub cannot be reached or does not have it.
    """

    def make(new: Path) -> None:
        with tempfile.TemporaryDirectory() as place:
            _converted(fetch_archive(handle, Path(place) / "model.tar.gz"), handle, new)

    return SavedModelEncoder.load(cached(f"tfhub-{artifact.fingerprint('handle', handle)[:16]}", make))


def _converted(archive: Path, name: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        unpack(archive, Path(place))
        found = sorted(Path(place).rglob(GRAPH), key=lambda path: len(path.parts))
        if not found:
            raise ModelError(f"{name}: there is no SavedModel in this archive ({GRAPH}).", asked=name)
        SavedModelEncoder(found[0].parent, name=name).save(folder)
