"""Strings that a tokenizer can take."""

from __future__ import annotations

from collections.abc import Sequence


def well_formed(texts: Sequence[str]) -> list[str]:
    """The same texts; halves of characters, which broken JSON leaves behind, are joined or become `�`."""
    return [text if _is_well_formed(text) else _mended(text) for text in texts]


def _is_well_formed(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _mended(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
