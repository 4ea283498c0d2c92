"""Any CSV, TSV, JSON lines, JSON array or Parquet file, by a column map a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from retailor.config import as_dict, read_settings
from retailor.errors import ConfigError, DataError
from retailor.progress import track
from retailor.shop.amazon_items import category_of
from retailor.shop.columns import ColumnMap, canonical, check_map, missing_column, sources
from retailor.shop.delimited import Frames, delimited
from retailor.shop.documents import any_objects
from retailor.shop.lines import Reject
from retailor.shop.nested import evidence_of, pairs_of
from retailor.shop.packed import streams
from retailor.shop.parquet import parquet
from retailor.shop.records import Row, as_text
from retailor.shop.sink import Sink
from retailor.shop.tables import SCHEMAS

Maps = Sequence[tuple[str, ColumnMap]]
_LAYOUT = ("format", "delimiter", "quote", "header", "names", "encoding")


def maps_of(tables: Mapping[str, Any]) -> Maps:
    """The checked maps of a plain mapping: table to the settings of a ColumnMap (or a list of such).

    Raises ConfigError with the nearest name for a table, column or setting that does not exist.
    """
    maps = []
    for table, given in tables.items():
        for one in given if isinstance(given, (list, tuple)) else [given]:
            if not isinstance(one, ColumnMap):
                if not isinstance(one, Mapping):
                    raise ConfigError(f"[tables.{table}]: a mapping is expected, not {one!r}.", key=table)
                one = read_settings(ColumnMap, one, f"[tables.{table}]")
            check_map(table, one)
            maps.append((table, one))
    if not maps:
        raise ConfigError("reader 'tabular' needs a column map, a table each: tables = {...}.", key="tables")
    return maps


def read_tabular(maps: Maps, files: Sequence[Path], sink: Sink) -> None:
    """Reads each file into the tables whose maps it has the columns for.

    Raises DataError, with the nearest column, for a file that fits no map.
    """
    layouts: dict[str, list[tuple[str, ColumnMap]]] = {}
    for table, map in maps:
        layout = {key: as_dict(map)[key] for key in _LAYOUT}
        layouts.setdefault(repr(layout), []).append((table, map))
    for path in files:
        failures = [read_one(group, path, sink) for group in layouts.values()]
        if all(failures):
            raise next(failure for failure in failures if failure)


def read_one(maps: Maps, path: Path, sink: Sink) -> DataError | None:
    """Reads a file by maps of one layout; the error, not raised, when the file fits none of them."""
    failure: DataError | None = None
    fitted = False
    for name, frames in _frames(maps, path, sink):
        chosen: Maps | None = None
        for frame, lines in track(frames, f"reading {path.name}"):
            if chosen is None:
                chosen = [(t, m) for t, m in maps if all(s in frame.columns for s in sources(m))]
                if not chosen:
                    absent = next(s for s in sources(maps[0][1]) if s not in frame.columns)
                    failure = failure or missing_column(name, absent, list(frame.columns), 1)
                    break
            if len(frame):
                add_frame(chosen, name, frame, lines, sink)
        fitted = fitted or bool(chosen)
    if fitted or failure:
        return None if fitted else failure
    first = sink.first_rejects()
    return DataError(
        f"no row could be read; first: {first}." if first else "the file holds no rows.", path=path
    )


def add_frame(maps: Maps, name: str, frame: pl.DataFrame, lines: pl.Series, sink: Sink) -> None:
    """Puts the rows into every table; derived tables see only the rows that another table took."""
    taken: pl.Series | None = None
    for table, map in maps:
        if map.derived:
            continue
        rows, good, reasons = canonical(table, map, frame)
        taken = good if taken is None else taken | good
        for line, reason in zip(lines.filter(~good), reasons, strict=True):
            sink.reject(name, line, reason)
        if table == "items":
            sink.add_items(name, rows, lines.filter(good))
        else:
            sink.add(table, rows)
    if taken is not None and not taken.all():
        frame = frame.filter(taken)
    for table, map in maps:
        if map.derived and table == "items":
            once = frame.filter(pl.col(map.columns["item_id"]).hash().is_first_distinct())
            sink.add_items(name, canonical(table, map, once)[0], None)
        elif map.derived:
            sink.add(table, canonical(table, map, frame)[0])


def _frames(maps: Maps, path: Path, sink: Sink) -> Iterator[tuple[str, Frames]]:
    """Frames of each stream in the file, with the stream's name."""
    layout = maps[0][1]
    wanted = tuple(dict.fromkeys(source for _, map in maps for source in map.columns.values()))
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet or layout.format == "parquet":
        yield str(path), parquet(path, wanted, partial(sink.reject, str(path)))
        return
    for name, stream in streams(path):
        reject = partial(sink.reject, name)
        if layout.format == "jsonl" or (
            layout.format == "auto" and _suffix(name) in (".json", ".jsonl", ".ndjson")
        ):
            yield name, _json(maps, name, stream, reject)
        else:
            yield (
                name,
                delimited(
                    name,
                    stream,
                    reject,
                    delimiter=layout.delimiter or ("\t" if _suffix(name) in (".tsv", ".tab") else None),
                    quote=layout.quote,
                    header=layout.header,
                    names=layout.names,
                    wanted=wanted,
                    encoding=layout.encoding,
                ),
            )


def _suffix(name: str) -> str:
    path = Path(name.lower())
    return path.with_suffix("").suffix if path.suffix in (".gz", ".bz2", ".xz") else path.suffix


def _json(maps: Maps, name: str, stream: Any, reject: Reject) -> Frames:
    """Frames of text columns, and list columns where ours hold lists; a line is where the object starts."""
    wanted = {source: _target(ours) for _, map in maps for ours, source in map.columns.items()}
    encoding = maps[0][1].encoding
    tops = {*wanted, *(source.split(".")[0] for source in wanted)}

    def is_row(row: Row) -> bool:
        return not tops.isdisjoint(row)

    started = False
    for batch in any_objects(name, stream, reject, encoding, is_row):
        if not batch:
            continue
        columns = {
            source: pl.Series([made_of(reach(row, source)) for _, row in batch], dtype=kind, strict=False)
            for source, (kind, made_of) in wanted.items()
        }
        if not started:  # the keys there are stand for a header
            started = True
            keys = dict.fromkeys(key for _, row in batch for key in row)
            have = [source for source, column in columns.items() if column.null_count() < len(column)]
            known = dict.fromkeys([*have, *(source for source in wanted if source in keys), *keys])
            yield pl.DataFrame(schema=dict.fromkeys(known, pl.String)), pl.Series([], dtype=pl.Int64)
        yield pl.DataFrame(columns), pl.Series([line for line, _ in batch], dtype=pl.Int64)


def reach(row: Row, source: str) -> Any:
    """The value under a key, or under 'a.b' inside nested objects; None where there is none."""
    if source in row:
        return row[source]
    value: Any = row
    for part in source.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _target(ours: str) -> tuple[Any, Any]:
    """Type of the raw column and the function that makes its values."""
    if ours == "category":
        return pl.List(pl.String), _path
    if ours == "attributes":
        return SCHEMAS["items"]["attributes"], pairs_of
    if ours == "evidence":
        return SCHEMAS["questions"]["evidence"], evidence_of
    return pl.String, as_text


def _path(value: Any) -> list[str] | None:
    return category_of({"categories": value})
