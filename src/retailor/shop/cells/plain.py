"""A cell as plain text: one kind of digit, space, apostrophe and dash, whatever script it was written in."""

from __future__ import annotations

import re
import unicodedata

_SAME = {
    **dict.fromkeys(map(ord, "’‘ʼ´`＇′"), "'"),
    **dict.fromkeys(map(ord, "−–—‐‑‒―－"), "-"),
    **dict.fromkeys([0x061C, 0x200B, 0x200E, 0x200F, 0x202A, 0x202B, 0x202C, 0xFEFF, *range(0x2066, 0x206A)]),
    0x060C: ",",  # Arabic comma
    0x00BD: ".5",
}
_SPACE = re.compile(r"\s+")


def plain(text: str) -> str:
    """The text with ASCII digits, apostrophes, dashes and single spaces, without marks of direction."""
    if text.isascii():
        return _SPACE.sub(" ", text).strip().replace("`", "'")
    text = unicodedata.normalize("NFKC", text.translate(_SAME))
    return _SPACE.sub(" ", re.sub(r"\d", _digit, text)).strip()


def _digit(match: re.Match[str]) -> str:
    return str(unicodedata.digit(match[0]))
