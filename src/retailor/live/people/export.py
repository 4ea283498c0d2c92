"""All that a run and its log know of one customer, to be handed to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from retailor.live.events.log import Log
from retailor.shop.tables import Shop


def export_of(user_ids: Sequence[str], shop: Shop, log: Log | None) -> dict[str, Any]:
    """The rows of the shop that is served and the lines of the log, JSON-able, the oldest first."""
    mine = pl.col("user_id").is_in(list(user_ids))
    tables = {
        name: shop.tables()[name].filter(mine).sort("time").to_dicts()
        for name in ("events", "reviews", "preferences")
    }
    lines = [] if log is None else [{"number": number, **asdict(line)} for number, line in log.of(user_ids)]
    return {"user_ids": list(user_ids), **tables, "log": lines}
