"""What people made of drafts, out of the log: a table of preferences for the next run.

An edit of a draft says that the edited text is better than the draft. Thumbs say it of two drafts: one that
was liked and one that was not, of the same item with the same stars. An event about a draft names its item
and its stars, and has the draft itself in `about`; others of these kinds are about something else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import polars as pl

from retailor.live.shapes import Line
from retailor.shop.tables import SCHEMAS

KINDS = ("edit", "thumb_up", "thumb_down")


def preferences_of(lines: Iterable[Line]) -> pl.DataFrame:
    """The table `preferences`, in the order of the lines. A thumb is used once; one without its opposite
    says nothing yet."""
    rows: list[dict[str, Any]] = []
    waiting: dict[tuple[str, float, str], list[Line]] = defaultdict(list)
    for line in lines:
        draft, stars = line.body.get("about"), line.rating
        if line.kind not in KINDS or not line.item_id or stars is None or not draft:
            continue
        if line.kind == "edit":
            rows.append(_row(line, str(line.body["text"]), str(draft)))
            continue
        opposite = "thumb_down" if line.kind == "thumb_up" else "thumb_up"
        others = waiting[line.item_id, stars, opposite]
        if not others:
            waiting[line.item_id, stars, line.kind].append(line)
            continue
        other = str(others.pop(0).body["about"])
        chosen, rejected = (str(draft), other) if line.kind == "thumb_up" else (other, str(draft))
        rows.append(_row(line, chosen, rejected))
    return pl.DataFrame(rows, schema=SCHEMAS["preferences"])


def _row(line: Line, chosen: str, rejected: str) -> dict[str, Any]:
    return {
        "user_id": line.user_id, "item_id": line.item_id, "rating": line.rating,
        "chosen": chosen, "rejected": rejected, "time": line.time, "language": None,
    }  # fmt: skip
