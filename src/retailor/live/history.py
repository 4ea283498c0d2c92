"""What a living shop has taken in, as a part of the Shop that the next run is fitted on."""

from __future__ import annotations

import polars as pl

from retailor.live.log import Log
from retailor.live.recent import CHOSEN, shop_of
from retailor.live.shapes import Entry
from retailor.shop.tables import Shop


def last_number(url: str) -> int:
    """The number of the last line of the log at a URL. Raises ConfigError where it cannot be opened."""
    log = Log.open(url)
    try:
        return log.last()
    finally:
        log.close()


def with_log(shop: Shop, url: str, number: int) -> Shop:
    """The shop with the lines of the log up to a number: items put in the place of theirs, those taken out
    gone, and what customers chose behind the events. An event that the shop has already is there once.
    """
    items: dict[str, Entry] = {}
    gone: set[str] = set()
    events: list[Entry] = []
    log = Log.open(url)
    try:
        for _, entry in log.since(until=number):
            _take(entry, items, gone, events)
    finally:
        log.close()
    new = shop_of(items.values(), events)
    catalogue = pl.concat([new.items, shop.items.filter(~pl.col("item_id").is_in([*gone, *items]))])
    own = ["user_id", "item_id", "kind", "time"]
    fresh = new.events.join(shop.events, on=own, how="anti", nulls_equal=True, maintain_order="left")
    return shop.with_tables(items=catalogue, events=pl.concat([shop.events, fresh]))


def _take(entry: Entry, items: dict[str, Entry], gone: set[str], events: list[Entry]) -> None:
    item_id = entry.item_id or ""
    if entry.what == "item":
        items[item_id] = entry
        gone.discard(item_id)
    elif entry.what == "gone":
        items.pop(item_id, None)
        gone.add(item_id)
    elif entry.what == "event" and entry.kind in CHOSEN and entry.user_id and entry.item_id:
        events.append(entry)
