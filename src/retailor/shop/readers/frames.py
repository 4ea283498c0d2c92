"""The rows of a file as frames, with the columns that column maps ask for, whatever its format."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from retailor.shop.files.delimited import Frames, delimited
from retailor.shop.files.documents import any_objects
from retailor.shop.files.lines import Reject
from retailor.shop.files.nested import evidence_of, pairs_of, path_of, path_of_text
from retailor.shop.files.packed import is_parquet, streams
from retailor.shop.files.parquet import parquet
from retailor.shop.files.records import Row, as_text
from retailor.shop.readers.column_maps import ColumnMap, is_for, wanted
from retailor.shop.tables import SCHEMAS

Maps = Sequence[tuple[str, ColumnMap]]


def frames_of(
    maps: Maps,
    path: Path,
    told: Callable[[str, int, str], None],
    empty: Callable[[str, str, int], None] = lambda name, each, n: None,
) -> Iterator[tuple[str, Maps, Frames]]:
    """Name of each stream in the file that a map is for, those maps, and its frames.

    `told` takes rejects, `empty` how many objects hold no list that the maps want a row of each entry of.
    """
    layout = maps[0][1]
    if is_parquet(path) or layout.format == "parquet":
        here = _here(maps, str(path))
        if here:
            yield (
                str(path),
                here,
                _without_lists(here, parquet(path, _wanted(here), partial(told, str(path)))),
            )
        return
    for name, stream in streams(path):
        here, reject = _here(maps, name), partial(told, name)
        if not here:
            continue
        if layout.format == "jsonl" or (
            layout.format == "auto" and _suffix(name) in (".json", ".jsonl", ".ndjson")
        ):
            yield name, here, _json(here, name, stream, reject, partial(empty, name))
        else:
            yield (
                name,
                here,
                delimited(
                    name,
                    stream,
                    reject,
                    delimiter=layout.delimiter or ("\t" if _suffix(name) in (".tsv", ".tab") else None),
                    quote=layout.quote,
                    header=layout.header,
                    names=layout.names,
                    wanted=_wanted(here),
                    encoding=layout.encoding,
                ),
            )


def _here(maps: Maps, name: str) -> Maps:
    return [(table, map) for table, map in maps if is_for(map, name)]


def _wanted(maps: Maps) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for _, map in maps for source in wanted(map)))


def _suffix(name: str) -> str:
    path = Path(name.lower())
    return path.with_suffix("").suffix if path.suffix in (".gz", ".bz2", ".xz") else path.suffix


def _json(maps: Maps, name: str, stream: Any, reject: Reject, empty: Callable[[str, int], None]) -> Frames:
    """Frames of text columns, and list columns where ours hold lists; a line is where the object starts."""
    targets = _targets(maps)
    encoding = maps[0][1].encoding
    tops = {*targets, *(source.split(".")[0] for source in targets)}

    def is_row(row: Row) -> bool:
        return not tops.isdisjoint(row)

    started = False
    each = maps[0][1].each
    for whole in any_objects(name, stream, reject, encoding, is_row):
        batch = whole
        if not whole:
            continue
        if each is not None:
            inside = [(at, [*entries(one, each)]) for at, one in whole]
            empty(each, sum(not some for _, some in inside))
            batch = [(at, row) for at, some in inside for row in some]
        columns = {
            source: pl.Series([made_of(reach(row, source)) for _, row in batch], dtype=kind, strict=False)
            for source, (kind, made_of) in targets.items()
        }
        if not started:  # the keys there are stand for a header
            started = True
            keys = dict.fromkeys(key for _, row in whole for key in row)
            have = [source for source, column in columns.items() if column.null_count() < len(column)]
            some = _of_some_rows(maps)
            seen = [s for s in targets if s in keys or (s in some and s.split(".")[0] in keys)]
            known = dict.fromkeys([*have, *seen, *keys])
            yield pl.DataFrame(schema=dict.fromkeys(known, pl.String)), pl.Series([], dtype=pl.Int64)
        if batch:
            yield pl.DataFrame(columns), pl.Series([line for line, _ in batch], dtype=pl.Int64)


def _of_some_rows(maps: Maps) -> set[str]:
    """Columns that the first rows may lack: of maps that only some of the rows are for."""
    return {source for _, map in maps if map.each or map.leave_out for source in map.columns.values()}


def entries(row: Row, each: str) -> Iterator[Row]:
    """A row for each object in the list at `each`, which stands there in the list's place; none without."""
    inside = reach(row, each)
    for entry in inside if isinstance(inside, list) else ():
        if isinstance(entry, Mapping):
            yield _laid(row, each, entry)


def _laid(row: Mapping[str, Any], each: str, entry: Mapping[str, Any]) -> Row:
    head, _, rest = each.partition(".")
    return {**row, head: _laid(row[head], rest, entry) if rest else entry}


def _without_lists(maps: Maps, frames: Frames) -> Frames:
    """The frames with text where a list stands for one value: what JSON's lists of such a column become."""
    texts = {source: made_of for source, (kind, made_of) in _targets(maps).items() if kind == pl.String}
    for frame, lines in frames:
        lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List) and name in texts]
        made = {name: pl.Series(map(texts[name], frame[name].to_list()), dtype=pl.String) for name in lists}
        yield frame.with_columns(**made), lines


def _targets(maps: Maps) -> dict[str, tuple[Any, Any]]:
    details = {source: (pl.String, as_text) for _, map in maps for source in map.attributes.values()}
    second = {source: _target(ours) for _, map in maps for ours, source in map.instead.items()}
    return (
        details | second | {source: _target(ours) for _, map in maps for ours, source in map.columns.items()}
    )


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
