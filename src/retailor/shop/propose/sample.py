"""The first rows of any file as columns of text, and how it must be opened to see them so."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from retailor.errors import DataError
from retailor.shop.files.delimited import delimited
from retailor.shop.files.documents import any_objects
from retailor.shop.files.encodings import encoding_of
from retailor.shop.files.lines import chunks
from retailor.shop.files.packed import BROKEN, found, is_parquet, streams
from retailor.shop.files.parquet import parquet
from retailor.shop.files.records import Row, as_text
from retailor.shop.readers.frames import entries
from retailor.shop.readers.readings import text_of

HEAD_BYTES = 4 << 20
"""As much of a file is looked at; of a page or a feed, which are read whole, MOST_BYTES."""
MOST_BYTES = 64 << 20
MOST_ROWS = 20_000
MOST_COLUMNS = 400
_DEEPEST = 4
_TWICE = "::"
"""What the older sets of ratings have between their columns."""

Columns = dict[str, list[str | None]]


@dataclass(frozen=True)
class Sample:
    """The first rows of one stream."""

    path: Path
    name: str
    """What a column map's `files` calls it: 'orders.csv', or the name inside a zip."""
    layout: Mapping[str, Any]
    """Settings of a ColumnMap under which its reader sees these columns."""
    columns: Columns
    n_rejects: int = 0
    head: bytes = b""
    """What was looked at, unpacked."""
    cut: bool = False
    """Whether the stream goes on after the head."""
    rows: tuple[Row, ...] = ()
    """Of JSON: the objects."""
    lists: Mapping[str, Columns] = field(default_factory=dict)
    """By the path of a list of objects in JSON: the columns where each entry is a row."""

    @property
    def n_rows(self) -> int:
        return max(map(len, self.columns.values()), default=0)

    @property
    def is_json(self) -> bool:
        return self.layout.get("format") == "jsonl"


def samples(path: Path) -> list[Sample]:
    """A sample of each stream in a file. Raises DataError for what is no file, or that no reader opens."""
    path = found(path)
    if is_parquet(path):
        return [_of_parquet(path)]
    made = []
    for name, stream in streams(path):
        short = path.name if name == str(path) else name.removeprefix(f"{path}/")
        head, cut = head_of(name, stream)
        made.append(_of_text(path, name, short, head, cut))
    return made


def head_of(name: str, stream: Any) -> tuple[bytes, bool]:
    """The first bytes of a stream, whole lines of them, and whether there are more."""
    parts, size = [], 0
    try:
        while size <= HEAD_BYTES and (part := stream.read1(1 << 20)):
            parts.append(part)
            size += len(part)
        head = b"".join(parts)
        cut = size > HEAD_BYTES
        if cut and head.lstrip()[:1] == b"<":  # pages and feeds are read whole
            while size <= MOST_BYTES and (part := stream.read1(1 << 20)):
                parts.append(part)
                size += len(part)
            head, cut = b"".join(parts), size > MOST_BYTES
    except BROKEN as error:
        raise DataError(
            f"the packed file is cut off or corrupt ({error}); download it again.", path=name
        ) from None
    return (head[: head.rfind(b"\n") + 1] or head) if cut else head, cut


def _of_text(path: Path, name: str, short: str, head: bytes, cut: bool) -> Sample:
    layout: dict[str, Any] = {}
    if (encoding := encoding_of(head)) is not None:
        layout["encoding"] = encoding
    sample = Sample(path, short, layout, {}, head=head, cut=cut)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return sample
    if start in (b"{", b"["):
        return _of_json(sample, name)
    return _of_delimited(sample, name)


def _of_json(sample: Sample, name: str) -> Sample:
    rejects: list[int] = []
    rows = _objects(sample, name, rejects, are_rows=True)
    if not rows and sample.cut:  # one object around all rows, which goes on
        rejects.clear()
        rows = _objects(sample, name, rejects, are_rows=False)
    rows = _inside(rows[:MOST_ROWS])
    paths = dict.fromkeys(path for row in rows[:2_000] for path in _lists(row))
    lists = {each: flat([one for row in rows for one in entries(row, each)][:MOST_ROWS]) for each in paths}
    return replace(
        sample,
        layout={**sample.layout, "format": "jsonl"},
        columns=flat(rows),
        n_rejects=len(rejects),
        lists=lists,
        rows=tuple(rows),
    )


def _objects(sample: Sample, name: str, rejects: list[int], *, are_rows: bool) -> list[Row]:
    """The objects of the head; of one that is cut off, those before its end."""
    rows: list[Row] = []
    stream = io.BufferedReader(io.BytesIO(sample.head))  # type: ignore[arg-type]
    try:
        for batch in any_objects(
            name,
            stream,
            lambda line, reason: rejects.append(line),
            sample.layout.get("encoding"),
            is_row=lambda row: are_rows,
        ):
            rows += [row for _, row in batch]
            if len(rows) >= MOST_ROWS:
                break
    except DataError:
        if not sample.cut:
            raise
    return rows


def _only_list(row: Row) -> list[Row] | None:
    """The one list of objects in an object that else holds single values; None without it, or with more."""
    lists = [
        value for value in row.values() if isinstance(value, list) and value and isinstance(value[0], dict)
    ]
    others = [value for value in row.values() if isinstance(value, (dict, list)) and value not in lists]
    return lists[0] if len(lists) == 1 and not others and (len(lists[0]) > 1 or len(row) == 1) else None


def _inside(rows: list[Row]) -> list[Row]:
    """The rows of a file that is one object around them."""
    return (_only_list(rows[0]) or rows) if len(rows) == 1 else rows


def _lists(row: Mapping[str, Any], at: str = "", depth: int = 0) -> Iterator[str]:
    for key, value in row.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"{at}{key}"
        elif isinstance(value, Mapping) and depth < _DEEPEST:
            yield from _lists(value, f"{at}{key}.", depth + 1)


def flat(rows: list[Row]) -> Columns:
    """The values of the rows as text, by path: 'a.b' is key b inside a. Objects in lists are left out."""
    cells: dict[str, dict[int, str]] = {}
    for i, row in enumerate(rows):
        for path, value in _cells(row):
            text = as_text(value)
            if path in cells or len(cells) < MOST_COLUMNS:
                at = cells.setdefault(path, {})
                if text is not None:
                    at[i] = text
    return {path: [at.get(i) for i in range(len(rows))] for path, at in cells.items()}


def _cells(row: Mapping[str, Any], at: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, Mapping) and value and depth < _DEEPEST:
            yield from _cells(value, f"{at}{key}.", depth + 1)
            if depth == 0:
                yield f"{at}{key}", value
        elif not (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            yield f"{at}{key}", value


def _of_delimited(sample: Sample, name: str) -> Sample:
    text = b"".join(
        chunks(name, io.BufferedReader(io.BytesIO(sample.head[: 1 << 16])), sample.layout.get("encoding"))
    )
    first = next((line for line in text.decode("utf-8", "replace").splitlines() if line.strip()), "")
    layout = {**sample.layout, "format": "csv"}
    if first.count(_TWICE) > 1:
        layout |= {"delimiter": _TWICE, "quote": ""}
    elif "\t" in first and sample.name.endswith((".tsv", ".tab")):
        layout["delimiter"] = "\t"
    rejects: list[int] = []
    frames = delimited(
        name,
        io.BufferedReader(io.BytesIO(sample.head)),  # type: ignore[arg-type]
        lambda line, reason: rejects.append(line),
        delimiter=layout.get("delimiter"),
        quote=layout.get("quote", '"'),
        header=False,
        encoding=sample.layout.get("encoding"),
    )
    parts = []
    for frame, _ in frames:
        parts.append(frame)
        if sum(map(len, parts)) >= MOST_ROWS:
            break
    whole = pl.concat(parts)[:MOST_ROWS] if parts else pl.DataFrame()
    rows = whole.rows()
    if rows and is_header(rows[0], rows[1:200]):
        names = _unlike(rows[0])
        columns = {name: whole.to_series(i)[1:].to_list() for i, name in enumerate(names)}
    else:
        layout["header"] = False
        columns = {name: whole[name].to_list() for name in whole.columns}
    return replace(sample, layout=layout, columns=columns, n_rejects=len(rejects))


def _unlike(fields: tuple[str | None, ...]) -> list[str]:
    """The names that the reader gives to the columns of a header."""
    names: dict[str, None] = {}
    for i, each in enumerate(fields):
        name = (each or "").strip() or f"column {i + 1}"
        while name in names:
            name = f"{name} ({i + 1})"
        names[name] = None
    return list(names)


def is_header(first: tuple[str | None, ...], rest: list[tuple[str | None, ...]]) -> bool:
    """Whether the first row names the columns: no cell is a value, none comes again below it.

    One that is no number, no time and no address over columns that are, is a header; so is one of short
    texts over columns of others.
    """
    cells = [(each or "").strip() for each in first]
    named = [each for each in cells if each]
    if not named or any(_is_value(each) for each in named) or len(named) * 2 < len(cells):
        return False
    if any(len(each) > 60 for each in named):
        return False
    columns = list(zip(*rest, strict=True)) if rest else []
    again = sum(cell in column for cell, column in zip(first, columns, strict=False) if cell)
    return again * 2 <= len(named)


def _is_value(cell: str) -> bool:
    digits = cell.replace(".", "", 1).replace("-", "").replace("/", "").replace(":", "").replace(" ", "")
    return digits.isdecimal() or "://" in cell or ("@" in cell and "." in cell) or cell[:1] in "{["


def _of_parquet(path: Path) -> Sample:
    import pyarrow.parquet as pq

    try:
        names = tuple(pq.ParquetFile(path).schema_arrow.names[:MOST_COLUMNS])
    except (OSError, ValueError) as error:
        raise DataError(f"the Parquet file is cut off or corrupt ({error}).", path=path) from None
    rejects: list[int] = []
    frames = parquet(path, names, lambda line, reason: rejects.append(line))
    next(frames)
    frame = next(frames, (pl.DataFrame(), None))[0][:MOST_ROWS]
    columns = {
        name: frame.select(text_of(pl.col(name), kind).alias("text"))["text"].to_list()
        for name, kind in frame.schema.items()
    }
    return Sample(path, path.name, {"format": "parquet"}, columns, n_rejects=len(rejects), cut=True)
