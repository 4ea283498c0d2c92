"""The pictures of the items: the bytes behind the column `image`, or why there are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from retailor.models.pictures.decoding import MAX_BYTES
from retailor.shop.fetching import Dead, Fetcher

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class ItemImage:
    """The picture of one item as it lies in a file, or in `why` the reason that it could not be read."""

    item_id: str
    image: str
    data: bytes = b""
    why: str = ""


def is_url(image: str) -> bool:
    """Whether the picture has an address on the network."""
    return image.lower().startswith(("http://", "https://"))


def images_of(items: pl.DataFrame, folder: Path, fetcher: Fetcher | None = None) -> Iterator[ItemImage]:
    """Every item that names a picture, in order, with its bytes; a path is one below `folder`.

    A path that leads out of the folder is not followed, an address on the network only by a `fetcher`.
    Raises nothing: what cannot be read says why.
    """
    named = items.select("item_id", pl.col("image").str.strip_chars()).filter(
        pl.col("image").is_not_null() & (pl.col("image") != "")
    )
    for item_id, image in named.iter_rows():
        yield (
            _of_address(item_id, image, fetcher)
            if is_url(image)
            else of_file(item_id, image, folder.resolve())
        )


def _of_address(item_id: str, image: str, fetcher: Fetcher | None) -> ItemImage:
    if fetcher is None:
        return ItemImage(item_id, image, why="an address on the network, which is not fetched")
    try:
        return ItemImage(item_id, image, fetcher.bytes_of(image))
    except Dead as reason:
        return ItemImage(item_id, image, why=f"dead link: {reason}")


def of_file(item_id: str, image: str, folder: Path) -> ItemImage:
    """The picture at a path below `folder`, a resolved one, or why it cannot be read."""
    try:
        path = (folder / image.removeprefix("file://")).resolve()
        if not path.is_relative_to(folder):
            return ItemImage(item_id, image, why="a path that leads out of the folder of pictures")
        if not path.is_file():
            return ItemImage(item_id, image, why="no such file")
        if path.stat().st_size > MAX_BYTES:
            return ItemImage(item_id, image, why=f"a file of more than {MAX_BYTES:,} bytes")
        return ItemImage(item_id, image, path.read_bytes())
    except (OSError, ValueError, RuntimeError):  # a name that the system refuses, links in a ring, no leave
        return ItemImage(item_id, image, why="a file that cannot be read")


def picture_files(folder: Path) -> list[Path]:
    """The pictures below a folder, in order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
