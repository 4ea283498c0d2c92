"""What all cells of a column together settle: decimal sign, order of day and month, unit of times.

Evidence is never outvoted: where two cells of a column contradict each other, nothing is settled, and the
cells that can mean two things are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from retailor.shop.cells.numbers import Amount, NumberForm, decimal_of, read_amount, readings, tokens_of
from retailor.shop.cells.plain import plain
from retailor.shop.cells.times import LAST_MS, LIKELY_MS, UNITS_PER_MS, orders_of
from retailor.shop.readers.column_maps import ColumnMap, Settled
from retailor.shop.readers.readings import plain_of, says_none, text_of
from retailor.shop.unread import Unread

NUMBERS = ("price", "grade")
_MOST = 0.9
"""Share of a column's cells that must be numbers of one unit, for its numbers to be times."""
_DATE = re.compile(r"\D*(\d{1,2})([-/.]) ?(\d{1,2})\2 ?(\d{4}|\d{2})(?!\d)")
_SHAPED = "[1-9]"
_ZONED = r"(?i)(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)(?:\s*[(\[].*)?$"

Key = tuple[int, str]
"""Number of a map, and our column."""


@dataclass
class _Evidence:
    """What was seen so far in one column; each example is the first cell that says so."""

    decimals: dict[str, str] = field(default_factory=dict)
    two_numbers: str | None = None
    orders: dict[bool, str] = field(default_factory=dict)
    two_days: str | None = None
    n_cells: int = 0
    units: dict[str, int] = field(default_factory=dict)
    no_zone: bool = False


def open_columns(map: ColumnMap) -> list[str]:
    """Our columns of the map that a survey can settle something about."""
    names = [] if map.decimal or map.thousands in (".", ",") else list(NUMBERS)
    if map.time_unit is None and map.time_format is None:
        names.append("time")
    return [name for name in names if name in map.columns and name not in map.values]


def survey(
    maps: Sequence[tuple[str, ColumnMap]], frames: Iterable[pl.DataFrame], unread: Unread, path: str
) -> Mapping[Key, Settled]:
    """What each open column of the maps settles, from all frames of a file; `unread` is told of it."""
    columns = [(i, name, map.columns[name]) for i, (_, map) in enumerate(maps) for name in open_columns(map)]
    seen: dict[str, _Evidence] = {}
    for frame in frames:
        for source, name in {(source, name) for _, name, source in columns if source in frame.columns}:
            kind = frame.schema[source]
            if name == "time" and kind.is_numeric():
                text = frame.select(text_of(pl.col(source), kind))[source]
                _see_times(text, seen.setdefault(source, _Evidence()))
            elif kind == pl.String:
                see = _see_times if name == "time" else _see_numbers
                see(frame[source], seen.setdefault(source, _Evidence()))
    return {
        (i, name): _settled(seen[source], name, maps[i], unread, path)
        for i, name, source in columns
        if source in seen
    }


def _see_numbers(cells: pl.Series, seen: _Evidence) -> None:
    """Numbers of one shape say the same, so that a shape is looked at once."""
    signed = cells.to_frame("cell").filter(pl.col("cell").str.contains(r"[.,．，]"))
    shape = pl.col("cell").str.strip_chars().str.replace_all(_SHAPED, "9")
    for cell in signed.unique(shape, keep="first", maintain_order=True)["cell"]:
        if not any(isinstance(read_amount(cell, NumberForm(sign)), Amount) for sign in ".,"):
            continue  # prose settles nothing
        text = plain(cell)
        for token in tokens_of(text):
            sign = decimal_of(token)
            if sign:
                seen.decimals.setdefault(sign, text)
            elif len(set(readings(token).values())) > 1:
                seen.two_numbers = seen.two_numbers or text


def _see_times(cells: pl.Series, seen: _Evidence) -> None:
    said = cells.to_frame("c").filter(~says_none(pl.col("c")).fill_null(True))
    text = said.select(plain_of(pl.col("c")).str.strip_chars())["c"]
    seen.n_cells += len(text)
    number = text.filter(text.str.contains(r"^[0-9]{9,20}(?:\.[0-9]*)?$")).cast(pl.Float64, strict=False)
    for unit, per_ms in UNITS_PER_MS.items():
        n = int(number.is_between(LIKELY_MS * per_ms, LAST_MS * per_ms, closed="left").sum())
        if n:
            seen.units[unit] = seen.units.get(unit, 0) + n
    odd = text.filter(~text.str.contains(r"^[0-9]{4}"))
    heads = (
        odd.str.extract(r"^(.{0,20}[0-9]{1,2}[-/.].{1,3}[-/.] ?[0-9]{2,4})")
        .drop_nulls()
        .unique(maintain_order=True)
    )
    for head in heads:
        found = _DATE.match(head)
        if found is None:
            continue
        orders = orders_of(int(found[1]), int(found[3]), found[4])
        if len(orders) == 1:
            seen.orders.setdefault(next(iter(orders)), head)
        elif orders and found[1] != found[3]:
            seen.two_days = seen.two_days or head
    if not seen.no_zone:
        seen.no_zone = len(number) < len(text) and not bool(text.str.contains(_ZONED).all())


def _settled(seen: _Evidence, name: str, map: tuple[str, ColumnMap], unread: Unread, path: str) -> Settled:
    table, how = map
    where = f"{table}.{name}"
    if name != "time":
        if len(seen.decimals) != 1:
            return Settled()
        sign, example = next(iter(seen.decimals.items()))
        if seen.two_numbers:
            unread.remark(
                path, f"{where}: the decimal sign is '{sign}', for there are cells like '{example}'"
            )
        return Settled(decimal=sign)
    n_numbers = sum(seen.units.values())
    unit = max(seen.units, key=lambda unit: seen.units[unit], default=None)
    if unit and seen.units[unit] < _MOST * seen.n_cells:
        unit = None
    if unit:
        unread.remark(path, f"{where}: numbers are read as {unit} since 1970, by their size")
    day_first = next(iter(seen.orders)) if len(seen.orders) == 1 else None
    if day_first is not None and seen.two_days and how.day_first is None:
        order = "day" if day_first else "month"
        unread.remark(
            path, f"{where}: the {order} stands first, for there are cells like '{seen.orders[day_first]}'"
        )
    if seen.no_zone and how.time_zone == "UTC" and n_numbers < seen.n_cells:
        unread.remark(
            path, f"{where}: times that name no zone are read as UTC; if they are not, give time_zone"
        )
    return Settled(day_first=day_first, time_unit=unit)
