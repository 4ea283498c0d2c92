"""A picture encoder taught to tell a shop's things apart, from photos of them: the upper part of its network.

What the lower blocks make of every picture and of some random views of it is computed once; what is above
them learns on these maps, with one direction a label, by cross entropy over scaled cosines (Wang et al. 2017,
NormFace, arXiv:1704.06369). A direction is then the vector of its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from retailor.config import Field, settings
from retailor.errors import DataError, ModelError
from retailor.models.hardware import device_of
from retailor.models.pictures.decoding import Pixels
from retailor.models.pictures.efficientnet import EfficientNetLite
from retailor.models.pictures.encoder import BATCH, LocalPictures
from retailor.progress import track
from retailor.seeds import stream
from retailor.store.memo import digest, memo_tensors
from retailor.train.loop import train
from retailor.train.settings import TrainLog, TrainSettings

F32 = NDArray[np.float32]
RATE = 5e-4


@settings
class PictureTuneSettings:
    """How a picture encoder learns from a shop's photos."""

    n_views: int = Field(default=5, ge=0)
    """Random parts of each photo, in other light, that are learned from; 0: the middle of it."""
    least_view: float = Field(default=0.35, gt=0, le=1)
    """The smallest of them, as a share of the photo's area."""
    n_frozen: int = Field(default=8, ge=0, le=16)
    """The lowest blocks of the network, which stay as they came."""
    scale: float = Field(default=20.0, gt=0)
    """What cosines are multiplied by before the softmax."""
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    """The share of a label that is spread over all of them."""
    train: TrainSettings = TrainSettings(epochs=12.0, weight_decay=0.05, precision="32")
    seed: int = 0


@dataclass(frozen=True)
class Tuned:
    """An encoder that knows the labels, and the unit vector [n, dim] of each."""

    encoder: LocalPictures
    labels: tuple[str, ...]
    directions: F32
    log: TrainLog

    def nearest(self, vectors: F32) -> list[str]:
        """The label of each row."""
        return [self.labels[i] for i in (vectors @ self.directions.T).argmax(axis=1)]


@dataclass(frozen=True)
class Photos:
    """Pictures and what each of them shows."""

    pictures: Sequence[Pixels]
    labels: Sequence[str]

    def __len__(self) -> int:
        return len(self.pictures)


def tune_pictures(
    encoder: LocalPictures,
    photos: Photos,
    settings: PictureTuneSettings | None = None,
    *,
    validation: Photos | None = None,
    work: Path | None = None,
) -> Tuned:
    """A copy of the encoder, taught on photos; best on `validation` where it is given.

    A `work` folder keeps what the lower blocks made of the photos, and the training's checkpoints. Raises
    DataError with fewer than two labels, ModelError for another network than EfficientNet-Lite0.
    """
    settings = settings or PictureTuneSettings()
    labels = tuple(sorted(set(photos.labels)))
    if len(labels) < 2:
        raise DataError(f"photos of two different things are needed, and these show {len(labels)}.")
    if not isinstance(encoder.network, EfficientNetLite):
        raise ModelError(
            f"'{encoder.name}' cannot be taught here: only 'efficientnet' can, of which the lower blocks are "
            "known; take its vectors as they come.",
            asked=encoder.name,
            can=("efficientnet",),
        )
    encoder = encoder.copy()
    maps = _maps(encoder, photos.pictures, settings, work)
    answers = torch.tensor([labels.index(label) for label in photos.labels])
    own: Any = encoder.network
    network = _Upper(own, settings, _starts(encoder, maps[0], answers, len(labels), settings))
    dials = settings.train.resolved(rate=RATE, seed=settings.seed)
    validate = None
    if validation is not None and len(validation):
        check = _maps(encoder, validation.pictures, replace(settings, n_views=0), work)[0]
        truth = torch.tensor([labels.index(each) if each in labels else -1 for each in validation.labels])
        validate = partial(_accuracy, network, check, truth)
    log = train(
        network,
        range(len(photos)),
        partial(_batch, maps, answers),
        partial(_loss, settings.smoothing),
        dials,
        validate=validate,
        work=work,
        label="pictures",
        dials=[settings.n_frozen, settings.scale, settings.smoothing, settings.n_views],
    )
    network.eval()
    directions = nn.functional.normalize(network.directions.detach(), dim=-1).cpu().numpy()
    return Tuned(encoder, labels, directions.astype(np.float32), log)


class _Upper(nn.Module):
    """The blocks above `n_frozen`, and a direction a label: maps to scaled cosines [B, n]."""

    def __init__(self, network: EfficientNetLite, settings: PictureTuneSettings, directions: Tensor) -> None:
        super().__init__()
        self.network, self.n_frozen, self.scale = network, settings.n_frozen, settings.scale
        self.directions = nn.Parameter(directions)
        network.requires_grad_(False)
        for part in (*network._blocks[settings.n_frozen :], network._conv_head, network._bn1):
            part.requires_grad_(True)

    def train(self, mode: bool = True) -> _Upper:
        """Means and variances stay those of the first training: a shop has too few photos for better ones."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(self, maps: Tensor) -> Tensor:
        there = maps.to(self.directions.device).float().contiguous(memory_format=torch.channels_last)
        rows = nn.functional.normalize(self.network.upper(there, self.n_frozen), dim=-1)
        return self.scale * rows @ nn.functional.normalize(self.directions, dim=-1).T


def _maps(
    encoder: LocalPictures, pictures: Sequence[Pixels], settings: PictureTuneSettings, work: Path | None
) -> list[Tensor]:
    """What the lower blocks make of the middle of each picture, and of random views: half [n, C, h, w]."""
    network: Any = encoder.network
    prepare, weights = encoder.preparation, digest(*(p.detach().cpu().numpy() for p in network.parameters()))

    def lower(view: int) -> dict[str, NDArray[Any]]:
        dice, rows = stream(settings.seed, "views", str(view)), []
        for start in track(range(0, len(pictures), BATCH), "looking at photos"):
            some = pictures[start : start + BATCH]
            pixels = prepare.views(some, dice, settings.least_view) if view else prepare.middle(some)
            with torch.inference_mode():
                there = torch.from_numpy(pixels).to(device_of(network), memory_format=torch.channels_last)
                rows.append(network.lower(there, settings.n_frozen).half().cpu().numpy())
        return {"maps": np.concatenate(rows)}

    seen = digest(*pictures)
    made = []
    for view in range(settings.n_views + 1):
        key = f"{weights} {seen} {prepare} {settings.n_frozen} {settings.least_view} {settings.seed} {view}"
        made.append(memo_tensors(work, "maps", key, partial(lower, view))["maps"])
    return [torch.from_numpy(np.ascontiguousarray(each)) for each in made]


def _starts(
    encoder: LocalPictures, maps: Tensor, answers: Tensor, n_labels: int, settings: PictureTuneSettings
) -> Tensor:
    """The mean vector of each label's photos by the encoder as it came [n, dim]."""
    network: Any = encoder.network
    device = device_of(network)
    with torch.inference_mode():
        rows = [network.upper(each.to(device).float(), settings.n_frozen) for each in _parts(maps)]
        unit = nn.functional.normalize(torch.cat(rows), dim=-1)
        sums = torch.zeros(n_labels, unit.shape[1], device=device).index_add_(0, answers.to(device), unit)
    return nn.functional.normalize(sums, dim=-1).clone()


def _parts(maps: Tensor) -> list[Tensor]:
    """A batch at a time."""
    return [maps[start : start + BATCH] for start in range(0, len(maps), BATCH)]


def _batch(maps: Sequence[Tensor], answers: Tensor, rows: Sequence[int]) -> dict[str, Tensor]:
    """One random view of each photo, half of them mirrored."""
    views = (
        torch.randint(1, len(maps), (len(rows),))
        if len(maps) > 1
        else torch.zeros(len(rows), dtype=torch.long)
    )
    mirrored = torch.rand(len(rows)) < 0.5
    chosen = [maps[int(view)][row] for view, row in zip(views, rows, strict=True)]
    made = torch.stack([each.flip(2) if turn else each for each, turn in zip(chosen, mirrored, strict=True)])
    return {"maps": made, "answers": answers[list(rows)]}


def _loss(smoothing: float, network: nn.Module, batch: Any) -> Tensor:
    return nn.functional.cross_entropy(network(batch["maps"]), batch["answers"], label_smoothing=smoothing)


def _accuracy(network: nn.Module, maps: Tensor, answers: Tensor) -> float:
    found = torch.cat([network(each).argmax(dim=1).cpu() for each in _parts(maps)])
    return float((found == answers).float().mean())
