"""Values of a time column, of whatever kind it is: the newest, and what lies some hours before it."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from retailor.errors import DataError
from retailor.shop.cells.times import LAST_MS, LIKELY_MS, UNITS_PER_MS

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:([T ])(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}(?::?\d{2})?)?)?"
)
_BEHIND = dt.timedelta(hours=12)
"""Where on earth a day begins last: a clock without a zone may stand so far behind that of UTC."""


class Newest:
    """The newest time of the batches that it was shown, in the column's own kind; None before any."""

    def __init__(self, column: str, where: str) -> None:
        self.value: Any = None
        self._column, self._where = column, where
        self._shape: tuple[Any, ...] | None = None

    def see(self, batch: Any) -> None:
        """Takes in a batch. Raises DataError where its times are of no kind that can be told from another."""
        import pyarrow as pa
        import pyarrow.compute as pc

        at = batch.schema.get_field_index(self._column)
        if at < 0:
            raise DataError(
                f"there is no column '{self._column}', which time_column names; it has "
                f"{', '.join(batch.schema.names)}.",
                path=self._where,
                column=self._column,
            )
        times = as_times(batch.column(at))
        if pa.types.is_string(times.type):
            self._see_texts(times)
        elif not _is_time(times.type):
            raise self._no_time(f"of type {times.type}")
        newest = pc.max(times).as_py()
        if newest is not None and (self.value is None or newest > self.value):
            self.value = newest
        if isinstance(newest, int):
            _unit_of(newest, self._no_time)

    def _see_texts(self, times: Any) -> None:
        """Texts are in the order of their times only where all are written alike."""
        for text in times.unique().drop_null().to_pylist():
            found = _ISO.fullmatch(text)
            if found is None:
                raise self._no_time(f"text such as '{text[:40]}'")
            shape = (len(text), found[2], found[4])
            if self._shape not in (None, shape):
                raise self._no_time(f"text that is written in several ways, such as '{text[:40]}'")
            self._shape = shape

    def _no_time(self, what: str) -> DataError:
        return DataError(
            f"column '{self._column}' is {what}, and time_column needs a date, a time, a number of seconds "
            "since 1970 (or of a part of one), or ISO text that is written in one way: convert it in the "
            "query.",
            path=self._where,
            column=self._column,
        )


def as_times(column: Any) -> Any:
    """The column with instants in microseconds, for those of nanoseconds are no value of Python's."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_times(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_large_string(kind) or kind == pa.string_view():
        return column.cast(pa.string())
    return column.cast(pa.int64()) if pa.types.is_integer(kind) else column


def _is_time(kind: Any) -> bool:
    from pyarrow import types

    return any(
        is_kind(kind) for is_kind in (types.is_timestamp, types.is_date, types.is_integer, types.is_null)
    )


def _unit_of(number: int, refused: Any) -> float:
    """How many of the number's unit a millisecond has."""
    for per_ms in UNITS_PER_MS.values():
        if LIKELY_MS <= number / per_ms < LAST_MS:
            return per_ms
    raise refused(f"a number such as {number}")


def settled_before(newest: Any, late_h: float, now: dt.datetime) -> Any:
    """The time, of the kind of `newest`, before which no row comes any more: `late_h` before the newest,
    or before now, where a clock went wrong and a row has a time to come."""
    late = dt.timedelta(hours=late_h)
    if isinstance(newest, int):
        per_ms = _unit_of(newest, lambda told: DataError(f"this is {told}, which is no time."))
        now_ms = now.timestamp() * 1000
        return int((min(newest / per_ms, now_ms) - late.total_seconds() * 1000) * per_ms)
    if isinstance(newest, str):
        return _like(newest, settled_before(_parsed(newest), late_h, now))
    if isinstance(newest, dt.datetime):
        here = now if newest.tzinfo else (now - _BEHIND).replace(tzinfo=None)
        return min(newest, here) - late
    day = min(newest, (now - _BEHIND).date())
    return day - dt.timedelta(days=-(-late_h // 24))


def _parsed(text: str) -> dt.datetime | dt.date:
    return dt.date.fromisoformat(text) if len(text) == 10 else dt.datetime.fromisoformat(text)


def _like(text: str, time: Any) -> str:
    """A time written as another is."""
    found = _ISO.fullmatch(text)
    assert found is not None
    if found[2] is None:
        return str(time.isoformat())
    clock = time.strftime("%H:%M:%S.%f") + "000"
    return f"{time.date().isoformat()}{found[2]}{clock[: len(found[3])]}{found[4] or ''}"


def to_json(time: Any) -> Any:
    """The value of a time column as JSON has it."""
    if isinstance(time, (int, str)) or time is None:
        return time
    kind = "datetime" if isinstance(time, dt.datetime) else "date"
    return {kind: time.isoformat()}


def from_json(told: Any) -> Any:
    """The value that `to_json` wrote."""
    if not isinstance(told, dict):
        return told
    if "datetime" in told:
        return dt.datetime.fromisoformat(told["datetime"])
    return dt.date.fromisoformat(told["date"])
