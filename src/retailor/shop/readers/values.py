"""From raw columns to ours: the value of each kind of column, and what can be wrong with it.

A plain cell is read by Polars, a cell of any other shape once a distinct text by Python. Both look at that
cell alone and at what is known of its column (`Reading`), so a row means the same in any block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import polars as pl

from retailor.errors import ConfigError
from retailor.shop.cells.currencies import codes_of, known_first
from retailor.shop.cells.numbers import (
    NONE_WORDS,
    Amount,
    NumberForm,
    read_amount,
    read_count,
    read_number,
    read_rating,
)
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
from retailor.shop.files.nested import NESTED, loaded, nested_of_text, path_of_text
from retailor.shop.tables import KINDS, LABELS, TIME

ALLOWED = {"kind": KINDS, "label": LABELS}
PRICE_CODES = "codes of the price"
"""The made column beside a price: the currencies that its cell may mean, with commas between."""
_PLAIN_NUMBER = r"^[0-9]{1,15}(?:\.(?:[0-9]{1,2}|[0-9]{4,9}))?$"
_PLAIN_WHOLE = r"^[0-9]{1,15}$"
_PLAIN_RATING = r"^[1-5](?:\.[0-9]{1,9})?$"
_EPOCH = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_ISO = r"^[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)?Z?$"
_ISO_FORMS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_SPLIT = r"\s*(?:>+|&gt;|\||»|›|→|->)\s*"
_SEVERAL = r"^\[.*,.*\]$"
_FAR_MS = 1e17


@dataclass(frozen=True)
class Reading:
    """How one column is read: what the column map says, and what the whole column settles."""

    name: str
    values: Mapping[str, Any] | None = None
    list_separator: str | None = None
    time_unit: str | None = None
    time_format: str | None = None
    since: str | None = None
    until: str | None = None
    numbers: NumberForm = field(default_factory=NumberForm)
    times: TimeForm = field(default_factory=TimeForm)


def text_of(raw: pl.Expr, given: Any) -> pl.Expr:
    """Text of any source; whole floats lose their '.0', which ids get where a column has gaps."""
    if given == pl.String:
        return raw
    if given in (pl.Float32, pl.Float64):
        whole = raw.cast(pl.Int64, strict=False).cast(pl.String)
        exact = (raw == raw.floor()) & (raw.abs() < 2**53)
        return pl.when(exact).then(whole).otherwise(raw.cast(pl.String))
    if given == pl.Date or isinstance(given, pl.Datetime):
        return _text_of_time(raw, given)
    if isinstance(given, pl.List):
        if isinstance(given.inner, pl.List):
            return raw.list.eval(pl.element().cast(pl.List(pl.String)).list.join(" ")).list.join("\n")
        if isinstance(given.inner, pl.Struct):
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
        return _number(how, raw, given).cast(kind, strict=False)
    if how.name == "category":
        return _category(how, raw, given)
    if isinstance(kind, pl.List):
        return _nested(how.name, kind, raw, given)
    text = text_of(raw, given)
    if how.name == "currency":
        return _by_value(text, partial(_currency, how.numbers.currency), pl.String)
    if how.name.endswith("_id"):
        return _id(text, given)
    if how.name in ALLOWED:
        text = text.str.strip_chars()
        return pl.when(text.is_in(ALLOWED[how.name])).then(text)
    return text


def why(how: Reading, text: str) -> str:
    """Why a cell that gave no value gave none: a part of a sentence, for the cell stands before it."""
    if how.values is not None or how.name in ALLOWED:
        return f"is not one of {', '.join(list(how.values or ALLOWED[how.name])[:6])}"
    if how.name not in NESTED and text.startswith("[") and loaded(text) is not None:
        return "is a list of several values"
    if how.name not in NESTED and text.startswith("{") and loaded(text) is not None:
        return "is an object with fields, not one value"
    if how.name == "time":
        return _why_no_time(how, text)
    if how.name == "currency":
        return _why_no_currency(text)
    if how.name in NESTED:
        return "is no JSON of that kind"
    if how.name.endswith("_id"):
        return "is a float too large to be told from its neighbours: keep ids as text"
    read = _readers(how).get(how.name)
    told = read(text) if read else None
    return told if isinstance(told, str) else "cannot be read"


def says_none(text: pl.Expr) -> pl.Expr:
    """True for text that says that there is no value: '', 'N/A', '-'."""
    return text.str.strip_chars().str.to_lowercase().is_in(["", *NONE_WORDS])


def plain_of(text: pl.Expr) -> pl.Expr:
    """Text whose digits, spaces and dashes are those of ASCII."""
    odd = text.str.len_bytes() != text.str.len_chars()
    return pl.when(odd).then(_by_value(pl.when(odd).then(text), plain, pl.String)).otherwise(text)


def _by_value(text: pl.Expr, read: Callable[[str], Any], kind: Any) -> pl.Expr:
    """What `read` gives for each text, called once a distinct one; null for null."""

    def made(texts: pl.Series) -> pl.Series:
        distinct = texts.drop_nulls().unique()
        if not len(distinct):
            return pl.repeat(None, len(texts), dtype=kind, eager=True)
        values = pl.Series([read(each) for each in distinct], dtype=kind)
        table = pl.DataFrame({"text": distinct, "value": values})
        return texts.to_frame("text").join(table, on="text", how="left", maintain_order="left")["value"]

    return text.map_batches(made, return_dtype=kind)


def _beside(fast: pl.Expr, is_fast: pl.Expr, text: pl.Expr, read: Callable[[str], Any], kind: Any) -> pl.Expr:
    """`fast` where the text is of the plain shape, elsewhere what `read` gives."""
    odd = pl.when(is_fast).then(None).otherwise(text)
    return pl.when(is_fast).then(fast).otherwise(_by_value(odd, read, kind))


# numbers ------------------------------------------------------------------------------------------


def _readers(how: Reading) -> dict[str, Callable[[str], Any]]:
    return {
        "price": partial(read_amount, form=how.numbers),
        "grade": partial(read_number, form=how.numbers),
        "relevance": partial(read_number, form=how.numbers),
        "rating": read_rating,
        "helpful": read_count,
    }


def _number(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    if given.is_numeric():
        value = raw.cast(pl.Float64, strict=False)
    else:
        text = text_of(raw, given).str.strip_chars()
        plain_shape = {"rating": _PLAIN_RATING, "helpful": _PLAIN_WHOLE}.get(how.name, _PLAIN_NUMBER)
        if how.numbers.strict and how.numbers.decimal == "," and how.name != "rating":
            plain_shape = _PLAIN_WHOLE
        read = partial(_float, _readers(how)[how.name])
        is_plain = text.str.contains(plain_shape).fill_null(True)
        value = _beside(text.cast(pl.Float64, strict=False), is_plain, text, read, pl.Float64)
    value = pl.when(value.is_finite()).then(value)
    if how.name == "price":
        return pl.when(value >= 0).then(value)
    return pl.when(value.is_between(1, 5)).then(value) if how.name == "rating" else value


def _float(read: Callable[[str], Any], text: str) -> float | None:
    made = read(text)
    return made.value if isinstance(made, Amount) else made if isinstance(made, float) else None


def codes_of_price(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    """The currencies that the cells of a price may mean, with commas between; null where they name none."""
    if given.is_numeric():
        return pl.lit(None, pl.String)
    text = text_of(raw, given).str.strip_chars()
    bare = pl.when(text.str.contains(_PLAIN_NUMBER)).then(None).otherwise(text)
    return _by_value(bare, partial(_codes, how.numbers), pl.String)


def _codes(form: NumberForm, text: str) -> str | None:
    amount = read_amount(text, form)
    return ",".join(sorted(amount.codes)) or None if isinstance(amount, Amount) else None


def _currency(default: str | None, text: str) -> str | None:
    codes = codes_of(plain(text), default)
    return next(iter(codes)) if len(codes) == 1 else None


def _why_no_currency(text: str) -> str:
    codes = codes_of(plain(text))
    several = f"can mean {known_first(codes)}: give currency = one of them"
    return several if codes else "is no currency's code or sign"


# ids ----------------------------------------------------------------------------------------------


def _id(text: pl.Expr, given: Any) -> pl.Expr:
    """The id; null where a float is so large that its neighbours look the same, and for a list of several."""
    if given in (pl.Float32, pl.Float64):
        return pl.when(text.cast(pl.Float64, strict=False).abs() < 2**53).then(text)
    text = text.str.strip_chars()
    return pl.when(~text.str.contains(_SEVERAL)).then(text)


# lists --------------------------------------------------------------------------------------------


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
    separator = how.list_separator
    if not isinstance(given, pl.List):
        text = text_of(raw, given).str.strip_chars()
        listed = pl.when(text.str.contains(r"^[\[({]")).then(text)
        inside = _by_value(listed, path_of_text, pl.List(pl.String))
        path = pl.coalesce(inside, pl.concat_list(text))
    else:
        path = raw.list.first() if isinstance(given.inner, pl.List) else raw
        path = path.cast(pl.List(pl.String))
    if separator is not None:
        path = path.list.join(separator).str.split(separator)
    else:  # ["A > B", "A > C"]: each part is a path of its own
        first = path.list.first()
        split = first.str.replace_all(_SPLIT, "\x1f").str.split("\x1f")
        path = pl.when(first.str.contains(_SPLIT)).then(split).otherwise(path)
    path = path.list.eval(pl.element().str.strip_chars()).list.drop_nulls()
    path = path.list.eval(pl.element().filter(pl.element() != ""))
    return pl.when(path.list.len() > 0).then(path).otherwise(None)


# times --------------------------------------------------------------------------------------------


def _time(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    zone = how.times.zone
    if given == pl.Date or isinstance(given, pl.Datetime):
        ms, known = _ms_of_time(raw, given)
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
    odd = _by_value(pl.when(is_plain).then(None).otherwise(text), partial(_ms, how.times), pl.Int64)
    return _within(pl.coalesce(placed, _instant(odd)))


def _ms_of_time(raw: pl.Expr, given: Any) -> tuple[pl.Expr, pl.Expr]:
    """Milliseconds since 1970 of Polars' times, and where its calendar holds them: others make it panic."""
    number = raw.to_physical().cast(pl.Int64)
    unit = getattr(given, "time_unit", None)
    ms = number * 86_400_000 if unit is None else number // {"ms": 1, "us": 1000, "ns": 1_000_000}[unit]
    return ms, ms.is_between(-_FAR_MS // 1000, _FAR_MS // 1000)


def _text_of_time(raw: pl.Expr, given: Any) -> pl.Expr:
    """ISO text; for a time that no calendar holds the number alone."""
    ms, known = _ms_of_time(raw, given)
    iso = pl.when(known).then(ms).otherwise(0).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S")
    return pl.when(known).then(iso).otherwise(raw.to_physical().cast(pl.String))


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


def _why_no_time(how: Reading, text: str) -> str:
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
