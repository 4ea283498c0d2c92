"""Column maps: which column of a file goes where in a table, and how its values are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import polars as pl

from retailor.config import Field, settings
from retailor.errors import ConfigError, DataError, nearest
from retailor.shop.ids import content_ids
from retailor.shop.tables import KINDS, LABELS, SCHEMAS, TIME, label_of_rating

REQUIRED = {
    "items": ("item_id",),
    "events": ("user_id", "item_id", "kind"),
    "reviews": (),
    "questions": ("question",),
    "judgments": ("query", "item_id", "grade"),
}
_ALLOWED = {"kind": KINDS, "label": LABELS}
_UNIT_PER_MS = {"s": 0.001, "ms": 1, "us": 1_000, "ns": 1_000_000}
_DATES = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M",
)
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d")
_ZONED = "%Y-%m-%dT%H:%M:%S%.f%#z"
_PRICE = r"(\d[\d,]*(?:\.\d+)?)"


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


def sources(map: ColumnMap) -> list[str]:
    """The columns that a file must have."""
    return [source for name, source in map.columns.items() if name not in map.optional]


def canonical(table: str, map: ColumnMap, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """(rows of the table, reasons), each as long as `frame`; a reason is null where all is well."""
    made: list[pl.Expr] = []
    reasons: list[pl.Expr] = []
    for name, kind in SCHEMAS[table].items():
        source = map.columns.get(name)
        if source is not None and source in frame.columns:
            value, reason = _column(map, name, kind, source, frame.schema[source])
            made.append(value.alias(name))
            if reason is not None:
                reasons.append(reason.alias(f"why {name}"))
        elif name in map.constants:
            made.append(pl.lit(map.constants[name]).cast(kind).alias(name))
    rows = frame.lazy().select(*made, *reasons).collect()
    if table == "reviews" and "label" not in rows.columns and "rating" in rows.columns:
        rows = rows.with_columns(label=label_of_rating(pl.col("rating")))
    missing = [_missing(map, table, name) for name in REQUIRED[table]]
    if table == "reviews":
        said = [pl.col(c).is_null() for c in ("text", "title", "rating") if c in rows.columns]
        missing.append(pl.when(pl.all_horizontal(said)).then(pl.lit("neither text, title nor rating")))
    whys = [pl.col(c) for c in rows.columns if c.startswith("why ")]
    why = rows.lazy().select(why=pl.coalesce(*whys, *missing, pl.lit(None, pl.String))).collect()["why"]
    rows = rows.select(c for c in SCHEMAS[table] if c in rows.columns)
    return _with_ids(table, rows), why


def _missing(map: ColumnMap, table: str, name: str) -> pl.Expr:
    source = map.columns.get(name)
    told = f"no {name}" + (f" (column '{source}' is empty)" if source and source != name else "")
    return pl.when(pl.col(name).is_null()).then(pl.lit(told))


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


def _column(map: ColumnMap, name: str, kind: Any, source: str, given: Any) -> tuple[pl.Expr, pl.Expr | None]:
    """The value of one column, and the reason why it is wrong (null where right, None: it always is)."""
    raw = pl.col(source)
    if name in map.values:
        return _mapped(map.values[name], name, kind, _as_text(raw, given).str.strip_chars())
    if name == "time":
        value = _time(map, raw, given)
        return value, _time_reason(map, value, _as_text(raw, given))
    if kind in (pl.Float64, pl.Float32, pl.Int64):
        return _number(name, kind, raw, given)
    if name == "category":
        return _category(map, raw, given), None
    if isinstance(kind, pl.List):
        return (raw.cast(kind) if isinstance(given, pl.List) else pl.lit(None, kind)), None
    value = _as_text(raw, given)
    if name.endswith("_id") or name in _ALLOWED:
        value = value.str.strip_chars()
    value = pl.when(value != "").then(value).otherwise(None)
    if name in _ALLOWED:
        told = pl.format(f"{name} '{{}}' is not one of {', '.join(_ALLOWED[name])}", value.str.slice(0, 40))
        return value, pl.when(~value.is_in(_ALLOWED[name])).then(told)
    return value, None


def _as_text(raw: pl.Expr, given: Any) -> pl.Expr:
    """Text of any source; whole floats lose their '.0', which ids get where a column has gaps."""
    if given == pl.String:
        return raw.str.replace_all("\0", "", literal=True)
    if given in (pl.Float32, pl.Float64):
        return (
            pl.when(raw == raw.floor())
            .then(raw.cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(raw.cast(pl.String))
        )
    if isinstance(given, pl.List):
        return raw.cast(pl.List(pl.String)).list.join("\n")
    return raw.cast(pl.String)


def _mapped(values: Mapping[str, Any], name: str, kind: Any, text: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    value = text.replace_strict(list(values), list(values.values()), default=None, return_dtype=kind)
    known = ", ".join(list(values)[:6])
    told = pl.format(f"{name} '{{}}' is not one of {known}", text.str.slice(0, 40))
    return value, pl.when(text.is_not_null() & (text != "") & value.is_null()).then(told)


def _number(name: str, kind: Any, raw: pl.Expr, given: Any) -> tuple[pl.Expr, pl.Expr | None]:
    text = _as_text(raw, given).str.strip_chars()
    value = raw.cast(pl.Float64, strict=False) if given.is_numeric() else text.cast(pl.Float64, strict=False)
    if name in ("price", "helpful"):
        if not given.is_numeric():
            loose = (
                text.str.extract(_PRICE).str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False)
            )
            value = pl.coalesce(value, pl.when(text.str.len_chars() <= 40).then(loose))
        value = pl.when(value.is_finite() & (value >= 0)).then(value)
        return value.cast(kind, strict=False), None
    told = pl.format(f"{name} '{{}}' is no number", text.str.slice(0, 40))
    reason: pl.Expr = pl.when(text.is_not_null() & (text != "") & ~value.is_finite().fill_null(False)).then(
        told
    )
    if name == "rating":
        outside = pl.format("rating {} is not within 1 to 5", value)
        reason = pl.coalesce(reason, pl.when(~value.is_between(1, 5)).then(outside))
    return value.cast(kind, strict=False), reason


def _category(map: ColumnMap, raw: pl.Expr, given: Any) -> pl.Expr:
    """The path; the first one where an item has several."""
    if isinstance(given, pl.List):
        path = raw.list.first() if isinstance(given.inner, pl.List) else raw
        path = path.cast(pl.List(pl.String))
        if map.list_separator:
            path = path.list.join(map.list_separator).str.split(map.list_separator)
    else:
        text = _as_text(raw, given)
        path = text.str.split(map.list_separator) if map.list_separator else pl.concat_list(text)
    path = path.list.eval(pl.element().str.strip_chars()).list.drop_nulls()
    path = path.list.eval(pl.element().filter(pl.element() != ""))
    return pl.when(path.list.len() > 0).then(path)


def _time(map: ColumnMap, raw: pl.Expr, given: Any) -> pl.Expr:
    if given == pl.Date or isinstance(given, pl.Datetime):
        zoned = raw.cast(pl.Datetime("ms", getattr(given, "time_zone", None)))
        if getattr(given, "time_zone", None) is None:
            zoned = zoned.dt.replace_time_zone(map.time_zone, ambiguous="earliest", non_existent="null")
        return zoned.dt.convert_time_zone("UTC").cast(TIME)
    if map.time_unit is not None:
        whole = (
            raw.cast(pl.Int64, strict=False)
            if given != pl.String
            else raw.str.strip_chars().cast(pl.Int64, strict=False)
        )
        per_ms = _UNIT_PER_MS[map.time_unit]
        ms = whole * 1000 if map.time_unit == "s" else whole // int(per_ms)
        if given in (pl.String, pl.Float32, pl.Float64):
            real = raw.str.strip_chars().cast(pl.Float64, strict=False) if given == pl.String else raw
            real_ms = (real / per_ms).cast(pl.Int64, strict=False)
            ms = pl.coalesce(ms, real_ms) if given == pl.String else real_ms
        return ms.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    text = _as_text(raw, given).str.strip_chars()
    if map.time_format is not None:
        parsed = text.str.to_datetime(map.time_format, time_unit="ms", strict=False)
        if "%z" in map.time_format or "%#z" in map.time_format:
            return parsed.dt.convert_time_zone("UTC")
        return _in_zone(parsed, map.time_zone)
    plain = pl.coalesce(
        *(text.str.to_datetime(form, time_unit="ms", strict=False) for form in _DATES),
        *(text.str.to_date(form, strict=False).cast(pl.Datetime("ms")) for form in _DAYS),
    )
    zoned = text.str.to_datetime(_ZONED, time_unit="ms", strict=False).dt.convert_time_zone("UTC")
    return pl.coalesce(zoned, _in_zone(plain, map.time_zone))


def _in_zone(time: pl.Expr, zone: str) -> pl.Expr:
    return time.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone(
        "UTC"
    )


def _time_reason(map: ColumnMap, value: pl.Expr, text: pl.Expr) -> pl.Expr:
    wanted = (
        f"a number of {map.time_unit}"
        if map.time_unit
        else f"'{map.time_format}'"
        if map.time_format
        else "ISO 8601"
    )
    hint = "" if map.time_unit or map.time_format else "; give time_unit or time_format"
    told = pl.format(f"time '{{}}' is not {wanted}{hint}", text.str.slice(0, 40))
    reason = pl.when(text.is_not_null() & (text.str.strip_chars() != "") & value.is_null()).then(told)
    year = value.dt.year()
    unlikely = pl.format(f"time '{{}}' is in the year {{}}: is it {wanted}?", text.str.slice(0, 40), year)
    reasons = [reason, pl.when((year < 1970) | (year > 2100)).then(unlikely)]
    if map.since or map.until:
        inside = pl.lit(True)
        if map.since:
            inside = inside & (value >= _instant(map.since))
        if map.until:
            inside = inside & (value < _instant(map.until))
        outside = pl.format(
            f"time {{}} lies outside {map.since or '…'} to {map.until or '…'}",
            value.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        reasons.append(pl.when(~inside).then(outside))
    return pl.coalesce(*reasons)


def _instant(text: str) -> pl.Expr:
    try:
        parsed = (
            pl.Series([text]).str.to_datetime(_ZONED, time_unit="ms", strict=True).dt.convert_time_zone("UTC")
        )
    except pl.exceptions.PolarsError:
        raise ConfigError(
            f"'{text}' is no instant; write 2017-11-24T16:00:00Z.", key="since", value=text
        ) from None
    return pl.lit(parsed[0], TIME)


def missing_column(name: str, source: str, known: list[str], line: int) -> DataError:
    """The error for a file that lacks a column of the map, with the nearest one it has."""
    like = nearest(source, known)
    shown = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
    hint = f" Did you mean '{like}'?" if like else ""
    return DataError(f"no column '{source}'; it has {shown}.{hint}", path=name, row=line, column=source)
