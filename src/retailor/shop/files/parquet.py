"""Parquet as frames: the types a table can use as they are, any other as JSON text."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from retailor.errors import DataError
from retailor.shop.files.lines import Reject, bad_byte
from retailor.shop.files.records import as_text

Frames = Iterator[tuple[pl.DataFrame, pl.Series]]
_BATCH = 65_536
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)


def parquet(path: Path, wanted: tuple[str, ...], reject: Reject) -> Frames:
    """Frames of the wanted columns with the number of each row, from 1; the first holds all names alone.

    Raises DataError for a file that is cut off or corrupt, and for a column that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            again = next(name for name in names if names.count(name) > 1)
            raise DataError(f"it has two columns '{again}': rename one.", path=path, column=again)
        columns = [name for name in names if name in wanted]
        yield pl.DataFrame(schema=names).clear(), pl.Series([], dtype=pl.Int64)
        line = 1
        for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
            made = {name: _column(name, batch.column(name), path) for name in columns}
            lines = pl.int_range(line, line + batch.num_rows, dtype=pl.Int64, eager=True)
            line += batch.num_rows
            yield _texts(pl.DataFrame(made), lines, reject)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        told = " ".join(str(error).split())[:200]
        raise DataError(f"the Parquet file is cut off or corrupt ({told}).", path=path) from None


def _column(name: str, array: Any, path: Path) -> pl.Series:
    """A column in a type that Polars and our tables know. Raises DataError where there is none."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_duration(kind) or pa.types.is_interval(kind):
        raise DataError(f"column '{name}' is of type {kind}, which cannot be read.", path=path, column=name)
    try:
        if pa.types.is_null(kind):
            return pl.Series(name, [None] * len(array), dtype=pl.String)
        if (
            pa.types.is_timestamp(kind) and kind.tz is not None
        ):  # the instant is UTC, the zone but how to show it
            array = array.cast(pa.timestamp(kind.unit, "UTC"))
        if pa.types.is_dictionary(kind):
            array = array.dictionary_decode()
        if pa.types.is_fixed_size_list(kind):
            array = array.cast(pa.list_(kind.value_type))
        if pa.types.is_decimal256(kind):
            array = _narrower(array)
        array = _checked(array)
        if _is_plain(array.type):
            return pl.Series(name, pl.from_arrow(array))
        return pl.Series(name, _as_json(array), dtype=pl.String)
    except (
        pa.ArrowException,
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        *_UNREADABLE,
    ) as error:
        told = " ".join(str(error).split())[:200]
        raise DataError(
            f"column '{name}' of type {kind} cannot be read ({told}): write it as text.",
            path=path,
            column=name,
        ) from None


def _narrower(array: Any) -> Any:
    """Decimals wider than those of Polars: in its width where they fit, else as text; none is rounded."""
    import pyarrow as pa

    try:
        return array.cast(pa.decimal128(38, array.type.scale))
    except pa.ArrowInvalid:
        return array.cast(pa.string())


def _checked(array: Any) -> Any:
    """The array, its values of its type; text that is not UTF-8 as bytes, so that its rows are rejects."""
    import pyarrow as pa

    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        kinds = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
        if array.type not in kinds:
            raise
        array = array.view(kinds[array.type])
        array.validate(full=True)
    return array


def _is_plain(kind: Any) -> bool:
    """Scalars, and lists (also of lists, or of structs) of them."""
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        inner = kind.value_type
        if types.is_struct(inner):
            return (
                all(_is_scalar(inner.field(i).type) for i in range(inner.num_fields)) and inner.num_fields > 0
            )
        return _is_scalar(inner) or _is_plain(inner)
    return _is_scalar(kind) or types.is_decimal128(kind)


def _is_scalar(kind: Any) -> bool:
    from pyarrow import types

    return any(
        is_kind(kind)
        for is_kind in (
            types.is_boolean, types.is_integer, types.is_floating, types.is_string, types.is_large_string,
            types.is_binary, types.is_large_binary, types.is_fixed_size_binary,
            types.is_date, types.is_timestamp,
        )
    )  # fmt: skip


def _as_json(array: Any) -> list[str | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a key that a map holds twice the last value counts
        return [as_text(value) for value in array.to_pylist(maps_as_pydicts="lossy")]


def _texts(frame: pl.DataFrame, lines: pl.Series, reject: Reject) -> tuple[pl.DataFrame, pl.Series]:
    """The rows with bytes as text and without NULs; a row whose bytes are no text is a reject."""
    for name in [name for name, kind in frame.schema.items() if kind == pl.Binary]:
        text = frame[name].map_elements(_decoded, return_dtype=pl.String)
        broken = text.is_null() & frame[name].is_not_null()
        for line in lines.filter(broken):
            reject(line, f"column '{name}' is not UTF-8")
        frame, lines = frame.with_columns(text.alias(name)).filter(~broken), lines.filter(~broken)
    return frame.with_columns(pl.col(pl.String).str.replace_all("\0", "", literal=True)), lines


def _decoded(raw: bytes) -> str | None:
    return None if bad_byte(raw) is not None else raw.decode()
