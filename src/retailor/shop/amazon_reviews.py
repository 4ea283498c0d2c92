"""Review rows of Amazon Reviews, all eras: a block at once where it is plain JSON, else line by line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from retailor.shop.amazon_eras import SIGNS, Era, check_era, role_of
from retailor.shop.ids import content_ids
from retailor.shop.lines import Block, Reject
from retailor.shop.records import Row, as_number, as_text, objects, parse_object
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


def parse_reviews(era: Era, name: str, block: Block, reject: Reject) -> pl.DataFrame:
    """The good rows of a block in the SOURCE schema, in file order.

    The whole block is parsed at once; what that does not vouch for is parsed again line by line.
    """
    frame = _parse_fast(era, block)
    if frame is None:
        return _parse_slow(era, name, list(objects(block, reject)), reject)
    good = frame.filter(_vouched())
    if len(good) == len(frame):
        return good.select(*SOURCE)
    doubtful = frame.filter(~_vouched())["line"]
    raws = block.data.split(b"\n")
    rows = [(line, parse_object(raws[line - block.line])) for line in doubtful]
    for line, row in rows:
        if isinstance(row, str):
            reject(line, row)
    slow = _parse_slow(era, name, [(line, row) for line, row in rows if isinstance(row, dict)], reject)
    return pl.concat([good.select(*SOURCE), slow]).sort("line")


def _parse_fast(era: Era, block: Block) -> pl.DataFrame | None:
    """SOURCE and the column `foreign` (signs of other eras), or None where one line is not plain JSON."""
    own = {
        era.user: pl.String,
        era.item: pl.String,
        era.rating: pl.Float64,
        era.title: pl.String,
        era.text: pl.String,
        era.helpful: era.helpful_type,
        era.time: pl.Int64,
    }
    others = [
        s for other, signs in SIGNS["reviews"].items() if other != era.name for s in signs if s not in own
    ]
    try:
        frame = pl.read_ndjson(block.data, schema={**own, **dict.fromkeys(others, pl.String)})
    except pl.exceptions.PolarsError:
        return None
    if len(frame) != block.n_lines:  # blank lines: the numbers would be off
        return None
    helpful = pl.col(era.helpful)
    if era.helpful_type == pl.List(pl.Int64):
        helpful = helpful.list.get(0, null_on_oob=True)
    elif era.helpful_type == pl.String:
        helpful = helpful.str.replace_all(",", "", literal=True).cast(pl.Int64, strict=False).fill_null(0)
    return frame.select(
        pl.int_range(block.line, block.line + pl.len(), dtype=pl.Int64).alias("line"),
        pl.col(era.user).alias("user_id"),
        pl.col(era.item).alias("item_id"),
        pl.col(era.rating).alias("rating"),
        pl.col(era.title).alias("title"),
        pl.col(era.text).alias("text"),
        helpful.alias("helpful"),
        (pl.col(era.time) * era.ms).alias("time"),
        pl.any_horizontal(pl.col(sign).is_not_null() for sign in others).alias("foreign"),
    )


def _vouched() -> pl.Expr:
    """True for rows that need no second look."""
    ids = [(pl.col(c) != "") & (pl.col(c) == pl.col(c).str.strip_chars()) for c in ("user_id", "item_id")]
    # lists come as JSON text, lone surrogates as NUL: the line itself says what they were
    odd = [pl.col(c).str.contains("^[\\[{]|\0").fill_null(False) for c in ("title", "text")]
    return pl.all_horizontal(
        ~pl.col("foreign"),
        *(known.fill_null(False) for known in ids),
        *(~strange for strange in odd),
        pl.col("rating").is_between(1, 5).fill_null(False),
        pl.col("time").is_between(_EARLIEST_MS, _LATEST_MS).fill_null(False),
    )


def _parse_slow(era: Era, name: str, rows: Sequence[tuple[int, Row]], reject: Reject) -> pl.DataFrame:
    good = []
    for line, row in rows:
        check_era(era, "reviews", name, line, row)
        made = review_row(era, row)
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
