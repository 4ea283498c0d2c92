"""Leaks by time: training rows from after the test, and rows from after today."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import polars as pl

from retailor.shop.leaks.shapes import Leak, rows_of
from retailor.shop.tables import Shop

TIMED = {
    "events": ("user_id", "item_id", "kind"),
    "reviews": ("review_id", "user_id", "item_id"),
    "questions": ("question_id", "item_id"),
}
MOST_ASTRAY = 0.1
"""Where more of either part lies on the wrong side of the best cut, the shop was not split by time."""
LEAST_OWN = 0.02
"""Share of the test's customers with a training event after their test event, from which it is a leak."""


def after_the_test(train: Shop, test: Shop, now: datetime) -> Iterator[Leak]:
    """Every leak of the kind 'future'."""
    for table in TIMED:
        rows, asked = train.tables()[table], test.tables()[table]
        yield from _beyond(pl.concat([rows, asked]), table, now)
        known, told = rows["time"].drop_nulls(), asked["time"].drop_nulls()
        if len(known) and len(told):
            cut = _cut(known, told)
            yield from _late(rows, table, cut) if cut is not None else _own_late(rows, asked, table)


def _beyond(rows: pl.DataFrame, table: str, now: datetime) -> Iterator[Leak]:
    late = rows.filter(pl.col("time") > now + timedelta(days=1))
    if len(late):
        found = late.select(*TIMED[table], "time")
        yield Leak("future", table, len(late), len(rows), "dated after today", rows_of(found))


def _cut(known: pl.Series, asked: pl.Series) -> datetime | None:
    """The instant that the test begins at, None where no instant parts most of the two."""
    cut = asked.quantile(MOST_ASTRAY, "lower")
    first = asked.min()
    for instant in (first, cut):
        if isinstance(instant, datetime) and (known > instant).sum() <= MOST_ASTRAY * len(known):
            return instant
    return None


def _late(rows: pl.DataFrame, table: str, cut: datetime) -> Iterator[Leak]:
    late = rows.filter(pl.col("time") > cut)
    if len(late):
        found = late.select(*TIMED[table], "time")
        detail = f"in training, from after {cut:%Y-%m-%d %H:%M}, when the test begins"
        yield Leak("future", table, len(late), len(rows), detail, rows_of(found))


def _own_late(rows: pl.DataFrame, asked: pl.DataFrame, table: str) -> Iterator[Leak]:
    """A shop split by customers' last rows: those who have a training row after their test row."""
    # Reviews go with their events: one of an earlier choice may well be written later.
    if table != "events":
        return
    first = asked.drop_nulls(["user_id", "time"]).group_by("user_id").agg(since=pl.col("time").min())
    late = rows.join(first, on="user_id", how="inner").filter(pl.col("time") > pl.col("since"))
    n = late["user_id"].n_unique()
    if len(first) and n >= max(2, LEAST_OWN * len(first)):
        found = late.select("user_id", "item_id", "time", "since")
        detail = "customers with a training row from after their test row"
        yield Leak("future", table, n, len(first), detail, rows_of(found))
