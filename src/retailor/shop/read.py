"""The one entrance for files: `read` gives a Shop, `read_into` streams into a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retailor.errors import ConfigError, DataError, nearest
from retailor.shop.files.packed import found
from retailor.shop.files.sink import Sink
from retailor.shop.readers import amazon, presets
from retailor.shop.readers.column_maps import wanted
from retailor.shop.readers.exports.table import EXPORTS
from retailor.shop.readers.tabular import Reader, maps_of, read_tabular
from retailor.shop.rules import Rules, read_rules
from retailor.shop.sources.door import is_address, take
from retailor.shop.sources.kept import Taken
from retailor.shop.sources.settings import Source
from retailor.shop.tables import Shop, open_shop
from retailor.shop.unread import unread_lines
from retailor.store import artifact

READERS: dict[str, Reader] = {**amazon.READ, **presets.READ}
"""Name to reader of a known format. 'tabular' besides, which takes its column maps from `tables`."""

TABULAR = "tabular"
_ROWS = ".rows"


@dataclass(frozen=True)
class ReadCount:
    """How many rows came out: a table's name to its rows, the rejects, and each kind of reject."""

    rows: Mapping[str, int]
    rejects: int
    reasons: Mapping[str, int]
    """The first reject of a kind to how many there are."""
    unread: tuple[str, ...] = ()
    """Cells that could not be read and are null: by column and reason, with examples."""
    remarks: tuple[str, ...] = ()
    """How columns were read that could have been read otherwise."""

    def __str__(self) -> str:
        sizes = ", ".join(f"{n:,} {name}" for name, n in self.rows.items() if n) or "no rows"
        lines = [f"{sizes}; {self.rejects:,} rows could not be read" + (":" if self.reasons else "")]
        lines += [f"  {n:,} × like {reason}" for reason, n in self.reasons.items()]
        lines += [f"  {line}" for line in (*self.unread, *self.remarks)]
        return "\n".join(lines)


def read(
    reader: str,
    *files: str | Path,
    max_rejects: int | float | None = None,
    tables: Mapping[str, Any] | None = None,
    rules: str | Path | None = None,
    query: str | None = None,
) -> Shop:
    """The shop in `files`. `reader` is a name in READERS, or 'tabular' with a column map a table in `tables`.

    In the place of files there may be one address, with `query` where it is a database: see `Source.url`.

    A row that cannot be read is a row of `shop.rejects`, with file, line and reason.
    Raises ConfigError on an unknown reader; DataError on a file that is missing, empty, cut off, of another
    format, or without a single good row, and on more rejects than `max_rejects`: an int is a number of rows,
    a float from 0 to 1 the share of a file's rows, or of the cells of a column, that may be lost.
    A cell that cannot be read is null, and counted in `shop.unread`, where its table can do without it.
    `rules`: a folder with the shop's own rules.
    """
    with tempfile.TemporaryDirectory(prefix="retailor-") as folder:
        source = source_of(reader, files, tables, {"query": query})
        read_sources([source], Path(folder) / "shop", max_rejects=max_rejects, rules=rules)
        return open_shop(Path(folder) / "shop").in_memory()


def read_into(
    reader: str,
    files: Sequence[str | Path],
    folder: str | Path,
    *,
    max_rejects: int | float | None = None,
    tables: Mapping[str, Any] | None = None,
    rules: str | Path | None = None,
) -> ReadCount:
    """Counts of what was read into `folder`, a 'shop' artifact. Like `read`, but rows stream to Parquet.

    Memory does not grow with the files, but for 8 bytes a distinct item. On an error `folder` is as before.
    """
    return read_sources([source_of(reader, files, tables)], folder, max_rejects=max_rejects, rules=rules)


def source_of(
    reader: str,
    files: Sequence[str | Path],
    tables: Mapping[str, Any] | None,
    remote: Mapping[str, str | None] | None = None,
) -> Source:
    """The source of some files, or of one address: a URL, a folder or a file of a database.

    `remote` are settings of an address, such as its query.
    """
    names, given = tuple(map(str, files)), {k: v for k, v in (remote or {}).items() if v is not None}
    maps = None if tables is None else {**tables}
    if len(names) == 1 and is_address(names[0]):
        return Source(reader=reader, url=names[0], tables=maps, **given)  # type: ignore[arg-type]
    strange = next((name for name in names if "://" in name), None)
    if strange is not None:
        raise ConfigError("give one address at a time; a plan has a source for each.", key="files")
    return Source(reader=reader, files=names, tables=maps, **given)  # type: ignore[arg-type]


def read_sources(
    sources: Sequence[Source],
    folder: str | Path,
    *,
    max_rejects: int | float | None = None,
    rules: str | Path | None = None,
    taken: Mapping[int, Taken] | None = None,
) -> ReadCount:
    """The same from files of several formats and from addresses, in the order of the sources.

    `taken`: the rows of sources with an address, by their number, where they were taken already.
    """
    for source in sources:  # a wrong name is told before a missing file
        reader_of(source.reader, source.tables)
    _check_twice(sources)
    count, share = _limits(max_rejects)
    own = None if rules is None else read_rules(rules)
    about = {
        "reader": ", ".join(source.reader for source in sources),
        "files": [Path(name).name for source in sources for name in source.files or (called(source),)],
    }
    with artifact.writing(Path(folder), "shop", settings=about) as new:
        rows = new / _ROWS
        work = [_opened(each, (taken or {}).get(i), rows / str(i)) for i, each in enumerate(sources)]
        with Sink(new, count) as sink:
            for each in work:
                sink.names.update(each.names)
                for name, remark in each.remarks:
                    sink.unread.remark(name, remark)
                for path in each.paths:
                    _read_file(each.reader, path, sink, share)
            if not sink.n_good():
                first = sink.first_rejects() or "the files hold none"
                raise DataError(f"no row could be read; first: {first}.")
            if own is not None:
                _add_rules(own, sink)
        shutil.rmtree(rows, ignore_errors=True)
        counts = {table: n for table, n in sink.rows.items() if table != "rejects"}
        return ReadCount(
            rows=counts,
            rejects=sink.rows["rejects"],
            reasons=sink.reasons(),
            unread=tuple(unread_lines(sink.unread.frame())),
            remarks=tuple(sink.unread.remarks),
        )


@dataclass(frozen=True)
class _Opened:
    """A source that can be read: its files, and what messages call those that are none of the shop's own."""

    reader: Reader
    paths: Sequence[Path]
    names: Mapping[str, str]
    remarks: Sequence[tuple[str, str]] = ()


def _opened(source: Source, taken: Taken | None, place: Path) -> _Opened:
    if not source.is_remote:
        paths = [found(path) for path in source.files]
        return _Opened(reader_of(source.reader, source.tables, paths), paths, {})
    taken = taken or take(source, place, columns_of(source))
    name, many = called(source), len(taken.files) > 1
    names = {str(path): f"{name} {path.stem}" if many else name for path in taken.files}
    remarks = [(name, remark) for remark in taken.remarks]
    reader = reader_of(source.reader, source.tables, taken.files)
    return _Opened(reader, taken.files, names, remarks)


def called(source: Source) -> str:
    """What messages call a source with an address: the address, and the tables that it fills."""
    tables = f" [{', '.join(source.tables)}]" if source.tables else ""
    return f"{source.url or f'${source.url_env}'}{tables}"


def columns_of(source: Source) -> list[str] | None:
    """The columns that a source's maps have a use for; None where its reader decides."""
    if source.tables is None:
        return None
    return list(dict.fromkeys(name for _, map in maps_of(source.tables) for name in wanted(map)))


def _check_twice(sources: Sequence[Source]) -> None:
    """Raises DataError for a file that is not there or stands twice, and for a source without any."""
    paths = []
    for source in sources:
        if not source.files and not source.is_remote:
            raise DataError(f"reader '{source.reader}' was given no files; name one or more.")
        if source.is_remote and sources.count(source) > 1:
            raise DataError("this source is there twice: its rows would count double.", path=called(source))
        paths += [found(path) for path in source.files]
    for path in paths:
        if sum(path.samefile(other) for other in paths) > 1:
            raise DataError("this file is named twice: its rows would count double.", path=path)


def _add_rules(own: Rules, sink: Sink) -> None:
    sink.add("rules", own.rules)
    sink.add("facts", own.facts)
    for path, line, reason in own.rejects.iter_rows():
        sink.reject(path, line, reason)


def limit_of(text: str) -> int | float:
    """The `max_rejects` that a text means: '100' rows, or a share of them, '5%' or '0.05'."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text) if "." in text else int(text)
    except ValueError:
        raise ConfigError(
            f"max_rejects = '{text}': give a number of rows, or a share such as 5%.",
            key="max_rejects",
            value=text,
        ) from None


def _limits(max_rejects: int | float | None) -> tuple[int | None, float | None]:
    """The most rejects as a number of rows, and as a share of them: an int is the one, a float the other."""
    if max_rejects is None:
        return None, None
    if isinstance(max_rejects, float) and 0 <= max_rejects <= 1:
        return None, max_rejects
    if max_rejects < 0 or max_rejects != int(max_rejects):
        raise ConfigError(
            f"max_rejects = {max_rejects}: 0 or more rows, or a share from 0.0 to 1.0, please.",
            key="max_rejects",
            value=max_rejects,
        )
    return int(max_rejects), None


def _read_file(reader: Reader, path: Path, sink: Sink, share: float | None) -> None:
    """Reads one file. Raises DataError where all of it, or more than `share`, could not be read."""
    before, repeats, name = sink.rows.copy(), sink.repeats, sink.names.get(str(path), str(path))
    try:
        reader([path], sink)
    except DataError as error:
        if name == str(path):
            raise
        raise DataError(f"{str(error).replace(str(path), name)}", column=error.column) from None
    found = {name: n - before[name] for name, n in sink.rows.items()}
    lost = found.pop("rejects", 0) - (sink.repeats - repeats)
    most = max(found.values(), default=0)
    first = sink.first_rejects()
    if lost and not most and sink.repeats == repeats:
        raise DataError(f"none of its {lost:,} rows could be read; first: {first}.", path=name)
    if share is None:
        return
    if lost > share * (lost + most):
        raise DataError(
            f"{lost:,} of {lost + most:,} rows could not be read, and max_rejects is {share:.4g}; "
            f"first: {first}.",
            path=name,
        )
    for table, column, n in sink.unread.counts(name):
        if n > share * found.get(table, 0):
            raise DataError(
                f"{n:,} of {found.get(table, 0):,} cells of {table}.{column} could not be read, "
                f"and max_rejects is {share:.4g}: {'; '.join(unread_lines(sink.unread.frame())[:3])}.",
                path=name,
            )


def reader_of(reader: str, tables: Mapping[str, Any] | None = None, paths: Sequence[Path] = ()) -> Reader:
    """The reader of that name, for files that it may look at before it reads the first.

    Raises ConfigError with the nearest name when there is none.
    """
    if reader in READERS or reader in EXPORTS:
        if tables is not None:
            raise ConfigError(
                f"reader '{reader}' knows its columns; only '{TABULAR}' takes column maps.", key="tables"
            )
        return READERS[reader] if reader in READERS else EXPORTS[reader].open(paths)
    if reader == TABULAR:
        return partial(read_tabular, maps_of(tables or {}))
    known = [*READERS, *EXPORTS, TABULAR]
    raise ConfigError(
        f"there is no reader '{reader}'; known: {', '.join(known)}.",
        key="reader",
        value=reader,
        nearest=nearest(reader, known),
    )
