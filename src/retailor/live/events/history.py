"""What a living shop has taken in, as a part of the Shop that the next run is fitted on."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from retailor.live.events.log import Log
from retailor.live.events.preferred import KINDS, preferences_of
from retailor.live.events.recent import CHOSEN, shop_of
from retailor.live.shapes import Line
from retailor.shop.tables import Shop


def last_number(url: str) -> int:
    """The number of the last line of the log at a URL. Raises ConfigError where it cannot be opened."""
    log = Log.open(url)
    try:
        return log.last()
    finally:
        log.close()


def newest_events(url: str, since: datetime) -> tuple[int, list[datetime]]:
    """The number of the last line, and the times, ascending, of what customers chose after an instant."""
    log = Log.open(url)
    try:
        number = log.last()
        lines = (line for _, line in log.since(until=number) if line.what == "event")
        times = sorted(
            line.time for line in lines if line.time > since and line.kind in CHOSEN and line.user_id
        )
        return number, times
    finally:
        log.close()


def with_log(shop: Shop, url: str, number: int) -> Shop:
    """The shop with the lines of the log up to a number: items put in the place of theirs, those taken out
    gone, what customers chose behind the events, what they made of drafts behind the preferences. What the
    shop has already is there once.
    """
    items: dict[str, Line] = {}
    gone: set[str] = set()
    events: list[Line] = []
    told: list[Line] = []
    log = Log.open(url)
    try:
        for _, line in log.since(until=number):
            _take(line, items, gone, events)
            if line.what == "event" and line.kind in KINDS:
                told.append(line)
    finally:
        log.close()
    new = shop_of(items.values(), events)
    catalogue = pl.concat([new.items, shop.items.filter(~pl.col("item_id").is_in([*gone, *items]))])
    own = ["user_id", "item_id", "kind", "time"]
    fresh = new.events.join(shop.events, on=own, how="anti", nulls_equal=True, maintain_order="left")
    liked = preferences_of(told).join(
        shop.preferences, on=["item_id", "rating", "chosen", "rejected"], how="anti", nulls_equal=True,
        maintain_order="left",
    )  # fmt: skip
    return shop.with_tables(
        items=catalogue,
        events=pl.concat([shop.events, fresh]),
        preferences=pl.concat([shop.preferences, liked]),
    )


def _take(line: Line, items: dict[str, Line], gone: set[str], events: list[Line]) -> None:
    item_id = line.item_id or ""
    if line.what == "item":
        items[item_id] = line
        gone.discard(item_id)
    elif line.what == "gone":
        items.pop(item_id, None)
        gone.add(item_id)
    elif line.what == "event" and line.kind in CHOSEN and line.user_id and line.item_id:
        events.append(line)
