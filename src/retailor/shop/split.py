"""Train and test shops. Items are in both; no other row is in both, and none is lost.

Who edits a draft posts what comes of it: a preference goes to test where its review is one of test, whenever
it was told.

Only an item of which no more is known than its rows in test is in test alone: where a catalogue was made of
events, to stand in it without an event would be a sign of the answer.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import polars as pl

from retailor.errors import ConfigError
from retailor.shop.leaks.texts import folded, near_pairs
from retailor.shop.tables import Shop

_HASHED_TEST = 0.1
_TIMED = ("events", "reviews", "questions")


def split_by_time(shop: Shop, *, test: float = 0.1, since: datetime | None = None) -> tuple[Shop, Shop]:
    """(train, test), cut at the one instant that puts a share nearest to `test` of the events after it.

    `since` is that instant, where it is given.

    Reviews and questions are cut at the same instant. A shop without timed events is cut by its timed
    reviews, or else questions. Rows without a time stay in train; a whole table without times, and the
    judgments, are split by a hash of their content instead (equal texts and equal queries stay together).
    Rejects stay in train.
    Ties: rows of the same instant are never parted, so day-level times may miss `test` by a day.
    """
    _check_share(test)
    cut = since or _instant(shop, test)
    cuts = {}
    for name in _TIMED:
        table = shop.tables()[name]
        if cut is None or table["time"].null_count() == len(table):
            cuts[name] = _hashed(table, _content(name), test, "")
        else:
            cuts[name] = _since(table, cut)
    cuts["preferences"] = _since(shop.preferences, cut)
    return _parts(shop, cuts, test, "")


def leave_last_out(shop: Shop, *, n: int = 1) -> tuple[Shop, Shop]:
    """(train, test), where test holds the last `n` events of each customer who has more than `n`.

    By time, ties in file order; events without a time come first. A review goes with its event: to test when
    its customer and item are held out and it is not older. Questions and judgments, which belong to no
    customer, are split by a hash of their content, a tenth to test.
    """
    if n < 1:
        raise ConfigError(f"leave_last_out: 'n' = {n}: it must be 1 or more.", key="n", value=n)
    events = shop.events.with_row_index("row")
    last = (
        events.sort("time", "row", nulls_last=False)
        .with_columns(
            n_after=pl.len().over("user_id") - 1 - pl.int_range(pl.len()).over("user_id"),
            n_all=pl.len().over("user_id"),
        )
        .sort("row")
        .select((pl.col("n_after") < n) & (pl.col("n_all") > n) & pl.col("user_id").is_not_null())
        .to_series()
    )
    cuts = {
        "events": last,
        "reviews": _of_held_out(shop.reviews, shop.events.filter(last)),
        "preferences": _of_held_out(shop.preferences, shop.events.filter(last)),
        "questions": _hashed(shop.questions, _content("questions"), _HASHED_TEST, ""),
    }
    return _parts(shop, cuts, _HASHED_TEST, "")


def split_at_random(shop: Shop, *, test: float = 0.1, seed: int = 0) -> tuple[Shop, Shop]:
    """(train, test) by a hash of the content and `seed`, for shops without times.

    A review and the event of the same customer and item fall on the same side, and so do equal texts of
    reviews without a customer, equal questions and equal queries.
    """
    _check_share(test)
    cuts = {
        name: _hashed(shop.tables()[name], _content(name), test, str(seed))
        for name in (*_TIMED, "preferences")
    }
    return _parts(shop, cuts, test, str(seed))


def instant(text: str) -> datetime:
    """The instant that a text names. Raises ConfigError where it names none, or says no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ConfigError(
            f"'{text}' is no instant with its zone; write 2026-11-28T09:30:00Z.", key="since", value=text
        )
    return found


def _since(table: pl.DataFrame, cut: datetime | None) -> pl.Series:
    """True for the rows from an instant on; for none where there is no instant, or a row has no time."""
    if cut is None:
        return pl.Series([False] * len(table), dtype=pl.Boolean)
    return table.select((pl.col("time") >= cut).fill_null(False)).to_series()


def _check_share(test: float) -> None:
    if not 0 < test < 1:
        raise ConfigError(f"split: 'test' = {test}: it must be between 0 and 1.", key="test", value=test)


def _instant(shop: Shop, test: float) -> datetime | None:
    """The first instant of the test rows, None where no cut by time leaves rows on both sides."""
    for name in _TIMED:
        times = shop.tables()[name]["time"].drop_nulls()
        if len(times):
            counts = times.value_counts().sort("time")
            starts = counts.select(
                "time", share=1 - (pl.col("count").cum_sum() - pl.col("count")) / len(times)
            )[1:]  # the first instant would leave nothing to train on
            if not len(starts):
                return None
            found: datetime = starts.sort((pl.col("share") - test).abs(), maintain_order=True)["time"][0]
            return found
    return None


def _content(table: str) -> pl.Expr:
    """What the hash looks at: rows that say the same must fall on the same side."""
    if table == "judgments":
        return pl.col("query")
    if table == "questions":
        return pl.coalesce("question", "question_id")
    pair = pl.concat_str("user_id", "item_id", separator="\x1f")  # null where one of them is
    if table == "preferences":
        return pl.coalesce(pair, "chosen")
    if table == "events":
        return pl.coalesce(pair, "user_id", "item_id")
    return pl.coalesce(pair, "text", "title", "review_id")


def _hashed(table: pl.DataFrame, content: pl.Expr, test: float, salt: str) -> pl.Series:
    """True for test rows; the same content gives the same answer in every shop and process."""
    keys = table.select(key=content.fill_null(""))
    unique = keys.unique()
    chosen = [
        int.from_bytes(hashlib.blake2b(f"{salt}\x1f{key}".encode(), digest_size=8).digest(), "little")
        < test * 2**64
        for key in unique["key"]
    ]
    joined = keys.join(
        unique.with_columns(chosen=pl.Series(chosen, dtype=pl.Boolean)),
        on="key",
        how="left",
        maintain_order="left",
    )
    return joined["chosen"]


def _of_held_out(reviews: pl.DataFrame, held_out: pl.DataFrame) -> pl.Series:
    """True for reviews of a held-out customer and item that are not older than the event."""
    since = held_out.group_by("user_id", "item_id").agg(since=pl.col("time").min(), held=pl.lit(True))
    return (
        reviews.select("user_id", "item_id", "time")
        .join(since, on=["user_id", "item_id"], how="left", maintain_order="left")
        .select(pl.col("held").fill_null(False) & (pl.col("time") >= pl.col("since")).fill_null(True))
        .to_series()
    )


def _parts(shop: Shop, cuts: dict[str, pl.Series], test: float, salt: str) -> tuple[Shop, Shop]:
    cuts = {**cuts, "judgments": _hashed(shop.judgments, _content("judgments"), test, salt)}
    cuts["preferences"] = cuts["preferences"] | _became(
        shop.preferences, shop.reviews.filter(cuts["reviews"])
    )
    train = {name: shop.tables()[name].filter(~in_test) for name, in_test in cuts.items()}
    held_out = {name: shop.tables()[name].filter(in_test) for name, in_test in cuts.items()}
    known = _known_items(shop.items, train, held_out)
    return (
        shop.with_tables(**train, items=shop.items.filter(known)),
        shop.with_tables(**held_out, rejects=shop.rejects.clear()),
    )


def _became(preferences: pl.DataFrame, held_out: pl.DataFrame) -> pl.Series:
    """True for preferences of a customer and an item that a held-out review is of too, and for those whose
    text, or one that nearly is it, is held out of the same item: an edit need not say whose it is."""
    pairs = held_out.select("user_id", "item_id").drop_nulls().unique().with_columns(own=pl.lit(True))
    own = preferences.join(pairs, on=["user_id", "item_id"], how="left", maintain_order="left")["own"]
    told = preferences.select("item_id", "chosen").with_row_index("row").drop_nulls().group_by("item_id")
    posted = held_out.select("item_id", "text").drop_nulls().group_by("item_id").agg("text")
    by_item = told.agg("row", "chosen").join(posted, on="item_id")
    alike = [False] * len(preferences)
    for rows, chosen, texts in by_item.select("row", "chosen", "text").iter_rows():
        same = {folded(text) for text in texts}
        near = {i for i, _ in near_pairs(chosen, texts)}
        for i, (row, text) in enumerate(zip(rows, chosen, strict=True)):
            alike[row] = i in near or folded(text) in same
    return own.fill_null(False) | pl.Series(alike, dtype=pl.Boolean)


def _known_items(
    items: pl.DataFrame, train: dict[str, pl.DataFrame], held_out: dict[str, pl.DataFrame]
) -> pl.Series:
    """True for items that train may know: with a row there, with words of their own, or in no row at all."""
    told = pl.any_horizontal(
        pl.col("title", "description").is_not_null(), pl.col("attributes").list.len().fill_null(0) > 0
    )
    in_train, in_test = (
        pl.concat([tables[name]["item_id"].drop_nulls() for name in _TIMED]).unique().implode()
        for tables in (train, held_out)
    )
    rows = pl.col("item_id").is_in(in_train) | ~pl.col("item_id").is_in(in_test)
    return items.select(known=told | rows.fill_null(True))["known"]
