"""The columns of a file, and all its rows as frames of text, before it is known what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from retailor.shop.files.delimited import Frames, delimited
from retailor.shop.files.encodings import encodings_in
from retailor.shop.files.packed import is_parquet, streams


def columns_of(path: Path, names: Mapping[str, str] | None = None) -> list[str]:
    """The header of the first stream in a delimited file, under the usual names where it has others.

    None of a file that is not delimited.
    """
    if is_parquet(path) or starts_with(path) in (b"{", b"[", b"<"):
        return []
    for frame, _ in frames_in(path):
        return [(names or {}).get(name, name) for name in frame.columns]
    return []


def starts_with(path: Path) -> bytes:
    """The first letter of a file, packed or not."""
    for _, stream in streams(path):
        return stream.read1(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]  # type: ignore[attr-defined, no-any-return]
    return b""


def frames_in(path: Path) -> Frames:
    """The frames of all streams of a delimited file; what is no row is left out, its reader counts it."""
    encodings = encodings_in(path)
    for name, stream in streams(path):
        yield from delimited(name, stream, lambda line, reason: None, encoding=encodings.get(name))
