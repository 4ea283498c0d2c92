"""The Shop: canonical tables, the same for every source, in memory as Polars and on disk as Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import polars as pl

from retailor.errors import DataError, MissingTable
from retailor.store import artifact

TIME = pl.Datetime("ms", "UTC")
KINDS = ("view", "cart", "buy", "favourite", "rate")
LABELS = ("negative", "neutral", "positive")

SCHEMAS: dict[str, dict[str, Any]] = {
    "items": {
        "item_id": pl.String,
        "title": pl.String,
        "description": pl.String,
        "brand": pl.String,
        "category": pl.List(pl.String),
        "price": pl.Float64,
        "currency": pl.String,
        "attributes": pl.List(pl.Struct({"name": pl.String, "value": pl.String})),
        "image": pl.String,
        "language": pl.String,
        "in_stock": pl.Boolean,
    },
    "events": {
        "user_id": pl.String,
        "item_id": pl.String,
        "kind": pl.String,
        "rating": pl.Float32,
        "time": TIME,
    },
    "reviews": {
        "review_id": pl.String,
        "user_id": pl.String,
        "item_id": pl.String,
        "rating": pl.Float32,
        "label": pl.String,
        "title": pl.String,
        "text": pl.String,
        "helpful": pl.Int64,
        "time": TIME,
        "language": pl.String,
    },
    "questions": {
        "question_id": pl.String,
        "item_id": pl.String,
        "question": pl.String,
        "answer": pl.String,
        "evidence": pl.List(pl.Struct({"text": pl.String, "source": pl.String, "relevance": pl.Float32})),
        "time": TIME,
        "language": pl.String,
    },
    "preferences": {
        "user_id": pl.String,
        "item_id": pl.String,
        "rating": pl.Float32,
        "chosen": pl.String,
        "rejected": pl.String,
        "time": TIME,
        "language": pl.String,
    },
    "judgments": {"query": pl.String, "item_id": pl.String, "grade": pl.Float32},
    "rules": {"heading": pl.String, "text": pl.String, "path": pl.String, "language": pl.String},
    "facts": {"name": pl.String, "values": pl.List(pl.String), "path": pl.String},
    "rejects": {"path": pl.String, "line": pl.Int64, "reason": pl.String},
    "unread": {
        "path": pl.String,
        "table": pl.String,
        "column": pl.String,
        "reason": pl.String,
        "n": pl.Int64,
        "examples": pl.List(pl.String),
    },
}
"""Column name to Polars type, a table. `rejects` holds the rows that could not be read, `unread` counts the
cells that could not: they are null in rows that are there."""
NOT_FILLED = ("rejects", "unread")
"""What reading says about itself, not what it read."""
OF_THE_SHOP = ("rules", "facts")
"""About the whole shop and no item: `shop/rules` reads them from a folder, no column map does."""


def empty(table: str) -> pl.DataFrame:
    """The table with its schema and no rows."""
    return pl.DataFrame(schema=SCHEMAS[table])


def conform(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with exactly the table's columns, in order and cast; absent columns become null.

    Raises DataError on a table that no shop has, a column that the table does not have, or one that cannot be
    cast.
    """
    try:
        return frame.select(_columns(table, frame.columns))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"'{table}' does not fit its schema: {error}") from None


def _columns(table: str, there: Sequence[str]) -> list[pl.Expr]:
    if table not in SCHEMAS:
        raise DataError(f"a shop has no table '{table}'; it has {', '.join(SCHEMAS)}.")
    schema = SCHEMAS[table]
    unknown = [name for name in there if name not in schema]
    if unknown:
        raise DataError(
            f"'{table}' has no column '{unknown[0]}'; it has {', '.join(schema)}.", column=unknown[0]
        )
    return [
        (pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    ]


@dataclass(frozen=True)
class Shop:
    """The tables of one shop. A missing table is an empty one with its schema."""

    items: pl.DataFrame
    events: pl.DataFrame
    reviews: pl.DataFrame
    questions: pl.DataFrame
    preferences: pl.DataFrame
    """Two drafts of a review of an item with so many stars, the first liked better, or edited out of the
    second."""
    judgments: pl.DataFrame
    rules: pl.DataFrame
    facts: pl.DataFrame
    rejects: pl.DataFrame
    unread: pl.DataFrame

    @classmethod
    def of(cls, tables: Mapping[str, pl.DataFrame] | None = None, /, **more: pl.DataFrame) -> Self:
        """A shop of the given tables, each made to fit its schema, and empty ones for the rest."""
        given = {name: conform(name, frame) for name, frame in {**(tables or {}), **more}.items()}
        return cls(**{name: given.get(name, empty(name)) for name in SCHEMAS})

    def tables(self) -> dict[str, pl.DataFrame]:
        """Name to table, in the order of the schemas."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def with_tables(self, **tables: pl.DataFrame) -> Self:
        """The same shop with some tables replaced."""
        made = object.__new__(type(self))
        vars(made).update(vars(self) | {name: conform(name, frame) for name, frame in tables.items()})
        return made

    def in_memory(self) -> Shop:
        """The shop with nothing left on disk to be read later: for a folder that goes away."""
        return Shop(**self.tables())

    def scan(self, table: str) -> pl.LazyFrame:
        """A table to read some columns or rows of. What is still on disk is not read whole for it."""
        frame: pl.DataFrame = getattr(self, table)
        return frame.lazy()

    def n_rows(self, table: str) -> int:
        """The rows of a table; one that is still on disk is not read for it."""
        return len(getattr(self, table))

    def require(self, task: str, *tables: str) -> None:
        """Raises MissingTable that names the first of `tables` that is empty, and who needs it."""
        for name in tables:
            if not self.n_rows(name):
                raise MissingTable(f"{task} needs the table '{name}', and this shop has no rows in it.")

    def save(self, folder: Path, *, settings: Mapping[str, Any] | None = None) -> None:
        """Writes an artifact of kind 'shop': one Parquet file a table; `settings` go into its manifest."""
        with artifact.writing(folder, "shop", settings=settings) as new:
            for name, frame in self.tables().items():
                frame.write_parquet(new / f"{name}.parquet")

    def __str__(self) -> str:
        sizes = ", ".join(f"{n:,} {name}" for name in SCHEMAS if (n := self.n_rows(name)))
        return f"Shop({sizes or 'empty'})"


class _Stored(Shop):
    """A shop whose tables are read from disk when they are first asked for, and kept then."""

    _files: Mapping[str, tuple[Path, tuple[int, ...]]]
    """Of each table that has a file, where it lies and how it was when the shop was opened."""

    def __getattr__(self, name: str) -> pl.DataFrame:
        if name not in SCHEMAS:
            raise AttributeError(name)
        frame = conform(name, pl.read_parquet(self._file(name))) if name in self._files else empty(name)
        vars(self)[name] = frame
        return frame

    def scan(self, table: str) -> pl.LazyFrame:
        if table in vars(self) or table not in self._files:
            return super().scan(table)
        frame = pl.scan_parquet(self._file(table))
        return frame.select(_columns(table, frame.collect_schema().names()))

    def n_rows(self, table: str) -> int:
        return int(self.scan(table).select(pl.len()).collect().item())

    def _file(self, table: str) -> Path:
        path, before = self._files[table]
        if not path.is_file() or _touched(path) != before:
            raise DataError("the file is another than when the shop was opened; open it again.", path=path)
        return path

    def __reduce__(self) -> Any:
        return Shop, tuple(self.tables().values())


def _touched(path: Path) -> tuple[int, ...]:
    about = path.stat()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def open_shop(folder: Path) -> Shop:
    """A saved shop, each table of which is read when it is first asked for. Raises DataError that names a
    missing or corrupt file; a table asked for after its file was taken away or replaced raises it too."""
    paths = {name: Path(folder) / f"{name}.parquet" for name in SCHEMAS}
    files = {name: (path, _touched(path)) for name, path in paths.items() if path.exists()}
    artifact.verify(Path(folder), "shop")
    shop = object.__new__(_Stored)
    vars(shop)["_files"] = files
    return shop


def label_of_rating(rating: pl.Expr) -> pl.Expr:
    """Stars to label: below 3 negative, 3 up to 4 neutral, 4 and above positive; null stays null."""
    return (
        pl.when(rating < 3).then(pl.lit("negative"))
        .when(rating < 4).then(pl.lit("neutral"))
        .when(rating >= 4).then(pl.lit("positive"))
    )  # fmt: skip
