"""Items that are not shown to customers: those that are gone, and those that there are none of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

N_KNOWN = 8
"""Catalogues whose rows are kept: those of the tasks that answer, and of the ones before."""


class Hidden:
    """A set of item ids, for queries: equal where the ids are, with one short text for keys of caches.

    A shop may have sold out of a hundred thousand items, and each query is asked without them: their rows are
    looked up once a catalogue, and what tells them from another set is made once.
    """

    __slots__ = ("_rows", "cache_text", "ids")

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self.ids = frozenset(ids)
        text = "\n".join(sorted(self.ids))
        self.cache_text = hashlib.sha256(text.encode()).hexdigest() if self.ids else ""
        self._rows: dict[int, tuple[Mapping[str, int], NDArray[np.int64]]] = {}

    def rows(self, places: Mapping[str, int]) -> NDArray[np.int64]:
        """Where in a catalogue the items are, ascending; `places`, its item id to row, must not change."""
        known = self._rows.get(id(places))
        if known is None:
            known = places, np.array(sorted(places[each] for each in self.ids if each in places), np.int64)
            if len(self._rows) >= N_KNOWN:
                self._rows = {}
            self._rows[id(places)] = known  # which holds `places`, so that no other has its number
        return known[1]

    def __contains__(self, item_id: object) -> bool:
        return item_id in self.ids

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Hidden) and self.ids == other.ids

    def __hash__(self) -> int:
        return hash(self.ids)

    def __repr__(self) -> str:
        return f"Hidden({len(self.ids)} items)"


NONE_HIDDEN = Hidden()


def sold_out(items: pl.DataFrame) -> Hidden:
    """The items of a shop's table that there are none of; where it does not say there are some."""
    return Hidden(items.filter(~pl.col("in_stock"))["item_id"])
