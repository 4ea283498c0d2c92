"""Any CSV, TSV, JSON lines, JSON array or Parquet file, by a column map a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from retailor.config import as_dict, read_settings
from retailor.errors import ConfigError, DataError
from retailor.progress import track
from retailor.shop.files.sink import Sink
from retailor.shop.readers.column_maps import ColumnMap, Settled, check_map, is_for, sources
from retailor.shop.readers.columns import canonical, missing_column
from retailor.shop.readers.frames import Maps, frames_of
from retailor.shop.readers.readings import says_none, text_of
from retailor.shop.readers.survey import Key, open_columns, survey

Reader = Callable[[Sequence[Path], Sink], None]
_LAYOUT = ("format", "delimiter", "quote", "header", "names", "encoding", "each")


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
        meant = [group for group in layouts.values() if _may_be_for(group, path)]
        if not meant:
            raise DataError("no column map is for a file of this name: see their 'files'.", path=path)
        failures = [read_one(group, path, sink) for group in meant]
        if all(failures):
            raise next(failure for failure in failures if failure)


def _may_be_for(maps: Maps, path: Path) -> bool:
    return path.suffix.lower() == ".zip" or any(is_for(map, str(path)) for _, map in maps)


def read_one(maps: Maps, path: Path, sink: Sink) -> DataError | None:
    """Reads a file by maps of one layout; the error, not raised, when the file fits none of them.

    Where the maps leave open how a column is written, the file is read twice, first to see the whole column.
    Raises DataError where every row that a table was to get could not be read.
    """
    failure: DataError | None = None
    fitted = False
    settled = _surveyed(maps, path, sink)
    empty: Counter[tuple[str, str]] = Counter()

    def count_empty(name: str, each: str, n: int) -> None:
        empty[name, each] += n

    for name, here, frames in frames_of(maps, path, sink.reject, count_empty):
        chosen: Maps | None = None
        tally = Tally()
        for frame, lines in track(frames, f"reading {path.name}"):
            if chosen is None:
                chosen = _fitting(here, frame)
                if not chosen:
                    absent = next(s for s in sources(here[0][1]) if s not in frame.columns)
                    failure = failure or missing_column(name, absent, list(frame.columns), 1)
                    break
            if len(frame):
                add_frame(chosen, name, frame, lines, sink, settled.get(name, {}), tally)
        fitted = fitted or bool(chosen)
        tell(name, tally, sink)
    for (name, each), n in empty.items():
        if n:
            sink.unread.remark(name, f"{n:,} objects have no entries in '{each}', and give no rows")
    if fitted or failure:
        return None if fitted else failure
    first = sink.first_rejects()
    return DataError(
        f"no row could be read; first: {first}." if first else "the file holds no rows.", path=path
    )


@dataclass
class Tally:
    """What became of the rows of one stream."""

    tables: dict[str, list[int]] = field(default_factory=dict)
    """Rows seen and rows taken, a table."""
    left_out: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Rows that a map has no use for, by table, column of the file, and value."""


def _fitting(maps: Maps, frame: pl.DataFrame) -> Maps:
    """The maps whose columns are there."""
    return [(table, map) for table, map in maps if all(source in frame.columns for source in sources(map))]


def _surveyed(maps: Maps, path: Path, sink: Sink) -> dict[str, Mapping[Key, Settled]]:
    """What the columns of each stream settle, by its name; the file is only read where one is open."""
    if not any(open_columns(map) for _, map in maps):
        return {}
    found = {}
    for name, here, frames in frames_of(maps, path, lambda name, line, reason: None):
        only = (frame for frame, _ in track(frames, f"surveying {path.name}"))
        first = next(only, None)
        chosen = [] if first is None else _fitting(here, first)
        if chosen:
            settled = survey(chosen, only, sink.unread, name)
            found[name] = settled
    return found


def tell(name: str, tally: Tally, sink: Sink) -> None:
    """Says which rows of a stream were left out. Raises DataError where every row of a table was lost."""
    _refuse_all_lost(name, tally, sink)
    _tell_left_out(name, tally, sink)


def _refuse_all_lost(name: str, tally: Tally, sink: Sink) -> None:
    for table, (n_rows, n_good) in tally.tables.items():
        if n_rows and not n_good:
            first = sink.first_rejects()
            raise DataError(
                f"none of the {n_rows:,} rows could be read into {table}; first: {first}.", path=name
            )


def _tell_left_out(name: str, tally: Tally, sink: Sink) -> None:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for (table, column, value), n in tally.left_out.items():
        counts.setdefault((table, column), Counter())[value] += n
    for (table, column), found in counts.items():
        told = ", ".join(f"'{value[:40]}' {n:,}" for value, n in found.most_common(5))
        more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
        sink.unread.remark(
            name, f"{table}: {found.total():,} rows of another {column} are left out: {told}{more}"
        )


def add_frame(
    maps: Maps,
    name: str,
    frame: pl.DataFrame,
    lines: pl.Series,
    sink: Sink,
    settled: Mapping[Key, Settled] | None = None,
    tally: Tally | None = None,
) -> None:
    """Puts the rows into every table; derived tables see only the rows that another table took.

    `settled` is what whole columns say, `tally` counts what became of the rows.
    """
    tally = Tally() if tally is None else tally
    taken: pl.Series | None = None
    columns = [
        {ours: each for (at, ours), each in (settled or {}).items() if at == i} for i in range(len(maps))
    ]
    for (table, map), known in zip(maps, columns, strict=True):
        if map.derived:
            continue
        meant, at = _meant(table, map, frame, tally), lines
        part = with_instead(map, frame)
        if meant is not None:
            part, at = part.filter(meant), lines.filter(meant)
        rows, good, reasons, losses = canonical(table, map, part, known)
        for line, reason in zip(at.filter(~good), reasons, strict=True):
            sink.reject(name, line, reason)
        for loss in losses:
            cells = [(at[i], text) for i, text in loss.examples]
            sink.unread.add(name, table, loss.column, loss.reason, loss.n, cells)
        counts = tally.tables.setdefault(table, [0, 0])
        counts[0] += len(part)
        counts[1] += len(rows)
        all_good = good if meant is None else _spread(good, meant)
        taken = all_good if taken is None else taken | all_good
        if table == "items":
            sink.add_items(name, rows, at.filter(good))
        else:
            sink.add(table, rows)
    if taken is not None and not taken.all():
        frame = frame.filter(taken)
    for (table, map), known in zip(maps, columns, strict=True):
        if map.derived and table == "items":
            part = with_instead(map, frame)
            once = part.filter(pl.col(map.columns["item_id"]).hash().is_first_distinct())
            sink.add_items(name, canonical(table, map, once, known)[0], None)
        elif map.derived:
            sink.add(table, canonical(table, map, with_instead(map, frame), known)[0])


def with_instead(map: ColumnMap, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the map's second columns where its first are empty; a customer 0 is a guest and none."""
    made = []
    for ours, second in map.instead.items():
        first = map.columns[ours]
        if first not in frame.columns or second not in frame.columns:
            continue
        empty = pl.col(first).is_null()
        if frame.schema[first] == pl.String:
            empty = empty | says_none(pl.col(first)).fill_null(True)
        if ours == "user_id" and (frame.schema[first] == pl.String or frame.schema[first].is_integer()):
            empty = empty | (pl.col(first).cast(pl.String).str.strip_chars() == "0").fill_null(True)
        made.append(pl.when(empty).then(pl.col(second)).otherwise(pl.col(first)).alias(first))
    return frame.with_columns(made)


def _meant(table: str, map: ColumnMap, frame: pl.DataFrame, tally: Tally) -> pl.Series | None:
    """Which rows have values that the map lists, where it leaves out the others; None for all."""
    meant: pl.Series | None = None
    for ours in map.leave_out:
        source = map.columns[ours]
        if source not in frame.columns:
            continue
        text = frame.select(text_of(pl.col(source), frame.schema[source]).str.strip_chars().fill_null(""))
        known = text[source].is_in(list(map.values[ours]))
        for value, n in text[source].filter(~known).value_counts().iter_rows():
            tally.left_out[table, source, value] += n
        meant = known if meant is None else meant & known
    return meant


def _spread(good: pl.Series, meant: pl.Series) -> pl.Series:
    """`good` of the rows that were meant, for all rows: the others are not."""
    whole = np.zeros(len(meant), dtype=bool)
    whole[meant.to_numpy()] = good.to_numpy()
    return pl.Series(whole)
