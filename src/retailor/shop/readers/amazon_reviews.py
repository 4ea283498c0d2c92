"""Review rows of Amazon Reviews, all eras: the usual rows a block at once, the others one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.shop.cells.ids import content_ids
from retailor.shop.files.lines import Block, Reject
from retailor.shop.files.records import Row, as_number, as_text, objects
from retailor.shop.readers.amazon_eras import SIGNS, Era, Foreign, role_of
from retailor.shop.tables import label_of_rating

SOURCE = {
    "line": pl.Int64,
    "user_id": pl.String,
    "item_id": pl.String,
    "rating": pl.Float64,
    "title": pl.String,
    "text": pl.String,
    "helpful": pl.Int64,
    "time": pl.Int64,  # ms
}
_EARLIEST_MS = 757_382_400_000  # 1994, when the shop opened
_MOST_VOTES = 1e15
_LATEST_MS = 4_102_444_800_000  # 2100
_NONE = type(None)
_TEXT, _OPTIONAL_TEXT = frozenset({str}), frozenset({str, _NONE})
_WHOLE, _NUMBER, _VOTES = frozenset({int}), frozenset({int, float}), frozenset({int, _NONE})


def parse_reviews(era: Era, block: Block, reject: Reject, foreign: Foreign) -> pl.DataFrame:
    """The good rows of a block in the SOURCE schema, in file order.

    Every line is parsed by itself. Rows whose values have the usual types are checked a column at once, the
    others one by one: what a row means depends on nothing beside it.
    """
    rows = list(objects(block, reject))
    usual, is_usual = _usual(era, rows)
    if is_usual.all():
        return usual
    odd = _one_by_one(era, [rows[i] for i in np.flatnonzero(~is_usual)], reject, foreign)
    return pl.concat([usual, odd]).sort("line")


def _usual(era: Era, rows: Sequence[tuple[int, Row]]) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    """The rows with nothing unusual about them, and which of `rows` they are."""
    own = {era.user, era.item, era.rating, era.title, era.text, era.helpful, era.time}
    signs = {s for other, its in SIGNS["reviews"].items() if other != era.name for s in its} - own
    found = [row for _, row in rows]
    usual = np.fromiter(map(signs.isdisjoint, found), bool, len(found))
    columns = {"line": pl.Series([line for line, _ in rows], dtype=pl.Int64)}
    for column, key, kinds in (
        ("user_id", era.user, _TEXT),
        ("item_id", era.item, _TEXT),
        ("rating", era.rating, _NUMBER),
        ("title", era.title, _OPTIONAL_TEXT),
        ("text", era.text, _OPTIONAL_TEXT),
        ("helpful", era.helpful, _VOTES),
        ("time", era.time, _WHOLE),
    ):
        values = [row.get(key) for row in found]
        if column == "helpful":
            values = [None if value is None else _usual_votes(era, value) for value in values]
        if not kinds.issuperset(map(type, values)):
            usual &= np.fromiter((type(value) in kinds for value in values), bool, len(values))
            values = [value if type(value) in kinds else None for value in values]
        columns[column] = _series(values, SOURCE[column])
    frame = pl.DataFrame(columns)
    usual &= frame.select(_is_usual(era)).to_series().to_numpy()
    frame = frame.with_columns(pl.col("time") * era.ms)
    if era.helpful_type == pl.String:
        frame = frame.with_columns(pl.col("helpful").fill_null(0))
    return (frame if usual.all() else frame.filter(usual)), usual


def _series(values: list[Any], kind: Any) -> pl.Series:
    """The values in their type; a whole number of more than 62 bits becomes null."""
    try:
        return pl.Series(values, dtype=kind)
    except (OverflowError, TypeError, pl.exceptions.PolarsError):
        small = [v if type(v) is not int or abs(v) < 1 << 62 else None for v in values]
        return pl.Series(small, dtype=kind)


def _usual_votes(era: Era, value: Any) -> Any:
    """A whole number or None; a text where it takes a second look."""
    if era.helpful_type == pl.List(pl.Int64) and type(value) is list and value:
        value = value[0]
    if type(value) is str and len(value) < 16 and value.isascii() and value.isdigit():
        return int(value)
    return value if type(value) is int and abs(value) <= _MOST_VOTES else ""


def _is_usual(era: Era) -> pl.Expr:
    """True for rows whose values need no second look."""
    ids = [(pl.col(c) != "") & (pl.col(c) == pl.col(c).str.strip_chars()) for c in ("user_id", "item_id")]
    texts = [pl.col(c).str.contains("\0", literal=True) for c in ("user_id", "item_id", "title", "text")]
    return pl.all_horizontal(
        *(known.fill_null(False) for known in ids),
        *(~strange.fill_null(False) for strange in texts),
        pl.col("rating").is_between(1, 5).fill_null(False),
        pl.col("time").is_between(_EARLIEST_MS // era.ms, _LATEST_MS // era.ms).fill_null(False),
    )


def _one_by_one(era: Era, rows: Sequence[tuple[int, Row]], reject: Reject, foreign: Foreign) -> pl.DataFrame:
    good = []
    for line, row in rows:
        made = foreign.reason(era, "reviews", line, row) or review_row(era, row)
        if isinstance(made, str):
            reject(line, made)
        else:
            good.append({"line": line, **made})
    return pl.DataFrame(good, schema=SOURCE, orient="row")


def review_row(era: Era, row: Row) -> Row | str:
    """One review in the SOURCE schema (without its line), or the reason why it cannot be read."""
    if (role := role_of(row)) != "reviews":
        return f"a row of {role or 'something else'} in a file of reviews"
    made: Row = {}
    for column, key in (("user_id", era.user), ("item_id", era.item)):
        made[column] = (as_text(row.get(key)) or "").strip()
        if not made[column]:
            return f"no '{key}'"
    rating = as_number(row.get(era.rating))
    if rating is None:
        return f"no '{era.rating}'" if row.get(era.rating) is None else f"'{era.rating}' is no number"
    if not 1 <= rating <= 5:
        return f"'{era.rating}' is {rating:g}, not within 1 to 5"
    time = _time(era, row)
    if isinstance(time, str):
        return time
    helpful = row.get(era.helpful)
    votes = as_number(helpful[0] if isinstance(helpful, (list, tuple)) and helpful else helpful)
    if votes is not None and abs(votes) > _MOST_VOTES:
        votes = None
    if votes is None and era.helpful_type == pl.String:
        votes = 0
    return made | {
        "rating": rating,
        "title": as_text(row.get(era.title)),
        "text": as_text(row.get(era.text)),
        "helpful": None if votes is None else int(votes),
        "time": time,
    }


def _time(era: Era, row: Row) -> int | str | None:
    """Milliseconds since 1970, None where no time is given, or a reason."""
    value = row.get(era.time)
    if value is None:
        return _written_time(row.get("reviewTime"))
    number = as_number(value)
    if number is None or not _EARLIEST_MS <= number * era.ms <= _LATEST_MS:
        unit = "seconds" if era.ms == 1000 else "milliseconds"
        return f"'{era.time}' is '{str(value)[:40]}', no unix time in {unit} from 1994 on"
    return int(number * era.ms)


def _written_time(value: Any) -> int | None:
    """'06 17, 2018' in milliseconds."""
    try:
        return int(datetime.strptime(value, "%m %d, %Y").replace(tzinfo=UTC).timestamp() * 1000)
    except (TypeError, ValueError):
        return None


def canonical_reviews(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of the SOURCE schema as the table of reviews; ids come from content: equal rows, equal ids."""
    text = (pl.when(pl.col(c).str.strip_chars() != "").then(pl.col(c)).alias(c) for c in ("title", "text"))
    frame = frame.with_columns(*text, label_of_rating(pl.col("rating")).alias("label"))
    return frame.select(
        content_ids(frame, "user_id", "item_id", "time", "rating", "title", "text").alias("review_id"),
        "user_id", "item_id", "rating", "label", "title", "text", "helpful",
        _instant(),
    )  # fmt: skip


def canonical_events(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows as the table of events."""
    return frame.select("user_id", "item_id", pl.lit("rate").alias("kind"), "rating", _instant())


def _instant() -> pl.Expr:
    return pl.col("time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
