"""Files as blocks of whole lines with their numbers, whatever the compression and the encoding."""

from __future__ import annotations

import bz2
import codecs
import gzip
import itertools
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from retailor.errors import DataError, nearest

BLOCK_BYTES = 8 << 20
LONGEST_BYTES = 16 << 20
"""A longer line is a reject: no single line may take the memory."""

Reject = Callable[[int, str], None]
"""Takes a line number and a reason."""

_PACKED = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile)
_NO_TEXT = {
    b"\x89PNG": "a PNG image",
    b"%PDF-": "a PDF",
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it (`zstd -d`)",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
    b"SQLite format 3": "an SQLite database: export its tables as CSV",
    b"ARROW1": "an Arrow file: write it as Parquet",
    b"PAR1": "a Parquet file: read it with reader 'tabular' and a column map",
}
_CONTROL = np.array([*range(0x09), *range(0x0E, 0x20)], np.uint8)
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Block:
    """Whole lines, each ended by a newline; `line` is the number of the first, from 1."""

    line: int
    data: bytes
    n_lines: int
    cut: bool = False
    """True where the last line of the file had no newline of its own: it may be cut off."""


def found(path: str | Path) -> Path:
    """The path, when it is a file with something in it.

    Raises DataError for a missing file (with the nearest name there is), a folder and an empty file.
    """
    path = Path(path)
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
        inside = f"; it holds {', '.join(names[:5])}{' …' if len(names) > 5 else ''}" if names else ""
        raise DataError(f"this is a folder; name the files in it{inside}.", path=path)
    if not path.exists():
        names = [e.name for e in path.parent.iterdir() if e.is_file()] if path.parent.is_dir() else []
        like = nearest(path.name, names)
        hint = f" Did you mean '{path.with_name(like)}'?" if like else ""
        raise DataError(f"there is no such file.{hint}", path=path)
    if not path.stat().st_size:
        raise DataError("the file is empty; download or export it again.", path=path)
    return path


def streams(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The unpacked byte streams of a file, each with the name that messages and rejects call it by.

    One stream, but for a zip: there one a member, called `x.zip/member`. Packing is told by the first bytes.
    """
    with path.open("rb") as raw:
        magic = raw.read(6)
        raw.seek(0)
        if magic.startswith(b"PK\x03\x04"):
            yield from _members(path, raw)
        elif magic.startswith(b"\x1f\x8b"):
            yield str(path), cast(IO[bytes], gzip.GzipFile(fileobj=raw))
        elif magic.startswith(b"BZh"):
            yield str(path), cast(IO[bytes], bz2.BZ2File(raw))
        elif magic == b"\xfd7zXZ\x00":
            yield str(path), cast(IO[bytes], lzma.LZMAFile(raw))  # noqa: SIM115
        else:
            yield str(path), raw


def _members(path: Path, raw: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        archive = zipfile.ZipFile(raw)
    except zipfile.BadZipFile as error:
        raise DataError(f"the zip is cut off or corrupt ({error}); download it again.", path=path) from None
    with archive:
        if "[Content_Types].xml" in archive.namelist():
            raise DataError("this is an office file (Excel, Word), not text: save it as CSV.", path=path)
        for entry in archive.infolist():
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX"):
                with archive.open(entry) as member:
                    yield f"{path}/{entry.filename}", member


def chunks(name: str, stream: IO[bytes], encoding: str | None = None) -> Iterator[bytes]:
    """The bytes of a stream in pieces, as UTF-8 without a byte order mark where that can be told.

    Raises DataError with the line reached where the packing is cut off or the encoding breaks.
    """
    line, decoder = 1, None
    pieces = _pieces(stream)
    for i in itertools.count():
        try:
            piece = next(pieces, b"")
        except _PACKED as error:
            raise DataError(
                f"the packed file is cut off or corrupt here ({error}); download it again.",
                path=name,
                row=line,
            ) from None
        if i == 0:
            piece, known = _start(piece, encoding)
            decoder = codecs.getincrementaldecoder(known)() if known else None
        final = not piece
        if decoder is not None:
            piece = _decoded(decoder, piece, name, line)
        line += count(piece, b"\n")
        if piece:
            yield piece
        if final and i:
            return


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """Pieces of some BLOCK_BYTES; what was unpacked before an error comes out before it is raised."""
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            part = stream.read1(BLOCK_BYTES)  # type: ignore[attr-defined]
        except _PACKED:
            yield b"".join(parts)
            raise
        parts.append(part)
        size += len(part)
        if not part or size >= BLOCK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
        if not part:
            return


def _decoded(decoder: codecs.IncrementalDecoder, piece: bytes, name: str, line: int) -> bytes:
    try:
        return decoder.decode(piece, not piece).encode("utf-8", "replace")
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
        raise DataError(f"this is not {error.encoding} ({error.reason}).", path=name, row=line) from None


def _start(piece: bytes, encoding: str | None) -> tuple[bytes, str | None]:
    """The first piece without its mark, and the encoding to decode from (None: UTF-8 already)."""
    for mark, known in _BOMS:
        if piece.startswith(mark):
            return piece[len(mark) :], None if known == "utf-8" else known
    if encoding is not None:
        return piece, None if codecs.lookup(encoding).name == "utf-8" else encoding
    return piece, _unmarked_utf16(piece[:4096])


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: NULs, and read so there are none, but digits, commas and the like instead."""
    shares = {}
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        try:
            text = codecs.getincrementaldecoder(name)().decode(head) if zeros.count(0) else ""
        except UnicodeDecodeError:
            continue
        if text and "\0" not in text:
            shares[name] = sum(letter.isascii() for letter in text) / len(text)
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best and shares[best] > 0.05 else None


def blocks(name: str, stream: IO[bytes], reject: Reject, encoding: str | None = None) -> Iterator[Block]:
    """The lines of a stream in blocks of some 8 MiB, never more than 24 MiB.

    A line over 16 MiB is given to `reject`. A last line without a newline gets one, and its block is marked.
    Raises DataError where the first block shows that the text is in another encoding.
    """
    return blocks_of(name, chunks(name, stream, encoding), reject)


def blocks_of(name: str, pieces: Iterable[bytes], reject: Reject) -> Iterator[Block]:
    """The same, from pieces that `chunks` gave."""
    rest, line, skipping = b"", 1, False
    for piece in pieces:
        if skipping:  # the end of a line that was too long
            end = piece.find(b"\n") + 1
            if not end:
                continue
            piece, skipping, line = piece[end:], False, line + 1
        rest += piece
        end = rest.rfind(b"\n") + 1
        if end:
            data = rest[:end]
            block = Block(line, data, count(data, b"\n"))
            rest = rest[end:]
            if line == 1:
                refuse_other_encoding(name, block)
            yield block
            line += block.n_lines
        if len(rest) > LONGEST_BYTES:
            reject(line, f"the line is longer than {LONGEST_BYTES >> 20} MiB")
            rest, skipping = b"", True
    if rest.strip():
        block = Block(line, rest + b"\n", 1, cut=True)
        if line == 1:
            refuse_other_encoding(name, block)
        yield block


def count(data: bytes, byte: bytes) -> int:
    """How often one byte is there; five times as fast as bytes.count where it is there often."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == byte[0]))


def refuse_other_encoding(name: str, block: Block) -> None:
    """Raises DataError when most lines with more than ASCII in them are not UTF-8, or when it is no text."""
    refuse_no_text(name, block)
    try:
        block.data.decode()
        return
    except UnicodeDecodeError:
        pass
    bad, n_other = [], 0
    for i, raw in enumerate(block.data.split(b"\n")):
        if not raw.isascii():
            n_other += 1
            if bad_byte(raw) is not None:
                bad.append((block.line + i, raw))
    if len(bad) >= 3 and 2 * len(bad) > n_other:
        line, raw = bad[0]
        guess = _guess([row for _, row in bad[:200]])
        raise DataError(
            f"not UTF-8 (byte 0x{bad_byte(raw) or 0:02x}), it looks like {guess}: "
            f"convert it (`iconv -f {guess} -t UTF-8`) or give encoding = '{guess}' in the column map.",
            path=name,
            row=line,
        )


def refuse_no_text(name: str, block: Block) -> None:
    """Raises DataError for a file of bytes that no text has, or whose lines end in a bare carriage return."""
    if any(block.data.startswith(magic) for magic in _NO_TEXT):
        kind = next(kind for magic, kind in _NO_TEXT.items() if block.data.startswith(magic))
        raise DataError(f"this is {kind}, not text.", path=name)
    head = np.frombuffer(block.data[:65_536], np.uint8)
    strange = np.isin(head, _CONTROL) & (head != 0)
    if strange.mean() > 0.02:
        raise DataError("this is a binary file, not text.", path=name)
    if block.n_lines == 1 and block.data.rstrip(b"\r\n").count(b"\r") > 1 and b"\r\n" not in block.data[:-1]:
        raise DataError(
            "its lines end in a carriage return alone: convert it (`tr '\\r' '\\n'`).", path=name, row=1
        )


def bad_byte(raw: bytes) -> int | None:
    """The first byte that is not UTF-8, or None when all is well."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return raw[error.start]
    return None


def _guess(rows: list[bytes]) -> str:
    """GBK where most of the rows are legal GB 2312 (both bytes of a character high), else Latin-1."""
    n_legal = 0
    for raw in rows:
        try:
            raw.decode("gb2312")
            n_legal += 1
        except UnicodeDecodeError:
            pass
    return "GBK" if 2 * n_legal > len(rows) else "LATIN1"
