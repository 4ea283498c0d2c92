"""Rows as they come, put on the disk as Parquet: one type a column, whatever types its batches had."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from retailor.shop.files.records import as_text

_PLAIN = frozenset((bool, int, float, str, bytes, Decimal, dt.date, dt.datetime, type(None)))


def batch_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """A record batch of rows of Python values; what Arrow has no one type for is text."""
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    return pa.record_batch([_column(values) for values in columns], names=list(names))


def _column(values: Sequence[Any]) -> Any:
    import pyarrow as pa

    kinds = {type(value) for value in values}
    if kinds <= _PLAIN or all(value is None or _is_list(value) for value in values):
        try:
            made = pa.array(values)
            return (
                made.cast(pa.decimal128(38, made.type.scale)) if pa.types.is_decimal128(made.type) else made
            )
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass
    return pa.array([_text(value) for value in values], pa.string())


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, (str, int, float, type(None))) for each in value)


def _text(value: Any) -> str | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else as_text(value)


def spool(batches: Iterable[Any], folder: Path) -> list[Path]:
    """Parquet files, in order, with all rows of the batches: one, unless the types of a column changed.

    All have the same columns of the same types. No rows give one file without rows where the batches had a
    schema, and none where there was no batch. Memory: one batch.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    schemas: list[Any] = []
    writer: Any = None
    try:
        for each in batches:
            batch = _storable(each)
            if writer is None or not batch.schema.equals(schemas[-1]):
                if writer is not None:
                    writer.close()
                paths.append(folder / f"{len(paths):04d}.parquet")
                schemas.append(batch.schema)
                writer = pq.ParquetWriter(paths[-1], batch.schema, compression="zstd")
            writer.write_table(pa.table(batch))
    finally:
        if writer is not None:
            writer.close()
    if len(schemas) < 2:
        return paths
    whole = _common(schemas)
    return [_recast(path, whole) for path in paths]


def read_batches(paths: Iterable[Path], n_rows: int = 65_536) -> Iterator[Any]:
    """The record batches of Parquet files, in order."""
    import pyarrow.parquet as pq

    for path in paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=n_rows)


def _storable(batch: Any) -> Any:
    """The batch in types that Parquet keeps: dictionaries and views as plain columns, others as text."""
    import pyarrow as pa

    return pa.record_batch([_plain_column(column) for column in batch.columns], names=batch.schema.names)


def _plain_column(column: Any) -> Any:
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        return _plain_column(column.dictionary_decode())
    if kind == pa.string_view():
        return column.cast(pa.string())
    if kind == pa.binary_view():
        return column.cast(pa.binary())
    odd = types.is_interval(kind) or types.is_duration(kind) or types.is_union(kind)
    if odd or isinstance(kind, pa.BaseExtensionType):
        return pa.array([_text(value) for value in column.to_pylist()], pa.string())
    return column


def _recast(path: Path, schema: Any) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    new = path.with_suffix(".new")
    with pq.ParquetWriter(new, schema, compression="zstd") as writer:
        for batch in read_batches([path]):
            columns = [_cast(batch.column(i), field.type) for i, field in enumerate(schema)]
            writer.write_table(pa.table(columns, schema=schema))
    new.replace(path)
    return path


def _cast(column: Any, kind: Any) -> Any:
    import pyarrow as pa

    if column.type.equals(kind):
        return column
    try:
        return column.cast(kind)
    except (pa.ArrowException, NotImplementedError):
        return pa.array([_text(value) for value in column.to_pylist()], pa.string())


def _common(schemas: Sequence[Any]) -> Any:
    import pyarrow as pa

    fields = []
    for i, name in enumerate(schemas[0].names):
        kind = schemas[0].field(i).type
        for schema in schemas[1:]:
            kind = _either(kind, schema.field(i).type)
        fields.append(pa.field(name, kind))
    return pa.schema(fields)


def _either(one: Any, other: Any) -> Any:
    """The type that holds values of both; text where none does."""
    import pyarrow as pa
    from pyarrow import types

    if one.equals(other) or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    if types.is_list(one) and types.is_list(other):
        return pa.list_(_either(one.value_type, other.value_type))
    if types.is_integer(one) and types.is_integer(other):
        return pa.int64()
    if all(types.is_integer(each) or types.is_floating(each) for each in (one, other)):
        return pa.float64()
    if types.is_decimal128(one) and types.is_decimal128(other):
        return pa.decimal128(38, max(one.scale, other.scale))
    return pa.string()
