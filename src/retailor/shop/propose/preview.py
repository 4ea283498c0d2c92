"""The first rows of a proposal, as its readers read them."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from retailor.errors import DataError
from retailor.shop.propose.proposal import Found
from retailor.shop.propose.sample import Sample
from retailor.shop.propose.write import sources_of
from retailor.shop.read import ReadCount, read_sources
from retailor.shop.tables import NOT_FILLED, OF_THE_SHOP, Shop, open_shop

N_ROWS = 10
_WIDTH = 28


@dataclass(frozen=True)
class Preview:
    """The head of the files, read."""

    shop: Shop
    count: ReadCount

    def __str__(self) -> str:
        parts = [str(self.count)]
        for name, table in self.shop.tables().items():
            if len(table) and name not in (*NOT_FILLED, *OF_THE_SHOP):
                parts.append(f"{name}, as they would be read:\n{shown(table.head(N_ROWS))}")
        return "\n\n".join(parts)


def preview(found: Sequence[Found]) -> Preview:
    """What the readers of the proposal make of the heads of its files. Raises DataError as reading does."""
    with tempfile.TemporaryDirectory(prefix="retailor-") as folder:
        heads = _heads([each.sample for each in found if each.reader], Path(folder))
        here = [
            replace(each, sample=replace(each.sample, path=heads[each.sample.path]))
            for each in found
            if each.reader
        ]
        if not here:
            raise DataError(
                "nothing in these files is a table of a shop; see the column maps in docs/start.md."
            )
        count = read_sources(sources_of(here), Path(folder) / "shop")
        return Preview(open_shop(Path(folder) / "shop").in_memory(), count)


def _heads(samples: Sequence[Sample], folder: Path) -> dict[Path, Path]:
    """Each file to a copy of its head under the same name, in a folder of its own."""
    made: dict[Path, Path] = {}
    for path in dict.fromkeys(sample.path for sample in samples):
        place = folder / str(len(made))
        place.mkdir()
        own = [sample for sample in samples if sample.path == path]
        made[path] = place / path.name
        if own[0].layout.get("format") == "parquet":
            _parquet_head(path, made[path])
        elif path.suffix.lower() == ".zip":
            with zipfile.ZipFile(made[path], "w", zipfile.ZIP_DEFLATED) as archive:
                for sample in own:
                    archive.writestr(sample.name, _bytes(sample))
        else:
            made[path].write_bytes(_bytes(own[0]))
    return made


def _bytes(sample: Sample) -> bytes:
    """The head as a file of its own: of a JSON document that goes on, the rows that are whole."""
    if not (sample.cut and sample.is_json and sample.rows):
        return sample.head
    return b"\n".join(orjson.dumps(row, default=str) for row in sample.rows) + b"\n"


def _parquet_head(path: Path, to: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    batch = next(file.iter_batches(batch_size=2_000), None)
    table = pa.Table.from_batches([] if batch is None else [batch], schema=file.schema_arrow)
    pq.write_table(table, to)


def shown(table: pl.DataFrame) -> str:
    """The rows as lines of text, long cells cut and columns without a value left out."""
    kept = [name for name in table.columns if table[name].null_count() < len(table)]
    rows = [[_cell(value) for value in row] for row in table.select(kept).iter_rows()]
    widths = [max([len(name), *(len(row[i]) for row in rows)]) for i, name in enumerate(kept)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [kept, *rows]
    ]
    return "\n".join(f"  {line.rstrip()}" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = " > ".join(
            one if isinstance(one, str) else f"{one.get('name', one)}: {one.get('value', '')}"
            for one in value
        )
    text = " ".join(
        (
            f"{value:%Y-%m-%d %H:%M}"
            if hasattr(value, "strftime")
            else f"{value:g}"
            if isinstance(value, float)
            else str(value)
        ).split()
    )
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
