"""What a recommender is asked, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retailor.shop.hidden import NONE_HIDDEN, Hidden
from retailor.tasks.shapes import Recommended


@dataclass(frozen=True)
class RecommendQuery:
    """Who to recommend to: a known customer, a bag of items, words, or any mix of the three."""

    user_id: str | None = None
    item_ids: tuple[str, ...] = ()
    """Items seen just now, oldest first; they follow the customer's known history."""
    text: str | None = None
    k: int = 10
    exclude: tuple[str, ...] = ()
    exclude_seen: bool = True
    categories: tuple[str, ...] = ()
    """When given, only items with one of these in their category path."""
    max_price: float | None = None
    currency: str = ""
    """What `max_price` is in: items priced in another are left out. '' holds it against every amount."""
    diversity: float = 0.0
    """From 0, the plain order, to 1, where only being unlike the items before counts."""
    by: Literal["customer", "similar", "together"] = "customer"
    """'similar' lists what is like the last of `item_ids`, 'together' what its customers chose too."""
    hidden: Hidden = NONE_HIDDEN
    """Items that nobody is shown, such as those out of stock."""


@dataclass(frozen=True)
class Recommendations:
    """Best first; fewer than k only when the filters leave fewer."""

    items: tuple[Recommended, ...]
    unread_text: bool = False
    """Whether the query's words are of a script that the encoder was not taught: only words shared count."""
