"""Drawn pictures of the demo shop: its items' colours, and shapes and patterns that no text tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.random import Generator

from retailor.extras import naming_extras
from retailor.seeds import stream
from retailor.shop.demo.catalogue import Item, make_items, pick

SIDE = 160
SHAPES = ("round", "square", "tall", "wide", "six-sided")
PATTERNS = ("plain", "striped", "dotted", "checkered")
_COLOURS = ((35, 35, 38), (28, 42, 92), (30, 88, 52), (214, 190, 150), (240, 110, 92), (104, 112, 122),
            (240, 240, 236), (214, 164, 38), (118, 24, 48), (120, 190, 232))  # fmt: skip
"""In the order of the colours' words in both languages."""


@dataclass(frozen=True)
class Look:
    """What a picture shows."""

    colour: int
    """The place of the colour's word among those of its language."""
    shape: str
    pattern: str


def look_of(item: Item, seed: int) -> Look:
    """The look of an item: the colour that its texts have, a shape and a pattern of its own."""
    rng = stream(seed, "look", item.item_id)
    colour = item.language.colours.index(item.words["colour"])
    return Look(colour, pick(rng, SHAPES), pick(rng, PATTERNS))


@naming_extras()
def drawn(look: Look, rng: Generator) -> Any:
    """A Pillow picture [SIDE, SIDE] of the look; where it lies, how large and how bright `rng` decides."""
    from PIL import Image, ImageDraw

    light = rng.uniform(0.85, 1.1)
    colour = tuple(min(255, int(part * light)) for part in _COLOURS[look.colour])
    other = tuple(min(255, part + 70) if sum(colour) < 380 else max(0, part - 70) for part in colour)
    cloth = Image.new("RGB", (SIDE, SIDE), colour)
    pen, step = ImageDraw.Draw(cloth), int(rng.integers(16, 24))
    for x in range(0, SIDE, step):
        if look.pattern == "striped":
            pen.rectangle((x, 0, x + step // 2, SIDE), fill=other)
        for y in range(0, SIDE, step) if look.pattern in ("dotted", "checkered") else ():
            if look.pattern == "dotted":
                pen.ellipse((x, y, x + step // 2, y + step // 2), fill=other)
            elif (x + y) // step % 2:
                pen.rectangle((x, y, x + step, y + step), fill=other)
    mask = Image.new("L", (SIDE, SIDE), 0)
    _outline(ImageDraw.Draw(mask), look.shape, rng)
    ground = Image.new("RGB", (SIDE, SIDE), (250, 248, 244))
    ground.paste(cloth, mask=mask)
    return ground


def _outline(pen: Any, shape: str, rng: Generator) -> None:
    half, x, y = rng.uniform(48, 62), *(SIDE / 2 + rng.uniform(-10, 10, 2))
    wide = half * {"tall": 0.5, "wide": 1.15}.get(shape, 1.0)
    high = half * {"tall": 1.15, "wide": 0.5}.get(shape, 1.0)
    if shape == "round":
        pen.ellipse((x - half, y - half, x + half, y + half), fill=255)
    elif shape == "six-sided":
        pen.regular_polygon((x, y, half), 6, fill=255)
    else:
        pen.rounded_rectangle((x - wide, y - high, x + wide, y + high), 8, fill=255)


def draw_pictures(folder: Path, size: int, seed: int) -> None:
    """Writes a PNG for each item of `demo_shop(size, seed)`, by the name that its column `image` has."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in make_items(size, seed):
        picture = drawn(look_of(item, seed), stream(seed, "drawing", item.item_id))
        picture.save(folder / f"{item.item_id}.png")
