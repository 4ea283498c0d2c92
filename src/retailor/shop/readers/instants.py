"""The column of times: instants in UTC out of dates, numbers of a unit, or text; and why a cell is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

import polars as pl

from retailor.errors import ConfigError
from retailor.shop.cells.plain import plain
from retailor.shop.cells.times import (
    FIRST_MS,
    LAST_MS,
    LIKELY_MS,
    NOT_A_TIME,
    UNITS_PER_MS,
    TimeForm,
    read_time,
    year_of,
)
from retailor.shop.readers.readings import Reading, by_value, ms_of_time, text_of
from retailor.shop.tables import TIME

_EPOCH = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_ISO = r"^[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)?Z?$"
_ISO_FORMS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_FAR_MS = 10**17


def value_of_time(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    zone = how.times.zone
    if given == pl.Date or isinstance(given, pl.Datetime):
        ms, known = ms_of_time(raw, given)
        at = pl.when(known).then(ms).cast(pl.Datetime("ms"))
        own = getattr(given, "time_zone", None)
        return _within((at.dt.replace_time_zone("UTC") if own else _in_zone(at, zone)).cast(TIME))
    if how.time_unit is not None:
        number = raw if given.is_numeric() else text_of(raw, given).str.strip_chars()
        read = partial(_epoch, UNITS_PER_MS[how.time_unit], how.since is not None)
        return _instant(number.map_batches(read, return_dtype=pl.Int64))
    text = text_of(raw, given).str.strip_chars()
    if how.time_format is not None:
        parsed = text.str.to_datetime(how.time_format, time_unit="ms", strict=False)
        zoned = "%z" in how.time_format or "%#z" in how.time_format
        return _within(parsed.dt.convert_time_zone("UTC") if zoned else _in_zone(parsed, zone))
    iso = text.str.replace("T", " ", literal=True).str.replace_all("/", "-", literal=True)
    is_plain = text.str.contains(_ISO).fill_null(True)
    bare = pl.when(is_plain).then(iso.str.strip_suffix("Z"))
    at = pl.coalesce(bare.str.to_datetime(form, time_unit="ms", strict=False) for form in _ISO_FORMS)
    if zone == "UTC":
        placed = at.dt.replace_time_zone("UTC")
    else:
        placed = pl.when(text.str.ends_with("Z")).then(at.dt.replace_time_zone("UTC"))
        placed = placed.otherwise(_in_zone(at, zone))
    odd = by_value(pl.when(is_plain).then(None).otherwise(text), partial(_ms, how.times), pl.Int64)
    return _within(pl.coalesce(placed, _instant(odd)))


def _epoch(per_ms: float, may_be_early: bool, cells: pl.Series) -> pl.Series:
    """Milliseconds since 1970 of numbers of a unit, or of their texts; null for what is no time of ours.

    A time before 1990 that a longer unit would put after it is none, unless the map names so early a start.
    """
    numbers = _floats(cells) if cells.dtype == pl.String else cells.cast(pl.Float64, strict=False)
    ms = (numbers / per_ms).round().fill_nan(None)
    low, high = ms.min(), ms.max()
    first = FIRST_MS if may_be_early else LIKELY_MS
    if low is None or (low >= first and high < LAST_MS):  # type: ignore[operator]
        return ms.cast(pl.Int64)
    known = ms.is_between(FIRST_MS, LAST_MS, closed="left")
    if not may_be_early:
        for longer in (ms * 1e3, ms * 1e6, ms * 1e9):
            known &= (ms >= LIKELY_MS) | ~longer.is_between(LIKELY_MS, LAST_MS)
    return ms.zip_with(known.fill_null(False), pl.repeat(None, len(ms), dtype=pl.Float64, eager=True)).cast(
        pl.Int64
    )


def _floats(texts: pl.Series) -> pl.Series:
    """The numbers of texts, also in digits of other scripts; null for what is none."""
    numbers = texts.cast(pl.Float64, strict=False)
    if numbers.null_count() == texts.null_count():
        return numbers
    odd = (numbers.is_null() & texts.is_not_null()).arg_true()
    again = pl.Series([plain(text) for text in texts.gather(odd)], dtype=pl.String)
    return numbers.scatter(odd, again.cast(pl.Float64, strict=False))


def _ms(form: TimeForm, text: str) -> int | None:
    made = read_time(text, form)
    return made if isinstance(made, int) else None


def _instant(ms: pl.Expr) -> pl.Expr:
    return ms.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")


def _within(time: pl.Expr) -> pl.Expr:
    ms = time.dt.timestamp("ms")
    return pl.when(ms.is_between(FIRST_MS, LAST_MS, closed="left")).then(time)


def _in_zone(time: pl.Expr, zone: str) -> pl.Expr:
    placed = time.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return placed.dt.convert_time_zone("UTC")


def why_no_time(how: Reading, text: str) -> str:
    if how.time_unit is None and how.time_format is None:
        told = str(read_time(text, how.times))
        units = UNITS_PER_MS.values() if _EPOCH.fullmatch(text) else ()
        none = units and not any(LIKELY_MS <= float(text) / per_ms < LAST_MS for per_ms in units)
        return "is no time of the years 1970 to 2100" if told == NOT_A_TIME and none else told
    wanted = f"a number of {how.time_unit}" if how.time_unit else f"'{how.time_format}'"
    if how.time_format is not None or not _EPOCH.fullmatch(text):
        return f"is not {wanted}"
    ms = float(text) / UNITS_PER_MS[how.time_unit or "ms"]
    if abs(ms) > _FAR_MS:
        return f"is no time as {wanted}"
    unit = next(
        (
            u
            for u in UNITS_PER_MS
            if u != how.time_unit and LIKELY_MS <= float(text) / UNITS_PER_MS[u] < LAST_MS
        ),
        "",
    )
    hint = f"; as {unit} it is in {year_of(float(text) / UNITS_PER_MS[unit])}" if unit else ""
    return f"is in the year {year_of(ms)}: is it {wanted}?{hint}"


def outside(how: Reading, value: pl.Expr) -> tuple[pl.Expr, pl.Expr] | None:
    """Where a time lies outside `since` to `until`, and the words for it; None without such limits."""
    if how.since is None and how.until is None:
        return None
    out = pl.lit(False)
    if how.since:
        out = out | (value < instant_of(how.since, "since"))
    if how.until:
        out = out | (value >= instant_of(how.until, "until"))
    limits = f"{how.since or '…'} to {how.until or '…'}"
    return out, pl.format(f"time {{}} lies outside {limits}", value.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


def instant_of(text: str, key: str) -> datetime:
    """The instant that ISO text names, UTC where it names no zone. Raises ConfigError when it names none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"'{key}' = '{text}': write it as 2017-11-24T16:00:00Z.", key=key, value=text
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
