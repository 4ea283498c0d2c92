"""Any CSV, TSV, JSON lines, JSON array or Parquet file, by a column map a table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from retailor.config import as_dict, read_settings
from retailor.errors import ConfigError, DataError
from retailor.progress import track
from retailor.shop.files.delimited import Frames, delimited
from retailor.shop.files.documents import any_objects
from retailor.shop.files.lines import Reject
from retailor.shop.files.nested import evidence_of, pairs_of, path_of, path_of_text
from retailor.shop.files.packed import streams
from retailor.shop.files.parquet import parquet
from retailor.shop.files.records import Row, as_text
from retailor.shop.files.sink import Sink
from retailor.shop.readers.column_maps import ColumnMap, Settled, check_map, sources
from retailor.shop.readers.columns import canonical, missing_column
from retailor.shop.readers.survey import Key, open_columns, survey
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
    """Reads a file by maps of one layout; the error, not raised, when the file fits none of them.

    Where the maps leave open how a column is written, the file is read twice, first to see the whole column.
    Raises DataError where every row that a table was to get could not be read.
    """
    failure: DataError | None = None
    fitted = False
    settled = _surveyed(maps, path, sink)
    for name, frames in _frames(maps, path, sink.reject):
        chosen: Maps | None = None
        tally: dict[str, list[int]] = {}
        for frame, lines in track(frames, f"reading {path.name}"):
            if chosen is None:
                chosen = _fitting(maps, frame)
                if not chosen:
                    absent = next(s for s in sources(maps[0][1]) if s not in frame.columns)
                    failure = failure or missing_column(name, absent, list(frame.columns), 1)
                    break
            if len(frame):
                add_frame(chosen, name, frame, lines, sink, settled.get(name, {}), tally)
        fitted = fitted or bool(chosen)
        _refuse_all_lost(name, tally, sink)
    if fitted or failure:
        return None if fitted else failure
    first = sink.first_rejects()
    return DataError(
        f"no row could be read; first: {first}." if first else "the file holds no rows.", path=path
    )


def _fitting(maps: Maps, frame: pl.DataFrame) -> Maps:
    """The maps whose columns are there."""
    return [(table, map) for table, map in maps if all(source in frame.columns for source in sources(map))]


def _surveyed(maps: Maps, path: Path, sink: Sink) -> dict[str, Mapping[Key, Settled]]:
    """What the columns of each stream settle, by its name; the file is only read where one is open."""
    if not any(open_columns(map) for _, map in maps):
        return {}
    found = {}
    for name, frames in _frames(maps, path, lambda name, line, reason: None):
        only = (frame for frame, _ in track(frames, f"surveying {path.name}"))
        first = next(only, None)
        chosen = [] if first is None else _fitting(maps, first)
        if chosen:
            settled = survey(chosen, only, sink.unread, name)
            found[name] = settled
    return found


def _refuse_all_lost(name: str, tally: Mapping[str, list[int]], sink: Sink) -> None:
    for table, (n_rows, n_good) in tally.items():
        if n_rows and not n_good:
            first = sink.first_rejects()
            raise DataError(
                f"none of the {n_rows:,} rows could be read into {table}; first: {first}.", path=name
            )


def add_frame(
    maps: Maps,
    name: str,
    frame: pl.DataFrame,
    lines: pl.Series,
    sink: Sink,
    settled: Mapping[Key, Settled] | None = None,
    tally: dict[str, list[int]] | None = None,
) -> None:
    """Puts the rows into every table; derived tables see only the rows that another table took.

    `settled` is what whole columns say, `tally` counts rows seen and rows taken, a table.
    """
    taken: pl.Series | None = None
    columns = [
        {ours: each for (at, ours), each in (settled or {}).items() if at == i} for i in range(len(maps))
    ]
    for (table, map), known in zip(maps, columns, strict=True):
        if map.derived:
            continue
        rows, good, reasons, losses = canonical(table, map, frame, known)
        taken = good if taken is None else taken | good
        for line, reason in zip(lines.filter(~good), reasons, strict=True):
            sink.reject(name, line, reason)
        for loss in losses:
            cells = [(lines[at], text) for at, text in loss.examples]
            sink.unread.add(name, table, loss.column, loss.reason, loss.n, cells)
        counts = (tally if tally is not None else {}).setdefault(table, [0, 0])
        counts[0] += len(frame)
        counts[1] += len(rows)
        if table == "items":
            sink.add_items(name, rows, lines.filter(good))
        else:
            sink.add(table, rows)
    if taken is not None and not taken.all():
        frame = frame.filter(taken)
    for (table, map), known in zip(maps, columns, strict=True):
        if map.derived and table == "items":
            once = frame.filter(pl.col(map.columns["item_id"]).hash().is_first_distinct())
            sink.add_items(name, canonical(table, map, once, known)[0], None)
        elif map.derived:
            sink.add(table, canonical(table, map, frame, known)[0])


def _frames(maps: Maps, path: Path, told: Callable[[str, int, str], None]) -> Iterator[tuple[str, Frames]]:
    """Frames of each stream in the file, with the stream's name."""
    layout = maps[0][1]
    wanted = tuple(dict.fromkeys(source for _, map in maps for source in map.columns.values()))
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet or layout.format == "parquet":
        yield str(path), _without_lists(maps, parquet(path, wanted, partial(told, str(path))))
        return
    for name, stream in streams(path):
        reject = partial(told, name)
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
    wanted = _targets(maps)
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


def _without_lists(maps: Maps, frames: Frames) -> Frames:
    """The frames with text where a list stands for one value: what JSON's lists of such a column become."""
    wanted = {source: made_of for source, (kind, made_of) in _targets(maps).items() if kind == pl.String}
    for frame, lines in frames:
        lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List) and name in wanted]
        made = {name: pl.Series(map(wanted[name], frame[name].to_list()), dtype=pl.String) for name in lists}
        yield frame.with_columns(**made), lines


def _targets(maps: Maps) -> dict[str, tuple[Any, Any]]:
    return {source: _target(ours) for _, map in maps for ours, source in map.columns.items()}


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
    if ours in ("price", "grade", "rating", "helpful"):
        return pl.String, partial(_one, _number)
    if ours in ("time", "kind", "label", "currency") or ours.endswith("_id"):
        return pl.String, partial(_one, _id if ours.endswith("_id") else as_text)
    return pl.String, as_text


def _one(read: Callable[[Any], str | None], value: Any) -> str | None:
    """What `read` makes of a value, also of one alone in a list; a list of several is JSON text."""
    while isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if not isinstance(value, (list, tuple)):
        return read(value)
    return json.dumps(value, ensure_ascii=False, default=str) if value else None


def _path(value: Any) -> list[str] | None:
    """The path in a list; a text is one part, which may hold a whole path."""
    if not isinstance(value, str):
        return path_of(value)
    listed = path_of_text(value.strip()) if value.strip()[:1] in ("[", "(", "{") else None
    return [value] if listed is None and value.strip() else listed or None


def _number(value: Any) -> str | None:
    """Text, in which a number has one meaning: 1.299 of JSON is no thousand."""
    if isinstance(value, Decimal):
        return f"{value:f}e0"
    if isinstance(value, float):
        return repr(value) if "e" in repr(value) or not math.isfinite(value) else f"{value!r}e0"
    return as_text(value)


def _id(value: Any) -> str | None:
    """An id as text, whole floats without their '.0', and none of a float that is told from no neighbour."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value)) if abs(value) < 2**53 else None
    return as_text(value)
