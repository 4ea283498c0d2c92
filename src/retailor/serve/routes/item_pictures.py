"""Pictures of items as the page shows them: files below one folder, made small, always sent as JPEG."""

from __future__ import annotations

import io
from pathlib import Path

from retailor.cache import Cache, cache_key
from retailor.errors import DataError
from retailor.models.pictures.decoding import decode
from retailor.shop.images import is_url, of_file

SIDE = 384


def small_jpeg(folder: Path, image: str | None, cache: Cache) -> bytes | None:
    """The picture that the column `image` names as a JPEG of at most SIDE pixels a side; None where it is an
    address, leads out of the folder, or is nothing that can be read.

    What is sent was unpacked and packed anew: no file of the folder leaves it as it is, nor does what a
    camera wrote into it. Raises MissingExtra without Pillow.
    """
    if not image or is_url(image):
        return None
    try:
        about = (folder / image.removeprefix("file://")).stat()
    except (OSError, ValueError):
        return None
    key = cache_key("picture", f"{folder}:{about.st_mtime_ns}:{about.st_size}", image)
    found = cache.get(key)
    if found is None:
        read = of_file("", image, folder.resolve())
        if not read.data:
            return None
        try:
            found = _packed(read.data)
        except DataError:
            return None
        cache.put(key, found)
    return found


def _packed(data: bytes) -> bytes:
    pixels = decode(data)
    from PIL import Image

    small = Image.fromarray(pixels)
    small.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=82)
    return file.getvalue()
