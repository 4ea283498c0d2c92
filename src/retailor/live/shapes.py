"""What happens in a shop while it is served: a line of the log, and what is known to have happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

NUMBER = "log_number"
"""In the manifest of a saved shop: the number of the last line of the log that is in it."""
What = Literal["event", "item", "gone", "stock", "forgot", "exposed", "shown"]
"""An event of a customer; an item put or changed; an item taken out; how many of an item there are; that a
customer, known by a hash, was forgotten; that one was answered by an arm of an experiment; what an answer
showed."""


@dataclass(frozen=True)
class Line:
    """One line of the log. `key` is its own: a line with a key that is there already is not written again."""

    key: str
    what: What
    time: datetime
    """When it happened, in UTC."""
    user_id: str | None = None
    item_id: str | None = None
    kind: str | None = None
    """Of an event: one of `reading.NEEDS`."""
    rating: float | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    """What else is known: the words of a search, the place in a list, the columns of an item."""


@dataclass(frozen=True)
class Refused:
    """Why an event was not taken in; `place` is its row in what was sent, from 0."""

    place: int
    reason: str


@dataclass(frozen=True)
class Taken:
    """What became of what was sent. All that is counted here as accepted or repeated is on the disk."""

    n_accepted: int
    n_repeated: int
    refused: tuple[Refused, ...] = ()
