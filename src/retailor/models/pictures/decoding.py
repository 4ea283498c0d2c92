"""The bytes of a picture, as somebody sent them, to pixels: bounded, upright, without alpha."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.extras import naming_extras

Pixels = NDArray[np.uint8]
"""Red, green and blue [height, width, 3], the longer side at most MAX_SIDE."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_BYTES = 20_000_000
MAX_PIXELS = 60_000_000
"""Of the picture before it is made small: a phone's camera has 12 to 50 million."""
MAX_SCANS = 50
"""Of a JPEG, each of which goes over all of its pixels: a progressive one has about ten."""
MIN_SIDE = 16
"""Smaller ones are spacers and counters of visitors, no pictures of anything."""
MAX_SIDE = 512
MAX_ASPECT = 4
"""A banner is cut to its middle: of a strip a network sees nothing."""
_SEGMENT = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
_SCAN, _END = 0xDA, 0xD9
_MEANS = ("RGB", "L", "CMYK", "YCbCr", "I", "F")
"""Modes of which pixels have a mean; of others, such as those with a palette or alpha, some are left out."""
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")


@naming_extras()
def decode(data: bytes, *, named: str = "the picture") -> Pixels:
    """The pixels of a JPEG, PNG, WebP, GIF, BMP or TIFF; of an animated one the first frame.

    Turned upright by its EXIF note, transparency laid on white, any colour space as RGB, made small. Nothing
    is unpacked before its size is known. Raises DataError that says what is wrong: another format, cut off or
    corrupt, too many bytes or pixels, too small.
    """
    from PIL import Image, UnidentifiedImageError

    if len(data) > MAX_BYTES:
        raise _refused(named, f"has {len(data):,} bytes; at most {MAX_BYTES:,} are read")
    if not data:
        raise _refused(named, "is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, named)
            if data.startswith(b"\xff\xd8") and _n_scans(data) > MAX_SCANS:
                raise _refused(named, f"has more than {MAX_SCANS} scans; save it anew")
            if image.mode == "LAB":
                raise _refused(named, "has colours of 'LAB', which are not read; save it as RGB")
            return _pixels(image)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise _refused(named, f"is none of {', '.join(FORMATS)}, or its head is corrupt") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _refused(named, f"unpacks to more than {MAX_PIXELS:,} pixels; send a smaller one") from None
    except Exception as error:  # whatever a decoder raises on bytes that somebody made up
        words = str(error).strip().partition("\n")[0][:120] or type(error).__name__
        raise _refused(named, f"is cut off or corrupt ({words}); send it again") from None


def _refused(named: str, why: str) -> DataError:
    return DataError(f"{named} {why}.", column="image")


def _check_size(image: Any, named: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _refused(
            named,
            f"has {width:,} × {height:,} pixels; at most {MAX_PIXELS:,} are read: send a smaller one",
        )
    if min(width, height) < MIN_SIDE:
        raise _refused(named, f"has {width} × {height} pixels; fewer than {MIN_SIDE} a side show nothing")


def _n_scans(jpeg: bytes) -> int:
    """The scans up to the end of the picture: a film or a depth map may lie behind it."""
    n, at = 0, 2
    while (found := _SEGMENT.search(jpeg, at)) and found[0][1] != _END:
        n += found[0][1] == _SCAN
        at = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2])
    return n


def _pixels(image: Any) -> Pixels:
    from PIL import Image, ImageOps

    # A JPEG is unpacked at a fraction of its size where that is still large enough; others ignore it.
    image.draft("RGB", (2 * MAX_SIDE, 2 * MAX_SIDE))
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    small = _coloured(_nearer(_middle(image)))
    small.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=np.uint8)


def _middle(image: Any) -> Any:
    """The middle of a strip, MAX_ASPECT times as long as it is wide; any other picture as it is."""
    width, height = image.size
    long = MAX_ASPECT * min(width, height)
    if max(width, height) <= long:
        return image
    left, top = max(0, width - long) // 2, max(0, height - long) // 2
    return image.crop((left, top, left + min(width, long), top + min(height, long)))


def _nearer(image: Any) -> Any:
    """A picture of no more than a few times MAX_SIDE: to colour one of MAX_PIXELS takes a gigabyte."""
    from PIL import Image

    times = max(image.size) // (2 * MAX_SIDE)
    if times < 2:
        return image
    if image.mode in _MEANS and "transparency" not in image.info:
        return image.reduce(times)
    return image.resize([-(-side // times) for side in image.size], Image.Resampling.NEAREST)


def _coloured(image: Any) -> Any:
    """The same picture as RGB on white."""
    from PIL import Image

    if image.mode in _SIXTEEN_BITS:
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        top = max(values.max(), 1.0)
        return Image.fromarray((values.clip(0, top) * (255 / top)).astype(np.uint8)).convert("RGB")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        clear = image.convert("RGBA")
        ground = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, clear).convert("RGB")
    return image.convert("RGB")
