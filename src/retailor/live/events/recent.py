"""What happened since the fit, in memory: whose latest items are which, what is new, what is gone."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable

import polars as pl

from retailor.live.shapes import Line
from retailor.shop.gone import hash_of
from retailor.shop.hidden import NONE_HIDDEN, Hidden
from retailor.shop.tables import SCHEMAS, Shop, conform
from retailor.text.clean_shop import clean
from retailor.text.fields import structure_items

CHOSEN = ("view", "click", "cart", "buy", "favourite", "rate")
"""Kinds of events that tell what a customer is after."""
AS_KINDS = {"click": "view"}
"""What the Shop calls them, where it has another name."""
MAX_CUSTOMERS = 200_000
MAX_OWN = 50
MAX_EVENTS = 1_000_000
"""So many latest items of so many latest customers, and latest events, are in memory; the log has all."""
HOURS, MAX_HOURS = 24 * 7, 10_000
"""So many latest hours are told of; above so many counts the older ones go."""


class Recent:
    """Safe from any thread. Lines come in the order of arrival; a customer's items are kept by time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: OrderedDict[str, deque[tuple[int, Line]]] = OrderedDict()
        self._items: dict[str, tuple[int, Line]] = {}
        self._gone: set[str] = set()
        self._stock: dict[str, float] = {}
        self._events: deque[tuple[int, Line]] = deque(maxlen=MAX_EVENTS)
        self._dropped: list[str] = []
        """Who was forgotten by the lines that are being taken in."""
        self._hidden: dict[Hidden, Hidden] = {}
        """What `not_to_show` gave last, by what it was asked with; empty once it may be another."""
        self._arms: dict[str, tuple[str, str]] = {}
        self.n_by_arm: Counter[tuple[str, str, str]] = Counter()
        """(experiment, arm, kind of event since the customer was in it, or 'customers') to how many."""
        self.n_by_hour: Counter[tuple[int, str]] = Counter()
        """(hour since 1970 in which it happened, kind of event) to how many came in."""
        self.number = 0
        """Of the last line that is known."""
        self.n_changes = 0
        """How often items were put or taken out."""

    def add(self, lines: Iterable[tuple[int, Line]]) -> list[str]:
        """Takes in lines with their numbers; of whom something was forgotten by it."""
        take = {
            "event": self._event, "item": self._item, "gone": self._out, "stock": self._count,
            "forgot": self._forget, "exposed": self._expose,
        }  # fmt: skip
        with self._lock:
            for number, line in lines:
                self.number = max(self.number, number)
                if line.what in take:
                    take[line.what](number, line)
            dropped, self._dropped = self._dropped, []
        return dropped

    def _event(self, number: int, line: Line) -> None:
        who = line.user_id
        self._count_hour(line)
        if line.kind not in CHOSEN or line.item_id is None or who is None:
            return
        self._events.append((number, line))
        if who in self._arms:
            self.n_by_arm[*self._arms[who], str(line.kind)] += 1
        own = self._own.setdefault(who, deque(maxlen=MAX_OWN))
        own.append((number, line))
        if len(own) > 1 and own[-2][1].time > line.time:
            ordered = sorted(own, key=lambda each: each[1].time)
            own.clear()
            own.extend(ordered)
        self._own.move_to_end(who)
        if len(self._own) > MAX_CUSTOMERS:
            self._own.popitem(last=False)

    def _count_hour(self, line: Line) -> None:
        hour = int(line.time.timestamp() // 3600)
        self.n_by_hour[hour, str(line.kind)] += 1
        if len(self.n_by_hour) > MAX_HOURS:
            newest = max(each for each, _ in self.n_by_hour)
            for key in [key for key in self.n_by_hour if key[0] < newest - HOURS]:
                del self.n_by_hour[key]

    def _expose(self, number: int, line: Line) -> None:
        arm = str(line.body["experiment"]), str(line.body["arm"])
        if line.user_id is not None and self._arms.get(line.user_id) != arm:
            self._arms[line.user_id] = arm
            self.n_by_arm[*arm, "customers"] += 1

    def _forget(self, number: int, line: Line) -> None:
        salt, theirs = str(line.body["salt"]), str(line.body["hash"])
        known = self._own.keys() | self._arms.keys() | {str(each.user_id) for _, each in self._events}
        who = next((each for each in known if hash_of(each, salt) == theirs), None)
        if who is not None:
            self._dropped.append(who)
            self._own.pop(who, None)
            self._arms.pop(who, None)
            left = [each for each in self._events if each[1].user_id != who]
            self._events.clear()
            self._events.extend(left)

    def _item(self, number: int, line: Line) -> None:
        assert line.item_id is not None
        self._items[line.item_id] = number, line
        self._gone.discard(line.item_id)
        self._changed()

    def _out(self, number: int, line: Line) -> None:
        assert line.item_id is not None
        self._gone.add(line.item_id)
        self._items.pop(line.item_id, None)
        self._changed()

    def _count(self, number: int, line: Line) -> None:
        assert line.item_id is not None
        self._stock[line.item_id] = float(line.body["n"])
        self._hidden = {}

    def _changed(self) -> None:
        self.n_changes += 1
        self._hidden = {}

    # asking

    def items_of(self, user_id: str, after: int = 0) -> tuple[str, ...]:
        """The customer's items of lines after a number, oldest first; who rates has bought."""
        with self._lock:
            own = self._own.get(user_id, ())
            return tuple(e.item_id for n, e in own if n > after and e.item_id)

    def not_to_show(self, sold_out: Hidden = NONE_HIDDEN) -> Hidden:
        """Items that are gone or out of stock.

        `sold_out`: those that the catalogue says there are none of; a count that came in says it better.
        """
        with self._lock:
            if sold_out not in self._hidden:
                empty = {each for each, n in self._stock.items() if n <= 0}
                told = sold_out.ids - self._stock.keys()
                self._hidden = {sold_out: Hidden(self._gone | empty | told)}
            return self._hidden[sold_out]

    def events(self, after: int = 0) -> pl.DataFrame:
        """What customers chose, of lines after a number."""
        with self._lock:
            events = [line for number, line in self._events if number > after]
        return shop_of([], events).events

    def came_in(self) -> dict[tuple[int, str], int]:
        """(hour since 1970, kind of event) to how many."""
        with self._lock:
            return dict(self.n_by_hour)

    def shop(self, after: int = 0, events_after: int | None = None) -> tuple[Shop, frozenset[str], int]:
        """Items put and events of lines after a number, the items that are gone, and the last number.

        `events_after`: that of the events, where it is another.
        """
        from_event = after if events_after is None else events_after
        with self._lock:
            items = [line for number, line in self._items.values() if number > after]
            events = [line for number, line in self._events if number > from_event]
            gone, last = frozenset(self._gone), self.number
        return _read_as_fitted(shop_of(items, events)), gone, last


def _read_as_fitted(shop: Shop) -> Shop:
    """The shop with its items as a run would have them: texts cleaned, brands and quantities read."""
    items = clean(Shop.of(items=shop.items)).items
    return shop.with_tables(items=structure_items(items))


def shop_of(items: Iterable[Line], events: Iterable[Line]) -> Shop:
    """The tables of lines: items put, and what customers chose."""
    rows = [{**line.body, "item_id": line.item_id} for line in items]
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
