"""Delimited files whose rows are given another shape before a column map reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from retailor.progress import track
from retailor.shop.files.delimited import Frames, delimited
from retailor.shop.files.encodings import encodings_in
from retailor.shop.files.packed import streams
from retailor.shop.files.sink import Sink
from retailor.shop.readers.column_maps import sources
from retailor.shop.readers.columns import missing_column
from retailor.shop.readers.tabular import Tally, add_frame, maps_of, tell

Shape = Callable[[Frames], Frames]


def read_shaped(
    tables: Mapping[str, Any],
    path: Path,
    sink: Sink,
    shape: Shape = lambda frames: frames,
    *,
    names: tuple[str, ...] = (),
    delimiter: str | None = None,
    quote: str | None = '"',
) -> None:
    """Reads a delimited file by the column maps of `tables`, after `shape` has changed its frames.

    `names`: of a file without a header. Its encoding is told by its bytes.
    Raises DataError for a file that lacks what no map can do without.
    """
    maps = maps_of(tables)
    encodings = encodings_in(path)
    for name, stream in streams(path):
        frames = delimited(
            name,
            stream,
            partial(sink.reject, name),
            delimiter=delimiter,
            quote=quote,
            header=not names,
            names=names,
            wanted=(),
            encoding=encodings.get(name),
        )
        tally = Tally()
        chosen = None
        for frame, lines in track(shape(frames), f"reading {path.name}"):
            if chosen is None:
                chosen = [(table, map) for table, map in maps if {*sources(map)} <= {*frame.columns}]
                if not chosen:
                    absent = next(one for one in sources(maps[0][1]) if one not in frame.columns)
                    raise missing_column(name, absent, list(frame.columns), 1)
            if len(frame):
                add_frame(chosen, name, frame, lines, sink, {}, tally)
        tell(name, tally, sink)


def renamed(names: Mapping[str, str]) -> Shape:
    """A shape that gives columns their usual names: `names` is other name to usual one."""

    def shape(frames: Frames) -> Frames:
        for frame, lines in frames:
            there = {
                old: new for old, new in names.items() if old in frame.columns and new not in frame.columns
            }
            yield frame.rename(there), lines

    return shape


def row_groups(frames: Frames, key: str) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """The frames cut so that rows that follow each other with one key are in one frame.

    An empty key is that of the row above. Raises DataError where the file has no such column.
    """
    waiting: tuple[pl.DataFrame, pl.Series] | None = None
    for frame, lines in frames:
        if key not in frame.columns:
            raise missing_column("the file", key, list(frame.columns), 1)
        if waiting is not None:
            frame, lines = pl.concat([waiting[0], frame]), waiting[1].append(lines)
        frame = frame.with_columns(pl.col(key).forward_fill())
        if not len(frame):
            yield frame, lines  # the header
            continue
        others = (frame[key] != frame[key][-1]).fill_null(True).arg_true()
        start = int(others[-1]) + 1 if len(others) else 0
        if start:
            yield frame[:start], lines[:start]
        waiting = frame[start:], lines[start:]
    if waiting is not None:
        yield waiting
