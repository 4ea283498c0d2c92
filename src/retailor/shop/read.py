"""The one entrance for files: `read` gives a Shop, `read_into` streams into a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retailor import artifact
from retailor.errors import ConfigError, DataError, nearest
from retailor.shop import amazon, presets
from retailor.shop.packed import found
from retailor.shop.sink import Sink
from retailor.shop.tables import Shop, open_shop
from retailor.shop.tabular import maps_of, read_tabular

Reader = Callable[[Sequence[Path], Sink], None]
READERS: dict[str, Reader] = {**amazon.READ, **presets.READ}
"""Name to reader of a known format. 'tabular' besides, which takes its column maps from `tables`."""

TABULAR = "tabular"


@dataclass(frozen=True)
class ReadCount:
    """How many rows came out: a table's name to its rows, the rejects, and each kind of reject."""

    rows: Mapping[str, int]
    rejects: int
    reasons: Mapping[str, int]
    """The first reject of a kind to how many there are."""

    def __str__(self) -> str:
        sizes = ", ".join(f"{n:,} {name}" for name, n in self.rows.items() if n) or "no rows"
        lines = [f"{sizes}; {self.rejects:,} rows could not be read" + (":" if self.reasons else "")]
        lines += [f"  {n:,} × like {reason}" for reason, n in self.reasons.items()]
        return "\n".join(lines)


def read(
    reader: str,
    *files: str | Path,
    max_rejects: int | None = None,
    tables: Mapping[str, Any] | None = None,
) -> Shop:
    """The shop in `files`. `reader` is a name in READERS, or 'tabular' with a column map a table in `tables`.

    A row that cannot be read is a row of `shop.rejects`, with file, line and reason.
    Raises ConfigError on an unknown reader; DataError on a file that is missing, empty, cut off, of another
    format, or without a single good row, and on more rejects than `max_rejects`.
    """
    with tempfile.TemporaryDirectory(prefix="retailor-") as folder:
        read_into(reader, files, Path(folder) / "shop", max_rejects=max_rejects, tables=tables)
        return open_shop(Path(folder) / "shop")


def read_into(
    reader: str,
    files: Sequence[str | Path],
    folder: str | Path,
    *,
    max_rejects: int | None = None,
    tables: Mapping[str, Any] | None = None,
) -> ReadCount:
    """Counts of what was read into `folder`, a 'shop' artifact. Like `read`, but rows stream to Parquet.

    Memory does not grow with the files, but for 8 bytes a distinct item. On an error `folder` is as before.
    """
    chosen = reader_of(reader, tables)
    if not files:
        raise DataError(f"reader '{reader}' was given no files; name one or more.")
    paths = [found(path) for path in files]
    for path in paths:
        if sum(path.samefile(other) for other in paths) > 1:
            raise DataError("this file is named twice: its rows would count double.", path=path)
    if max_rejects is not None and max_rejects < 0:
        raise ConfigError(
            f"max_rejects = {max_rejects}: 0 or more, please.", key="max_rejects", value=max_rejects
        )
    settings = {"reader": reader, "files": [path.name for path in paths]}
    with artifact.writing(Path(folder), "shop", settings=settings) as new:
        with Sink(new, max_rejects) as sink:
            chosen(paths, sink)
            if not sink.n_good():
                raise DataError(
                    f"no row could be read; first: {sink.first_rejects() or 'the files hold none'}."
                )
        rows = {name: n for name, n in sink.rows.items() if name != "rejects"}
        return ReadCount(rows=rows, rejects=sink.rows["rejects"], reasons=sink.reasons())


def reader_of(reader: str, tables: Mapping[str, Any] | None = None) -> Reader:
    """The reader of that name. Raises ConfigError with the nearest name when there is none."""
    if reader in READERS:
        if tables is not None:
            raise ConfigError(
                f"reader '{reader}' knows its columns; only '{TABULAR}' takes column maps.", key="tables"
            )
        return READERS[reader]
    if reader == TABULAR:
        return partial(read_tabular, maps_of(tables or {}))
    known = [*READERS, TABULAR]
    raise ConfigError(
        f"there is no reader '{reader}'; known: {', '.join(known)}.",
        key="reader",
        value=reader,
        nearest=nearest(reader, known),
    )
