"""Column maps: which column of a file goes where in a table, and how its values are read."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import polars as pl

from retailor.config import Field, settings
from retailor.errors import ConfigError, nearest
from retailor.shop.cells.currencies import active
from retailor.shop.cells.numbers import NumberForm
from retailor.shop.cells.times import TimeForm
from retailor.shop.readers.instants import instant_of
from retailor.shop.readers.readings import Reading
from retailor.shop.readers.values import ALLOWED
from retailor.shop.tables import NOT_FILLED, OF_THE_SHOP, SCHEMAS

REQUIRED = {
    "items": ("item_id",),
    "events": ("user_id", "item_id", "kind"),
    "reviews": (),
    "questions": ("question",),
    "preferences": ("item_id", "rating", "chosen", "rejected"),
    "judgments": ("query", "item_id", "grade"),
}


@dataclass(frozen=True)
class Settled:
    """What all cells of a column together settle, where the map leaves it open."""

    decimal: str | None = None
    day_first: bool | None = None
    time_unit: str | None = None


@settings
class ColumnMap:
    """How the rows of a file become rows of one table."""

    columns: dict[str, str] = Field(default_factory=dict)
    """Our column to the file's; 'a.b' reaches into JSON. Without a header: '1', '2', … or `names`."""
    instead: dict[str, str] = Field(default_factory=dict)
    """Our column to a second column of the file, for rows where the first is empty; a file may lack it."""
    constants: dict[str, Any] = Field(default_factory=dict)
    """Our column to one value for every row."""
    values: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Our column to the file's values and ours: {"kind": {"pv": "view"}}. Any other value is a reject."""
    optional: tuple[str, ...] = ()
    """Our columns that a file may lack. A time that cannot be read rejects its row, unless it stands here."""
    files: tuple[str, ...] = ()
    """Names of the files that it is for, with '*' for anything. Empty: every file that has its columns."""
    each: str | None = None
    """A list inside each object of JSON: every entry is a row, and the fields around it are those of each."""
    attributes: dict[str, str] = Field(default_factory=dict)
    """Of items: the name of a detail to the file's column that holds it, which a file may lack."""
    leave_out: tuple[str, ...] = ()
    """Our columns with `values`: rows of any other value are left out and counted, they are no rejects."""
    format: Literal["auto", "csv", "jsonl", "parquet"] = "auto"
    """'auto' goes by first bytes and suffix; 'csv' is any delimited text, 'jsonl' also a JSON array."""
    delimiter: str | None = Field(None, min_length=1, max_length=2)
    """None: the one of comma, tab, semicolon and bar that the header speaks for. One of two letters ('::')
    needs quote = ''."""
    quote: str | None = Field('"', max_length=1)
    """None or '': quotes mean nothing."""
    header: bool = True
    names: tuple[str, ...] = ()
    """Names of the columns of a file without a header, in order."""
    encoding: str | None = None
    """None: UTF-8, or what a byte order mark says."""
    time_unit: Literal["s", "ms", "us", "ns"] | None = None
    time_format: str | None = None
    """As in strptime. None: ISO 8601, dates in words, and what the whole column settles."""
    time_zone: str = "UTC"
    """Of times that do not say."""
    day_first: bool | None = None
    """Of '03/04/2018'. None: the column settles it, or such a time is not read."""
    decimal: Literal[".", ","] | None = None
    """The decimal sign of numbers in text. None: the column settles it, or '1.299' is not read."""
    thousands: Literal[".", ",", "'", " "] | None = None
    """What groups digits. None: anything but the decimal sign."""
    currency: str | None = None
    """ISO code of prices that name none, or only a sign of several currencies, such as '$'."""
    since: str | None = None
    """ISO, in UTC: a row before it is a reject; `until`: a row at it or after."""
    until: str | None = None
    list_separator: str | None = None
    """Parts the text of a category: 'Home > Kitchen'."""
    derived: bool = False
    """The table only gathers what another table's rows mention: repeats are expected, and no rejects."""

    def reading(self, name: str, settled: Settled | None = None) -> Reading:
        """How the values of our column `name` are read, with what its whole column settles."""
        settled = settled or Settled()
        mapped = self.decimal or {".": ",", ",": "."}.get(self.thousands or "")
        currency = self.currency or self.constants.get("currency")
        return Reading(
            name=name,
            values=self.values.get(name),
            list_separator=self.list_separator,
            time_unit=self.time_unit or settled.time_unit,
            time_format=self.time_format,
            since=self.since,
            until=self.until,
            numbers=NumberForm(mapped or settled.decimal, self.thousands, mapped is not None, currency),
            times=TimeForm(
                settled.day_first if self.day_first is None else self.day_first,
                self.day_first is not None,
                self.time_zone,
            ),
        )


def check_map(table: str, map: ColumnMap) -> None:
    """Raises ConfigError when the map names a table or column that is not there, or lacks a required one."""
    tables = [name for name in SCHEMAS if name not in (*NOT_FILLED, *OF_THE_SHOP)]
    if table not in tables:
        raise ConfigError(
            f"[tables]: there is no table '{table}'; known: {', '.join(tables)}.",
            key=table,
            nearest=nearest(table, tables),
        )
    for name in map.instead:
        if name not in map.columns:
            raise ConfigError(
                f"[tables.{table}]: instead has '{name}', which 'columns' lacks.", key="instead"
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

    if map.attributes and table != "items":
        raise ConfigError(f"[tables.{table}]: only 'items' have attributes.", key="attributes")
    for name in map.leave_out:
        if name not in map.values or name not in map.columns:
            raise ConfigError(
                f"[tables.{table}]: leave_out has '{name}', which needs 'columns' and 'values' of that name.",
                key="leave_out",
                value=name,
            )
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
    if len(map.delimiter or "") > 1 and map.quote:
        raise ConfigError(
            f"{where}: delimiter = '{map.delimiter}' needs quote = '': then quotes mean nothing.",
            key="delimiter",
            value=map.delimiter,
        )
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
    if map.currency is not None:
        _check_currency(f"{where}: currency", map.currency)
    if map.decimal is not None and map.decimal == map.thousands:
        raise ConfigError(f"{where}: 'decimal' and 'thousands' are both '{map.decimal}'.", key="thousands")
    for key, text in (("since", map.since), ("until", map.until)):
        if text is not None:
            instant_of(text, key)


def _check_currency(where: str, code: str) -> None:
    if code not in active():
        raise ConfigError(
            f"{where} = '{code}': give an ISO 4217 code, such as 'EUR'.",
            key="currency",
            value=code,
            nearest=nearest(str(code).upper(), active()),
        )


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
    if name == "currency":
        _check_currency(f"[tables.{table}]: constant 'currency'", value)
    return made[0] if isinstance(value, (int, float)) else value


def is_for(map: ColumnMap, name: str) -> bool:
    """Whether the map is for a file or stream of that name: 'orders.csv', 'x.zip/orders.csv'."""
    return not map.files or any(
        fnmatch(Path(name).name, each) or fnmatch(name, f"*/{each}") for each in map.files
    )


def wanted(map: ColumnMap) -> list[str]:
    """Every column of a file that the map has a use for."""
    return list(dict.fromkeys((*map.columns.values(), *map.instead.values(), *map.attributes.values())))


def sources(map: ColumnMap) -> list[str]:
    """The columns that a file must have."""
    return [source for name, source in map.columns.items() if name not in map.optional]
