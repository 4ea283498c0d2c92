"""Photos of things in `--data`, and what is common to the benchmarks that look at them."""

from __future__ import annotations

import hashlib
import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import parser_of
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression

from retailor.models.pictures.decoding import Pixels, decode
from retailor.models.pictures.opening import load_pictures, open_pictures
from retailor.models.shapes import PictureEncoder
from retailor.train.objectives.pictures import Photos, PictureTuneSettings, Tuned, tune_pictures

F32 = NDArray[np.float32]


CANARY: dict[str, object] = {"photos": 32, "views": 1, "steps": 2}


def options(doc: str | None) -> ArgumentParser:
    """The options that both benchmarks of photos have."""
    parser = parser_of(doc)
    parser.add_argument("--photos", type=int, help="so many of each part; all unless given")
    parser.add_argument("--views", type=int, default=5, help="random views of each photo to learn from")
    parser.add_argument("--steps", type=int, help="of the training, at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    return parser


def read_photos(folder: Path, label: str, split: str, n: int | None) -> tuple[Photos, list[bytes]]:
    """The photos of one part, at most the `n` of the smallest hash, and their bytes."""
    rows = pl.read_csv(folder / "photos.csv").filter(pl.col("split") == split)
    paths, labels = rows["picture"].to_list(), rows[label].to_list()
    order = sorted(range(len(paths)), key=lambda i: hashlib.sha256(paths[i].encode()).hexdigest())[:n]
    data = [(folder / paths[i]).read_bytes() for i in sorted(order)]
    return Photos([decode(each) for each in data], [labels[i] for i in sorted(order)]), data


def taught(
    photos: Photos, validation: Photos, views: int, steps: int | None, seed: int
) -> Callable[[Path, Path], None]:
    """What fills a folder with the encoder that learned from photos, and the direction of each label."""

    def make(folder: Path, work: Path) -> None:
        settings = PictureTuneSettings(n_views=views, seed=seed)
        if steps is not None:
            settings = PictureTuneSettings(
                n_views=views, seed=seed, train={**vars(settings.train), "max_steps": steps}
            )
        encoder: Any = load_pictures("efficientnet")
        made = tune_pictures(encoder, photos, settings, validation=validation, work=work)
        made.encoder.save(folder / "encoder")
        save_file({"directions": made.directions}, folder / "directions.safetensors")

    return make


def opened(folder: Path, photos: Photos) -> Tuned:
    """What `taught` left."""
    encoder: Any = open_pictures(folder / "encoder")
    directions = load_file(folder / "directions.safetensors")["directions"]
    return Tuned(encoder, tuple(sorted(set(photos.labels))), directions, None)  # type: ignore[arg-type]


def logistic(train: F32, labels: Sequence[str], check: F32, truth: Sequence[str]) -> LogisticRegression:
    """A logistic regression on vectors, as strong as is best on the validation part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the canary's few photos: more labels than half of them
        made = [LogisticRegression(C=c, max_iter=1000).fit(train, labels) for c in (1, 10, 100)]
    return max(made, key=lambda each: each.score(check, truth))


def hits(found: Iterable[str], truth: Sequence[str]) -> NDArray[np.float64]:
    """1 where the answer is right [n]."""
    return np.array([one == other for one, other in zip(found, truth, strict=True)], dtype=np.float64)


class Once:
    """A picture encoder that looks at every picture once."""

    def __init__(self, encoder: PictureEncoder, pictures: Sequence[Pixels]) -> None:
        self.encoder, self.name, self.dim = encoder, encoder.name, encoder.dim
        rows = encoder.encode_pictures(pictures)
        self.rows = {_mark(each): row for each, row in zip(pictures, rows, strict=True)}

    def encode_pictures(self, pictures: Sequence[Pixels]) -> F32:
        """Unit rows [n, dim]."""
        return np.array([self._row(each) for each in pictures], np.float32).reshape(len(pictures), self.dim)

    def _row(self, picture: Pixels) -> F32:
        mark = _mark(picture)
        if mark not in self.rows:
            self.rows[mark] = self.encoder.encode_pictures([picture])[0]
        return self.rows[mark]

    def save(self, folder: Path) -> None:
        self.encoder.save(folder)


def _mark(picture: Pixels) -> bytes:
    return hashlib.sha256(picture.tobytes()).digest()
