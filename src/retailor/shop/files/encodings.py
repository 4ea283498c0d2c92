"""Which encoding the bytes of a file are in, where they do not say so themselves."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import IO

from retailor.shop.files.packed import BROKEN, is_parquet, streams

_HAN = re.compile("[\u4e00-\u9fff]")
_LOOKED_AT = 1 << 18
_FEW = 0.03
_CHINESE = (("gb18030", "gb2312", 0xD7), ("big5", "big5", 0xC6))
"""Encoding, the older one inside it, and the first byte of the last of its everyday characters."""


def encoding_of(head: bytes) -> str | None:
    """'gb18030', 'big5', 'cp1252' or 'utf-16…'; None for UTF-8 and for what a byte order mark tells.

    Chinese text is mostly everyday characters; other text, read as if it were Chinese, gives rare ones.
    """
    if head.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in head[:4096]:
        return None
    part = head[:_LOOKED_AT]
    if len(head) > _LOOKED_AT:
        part = part[: part.rfind(b"\n") + 1] or part
    if _decodes(part, "utf-8"):
        return None
    odd = [line for line in part.split(b"\n") if not line.isascii()]
    if 3 * sum(_decodes(line, "utf-8") for line in odd) > len(odd):
        return None  # a few lines of it are broken, and will be rejects
    for encoding, usual, last in _CHINESE:
        text = part.decode(encoding, "replace")
        strange = sum(not letter.isascii() for letter in text)
        han = _HAN.findall(text)
        common = sum(_is_common(letter, usual, last) for letter in han)
        if text.count("\ufffd") <= _FEW * strange and han and common >= 0.9 * len(han) >= 0.5 * strange:
            return encoding
    return "cp1252" if _decodes(part, "cp1252") else "latin-1"


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return (
            encoding == "utf-8" and error.reason == "unexpected end of data" and error.start > len(data) - 4
        )
    return True


def _is_common(letter: str, encoding: str, last: int) -> bool:
    try:
        return letter.encode(encoding)[0] <= last
    except UnicodeEncodeError:
        return False


def encodings_in(path: Path) -> dict[str, str | None]:
    """The encoding of each stream in a file, by the stream's name; none of Parquet."""
    if is_parquet(path):
        return {}
    return {name: encoding_of(_head(stream)) for name, stream in streams(path)}


def _head(stream: IO[bytes]) -> bytes:
    head = b""
    with suppress(*BROKEN):
        while len(head) < _LOOKED_AT and (part := stream.read1(_LOOKED_AT)):  # type: ignore[attr-defined]
            head += part
    return head
