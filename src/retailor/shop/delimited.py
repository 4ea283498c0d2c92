"""CSV and its relatives as frames of text columns, each row with its line number.

Blocks without quotes are parsed at once and checked by counting delimiters; from the first quote on,
records are read one by one: a field may then hold line breaks, and a stray quote must not swallow the rest.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import IO

import polars as pl

from retailor.shop.lines import Block, Reject, bad_byte, blocks, count

_DELIMITERS = (",", "\t", ";", "|")
_BATCH = 50_000
_MAX_SPAN = 1_000  # lines of one quoted field; over it, its quote counts as stray
_MAX_LENGTH = 1 << 20

Frames = Iterator[tuple[pl.DataFrame, pl.Series]]


def split_line(text: str, delimiter: str, quote: str | None) -> list[str]:
    """The fields of one line."""
    if not quote or quote not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, quotechar=quote), [])
    except csv.Error:  # a field over the csv module's limit
        return text.split(delimiter)


def delimiter_of(text: str, quote: str | None, wanted: list[str]) -> str:
    """The delimiter under which most wanted columns are there; ties go to more fields, then to the comma."""

    def speaks_for(delimiter: str) -> tuple[int, int]:
        fields = [field.strip() for field in split_line(text, delimiter, quote)]
        return sum(name in fields for name in wanted), len(fields)

    return max(_DELIMITERS, key=speaks_for)


def delimited(
    name: str,
    stream: IO[bytes],
    reject: Reject,
    *,
    delimiter: str | None = None,
    quote: str | None = '"',
    header: bool = True,
    names: tuple[str, ...] = (),
    wanted: tuple[str, ...] = (),
    encoding: str | None = None,
) -> Frames:
    """Frames of text columns (empty fields null) with the line of each row; the first is the header alone.

    A row with too few or too many fields, NUL bytes or broken UTF-8 is given to `reject`.
    """
    columns: list[str] | None = None
    quoted: _Quoted | None = None
    for block in blocks(name, stream, reject, encoding):
        if columns is None:
            block = _without_blank_start(block)
            if not block.n_lines:
                continue
            first, _, rest = block.data.partition(b"\n")
            text = first.decode("utf-8", "replace").strip("\r")
            delimiter = delimiter or delimiter_of(text, quote, list(wanted))
            columns = _columns(split_line(text, delimiter, quote), header, names)
            if header:
                block = Block(block.line + 1, rest, block.n_lines - 1, block.cut)
            yield _frame([], columns), pl.Series([], dtype=pl.Int64)
        if quoted is None and quote and quote.encode() in block.data:
            quoted = _Quoted(len(columns), delimiter or ",", quote, reject)
        if quoted is not None:
            yield from _batches(quoted.records(block), columns)
        else:
            yield _plain(block, columns, delimiter or ",", reject)
    if quoted is not None and columns is not None:
        yield from _batches(quoted.end(), columns)


def _without_blank_start(block: Block) -> Block:
    """The block from its first line that holds something."""
    n = 0
    start = 0
    while start < len(block.data):
        end = block.data.index(b"\n", start) + 1
        if block.data[start:end].strip():
            break
        start, n = end, n + 1
    return Block(block.line + n, block.data[start:], block.n_lines - n, block.cut) if n else block


def _columns(fields: list[str], header: bool, names: tuple[str, ...]) -> list[str]:
    if not header:
        return list(names) or [str(i + 1) for i in range(len(fields))]
    columns: list[str] = []
    for i, field in enumerate(fields):
        field = field.strip() or f"column {i + 1}"
        columns.append(field if field not in columns else f"{field} ({i + 1})")
    return columns


def _frame(rows: list[list[str]], columns: list[str]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    return frame.with_columns(pl.when(pl.col(c) != "").then(pl.col(c)).alias(c) for c in columns)


def _batches(records: Iterator[tuple[int, list[str]]], columns: list[str]) -> Frames:
    lines: list[int] = []
    rows: list[list[str]] = []
    for line, row in records:
        lines.append(line)
        rows.append(row)
        if len(rows) == _BATCH:
            yield _frame(rows, columns), pl.Series(lines, dtype=pl.Int64)
            lines, rows = [], []
    if rows:
        yield _frame(rows, columns), pl.Series(lines, dtype=pl.Int64)


def _plain(
    block: Block, columns: list[str], delimiter: str, reject: Reject
) -> tuple[pl.DataFrame, pl.Series]:
    """A block without quotes.

    Every line has its fields exactly when the parser finds none with too many and the delimiters add up.
    """
    data, n_lines = block.data, block.n_lines
    mark = delimiter.encode()
    tidy = b"\0" not in data and (len(columns) > 1 or b"\n\n" not in data)
    if tidy and count(data, mark) == n_lines * (len(columns) - 1):
        frame = _parse(data, columns, delimiter)
        if frame is not None and len(frame) == n_lines:
            return frame, pl.int_range(block.line, block.line + n_lines, dtype=pl.Int64, eager=True)
    good, lines = [], []
    for i, raw in enumerate(data.split(b"\n")[:-1]):
        if not raw.strip():
            continue
        reason = _reason(raw, mark, len(columns))
        if reason is None:
            good.append(raw)
            lines.append(block.line + i)
        else:
            cut = " (the last line, without an end: it is cut off)" if block.cut and i == n_lines - 1 else ""
            reject(block.line + i, reason + cut)
    frame = _parse(b"\n".join([*good, b""]), columns, delimiter) if good else None
    if frame is None or len(frame) != len(good):
        frame = _frame([raw.decode().rstrip("\r").split(delimiter) for raw in good], columns)
    return frame, pl.Series(lines, dtype=pl.Int64)


def _parse(data: bytes, columns: list[str], delimiter: str) -> pl.DataFrame | None:
    try:
        return pl.read_csv(
            data,
            has_header=False,
            separator=delimiter,
            quote_char=None,
            schema=dict.fromkeys(columns, pl.String),
        )
    except pl.exceptions.PolarsError:
        return None


def _reason(raw: bytes, mark: bytes, n_columns: int) -> str | None:
    if b"\0" in raw:
        return "NUL bytes in the line"
    if (byte := bad_byte(raw)) is not None:
        return f"not UTF-8 (byte 0x{byte:02x})"
    n_fields = raw.count(mark) + 1
    return None if n_fields == n_columns else f"{n_fields} fields where {n_columns} are expected"


class _Quoted:
    """Records of a file with quotes. Lines wait here while a quoted field is open."""

    def __init__(self, n_columns: int, delimiter: str, quote: str, reject: Reject) -> None:
        self._n_columns = n_columns
        self._delimiter = delimiter
        self._quote = quote
        self._reject = reject
        self._next: deque[tuple[int, str]] = deque()
        self._open: list[tuple[int, str]] = []
        self._length = 0

    def records(self, block: Block) -> Iterator[tuple[int, list[str]]]:
        """Line and fields of each record that ends in the block, and of those that waited."""
        for i, raw in enumerate(block.data.split(b"\n")[:-1]):
            if b"\0" in raw or bad_byte(raw) is not None:
                self._reject(block.line + i, _reason(raw, b"\0", 0) or "")
            else:
                self._next.append((block.line + i, raw.decode().rstrip("\r")))
        yield from self._drain()

    def end(self) -> Iterator[tuple[int, list[str]]]:
        """The records that still waited at the end of the file."""
        while self._open:
            self._stray()
            yield from self._drain()

    def _drain(self) -> Iterator[tuple[int, list[str]]]:
        while self._next:
            line = self._next.popleft()
            self._open.append(line)
            self._length = len(line[1]) + (self._length if len(self._open) > 1 else 0)
            room = len(self._open) <= _MAX_SPAN and self._length <= _MAX_LENGTH
            if len(self._open) > 1 and self._quote not in line[1] and room:
                continue  # only a line with a quote can close the field
            start, text = self._open[0][0], "\n".join(part for _, part in self._open)
            fields = self._fields(text, strict=len(self._open) > 1)
            if fields is None and room:
                continue
            if fields is not None and len(fields) == self._n_columns:
                self._open = []
                yield start, fields
            elif fields is None or len(self._open) > 1:
                self._stray()
            else:
                self._open = []
                if text.strip():
                    told = f"{len(fields)} fields where {self._n_columns} are expected"
                    self._reject(start, told if fields else "broken quotes, or a field that is too long")

    def _stray(self) -> None:
        """The first open line alone is lost; those after it are read afresh."""
        self._reject(self._open[0][0], "a quote is opened and not closed, or a field is too long")
        self._next.extendleft(reversed(self._open[1:]))
        self._open = []

    def _fields(self, text: str, strict: bool) -> list[str] | None:
        """The fields; None while a quoted field is open; none for what cannot be parsed.

        A single line may have text after a closing quote; over several lines that is the sign of a stray one.
        """
        for strictly in (True,) if strict else (True, False):
            try:
                reader = csv.reader([text], delimiter=self._delimiter, quotechar=self._quote, strict=strictly)
                return next(reader, [])
            except csv.Error as error:
                if strictly and "unexpected end of data" in str(error):
                    return None
        return []
