"""What is asked over HTTP and what comes back, with limits and examples."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from retailor.tasks.http import IN_A_URL, Count, Hit, Id, Served, Tag, Words, hits, strict
from retailor.tasks.recommend.shapes import Recommendations, RecommendQuery


class RecommendBody(BaseModel):
    """Who to recommend to: a customer, items seen just now, words, any mix of them, or nobody known."""

    model_config = strict({"user_id": "u17", "item_ids": [], "k": 5})
    user_id: Id | None = None
    item_ids: list[Id] = Field(default=[], max_length=100)
    text: Words | None = None
    k: Count = 10
    exclude: list[Id] = Field(default=[], max_length=1000)
    exclude_seen: bool = True
    categories: list[Tag] = Field(default=[], max_length=50)
    max_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    currency: str = Field(default="", max_length=3, pattern="^([A-Za-z]{3})?$", description="Of `max_price`.")
    diversity: float = Field(default=0.0, ge=0, le=1)
    by: Literal["customer", "similar", "together"] = "customer"

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.by != "customer" and not self.item_ids:
            raise ValueError(f"by = '{self.by}' needs an item in item_ids")
        if self.currency and self.max_price is None:
            raise ValueError("currency needs the max_price that is in it")
        return self

    def query(self) -> RecommendQuery:
        return RecommendQuery(
            self.user_id, tuple(self.item_ids), self.text, self.k, tuple(self.exclude), self.exclude_seen,
            tuple(self.categories), self.max_price, self.currency.upper(), self.diversity, self.by,
        )  # fmt: skip


class RecommendUrl(RecommendBody):
    model_config = IN_A_URL


class RecommendReply(BaseModel):
    """`known_customer` is false for a customer without a history, who is answered like a new one. Events
    about these items should name the `query_id`; it is null where the server does not note what it shows."""

    items: list[Hit]
    known_customer: bool | None
    unknown_items: list[str]
    unread_text: bool = False
    """The words are of a script that the shop's encoder does not read: only words shared with items count."""
    cached: bool
    query_id: str | None = None


def shown(answer: Recommendations, served: Served) -> RecommendReply:
    """Recommendations with item cards, their reasons in the reader's language."""
    return RecommendReply(
        items=hits(answer.items, served),
        known_customer=served.notes["known_customer"],
        unknown_items=list(served.notes["unknown_items"]),
        unread_text=answer.unread_text,
        cached=served.cached,
        query_id=served.query_id or None,
    )
