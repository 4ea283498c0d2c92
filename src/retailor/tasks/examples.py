"""What the report's examples of all tasks are chosen and named by."""

from __future__ import annotations

from typing import Any

import polars as pl

from retailor.seeds import stream
from retailor.shop.tables import Shop

Example = dict[str, Any]
"""One prediction beside the truth, as fields that the report shows in their order."""


def sample(frame: pl.DataFrame, n: int, seed: int, name: str) -> pl.DataFrame:
    """At most `n` rows at random, in their order; `name` is the task's, so that each draws for itself."""
    order = stream(seed, "examples", name).permutation(len(frame))[:n]
    return frame[sorted(order.tolist())]


def titles_of(shop: Shop) -> dict[str, str]:
    """Item id to title, or to itself where there is none."""
    return {item_id: title or item_id for item_id, title in shop.items.select("item_id", "title").iter_rows()}
