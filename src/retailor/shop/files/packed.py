"""Files as byte streams: what can be unpacked is, and what is no text is named and refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from retailor.errors import DataError, nearest

MOST_TIMES = 400
"""Text of a shop packs to a fifth, or a fiftieth; a file that unpacks to more than this is a bomb …"""
ALWAYS_BYTES = 256 << 20
"""… unless it stays below this."""
_DEEPEST = 3  # a gz within a gz within a zip

BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, struct.error, ValueError)
"""What a packed stream raises where it is cut off or corrupt."""
_BROKEN_ZIP = (*BROKEN, NotImplementedError, RuntimeError, LookupError, OverflowError)

_OTHER_FORMATS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF-": "a PDF",
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it (`zstd -d`)",
    b"\x04\x22\x4d\x18": "packed with lz4: unpack it (`lz4 -d`)",
    b"\x1f\x9d": "packed with compress: unpack it (`uncompress`)",
    b"LZIP": "packed with lzip: unpack it (`lzip -d`)",
    b"]\0\0": "packed with lzma: unpack it (`xz --format=lzma -d`)",
    b"PK": "a zip inside another file: unpack the outer one and name what is in it",
    b"7z\xbc\xaf": "a 7z archive: unpack it and name the files in it",
    b"Rar!": "a RAR archive: unpack it and name the files in it",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
    b"SQLite format 3": "an SQLite database: give it as 'url', with a 'query'",
    b"ARROW1": "an Arrow file: write it as Parquet",
    b"PAR1": "a Parquet file: read it with reader 'tabular' and a column map",
    b"ORC": "an ORC file: write it as Parquet",
    b"Obj\x01": "an Avro file: write it as Parquet or JSON lines",
    b"\x89HDF": "an HDF5 file: write it as Parquet",
    b"\x93NUMPY": "a NumPy array: write it as CSV or Parquet",
    b"RDX": "an R workspace: write its tables as CSV",
    b"\x80\x04": "a Python pickle, which may hold code: write it as CSV or Parquet",
    b"\x80\x05": "a Python pickle, which may hold code: write it as CSV or Parquet",
    b"\x7fELF": "a program",
}
_ZIPS_OF_OTHERS = {
    "[Content_Types].xml": "this is an office file (Excel, Word), not text: save it as CSV.",
    "mimetype": "this is an OpenDocument file or a book, not text: save it as CSV.",
    "META-INF/MANIFEST.MF": "this is a Java archive, not text.",
}
_KINDS = {
    stat.S_ISFIFO: "a pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}


def found(path: str | Path) -> Path:
    """The path, when it is a file with something in it that we may read.

    Raises DataError for a missing file (with the nearest name there is), a folder, an empty file, what is
    no file (a pipe has no end to wait for) and one that we may not read.
    """
    path = Path(path)
    try:
        return _found(path)
    except OSError as error:
        raise DataError(f"it cannot be read: {(error.strerror or str(error)).lower()}.", path=path) from None


def _found(path: Path) -> Path:
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
        inside = f"; it holds {', '.join(names[:5])}{' …' if len(names) > 5 else ''}" if names else ""
        raise DataError(f"this is a folder; name the files in it{inside}.", path=path)
    if not path.exists():
        names = [e.name for e in path.parent.iterdir() if e.is_file()] if path.parent.is_dir() else []
        like = nearest(path.name, names)
        hint = f" Did you mean '{path.with_name(like)}'?" if like else ""
        raise DataError(f"there is no such file.{hint}", path=path)
    status = path.stat()
    for is_kind, kind in _KINDS.items():
        if is_kind(status.st_mode):
            raise DataError(f"this is {kind}, not a file: save what it gives to a file first.", path=path)
    if not status.st_size:
        raise DataError("the file is empty; download or export it again.", path=path)
    with path.open("rb"):
        return path


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def streams(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The unpacked byte streams of a file, each with the name that messages and rejects call it by.

    One stream, but for a zip: there one a member, called `x.zip/member`. Packing is told by the first bytes.
    Raises DataError for archives that cannot be opened; the streams do for bombs.
    """
    with path.open("rb") as raw:
        if raw.peek(4)[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
            yield from _members(path, raw)
        else:
            yield str(path), _unpacked(str(path), cast(IO[bytes], raw), path.stat().st_size)


def _unpacked(name: str, stream: IO[bytes], size_bytes: int) -> IO[bytes]:
    """What a stream holds when it is packed, also twice; the stream itself when it is not."""
    inner = stream
    for _ in range(_DEEPEST):
        try:
            magic = inner.peek(6)[:6]  # type: ignore[attr-defined]
        except BROKEN as error:
            raise DataError(
                f"the packed file is cut off or corrupt here ({error}); download it again.", path=name, row=1
            ) from None
        if magic.startswith(b"\x1f\x8b"):
            inner = cast(IO[bytes], gzip.GzipFile(fileobj=inner, mode="rb"))
        elif magic.startswith(b"BZh"):
            inner = cast(IO[bytes], bz2.BZ2File(inner))
        elif magic == b"\xfd7zXZ\x00":
            inner = cast(IO[bytes], lzma.LZMAFile(inner))  # noqa: SIM115
        else:
            break
    return inner if inner is stream else cast(IO[bytes], _Bounded(name, inner, size_bytes))


class _Bounded(io.RawIOBase):
    """A stream that unpacks to no more than MOST_TIMES its size."""

    def __init__(self, name: str, stream: IO[bytes], size_bytes: int) -> None:
        super().__init__()
        self._name, self._stream, self._size_bytes = name, stream, size_bytes
        self._left = max(ALWAYS_BYTES, MOST_TIMES * size_bytes)

    def read1(self, n_bytes: int) -> bytes:
        part = bytes(self._stream.read1(n_bytes))  # type: ignore[attr-defined]
        self._left -= len(part)
        if self._left < 0:
            raise DataError(
                f"its {self._size_bytes:,} bytes unpack to more than {MOST_TIMES} times as many, which no "
                "table does: unpack it, look at it, and name the unpacked file.",
                path=self._name,
            )
        return part


def _members(path: Path, raw: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        archive = zipfile.ZipFile(raw)
    except _BROKEN_ZIP as error:
        raise DataError(f"the zip is cut off or corrupt ({error}); download it again.", path=path) from None
    with archive:
        names = archive.namelist()
        for sign, words in _ZIPS_OF_OTHERS.items():
            if sign in names:
                raise DataError(words, path=path)
        entries = [e for e in archive.infolist() if not e.is_dir() and not _is_litter(e.filename)]
        if not entries:
            raise DataError("there is no file in this zip; export it again.", path=path)
        for entry in entries:
            name = f"{path}/{entry.filename}"
            with _opened(name, archive, entry) as member:
                yield name, _bounded(name, _unpacked(name, member, entry.compress_size), entry.compress_size)


def _bounded(name: str, stream: IO[bytes], size_bytes: int) -> IO[bytes]:
    whole = isinstance(stream, _Bounded)
    return stream if whole else cast(IO[bytes], _Bounded(name, stream, size_bytes))


def _is_litter(name: str) -> bool:
    """What computers put into zips beside the files."""
    return name.startswith("__MACOSX") or name.rsplit("/", 1)[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _opened(name: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes]:
    if entry.flag_bits & 1:
        raise DataError("this is encrypted: unpack the zip with its password, and name the file.", path=name)
    try:
        return archive.open(entry)
    except NotImplementedError:
        raise DataError(
            f"this is packed by method {entry.compress_type}, which cannot be read: "
            "unpack the zip, or pack it again the usual way (deflate).",
            path=name,
        ) from None
    except _BROKEN_ZIP as error:
        raise DataError(f"the zip is cut off or corrupt ({error}); download it again.", path=name) from None


def refuse_other_formats(name: str, head: bytes) -> None:
    """Raises DataError when a file starts as no table does, with what it is and what to do."""
    for magic, kind in _OTHER_FORMATS.items():
        if head.startswith(magic) and (len(magic) > 2 or not head[:64].isascii() or b"\0" in head[:64]):
            raise DataError(f"this is {kind}, not text.", path=name)
    if head[257:262] == b"ustar":
        raise DataError("this is a tar archive: unpack it (`tar -xf`) and name the files in it.", path=name)
    start = head[:1024].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        raise DataError(
            "this is a web page, not data: perhaps the page that asks to log in; download the file itself "
            "(the products of saved pages are read by 'json-ld').",
            path=name,
        )
    if start.startswith((b"<?xml", b"<!doctype")):
        raise DataError(
            "this is XML, which cannot be read, but for product feeds (reader 'google-merchant'): "
            "export it as CSV or JSON.",
            path=name,
        )
