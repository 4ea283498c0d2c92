"""Review rows of Amazon Reviews, all eras: the usual rows a block at once, the others one by one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import polars as pl

from retailor.shop.cells.ids import content_ids
from retailor.shop.files.lines import Block, Reject
from retailor.shop.files.records import AT_ONCE, Row, as_number, as_text, lines_of, object_of, parsed
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
_NUL = rb"\u0000"
"""How JSON writes the only control character that no text of ours holds."""
_NONE = type(None)
_TEXT, _OPTIONAL_TEXT = frozenset({str}), frozenset({str, _NONE})
_WHOLE, _NUMBER, _VOTES = frozenset({int}), frozenset({int, float}), frozenset({int, _NONE})


def parse_reviews(era: Era, block: Block, reject: Reject, foreign: Foreign) -> pl.DataFrame:
    """The good rows of a block in the SOURCE schema, in file order.

    Every line is parsed by itself. Rows whose values have the usual types are checked a column at once, the
    others are read again one by one: what a row means depends on nothing beside it.
    """
    raws = lines_of(block)
    frame = _columns(era, block, raws)
    usual = frame.select(_is_usual(era, _NUL in block.data)).to_series()
    votes = pl.col("helpful").fill_null(0) if era.helpful_type == pl.String else pl.col("helpful")
    frame = frame.drop("usual").with_columns(votes, pl.col("time") * era.ms)
    if usual.all():
        return frame
    odd = _one_by_one(era, block, raws, (~usual).arg_true().to_list(), reject, foreign)
    return pl.concat([frame.filter(usual), odd]).sort("line")


def _columns(era: Era, block: Block, raws: list[bytes]) -> pl.DataFrame:
    """The values of every line in the SOURCE schema, null where a type is odd; and whether all are `usual`.

    A long number may have lost digits here, but no usual value is one.
    """
    own = {era.user, era.item, era.rating, era.title, era.text, era.helpful, era.time}
    signs = {s for other, its in SIGNS["reviews"].items() if other != era.name for s in its} - own
    in_list = era.helpful_type == pl.List(pl.Int64)
    usual: list[bool] = []
    columns: dict[str, list[Any]] = {column: [] for column, _, _ in _kinds(era)}
    for start in range(0, len(raws), AT_ONCE):
        rows = [row if type(row) is dict else {} for row in parsed(raws[start : start + AT_ONCE])]
        fine = list(map(signs.isdisjoint, rows))
        for column, key, kinds in _kinds(era):
            values = list(map(dict.get, rows, itertools.repeat(key)))
            if column == "helpful":
                values = [value and _usual_votes(value, in_list) for value in values]
            if not kinds.issuperset(map(type, values)):
                fine = [is_fine and type(value) in kinds for is_fine, value in zip(fine, values, strict=True)]
                values = [value if type(value) in kinds else None for value in values]
            columns[column] += values
        usual += fine
    lines = block.numbers or range(block.line, block.line + len(raws))
    made = {column: _series(values, SOURCE[column]) for column, values in columns.items()}
    return pl.DataFrame({"line": pl.Series(lines, dtype=pl.Int64), **made, "usual": usual})


def _kinds(era: Era) -> tuple[tuple[str, str, frozenset[Any]], ...]:
    """Column, the era's key of it, and the types of its usual values."""
    return (
        ("user_id", era.user, _TEXT),
        ("item_id", era.item, _TEXT),
        ("rating", era.rating, _NUMBER),
        ("title", era.title, _OPTIONAL_TEXT),
        ("text", era.text, _OPTIONAL_TEXT),
        ("helpful", era.helpful, _VOTES),
        ("time", era.time, _WHOLE),
    )


def _series(values: list[Any], kind: Any) -> pl.Series:
    """The values in their type; a whole number of more than 62 bits becomes null."""
    try:
        return pl.Series(values, dtype=kind)
    except (OverflowError, TypeError, pl.exceptions.PolarsError):
        small = [v if type(v) is not int or abs(v) < 1 << 62 else None for v in values]
        return pl.Series(small, dtype=kind)


def _usual_votes(value: Any, in_list: bool) -> Any:
    """A whole number or None; a text where it takes a second look."""
    if in_list and type(value) is list and value:
        value = value[0]
    if type(value) is str and len(value) < 16 and value.isascii() and value.isdigit():
        return int(value)
    return value if type(value) is int and abs(value) <= _MOST_VOTES else ""


def _is_usual(era: Era, may_hold_nul: bool) -> pl.Expr:
    """True for rows whose values need no second look."""
    ids = [(pl.col(c) != "") & (pl.col(c) == pl.col(c).str.strip_chars()) for c in ("user_id", "item_id")]
    texts = ("user_id", "item_id", "title", "text") if may_hold_nul else ()
    strange = [pl.col(c).str.contains("\0", literal=True) for c in texts]
    return pl.all_horizontal(
        "usual",
        *(known.fill_null(False) for known in ids),
        *(~each.fill_null(False) for each in strange),
        pl.col("rating").is_between(1, 5).fill_null(False),
        pl.col("time").is_between(_EARLIEST_MS // era.ms, _LATEST_MS // era.ms).fill_null(False),
    )


def _one_by_one(
    era: Era, block: Block, raws: list[bytes], odd: Iterable[int], reject: Reject, foreign: Foreign
) -> pl.DataFrame:
    good = []
    for i in odd:
        row = object_of(block, i, raws[i], reject)
        if row is None:
            continue
        line = block.number(i)
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
