"""From raw columns to ours: the value of each kind of column, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import polars as pl

from retailor.errors import ConfigError
from retailor.shop.nested import NESTED, nested_of_text
from retailor.shop.tables import KINDS, LABELS, TIME

Fault = tuple[pl.Expr, pl.Expr]
"""True where the value is wrong, and the words for it."""

ALLOWED = {"kind": KINDS, "label": LABELS}
_STRICT_NUMBERS = ("rating", "grade")
_UNITS_PER_MS = {"s": 0.001, "ms": 1.0, "us": 1e3, "ns": 1e6}
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
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Reading:
    """How one column is read; the fields are those of a ColumnMap."""

    name: str
    values: Mapping[str, Any] | None = None
    list_separator: str | None = None
    time_unit: str | None = None
    time_format: str | None = None
    time_zone: str = "UTC"
    since: str | None = None
    until: str | None = None


def text_of(raw: pl.Expr, given: Any) -> pl.Expr:
    """Text of any source; whole floats lose their '.0', which ids get where a column has gaps."""
    if given == pl.String:
        return raw
    if given in (pl.Float32, pl.Float64):
        whole = raw.cast(pl.Int64, strict=False).cast(pl.String)
        return pl.when(raw == raw.floor()).then(whole).otherwise(raw.cast(pl.String))
    if isinstance(given, pl.List):
        if isinstance(given.inner, (pl.Struct, pl.List)):
            return raw.list.eval(pl.element().cast(pl.String, strict=False)).list.join("\n")
        return raw.cast(pl.List(pl.String)).list.join("\n")
    return raw.cast(pl.String)


def value_of(how: Reading, kind: Any, raw: pl.Expr, given: Any) -> pl.Expr:
    """The value of type `kind` of a raw column of type `given`; null where there is none or it is wrong."""
    if how.values is not None:
        text = text_of(raw, given).str.strip_chars()
        return text.replace_strict(
            list(how.values), list(how.values.values()), default=None, return_dtype=kind
        )
    if how.name == "time":
        return _time(how, raw, given)
    if kind in (pl.Float64, pl.Float32, pl.Int64):
        return _number(how.name, raw, given).cast(kind, strict=False)
    if how.name == "category":
        return _category(how, raw, given)
    if isinstance(kind, pl.List):
        return _nested(how.name, kind, raw, given)
    text = text_of(raw, given)
    if how.name.endswith("_id") or how.name in ALLOWED:
        text = text.str.strip_chars()
    return text


def faults_of(how: Reading, value: pl.Expr, text: pl.Expr, *, whole: bool = False) -> list[Fault]:
    """What can be wrong with a made value whose raw one reads `text`. Columns that take anything have none.

    `whole`: no made value is null, so that none was lost.
    """
    shown = text.str.slice(0, 40)
    lost = pl.lit(False) if whole else value.is_null() & text.is_not_null() & (text != "")
    if how.values is not None:
        known = ", ".join(list(how.values)[:6])
        return [(lost, pl.format(f"{how.name} '{{}}' is not one of {known}", shown))]
    if how.name in ALLOWED:
        known = ", ".join(ALLOWED[how.name])
        return [
            (~value.is_in(ALLOWED[how.name]), pl.format(f"{how.name} '{{}}' is not one of {known}", shown))
        ]
    if how.name == "time":
        return _time_faults(how, value, lost, shown)
    if how.name in NESTED:
        return [(lost, pl.format(f"{how.name} '{{}}' is no JSON of that kind", shown))]
    if how.name not in _STRICT_NUMBERS:
        return []
    faults = [(lost, pl.format(f"{how.name} '{{}}' is no number", shown))]
    if how.name == "rating":
        faults.append((~value.is_between(1, 5), pl.format("rating {} is not within 1 to 5", value)))
    return faults


def _number(name: str, raw: pl.Expr, given: Any) -> pl.Expr:
    text = text_of(raw, given).str.strip_chars()
    value = raw.cast(pl.Float64, strict=False) if given.is_numeric() else text.cast(pl.Float64, strict=False)
    if name in _STRICT_NUMBERS:
        return pl.when(value.is_finite()).then(value).otherwise(None)
    if not given.is_numeric():  # '$1,299.00 or so'
        digits = text.str.extract(_PRICE).str.replace_all(",", "", literal=True)
        short = pl.when(text.str.len_chars() <= 40).then(digits.cast(pl.Float64, strict=False))
        value = pl.coalesce(value, short)
    return pl.when(value.is_finite() & (value >= 0)).then(value).otherwise(None)


def _nested(name: str, kind: Any, raw: pl.Expr, given: Any) -> pl.Expr:
    """A list of structs from the same, whatever their further fields, or from JSON text; else null."""
    if given == pl.String:
        return raw.map_elements(partial(nested_of_text, name), return_dtype=kind)
    wanted = {field.name: field.dtype for field in kind.inner.fields}
    if not (isinstance(given, pl.List) and isinstance(given.inner, pl.Struct)):
        return pl.lit(None, kind)
    have = {field.name for field in given.inner.fields}
    entry = pl.element().struct
    parts = [
        (entry.field(name) if name in have else pl.lit(None)).cast(part, strict=False).alias(name)
        for name, part in wanted.items()
    ]
    return raw.list.eval(pl.struct(parts))


def _category(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    """The path; the first one where an item has several."""
    if not isinstance(given, pl.List):
        text = text_of(raw, given).str.strip_chars()
        if how.list_separator is None:
            return pl.when(text != "").then(pl.concat_list(text)).otherwise(None)
        path = text.str.split(how.list_separator)
    else:
        path = raw.list.first() if isinstance(given.inner, pl.List) else raw
        path = path.cast(pl.List(pl.String))
        if how.list_separator is not None:
            path = path.list.join(how.list_separator).str.split(how.list_separator)
    path = path.list.eval(pl.element().str.strip_chars()).list.drop_nulls()
    path = path.list.eval(pl.element().filter(pl.element() != ""))
    return pl.when(path.list.len() > 0).then(path).otherwise(None)


def _time(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    if given == pl.Date or isinstance(given, pl.Datetime):
        zone = getattr(given, "time_zone", None)
        time = raw.cast(pl.Datetime("ms", zone))
        return (time.dt.convert_time_zone("UTC") if zone else _in_zone(time, how.time_zone)).cast(TIME)
    if how.time_unit is not None:
        number = raw.str.strip_chars() if given == pl.String else raw
        ms = number.cast(pl.Float64, strict=False) / _UNITS_PER_MS[how.time_unit]
        return ms.round().cast(pl.Int64, strict=False).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    text = text_of(raw, given).str.strip_chars()
    if how.time_format is not None:
        parsed = text.str.to_datetime(how.time_format, time_unit="ms", strict=False)
        zoned = "%z" in how.time_format or "%#z" in how.time_format
        return parsed.dt.convert_time_zone("UTC") if zoned else _in_zone(parsed, how.time_zone)
    plain = pl.coalesce(
        *(text.str.to_datetime(form, time_unit="ms", strict=False) for form in _DATES),
        *(text.str.to_date(form, strict=False).cast(pl.Datetime("ms")) for form in _DAYS),
    )
    with_zone = text.str.to_datetime(_ZONED, time_unit="ms", strict=False).dt.convert_time_zone("UTC")
    return pl.coalesce(with_zone, _in_zone(plain, how.time_zone))


def _in_zone(time: pl.Expr, zone: str) -> pl.Expr:
    placed = time.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return placed.dt.convert_time_zone("UTC")


def _time_faults(how: Reading, value: pl.Expr, lost: pl.Expr, shown: pl.Expr) -> list[Fault]:
    wanted = "ISO 8601"
    if how.time_unit or how.time_format:
        wanted = f"a number of {how.time_unit}" if how.time_unit else f"'{how.time_format}'"
    hint = "; give time_unit or time_format" if wanted == "ISO 8601" else ""
    faults = [
        (lost, pl.format(f"time '{{}}' is not {wanted}{hint}", shown)),
        (
            (value < _FIRST) | (value >= _LAST),
            pl.format(f"time '{{}}' is in the year {{}}: is it {wanted}?", shown, value.dt.year()),
        ),
    ]
    if how.since or how.until:
        outside = pl.lit(False)
        if how.since:
            outside = outside | (value < instant_of(how.since, "since"))
        if how.until:
            outside = outside | (value >= instant_of(how.until, "until"))
        limits = f"{how.since or '…'} to {how.until or '…'}"
        told = pl.format(f"time {{}} lies outside {limits}", value.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        faults.append((outside, told))
    return faults


def instant_of(text: str, key: str) -> datetime:
    """The instant that ISO text names, UTC where it names no zone. Raises ConfigError when it names none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"'{key}' = '{text}': write it as 2017-11-24T16:00:00Z.", key=key, value=text
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
