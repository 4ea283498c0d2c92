"""All leaks of a shop that is split, in bounded time."""

from __future__ import annotations

from datetime import UTC, datetime

from retailor.seeds import stream
from retailor.shop.leaks.copies import copied
from retailor.shop.leaks.labels import in_ids, in_order, on_both_sides
from retailor.shop.leaks.naming import own_labels
from retailor.shop.leaks.shapes import Leaks
from retailor.shop.leaks.times import after_the_test
from retailor.shop.tables import Shop

MAX_ROWS = 20_000
LOOKED_AT = ("events", "reviews", "questions", "judgments")


def find_leaks(train: Shop, test: Shop, *, max_rows: int = MAX_ROWS, now: datetime | None = None) -> Leaks:
    """The leaks between a training and a test part, of all kinds, each with rows that show it.

    Of a part's table with more than `max_rows` rows so many are drawn, and it is said; times and rows that
    are the same are looked for in all of them. `now` is for rows from after it.
    """
    whole = [
        *copied(train, test, max_rows=max_rows),
        *after_the_test(train, test, now or datetime.now(UTC)),
    ]
    some = [_drawn(part, max_rows) for part in (train, test)]
    found = [
        *whole,
        *in_ids(*some),
        *in_order(*some),
        *on_both_sides(*some),
        *own_labels(*some),
    ]
    rows = {name: sum(len(part.tables()[name]) for part in (train, test)) for name in LOOKED_AT}
    large = tuple(
        name for name in LOOKED_AT if any(len(part.tables()[name]) > max_rows for part in (train, test))
    )
    return Leaks(tuple(found), {name: n for name, n in rows.items() if n}, large)


def _drawn(shop: Shop, max_rows: int) -> Shop:
    """The shop with at most so many rows a table: drawn, in their order."""
    tables = {}
    for name in LOOKED_AT:
        table = shop.tables()[name]
        if len(table) > max_rows:
            # A stretch of whole neighbours, since their order is looked at too, and rows from all over.
            rows = stream(0, "leaks", name).permutation(len(table) // 2)[: max_rows // 2]
            tables[name] = table[sorted([*(2 * rows).tolist(), *(2 * rows + 1).tolist()])]
    return shop.with_tables(**tables)
