"""Files as blocks of whole lines with their numbers, whatever the compression and the encoding."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from retailor.errors import DataError
from retailor.shop.files.packed import BROKEN, refuse_other_formats

BLOCK_BYTES = 8 << 20
LONGEST_BYTES = 16 << 20
"""A longer line is a reject: no single line may take the memory."""

Reject = Callable[[int, str], None]
"""Takes a line number and a reason."""

_FEW_LINES = 2_000  # blank ones: a quoted field may hold half as many
UNDECODED = b"\xff"
"""Stands for a line that is not in the encoding of its file; no UTF-8 text holds it."""
_PRINTABLE = frozenset((*range(0x20, 0x7F), *b"\t\n\r"))
_BLANKS = re.compile(rb"(?:\A|\n)\s{2000,}\n")
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
    numbers: tuple[int, ...] | None = None
    """Where each line stands in the file, if not one after another: rows of a JSON document."""

    def number(self, i: int) -> int:
        """The line in the file of the block's line i, from 0."""
        return self.line + i if self.numbers is None else self.numbers[i]


def chunks(name: str, stream: IO[bytes], encoding: str | None = None) -> Iterator[bytes]:
    """The bytes of a stream in pieces, as UTF-8 without a byte order mark where that can be told.

    A line that is not in the encoding becomes UNDECODED. Raises DataError for a file of another kind, and
    with the line reached where the packing is cut off.
    """
    line, decoder = 1, None
    pieces = _pieces(stream)
    for i in itertools.count():
        try:
            piece = next(pieces, b"")
        except BROKEN as error:
            raise DataError(
                f"the packed file is cut off or corrupt here ({error}); download it again.",
                path=name,
                row=line,
            ) from None
        if i == 0:
            piece, known = _start(piece, encoding)
            decoder = _Decoder(known) if known else None
            if decoder is None:
                refuse_other_formats(name, piece)
        final = not piece
        if decoder is not None:
            try:
                piece = decoder.decode(piece, final)
            except UnicodeDecodeError as error:
                raise DataError(
                    f"this is not {error.encoding} ({error.reason}).", path=name, row=line
                ) from None
            if i == 0:
                refuse_other_formats(name, piece)
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
        except BROKEN:
            yield b"".join(parts)
            raise
        parts.append(part)
        size += len(part)
        if not part or size >= BLOCK_BYTES:
            yield parts[0] if len(parts) == 1 else b"".join(parts)
            parts, size = [], 0
        if not part:
            return


class _Decoder:
    """UTF-8 out of another encoding, piece by piece; lines that are not in it become UNDECODED."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._is_wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass" if self._is_wide else "strict")
        self._rest = b""

    def decode(self, piece: bytes, final: bool) -> bytes:
        """The text of whole lines so far (of whole units, where a unit is several bytes)."""
        if self._is_wide:
            try:
                text = self._decoder.decode(piece, final)
            except UnicodeDecodeError:
                if not final:
                    raise
                return UNDECODED  # it ends within a unit
            return text.encode() if text.isascii() else b"\n".join(map(_utf8, text.split("\n")))
        self._rest += piece
        end = len(self._rest) if final else self._rest.rfind(b"\n") + 1
        if not end and len(self._rest) > LONGEST_BYTES:
            end = len(self._rest)
        whole, self._rest = self._rest[:end], self._rest[end:]
        try:
            return codecs.decode(whole, self._encoding).encode()
        except UnicodeError:
            return b"\n".join(self._line(raw) for raw in whole.split(b"\n"))

    def _line(self, raw: bytes) -> bytes:
        try:
            return codecs.decode(raw, self._encoding).encode()
        except UnicodeError:
            return UNDECODED


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return UNDECODED


def _start(piece: bytes, encoding: str | None) -> tuple[bytes, str | None]:
    """The first piece without its mark, and the encoding to decode from (None: UTF-8 already)."""
    for mark, known in _BOMS:
        if piece.startswith(mark):
            return piece[len(mark) :], None if known == "utf-8" else known
    if encoding is not None:
        return piece, None if codecs.lookup(encoding).name == "utf-8" else encoding
    return piece, _unmarked_utf16(piece[:4096])


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: NULs, and read so there are none, but digits, commas and the like instead.

    Of bytes that are nearly all printable it is not: half of them would be the other halves of letters.
    """
    if sum(byte in _PRINTABLE for byte in head) > 0.7 * len(head):
        return None
    shares = {}
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        try:
            text = codecs.getincrementaldecoder(name)().decode(head) if zeros.count(0) else ""
        except UnicodeDecodeError:
            continue
        if text and "\0" not in text and ("\n" in text or b"\n" not in head):
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
    """The same, from pieces that `chunks` gave. Long runs of blank lines are counted and left out."""
    rest, line, skipping, checked = b"", 1, False, False
    for piece in pieces:
        if skipping:  # the end of a line that was too long
            end = piece.find(b"\n") + 1
            if not end:
                continue
            piece, skipping, line = piece[end:], False, line + 1
        end = piece.rfind(b"\n") + 1
        if end:
            data = rest + piece[:end] if rest else piece[:end]
            rest = piece[end:]
            block = Block(line, data, count(data, b"\n"))
            line += block.n_lines
            for part in _without_blanks(block):
                if not checked:
                    refuse_other_encoding(name, part)
                    checked = True
                yield part
        else:
            rest += piece
        if len(rest) > LONGEST_BYTES:
            reject(line, f"the line is longer than {LONGEST_BYTES >> 20} MiB")
            rest, skipping = b"", True
    if rest.strip():
        block = Block(line, rest + b"\n", 1, cut=True)
        if not checked:
            refuse_other_encoding(name, block)
        yield block


def _without_blanks(block: Block) -> Iterator[Block]:
    """The parts of a block between runs of blank lines; a packed file may hold gigabytes of these."""
    if 4 * block.n_lines < len(block.data) or block.n_lines < _FEW_LINES:
        yield block
        return
    at, line = 0, block.line
    for run in _BLANKS.finditer(block.data) if block.data.strip() else ():
        if count(run[0], b"\n") < _FEW_LINES:
            continue
        data = block.data[at : run.start() + 1] if run.start() or run[0][0] == 10 else b""
        n_lines = count(data, b"\n")
        if data.strip():
            yield Block(line, data, n_lines)
        line += n_lines + count(block.data[at + len(data) : run.end()], b"\n")
        at = run.end()
    data = block.data[at:]
    if data.strip():
        yield Block(line, data, count(data, b"\n"))


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
        if raw == UNDECODED:
            raise DataError(
                "most lines are not in the encoding that the column map gives: name another or leave it out.",
                path=name,
                row=line,
            )
        guess = _guess([row for _, row in bad[:200]])
        raise DataError(
            f"not UTF-8 (byte 0x{bad_byte(raw) or 0:02x}), it looks like {guess}: "
            f"convert it (`iconv -f {guess} -t UTF-8`) or give encoding = '{guess}' in the column map.",
            path=name,
            row=line,
        )


def refuse_no_text(name: str, block: Block) -> None:
    """Raises DataError for a file of bytes that no text has, or whose lines end in a bare carriage return."""
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


def unreadable(raw: bytes) -> str | None:
    """Why the bytes of a line are no text, or None when they are."""
    if b"\0" in raw:
        return "NUL bytes in the line"
    if (byte := bad_byte(raw)) is None:
        return None
    return "not in the encoding of the file" if raw == UNDECODED else f"not UTF-8 (byte 0x{byte:02x})"


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
