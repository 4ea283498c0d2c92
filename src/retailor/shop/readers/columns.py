"""Column maps: which column of a file goes where in a table, and how its values are read."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import polars as pl

from retailor.config import Field, settings
from retailor.errors import ConfigError, DataError, nearest
from retailor.shop.cells.currencies import active, known_first
from retailor.shop.cells.ids import content_ids
from retailor.shop.cells.numbers import NumberForm
from retailor.shop.cells.times import TimeForm
from retailor.shop.readers.values import (
    ALLOWED,
    PRICE_CODES,
    Reading,
    codes_of_price,
    instant_of,
    outside,
    says_none,
    text_of,
    value_of,
    why,
)
from retailor.shop.tables import NOT_FILLED, SCHEMAS, label_of_rating

Fault = tuple[pl.Expr, pl.Expr]
"""True where a row is wrong, and the words for it."""

REQUIRED = {
    "items": ("item_id",),
    "events": ("user_id", "item_id", "kind"),
    "reviews": (),
    "questions": ("question",),
    "judgments": ("query", "item_id", "grade"),
}
N_EXAMPLES = 3
_OURS = "our "
"""Before the names of made columns, for a file may use our names for something else."""


@dataclass(frozen=True)
class Settled:
    """What all cells of a column together settle, where the map leaves it open."""

    decimal: str | None = None
    day_first: bool | None = None
    time_unit: str | None = None


@dataclass(frozen=True)
class Loss:
    """Cells of one column that could not be read and are null: why, how many, and which rows, as examples."""

    column: str
    reason: str
    n: int
    examples: list[tuple[int, str]]
    """Row of the frame, and what stood there."""


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
    """Our columns that a file may lack. A time that cannot be read rejects its row, unless it stands here."""
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
    tables = [name for name in SCHEMAS if name not in NOT_FILLED]
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


def sources(map: ColumnMap) -> list[str]:
    """The columns that a file must have."""
    return [source for name, source in map.columns.items() if name not in map.optional]


def canonical(
    table: str, map: ColumnMap, frame: pl.DataFrame, settled: Mapping[str, Settled] | None = None
) -> tuple[pl.DataFrame, pl.Series, pl.Series, list[Loss]]:
    """(good rows of the table, which rows of `frame` they are, reasons of the others in order, lost cells).

    `settled`: by our column. Values are made for all rows at once; words are found only for what looks wrong.
    """
    how = {name: map.reading(name, (settled or {}).get(name)) for name in SCHEMAS[table]}
    made = {}
    for name, kind in SCHEMAS[table].items():
        source = map.columns.get(name)
        if source is not None and source in frame.columns:
            made[name] = value_of(how[name], kind, pl.col(source), frame.schema[source])
            if name == "price":
                made[PRICE_CODES] = codes_of_price(how[name], pl.col(source), frame.schema[source])
        elif name in map.constants:
            made[name] = pl.lit(constant(table, name, map.constants[name]), kind)
    both = frame.lazy().with_columns(value.alias(_OURS + name) for name, value in made.items()).collect()
    empty = [c for c in both.columns if c.startswith(_OURS) and both.schema[c] == pl.String]
    empty = [c for c in empty if (both[c] == "").any()]
    if empty:
        both = both.with_columns(pl.when(pl.col(c) != "").then(pl.col(c)).alias(c) for c in empty)
    lost = _lost(map, both)
    faults = _faults(table, map, how, both, lost)
    strange = both.select(pl.any_horizontal(bad for bad, _ in faults).fill_null(False).alias("bad"))["bad"]
    good = ~strange
    reasons = pl.Series([], dtype=pl.String)
    at = pl.int_range(len(both), eager=True)
    if strange.any():
        reasons = _told(both.filter(strange), faults)
        both, at = both.filter(good), at.filter(good)
    losses = [
        loss
        for name, gone in lost.items()
        if name not in must(table, map)
        for loss in _losses(name, both.filter(gone), at.filter(both.select(gone).to_series()), map, how[name])
    ]
    if PRICE_CODES in made:
        both, more = _with_currency(map, both, at)
        made["currency"] = made.get("currency", pl.lit(None))
        losses += more
    rows = both.select(pl.col(_OURS + name).alias(name) for name in made if name != PRICE_CODES)
    if table == "reviews" and "label" not in made and "rating" in made:
        rows = rows.with_columns(label=label_of_rating(pl.col("rating")))
    return _with_ids(table, rows), good, reasons, losses


def must(table: str, map: ColumnMap) -> tuple[str, ...]:
    """Our columns whose unreadable cells reject the row: what the table needs, and the time.

    A row whose time is lost would stand on the wrong side of a split by time, so that the map must allow it.
    """
    return REQUIRED[table] if "time" in map.optional else (*REQUIRED[table], "time")


def _lost(map: ColumnMap, both: pl.DataFrame) -> dict[str, pl.Expr]:
    """Our column to where a cell has something in it and gave no value; columns without such are left out."""
    found = {}
    for name, source in map.columns.items():
        if source not in both.columns or isinstance(both.schema[source], (pl.List, pl.Struct)):
            continue
        if both[_OURS + name].null_count():
            text = text_of(pl.col(source), both.schema[source])
            found[name] = pl.col(_OURS + name).is_null() & ~says_none(text).fill_null(True)
    return found


def _losses(name: str, gone: pl.DataFrame, at: pl.Series, map: ColumnMap, how: Reading) -> list[Loss]:
    """The lost cells of a column, a reason an entry."""
    if not len(gone):
        return []
    source = map.columns[name]
    texts = gone.select(text_of(pl.col(source), gone.schema[source]).str.strip_chars().alias("text"))["text"]
    return _by_reason(name, texts, at, lambda text: why(how, text))


def _by_reason(name: str, texts: pl.Series, at: pl.Series, reason: Callable[[str], str]) -> list[Loss]:
    counts = (
        pl.DataFrame({"text": texts, "at": at})
        .group_by("text", maintain_order=True)
        .agg(pl.len().alias("n"), pl.col("at").first())
    )
    found: dict[str, Loss] = {}
    for text, n, first in counts.iter_rows():
        told = reason(text)
        old = found.get(told, Loss(name, told, 0, []))
        examples = [*old.examples, (first, text)][:N_EXAMPLES]
        found[told] = Loss(name, told, old.n + n, examples)
    return list(found.values())


def _with_currency(map: ColumnMap, both: pl.DataFrame, at: pl.Series) -> tuple[pl.DataFrame, list[Loss]]:
    """The currency of each price: what its column, its cell or the map says; null where they disagree."""
    codes, price = pl.col(_OURS + PRICE_CODES), pl.col(_OURS + "price")
    single = pl.when(~codes.str.contains(",", literal=True)).then(codes)
    mapped = "currency" in map.columns and _OURS + "currency" in both.columns
    said = pl.col(_OURS + "currency") if mapped else pl.lit(map.currency, pl.String)
    fits = codes.is_null() | said.is_null() | codes.str.contains(said)
    made: pl.Expr
    if mapped:
        usual = pl.when(price.is_not_null()).then(pl.lit(map.currency, pl.String))
        made = pl.when(fits).then(pl.coalesce(said, single, usual))
    elif "currency" in map.constants:
        made = pl.coalesce(single, pl.col(_OURS + "currency"))
    else:
        made = pl.coalesce(single, pl.when(price.is_not_null() & codes.is_null()).then(said))
    both = both.with_columns(made.alias(_OURS + "currency"))
    wrong = pl.col(_OURS + "currency").is_null() & price.is_not_null() & codes.is_not_null()
    gone = both.filter(wrong)
    if not len(gone):
        return both, []
    source = map.columns["price"]
    texts = gone[source].str.strip_chars()
    meant = dict(zip(texts, gone[_OURS + PRICE_CODES], strict=True))
    return both, _by_reason(
        "currency", texts, at.filter(both.select(wrong).to_series()), lambda text: _no_currency(meant[text])
    )


def _no_currency(codes: str) -> str:
    if "," not in codes:
        return "names another currency than the row's own column"
    return f"has a sign of several currencies ({known_first(codes.split(','))}): give currency = one of them"


def _told(rows: pl.DataFrame, faults: list[Fault]) -> pl.Series:
    """The words of the first fault of each row."""
    names = [f"fault {i}" for i in range(len(faults))]
    bad = rows.with_columns(bad.fill_null(False).alias(n) for n, (bad, _) in zip(names, faults, strict=True))
    told = rows.with_columns(words.alias(n) for n, (_, words) in zip(names, faults, strict=True))
    pairs = zip(bad.select(names).iter_rows(), told.select(names).iter_rows(), strict=True)
    return pl.Series([words[flags.index(True)] for flags, words in pairs], dtype=pl.String)


def _faults(
    table: str, map: ColumnMap, how: Mapping[str, Reading], both: pl.DataFrame, lost: Mapping[str, pl.Expr]
) -> list[Fault]:
    """What can be wrong with a row of raw and made columns, the first one to tell first."""
    faults: list[Fault] = []
    for name, gone in lost.items():
        if name in must(table, map):
            source = map.columns[name]
            text = text_of(pl.col(source), both.schema[source]).str.strip_chars()
            faults.append((gone, text.map_elements(partial(_words, how[name]), return_dtype=pl.String)))
    if "time" in map.columns and map.columns["time"] in both.columns:
        limits = outside(how["time"], pl.col(_OURS + "time"))
        faults += [limits] if limits else []
    for name in REQUIRED[table]:
        source = map.columns.get(name, name)
        told = f"no {name}" + (f" (column '{source}' is empty)" if source != name else "")
        faults.append((pl.col(_OURS + name).is_null(), pl.lit(told)))
    if table == "reviews":
        said = [_OURS + name for name in ("text", "title", "rating") if _OURS + name in both.columns]
        none = pl.all_horizontal(pl.col(column).is_null() for column in said) if said else pl.lit(True)
        faults.append((none, pl.lit("neither text, title nor rating")))
    return faults or [(pl.lit(False), pl.lit(""))]


def _words(how: Reading, text: str) -> str:
    return f"{how.name} '{text[:40]}' {why(how, text)}"


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
