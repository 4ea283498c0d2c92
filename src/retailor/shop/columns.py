"""Column maps: which column of a file goes where in a table, and how its values are read."""

from __future__ import annotations

import zoneinfo
from typing import Any, Literal

import polars as pl

from retailor.config import Field, settings
from retailor.errors import ConfigError, DataError, nearest
from retailor.shop.ids import content_ids
from retailor.shop.tables import SCHEMAS, label_of_rating
from retailor.shop.values import ALLOWED, Fault, Reading, faults_of, instant_of, text_of, value_of

REQUIRED = {
    "items": ("item_id",),
    "events": ("user_id", "item_id", "kind"),
    "reviews": (),
    "questions": ("question",),
    "judgments": ("query", "item_id", "grade"),
}
_OURS = "our "
"""Before the names of made columns, for a file may use our names for something else."""


@settings
class ColumnMap:
    """How the rows of a file become rows of one table."""

    columns: dict[str, str] = Field(default_factory=dict)
    """Our column to the file's; 'a.b' reaches into JSON. Without a header: '1', '2', … or `names`."""
    constants: dict[str, Any] = Field(default_factory=dict)
    """Our column to one value for every row."""
    values: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Our column to the file's values and ours: {"kind": {"pv": "view"}}. Any other value is a reject."""
    optional: tuple[str, ...] = ()
    """Our columns that a file may lack."""
    format: Literal["auto", "csv", "jsonl", "parquet"] = "auto"
    """'auto' goes by first bytes and suffix; 'csv' is any delimited text, 'jsonl' also a JSON array."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """None: the one of comma, tab, semicolon and bar that the header speaks for."""
    quote: str | None = Field('"', max_length=1)
    """None or '': quotes mean nothing."""
    header: bool = True
    names: tuple[str, ...] = ()
    """Names of the columns of a file without a header, in order."""
    encoding: str | None = None
    """None: UTF-8, or what a byte order mark says."""
    time_unit: Literal["s", "ms", "us", "ns"] | None = None
    time_format: str | None = None
    """As in strptime. None: ISO 8601 and its near relatives."""
    time_zone: str = "UTC"
    """Of times that do not say."""
    since: str | None = None
    """ISO, in UTC: a row before it is a reject; `until`: a row at it or after."""
    until: str | None = None
    list_separator: str | None = None
    """Parts the text of a category: 'Home > Kitchen'."""
    derived: bool = False
    """The table only gathers what another table's rows mention: repeats are expected, and no rejects."""

    def reading(self, name: str) -> Reading:
        """How the values of our column `name` are read."""
        return Reading(
            name=name,
            values=self.values.get(name),
            list_separator=self.list_separator,
            time_unit=self.time_unit,
            time_format=self.time_format,
            time_zone=self.time_zone,
            since=self.since,
            until=self.until,
        )


def check_map(table: str, map: ColumnMap) -> None:
    """Raises ConfigError when the map names a table or column that is not there, or lacks a required one."""
    tables = [name for name in SCHEMAS if name != "rejects"]
    if table not in tables:
        raise ConfigError(
            f"[tables]: there is no table '{table}'; known: {', '.join(tables)}.",
            key=table,
            nearest=nearest(table, tables),
        )
    for name in (*map.columns, *map.constants, *map.values, *map.optional):
        if name not in SCHEMAS[table]:
            raise ConfigError(
                f"[tables.{table}]: '{table}' has no column '{name}'; it has {', '.join(SCHEMAS[table])}.",
                key=name,
                nearest=nearest(name, SCHEMAS[table]),
            )
    for name in REQUIRED[table]:
        if name not in map.columns and name not in map.constants:
            raise ConfigError(f"[tables.{table}]: no column for '{name}', which '{table}' needs.", key=name)

    _check_values(table, map)
    _check_layout(table, map)


def _check_values(table: str, map: ColumnMap) -> None:
    for name, value in map.constants.items():
        constant(table, name, value)
    for name, values in map.values.items():
        for value in values.values():
            constant(table, name, value)
    for name in REQUIRED[table]:
        if name in map.optional:
            raise ConfigError(
                f"[tables.{table}]: '{table}' needs '{name}', so it cannot be optional.", key="optional"
            )


def _check_layout(table: str, map: ColumnMap) -> None:
    where = f"[tables.{table}]"
    if len(set(map.names)) < len(map.names):
        again = next(name for name in map.names if map.names.count(name) > 1)
        raise ConfigError(f"{where}: 'names' has '{again}' twice.", key="names", value=again)
    if map.encoding is not None and not _is_text_encoding(map.encoding):
        raise ConfigError(
            f"{where}: there is no encoding '{map.encoding}'; 'utf-8', 'gbk', 'latin-1' are some.",
            key="encoding",
            value=map.encoding,
        )
    if map.time_zone not in zoneinfo.available_timezones():
        raise ConfigError(
            f"{where}: there is no time zone '{map.time_zone}'; 'Asia/Shanghai' and 'UTC' are some.",
            key="time_zone",
            value=map.time_zone,
            nearest=nearest(map.time_zone, zoneinfo.available_timezones()),
        )
    for key, text in (("since", map.since), ("until", map.until)):
        if text is not None:
            instant_of(text, key)


def _is_text_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        return False
    return True


def constant(table: str, name: str, value: Any) -> Any:
    """One value of the column `name`, ready for its type. Raises ConfigError where it is none."""
    kind = SCHEMAS[table][name]
    wrong = ConfigError(f"[tables.{table}]: {value!r} cannot be a value of '{name}'.", key=name, value=value)
    if name == "time" and isinstance(value, str):
        return instant_of(value, name)
    if name == "category" and isinstance(value, str):
        value = [value]
    try:
        made = pl.Series([value], dtype=kind)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        raise wrong from None
    allowed = ALLOWED.get(name)
    if (allowed and value not in allowed) or (name == "rating" and not 1 <= value <= 5):
        raise wrong
    return made[0] if isinstance(value, (int, float)) else value


def sources(map: ColumnMap) -> list[str]:
    """The columns that a file must have."""
    return [source for name, source in map.columns.items() if name not in map.optional]


def canonical(table: str, map: ColumnMap, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """(good rows of the table, which rows of `frame` they are, reasons of the others in order).

    Values are made for all rows at once; words are found only for the rows that look wrong.
    """
    made = {}
    for name, kind in SCHEMAS[table].items():
        source = map.columns.get(name)
        if source is not None and source in frame.columns:
            made[name] = value_of(map.reading(name), kind, pl.col(source), frame.schema[source])
        elif name in map.constants:
            made[name] = pl.lit(constant(table, name, map.constants[name]), kind)
    both = frame.lazy().with_columns(value.alias(_OURS + name) for name, value in made.items()).collect()
    empty = [c for c in both.columns if c.startswith(_OURS) and both.schema[c] == pl.String]
    empty = [c for c in empty if (both[c] == "").any()]
    if empty:
        both = both.with_columns(pl.when(pl.col(c) != "").then(pl.col(c)).alias(c) for c in empty)
    faults = _faults(table, map, both)
    strange = both.select(pl.any_horizontal(bad for bad, _ in faults).fill_null(False).alias("bad"))["bad"]
    good = ~strange
    reasons = pl.Series([], dtype=pl.String)
    if strange.any():
        reasons = _told(both.filter(strange), faults)
        both = both.filter(good)
    rows = both.select(pl.col(_OURS + name).alias(name) for name in made)
    if table == "reviews" and "label" not in made and "rating" in made:
        rows = rows.with_columns(label=label_of_rating(pl.col("rating")))
    return _with_ids(table, rows), good, reasons


def _told(rows: pl.DataFrame, faults: list[Fault]) -> pl.Series:
    """The words of the first fault of each row."""
    names = [f"fault {i}" for i in range(len(faults))]
    bad = rows.with_columns(bad.fill_null(False).alias(n) for n, (bad, _) in zip(names, faults, strict=True))
    told = rows.with_columns(words.alias(n) for n, (_, words) in zip(names, faults, strict=True))
    pairs = zip(bad.select(names).iter_rows(), told.select(names).iter_rows(), strict=True)
    return pl.Series([words[flags.index(True)] for flags, words in pairs], dtype=pl.String)


def _faults(table: str, map: ColumnMap, both: pl.DataFrame) -> list[Fault]:
    """What can be wrong with a row of raw and made columns, the first one to tell first."""
    faults: list[Fault] = []
    for name, source in map.columns.items():
        if source in both.columns:
            text = text_of(pl.col(source), both.schema[source]).str.strip_chars()
            whole = both[_OURS + name].null_count() == 0
            faults += faults_of(map.reading(name), pl.col(_OURS + name), text, whole=whole)
    for name in REQUIRED[table]:
        source = map.columns.get(name, name)
        told = f"no {name}" + (f" (column '{source}' is empty)" if source != name else "")
        faults.append((pl.col(_OURS + name).is_null(), pl.lit(told)))
    if table == "reviews":
        said = [_OURS + name for name in ("text", "title", "rating") if _OURS + name in both.columns]
        none = pl.all_horizontal(pl.col(column).is_null() for column in said) if said else pl.lit(True)
        faults.append((none, pl.lit("neither text, title nor rating")))
    return faults or [(pl.lit(False), pl.lit(""))]


def _with_ids(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Reviews and questions without an id of their own get one from their content."""
    name, content = {
        "reviews": ("review_id", ("user_id", "item_id", "time", "rating", "title", "text")),
        "questions": ("question_id", ("item_id", "question", "answer", "time")),
    }.get(table, ("", ()))
    if not name or name in rows.columns:
        return rows
    known = [column for column in content if column in rows.columns]
    return rows.with_columns(content_ids(rows, *known).alias(name))


def missing_column(name: str, source: str, known: list[str], line: int) -> DataError:
    """The error for a file that lacks a column of the map, with the nearest one it has."""
    like = nearest(source, known)
    shown = ", ".join(column[:40] for column in known[:20]) + (" …" if len(known) > 20 else "")
    hint = f" Did you mean '{like}'?" if like else ""
    return DataError(f"no column '{source}'; it has {shown}.{hint}", path=name, row=line, column=source)
