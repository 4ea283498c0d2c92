"""What happened since the fit, in memory: whose latest items are which, what is new, what is gone."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable

import polars as pl

from retailor.live.shapes import Entry
from retailor.shop.tables import SCHEMAS, Shop, conform

CHOSEN = ("view", "click", "cart", "buy", "favourite", "rate")
"""Kinds of events that tell what a customer is after."""
AS_KINDS = {"click": "view"}
"""What the Shop calls them, where it has another name."""
MAX_CUSTOMERS = 200_000
MAX_OWN = 50
"""So many latest items of so many latest customers are kept in memory; the log has all."""


class Recent:
    """Safe from any thread. Entries come in the order of arrival; a customer's items are kept by time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: OrderedDict[str, deque[tuple[int, Entry]]] = OrderedDict()
        self._items: dict[str, tuple[int, Entry]] = {}
        self._gone: set[str] = set()
        self._stock: dict[str, float] = {}
        self._events: list[tuple[int, Entry]] = []
        self.number = 0
        """Of the last entry that is known."""
        self.n_changes = 0
        """How often items were put or taken out."""

    def add(self, entries: Iterable[tuple[int, Entry]]) -> None:
        """Takes in entries with their numbers."""
        with self._lock:
            for number, entry in entries:
                self.number = max(self.number, number)
                {"event": self._event, "item": self._item, "gone": self._out, "stock": self._count}[
                    entry.what
                ](number, entry)

    def _event(self, number: int, entry: Entry) -> None:
        if entry.kind not in CHOSEN or entry.item_id is None:
            return
        if entry.user_id is not None:
            self._events.append((number, entry))
        who = entry.user_id or f"session {entry.body.get('session_id')}"
        own = self._own.setdefault(who, deque(maxlen=MAX_OWN))
        own.append((number, entry))
        if len(own) > 1 and own[-2][1].time > entry.time:
            ordered = sorted(own, key=lambda each: each[1].time)
            own.clear()
            own.extend(ordered)
        self._own.move_to_end(who)
        if len(self._own) > MAX_CUSTOMERS:
            self._own.popitem(last=False)

    def _item(self, number: int, entry: Entry) -> None:
        assert entry.item_id is not None
        self._items[entry.item_id] = number, entry
        self._gone.discard(entry.item_id)
        self.n_changes += 1

    def _out(self, number: int, entry: Entry) -> None:
        assert entry.item_id is not None
        self._gone.add(entry.item_id)
        self._items.pop(entry.item_id, None)
        self.n_changes += 1

    def _count(self, number: int, entry: Entry) -> None:
        assert entry.item_id is not None
        self._stock[entry.item_id] = float(entry.body["n"])

    # asking

    def items_of(self, user_id: str, after: int = 0) -> tuple[str, ...]:
        """The customer's items of entries after a number, oldest first; low ratings are no choice."""
        with self._lock:
            own = self._own.get(user_id, ())
            return tuple(e.item_id for n, e in own if n > after and e.item_id and not _disliked(e))

    def not_to_show(self) -> tuple[str, ...]:
        """Items that are gone or out of stock, sorted."""
        with self._lock:
            return tuple(sorted(self._gone | {each for each, n in self._stock.items() if n <= 0}))

    def shop(self, after: int = 0) -> tuple[Shop, frozenset[str], int]:
        """Items put and events of entries after a number, the items that are gone, and the last number."""
        with self._lock:
            items = [entry for number, entry in self._items.values() if number > after]
            events = [entry for number, entry in self._events if number > after]
            return shop_of(items, events), frozenset(self._gone), self.number


def shop_of(items: Iterable[Entry], events: Iterable[Entry]) -> Shop:
    """The tables of entries: items put, and what customers chose."""
    rows = [{**entry.body, "item_id": entry.item_id} for entry in items]
    done = [
        {
            "user_id": each.user_id,
            "item_id": each.item_id,
            "kind": AS_KINDS.get(str(each.kind), each.kind),
            "rating": each.rating,
            "time": each.time,
        }
        for each in events
    ]
    return Shop.of(
        items=conform("items", pl.DataFrame(rows, schema=SCHEMAS["items"])),
        events=conform("events", pl.DataFrame(done, schema=SCHEMAS["events"])),
    )


def _disliked(entry: Entry) -> bool:
    return entry.kind == "rate" and entry.rating is not None and entry.rating < 3
