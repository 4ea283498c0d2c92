"""CSV and its relatives as frames of text columns, each row with its line number.

Blocks without quotes are parsed at once and checked by counting delimiters; from the first quote on,
records are read one by one: a field may then hold line breaks, and a stray quote must not swallow the rest.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import IO

import polars as pl

from retailor.errors import DataError
from retailor.shop.files.lines import Block, Reject, blocks, count, unreadable

_DELIMITERS = (",", "\t", ";", "|")
_BATCH = 50_000
_MAX_SPAN = 1_000  # lines of one quoted field; over it, its quote counts as stray
_MAX_LENGTH = 1 << 20
_MOST_COLUMNS = 200_000

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

    The others hold the `wanted` columns alone, where there are any. A row with too few or too many fields,
    NUL bytes or broken UTF-8 is given to `reject`. Raises DataError for a header that is no header.
    """
    columns: list[str] | None = None
    layout = _Layout([], delimiter or ",", ())
    quoted: _Quoted | None = None
    long: list[int] = []

    def too_long(line: int, reason: str) -> None:
        long.append(line)
        reject(line, reason)

    for block in blocks(name, stream, too_long, encoding):
        if columns is None:
            if header and long:
                raise DataError("the first line is too long to be a header.", path=name, row=long[0])
            block = _without_blank_start(block)
            if not block.n_lines:
                continue
            first, _, rest = block.data.partition(b"\n")
            text = first.decode("utf-8", "replace").strip("\r")
            delimiter = delimiter or delimiter_of(text, quote, list(wanted))
            columns = _columns(name, block.line, split_line(text, delimiter, quote), header, names)
            layout = _Layout(columns, delimiter, wanted)
            if header:
                block = Block(block.line + 1, rest, block.n_lines - 1, block.cut)
            yield pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), pl.Series([], dtype=pl.Int64)
        if quoted is None and quote and quote.encode() in block.data:
            quoted = _Quoted(len(columns), layout.delimiter, quote, reject)
        if quoted is not None:
            yield from _batches(quoted.records(block), layout)
        else:
            yield _plain(block, layout, reject)
    if quoted is not None:
        yield from _batches(quoted.end(), layout)


class _Layout:
    """The columns of a file, and which of them are kept."""

    def __init__(self, columns: list[str], delimiter: str, wanted: tuple[str, ...]) -> None:
        self.columns, self.delimiter = columns, delimiter
        some = [i for i, column in enumerate(columns) if column in wanted]
        self.kept = some or list(range(len(columns)))


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


def _columns(name: str, line: int, fields: list[str], header: bool, names: tuple[str, ...]) -> list[str]:
    if len(fields) > _MOST_COLUMNS:
        raise DataError(
            f"it has {len(fields):,} columns, and a table may have {_MOST_COLUMNS:,}: is it sideways?",
            path=name,
            row=line,
        )
    if not header:
        return list(names) or [str(i + 1) for i in range(len(fields))]
    columns: dict[str, None] = {}
    for i, field in enumerate(fields):
        field = field.strip().replace("\0", "") or f"column {i + 1}"
        while field in columns:
            field = f"{field} ({i + 1})"
        columns[field] = None
    return list(columns)


def _frame(rows: list[list[str]], layout: _Layout) -> pl.DataFrame:
    columns = [layout.columns[i] for i in layout.kept]
    some = rows if len(columns) == len(layout.columns) else [[row[i] for i in layout.kept] for row in rows]
    frame = pl.DataFrame(some, schema=dict.fromkeys(columns, pl.String), orient="row")
    return frame.with_columns(pl.when(pl.col(c) != "").then(pl.col(c)).alias(c) for c in columns)


def _batches(records: Iterator[tuple[int, list[str]]], layout: _Layout) -> Frames:
    lines: list[int] = []
    rows: list[list[str]] = []
    for line, row in records:
        lines.append(line)
        rows.append(row)
        if len(rows) == _BATCH:
            yield _frame(rows, layout), pl.Series(lines, dtype=pl.Int64)
            lines, rows = [], []
    if rows:
        yield _frame(rows, layout), pl.Series(lines, dtype=pl.Int64)


def _plain(block: Block, layout: _Layout, reject: Reject) -> tuple[pl.DataFrame, pl.Series]:
    """A block without quotes.

    Every line has its fields exactly when the parser finds none with too many and the delimiters add up.
    """
    data, n_lines, n_columns = block.data, block.n_lines, len(layout.columns)
    mark = layout.delimiter.encode()
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    clean = n_columns > 1 and b"\0" not in data and b"\r" not in data and _is_utf8(data)
    if clean and _count(data, mark) == n_lines * (n_columns - 1):
        frame = _parse(data, layout)
        if frame is not None and len(frame) == n_lines:
            return frame, pl.int_range(block.line, block.line + n_lines, dtype=pl.Int64, eager=True)
    good, lines = [], []
    for i, raw in enumerate(data.split(b"\n")[:-1]):
        if not raw.strip() and mark not in raw:
            continue
        reason = _reason(raw, mark, n_columns)
        if reason is None:
            good.append(raw.decode().rstrip("\r").split(layout.delimiter))
            lines.append(block.line + i)
        else:
            cut = " (the last line, without an end: it is cut off)" if block.cut and i == n_lines - 1 else ""
            reject(block.line + i, reason + cut)
    return _frame(good, layout), pl.Series(lines, dtype=pl.Int64)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _count(data: bytes, mark: bytes) -> int:
    return count(data, mark) if len(mark) == 1 else data.count(mark)


def _parse(data: bytes, layout: _Layout) -> pl.DataFrame | None:
    try:
        return pl.read_csv(
            data,
            has_header=False,
            separator=layout.delimiter,
            quote_char=None,
            schema=dict.fromkeys(layout.columns, pl.String),
            columns=layout.kept,
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError):
        return None


def _reason(raw: bytes, mark: bytes, n_columns: int) -> str | None:
    if (broken := unreadable(raw)) is not None:
        return broken
    n_fields = raw.count(mark) + 1
    return None if n_fields == n_columns else f"{n_fields} fields where {n_columns} are expected"


def _bare(fields: list[str]) -> list[str]:
    """The fields without the '="…"' that keeps a spreadsheet from rounding long numbers."""
    return [
        field[2:-1] if field[:2] == '="' and field[-1] == '"' and len(field) > 2 else field
        for field in fields
    ]


class _Quoted:
    """Records of a file with quotes. Lines wait here while a quoted field is open."""

    def __init__(self, n_columns: int, delimiter: str, quote: str, reject: Reject) -> None:
        self._n_columns = n_columns
        self._delimiter = delimiter
        self._quote = quote
        self._reject = reject
        self._lines: list[tuple[int, str | None, str | None]] = []
        """Number, text, and why it is none."""
        self._before: list[int] = [0]
        """Characters before each line, and before the next one to come."""
        self._looked = 0
        """The line among those that wait at which the field that is open was last seen open."""
        self._formula = f"={quote}"
        quote, mark = re.escape(quote), re.escape(delimiter)
        self._inside = re.compile(f"[^{quote}]*(?:{quote}{quote}[^{quote}]*)*")
        self._outside = re.compile(f"(?:{mark}(?!{quote})[^{mark}]*)*")

    def records(self, block: Block) -> Iterator[tuple[int, list[str]]]:
        """Line and fields of each record that ends in the block, and of those that waited."""
        for i, raw in enumerate(block.data.split(b"\n")[:-1]):
            broken = unreadable(raw)
            text = raw.decode().rstrip("\r") if broken is None else None
            self._lines.append((block.line + i, text, broken))
            self._before.append(self._before[-1] + len(text or ""))
        yield from self._drain(final=False)

    def end(self) -> Iterator[tuple[int, list[str]]]:
        """The records that still waited at the end of the file."""
        yield from self._drain(final=True)

    def _drain(self, *, final: bool) -> Iterator[tuple[int, list[str]]]:
        at = 0
        while at < len(self._lines):
            line, text, broken = self._lines[at]
            fields = None if text is None else self._fields(text)
            n_lines = 1
            if text is not None and fields is None:
                end = self._closing(at, final)
                if end is None:
                    break
                record = "\n".join(text or "" for _, text, _ in self._lines[at : end + 1])
                fields = self._parsed(record) if end > at else None
                if fields is not None and len(fields) == self._n_columns:
                    n_lines = end - at + 1
                else:  # the first line alone is lost; those after it are read afresh
                    fields, broken = None, "a quote is opened and not closed, or a field is too long"
            at += n_lines
            if fields is not None and len(fields) == self._n_columns:
                yield line, _bare(fields) if self._formula in (text or "") else fields
            elif broken is not None or fields is None:
                self._reject(line, broken or "")
            elif (text or "").strip() or self._delimiter in (text or ""):
                told = f"{len(fields)} fields where {self._n_columns} are expected"
                self._reject(line, told if fields else "broken quotes, or a field that is too long")
        self._lines, self._before = self._lines[at:], self._before[at:]
        self._looked = max(0, self._looked - at)

    def _closing(self, start: int, final: bool) -> int | None:
        """The line that closes the field which is open at the end of line `start`; `start` where none does.

        None while that is to be seen. Whether a line closes a field does not depend on where it was opened,
        so no line is looked at twice.
        """
        at = max(start + 1, self._looked)
        while at < len(self._lines):
            text = self._lines[at][1]
            if at - start > _MAX_SPAN or self._before[at + 1] - self._before[start] > _MAX_LENGTH:
                return start
            closes = None if text is None else self._closes(text)
            self._looked = at
            if closes is not False:
                return at if closes else start
            at += 1
        return start if final or at - start > _MAX_SPAN else None

    def _closes(self, text: str) -> bool | None:
        """Whether a quoted field open before a line is closed after it; None where a quote is stray."""
        at = 0
        while True:
            at = self._inside.match(text, at).end()  # type: ignore[union-attr]
            if at == len(text):
                return False
            at += 1
            if at < len(text) and text[at] != self._delimiter:
                return None
            at = self._outside.match(text, at).end()  # type: ignore[union-attr]
            if at == len(text):
                return True
            at += 2

    def _fields(self, text: str) -> list[str] | None:
        """The fields of a line; None where a quoted field is open at its end; none for what is no record.

        A single line may have text after a closing quote; over several lines that is the sign of a stray one.
        """
        if self._quote not in text:
            return text.split(self._delimiter)
        for strictly in (True, False):
            try:
                reader = csv.reader([text], delimiter=self._delimiter, quotechar=self._quote, strict=strictly)
                return next(reader, [])
            except csv.Error as error:
                if strictly and "unexpected end of data" in str(error):
                    return None
        return []

    def _parsed(self, record: str) -> list[str] | None:
        try:
            reader = csv.reader([record], delimiter=self._delimiter, quotechar=self._quote, strict=True)
            return next(reader, [])
        except csv.Error:
            return None
