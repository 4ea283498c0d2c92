"""What people made of drafts, out of the log: a table of preferences for the next run.

An edit of a draft says that the edited text is better than the draft. Thumbs say it of two drafts: one that
was liked and one that was not, by the same customer, of the same item with the same stars and in the same
language. An event about a draft names its item and its stars, and has the draft itself in `about`; others of
these kinds are about something else. A customer without a name is the session.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import polars as pl

from retailor.live.shapes import Line
from retailor.shop.tables import SCHEMAS
from retailor.text.languages import language_of

UNKNOWN = "und"
KINDS = ("edit", "thumb_up", "thumb_down")


def preferences_of(lines: Iterable[Line]) -> pl.DataFrame:
    """The table `preferences`, in the order of the lines. A thumb is used once; one without its opposite
    says nothing yet."""
    rows: list[dict[str, Any]] = []
    waiting: dict[tuple[object, ...], list[Line]] = defaultdict(list)
    for line in lines:
        draft, stars = line.body.get("about"), line.rating
        if line.kind not in KINDS or not line.item_id or stars is None or not draft:
            continue
        if line.kind == "edit":
            rows.append(_row(line, str(line.body["text"]), str(draft)))
            continue
        who = ("user", line.user_id) if line.user_id else ("session", line.body.get("session_id"))
        pair = (*who, line.item_id, stars, language_of(str(draft)))
        opposite = "thumb_down" if line.kind == "thumb_up" else "thumb_up"
        others = waiting[*pair, opposite]
        if not others:
            waiting[*pair, line.kind].append(line)
            continue
        other = str(others.pop(0).body["about"])
        chosen, rejected = (str(draft), other) if line.kind == "thumb_up" else (other, str(draft))
        rows.append(_row(line, chosen, rejected))
    return pl.DataFrame(rows, schema=SCHEMAS["preferences"])


def _row(line: Line, chosen: str, rejected: str) -> dict[str, Any]:
    return {
        "user_id": line.user_id, "item_id": line.item_id, "rating": line.rating,
        "chosen": chosen, "rejected": rejected, "time": line.time, "language": _language(chosen, rejected),
    }  # fmt: skip


def _language(*texts: str) -> str | None:
    """Of the first text that tells it."""
    return next((code for text in texts if (code := language_of(text)) != UNKNOWN), None)
