"""A raw column as text, whatever type a file gave it, and how its cells are read: each by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from retailor.shop.cells.numbers import NONE_WORDS, NumberForm
from retailor.shop.cells.plain import plain
from retailor.shop.cells.times import TimeForm

_FAR_MS = 10**17


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


def says_none(text: pl.Expr) -> pl.Expr:
    """True for text that says that there is no value: '', 'N/A', '-'."""
    return text.str.strip_chars().str.to_lowercase().is_in(["", *NONE_WORDS])


def plain_of(text: pl.Expr) -> pl.Expr:
    """Text whose digits, spaces and dashes are those of ASCII."""
    odd = text.str.len_bytes() != text.str.len_chars()
    return pl.when(odd).then(by_value(pl.when(odd).then(text), plain, pl.String)).otherwise(text)


def by_value(text: pl.Expr, read: Callable[[str], Any], kind: Any) -> pl.Expr:
    """What `read` gives for each text, called once a distinct one; null for null."""

    def made(texts: pl.Series) -> pl.Series:
        distinct = texts.drop_nulls().unique()
        if not len(distinct):
            return pl.repeat(None, len(texts), dtype=kind, eager=True)
        values = pl.Series([read(each) for each in distinct], dtype=kind)
        table = pl.DataFrame({"text": distinct, "value": values})
        return texts.to_frame("text").join(table, on="text", how="left", maintain_order="left")["value"]

    return text.map_batches(made, return_dtype=kind)


def beside(fast: pl.Expr, is_fast: pl.Expr, text: pl.Expr, read: Callable[[str], Any], kind: Any) -> pl.Expr:
    """`fast` where the text is of the plain shape, elsewhere what `read` gives."""
    odd = pl.when(is_fast).then(None).otherwise(text)
    return pl.when(is_fast).then(fast).otherwise(by_value(odd, read, kind))


def ms_of_time(raw: pl.Expr, given: Any) -> tuple[pl.Expr, pl.Expr]:
    """Milliseconds since 1970 of Polars' times, and where its calendar holds them: others make it panic."""
    number = raw.to_physical().cast(pl.Int64)
    unit = getattr(given, "time_unit", None)
    ms = number * 86_400_000 if unit is None else number // {"ms": 1, "us": 1000, "ns": 1_000_000}[unit]
    return ms, ms.is_between(-_FAR_MS // 1000, _FAR_MS // 1000)


def _text_of_time(raw: pl.Expr, given: Any) -> pl.Expr:
    """ISO text; for a time that no calendar holds the number alone."""
    ms, known = ms_of_time(raw, given)
    iso = pl.when(known).then(ms).otherwise(0).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S")
    return pl.when(known).then(iso).otherwise(raw.to_physical().cast(pl.String))
