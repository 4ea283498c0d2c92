"""The pictures of a shop's items as vectors, with the encoder that made them: what tasks see with."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from retailor.errors import DataError
from retailor.models.pictures.decoding import Pixels, decode
from retailor.models.shapes import PictureEncoder
from retailor.progress import track
from retailor.store import artifact
from retailor.store.memo import memo_tensors
from retailor.store.shared import load_floats

F32 = NDArray[np.float32]
KIND = "pictures"
NEAR = 0.94
"""Cosine by EfficientNet-Lite0 from which two pictures are the same. Of 40 groceries: cut by 3 % and saved
again .97 in the median, at 70 % of the size and quality 60 .945; two juices of one brand .926."""
ROWS = 1024
BLOCK = 64
"""Pictures that are unpacked, encoded and kept at once."""
_NUMBER = re.compile(r"\d[\d,]*")
OpenPictures = Callable[[Path], PictureEncoder]


class Named(Protocol):
    """The bytes of an item's picture, or why there are none."""

    @property
    def item_id(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    @property
    def why(self) -> str: ...


@dataclass(frozen=True)
class ItemPictures:
    """Unit vectors [n, dim] of the items that have a picture, and the encoder for further pictures."""

    encoder: PictureEncoder
    item_ids: tuple[str, ...]
    vectors: F32
    unread: dict[str, int] = field(default_factory=dict)
    """Why pictures could not be read, and how many each."""

    @classmethod
    def of(cls, images: Iterable[Named], encoder: PictureEncoder, *, work: Path | None = None) -> Self:
        """Encodes every picture that can be read; equal bytes once. An item with several has their mean.

        With a `work` folder the vectors are kept there by the content of the pictures, block by block.
        """
        unread: Counter[str] = Counter()
        found: dict[str, list[str]] = {}
        vectors: dict[str, F32] = {}
        waiting: dict[str, Pixels] = {}
        mark = _mark(encoder) if work is not None else ""

        def encode() -> None:
            shas = sorted(waiting)
            seen = [waiting[sha] for sha in shas]
            key = artifact.fingerprint(mark, shas)
            made = memo_tensors(work, "pictures", key, lambda: {"vectors": encoder.encode_pictures(seen)})
            vectors.update(zip(shas, made["vectors"], strict=True))
            waiting.clear()

        for image in track(images, "looking at pictures"):
            if image.why:
                unread[image.why] += 1
                continue
            sha = hashlib.sha256(image.data).hexdigest()
            if sha not in vectors and sha not in waiting:
                try:
                    waiting[sha] = decode(image.data)
                except DataError as error:
                    unread[_reason(error)] += 1
                    continue
            found.setdefault(image.item_id, []).append(sha)
            if len(waiting) == BLOCK:
                encode()
        if waiting:
            encode()
        means = [np.mean([vectors[sha] for sha in shas], axis=0) for shas in found.values()]
        table = unit(np.array(means, np.float32).reshape(len(means), encoder.dim))
        return cls(encoder, tuple(found), table, dict(unread))

    def at(self, item_ids: Sequence[str]) -> F32:
        """A row for each of these items [I, dim], zero for one without a picture."""
        rows = {item_id: row for row, item_id in enumerate(self.item_ids)}
        table = np.zeros((len(item_ids), self.encoder.dim), np.float32)
        for i, item_id in enumerate(item_ids):
            if item_id in rows:
                table[i] = self.vectors[rows[item_id]]
        return table

    def near_duplicates(self, least: float = NEAR, n: int = 100) -> list[tuple[str, str]]:
        """Pairs of items whose pictures are as good as the same, the nearest first: n at most."""
        found: list[tuple[float, int, int]] = []
        for start in range(0, len(self.vectors), ROWS):
            alike = self.vectors[start : start + ROWS] @ self.vectors.T
            rows, columns = np.nonzero(alike >= least)
            pairs = zip(alike[rows, columns].tolist(), (rows + start).tolist(), columns.tolist(), strict=True)
            found = sorted([*found, *(pair for pair in pairs if pair[1] < pair[2])], reverse=True)[:n]
        return [(self.item_ids[row], self.item_ids[column]) for _, row, column in found]

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'pictures', the encoder inside."""
        pairs = self.near_duplicates()
        about: dict[str, Any] = {
            "n_items": len(self.item_ids),
            "unread": self.unread,
            "near_duplicates": pairs,
        }
        with artifact.writing(folder, KIND, settings=about) as new:
            save_file({"vectors": self.vectors.astype(np.float16)}, new / "vectors.safetensors")
            (new / "items.json").write_text(json.dumps(self.item_ids), encoding="utf-8")
            self.encoder.save(new / "encoder")

    @classmethod
    def load(cls, folder: Path, open_pictures: OpenPictures) -> Self:
        """The inverse of `save`. Raises DataError that names a missing or corrupt file."""
        about = artifact.verify(folder, KIND).settings
        vectors = load_floats(Path(folder) / "vectors.safetensors", "vectors")
        item_ids = tuple(json.loads((Path(folder) / "items.json").read_text(encoding="utf-8")))
        return cls(open_pictures(Path(folder) / "encoder"), item_ids, vectors, dict(about["unread"]))


def unit(rows: F32) -> F32:
    """The rows at length one; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    made: F32 = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return made


def _mark(encoder: PictureEncoder) -> object:
    """What tells one encoder's weights from another's of the same name: how it sees a gradient."""
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    return [encoder.name, encoder.dim, np.round(encoder.encode_pictures([ramp]), 4).tolist()]


def _reason(error: DataError) -> str:
    """The reason without the numbers of this one picture, so that equal ones are counted together."""
    said, _, then = str(error).removeprefix("the picture ").rstrip(".").partition(";")
    said, found = _NUMBER.subn("…", said.partition(" (")[0])
    return f"{said};{then}" if found and then else said
