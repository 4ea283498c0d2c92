"""What an export is: the kinds of files of a system, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from retailor.shop.files.encodings import encodings_in
from retailor.shop.files.sink import Sink
from retailor.shop.readers.column_maps import sources
from retailor.shop.readers.exports.heads import columns_of
from retailor.shop.readers.frames import Maps
from retailor.shop.readers.tabular import Reader, maps_of, read_tabular

Open = Callable[[Sequence[Path]], Reader]
"""Takes all files of a source, and gives what reads each of them."""


@dataclass(frozen=True)
class Part:
    """One kind of file of an export."""

    what: str
    """In words: 'products'."""
    signs: tuple[str, ...]
    """Columns that tell it, or paths of JSON; of markup a piece of its text."""
    tables: Mapping[str, Any]
    """Column maps: what becomes what. Of code, what it does with the rows it has made."""
    notes: str = ""


@dataclass(frozen=True)
class Export:
    """A system, and the files that it exports."""

    name: str
    system: str
    parts: tuple[Part, ...]
    open: Open


def by_maps(tables: Mapping[str, Any], paths: Sequence[Path]) -> Reader:
    """A reader by column maps, in the encoding of each file; no derived items where there is a catalogue."""
    maps = maps_of(tables)
    own = [map for table, map in maps if table == "items" and not map.derived]
    if own and any({*sources(map)} <= {*columns_of(path)} for path in paths for map in own):
        maps = [(table, map) for table, map in maps if not map.derived]
    return partial(_read_maps, maps)


def _read_maps(maps: Maps, files: Sequence[Path], sink: Sink) -> None:
    for path in files:
        encoding = next((one for one in encodings_in(path).values() if one), None)
        read_tabular([(table, replace(map, encoding=encoding)) for table, map in maps], [path], sink)


def alone(reader: Reader, paths: Sequence[Path]) -> Reader:
    """The reader itself: it needs to know of no other file."""
    return reader


def only(tables: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Some of the tables."""
    return {name: tables[name] for name in names}


def of_map(tables: Mapping[str, Any], at: Mapping[str, int]) -> dict[str, Any]:
    """The tables of one kind of file: of a list of maps the one at a number."""
    return {
        name: tables[name][i] if isinstance(tables[name], list) else tables[name] for name, i in at.items()
    }
