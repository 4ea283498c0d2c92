"""Pixels as a network takes them: cut, resized, scaled; and other views of the same picture to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.models.pictures.decoding import Pixels

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Preparation:
    """How a network wants its pictures: `size` pixels square, scaled to `(value / 255 − mean) / std`."""

    size: int = 224
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    crop: float | None = 0.875
    """The middle square that is looked at, as a share of the shorter side; None: all of it, squeezed."""
    resample: int = 3
    """As Pillow numbers its filters: 2 bilinear, 3 bicubic."""

    def middle(self, pictures: Sequence[Pixels]) -> F32:
        """The middle of each picture [n, 3, size, size]."""
        return self._stacked([self._cut(each, *_middle(each, self.crop)) for each in pictures])

    def views(self, pictures: Sequence[Pixels], dice: np.random.Generator, least: float = 0.35) -> F32:
        """A random part of each picture, of `least` to all of its area, perhaps mirrored, in other light."""
        return self._stacked([self._view(each, dice, least) for each in pictures])

    def _stacked(self, squares: list[NDArray[Any]]) -> F32:
        if not squares:
            return np.zeros((0, 3, self.size, self.size), np.float32)
        values = np.stack(squares).astype(np.float32) / 255
        scaled = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    def _cut(self, picture: Pixels, left: float, top: float, right: float, bottom: float) -> Any:
        from PIL import Image

        image = Image.fromarray(picture)
        box = (left, top, right, bottom)
        return np.asarray(image.resize((self.size, self.size), Image.Resampling(self.resample), box=box))

    def _view(self, picture: Pixels, dice: np.random.Generator, least: float) -> NDArray[np.float32]:
        square = self._cut(picture, *_part(picture, dice, least)).astype(np.float32)
        if dice.random() < 0.5:
            square = square[:, ::-1]
        brightness, contrast, saturation = dice.uniform(0.75, 1.25, 3)
        grey = square.mean(axis=2, keepdims=True)
        square = grey + (square - grey) * np.float32(saturation)
        square = square.mean() + (square - square.mean()) * np.float32(contrast)
        lit: NDArray[np.float32] = (square * np.float32(brightness)).clip(0, 255).astype(np.float32)
        return lit


def _middle(picture: Pixels, share: float | None) -> tuple[float, float, float, float]:
    height, width = picture.shape[:2]
    if share is None:
        return 0, 0, width, height
    side = share * min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _part(picture: Pixels, dice: np.random.Generator, least: float) -> tuple[float, float, float, float]:
    """A box of a random share of the area and a random shape between 3:4 and 4:3, as far as it fits."""
    height, width = picture.shape[:2]
    area = dice.uniform(least, 1) * height * width
    shape = np.exp(dice.uniform(np.log(3 / 4), np.log(4 / 3)))
    wide, high = min(width, np.sqrt(area * shape)), min(height, np.sqrt(area / shape))
    left, top = dice.uniform(0, width - wide), dice.uniform(0, height - high)
    return left, top, left + wide, top + high
