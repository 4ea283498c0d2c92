"""What is asked over HTTP and what comes back, with limits and examples."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from retailor.tasks.http import IN_A_URL, Id, Served, Tag, strict
from retailor.tasks.review.shapes import DescribeQuery, Draft, ReviewQuery

Code = Annotated[str, StringConstraints(pattern="^[a-z]{2}$")]


class ReviewBody(BaseModel):
    """What a drafted review should be about. The same request gives the same draft."""

    model_config = strict({"item_id": "i3", "rating": 4, "aspects": ["warmth"], "language": "en"})
    item_id: Id
    rating: float = Field(default=5.0, ge=1, le=5, allow_inf_nan=False)
    aspects: list[Tag] = Field(default=[], max_length=10)
    user_id: Id | None = None
    language: Code | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)

    def query(self) -> ReviewQuery:
        return ReviewQuery(
            self.item_id, self.rating, tuple(self.aspects), self.user_id, self.language, self.seed
        )


class ReviewReply(BaseModel):
    """A drafted review. `generated` marks it as written by a machine, and by which."""

    title: str
    text: str
    item_id: str
    rating: float
    generated: dict[str, Any]
    cached: bool


def shown(draft: Draft, served: Served) -> ReviewReply:
    """A draft with its mark; a task that forgot the mark gets the plainest one."""
    return ReviewReply(
        title=draft.title,
        text=draft.text,
        item_id=draft.item_id,
        rating=draft.rating,
        generated={"generated": True, **draft.generated},
        cached=served.cached,
    )


class DescribeUrl(BaseModel):
    """The item to describe. The same request gives the same draft."""

    model_config = IN_A_URL
    item_id: Id
    language: Code | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)

    def query(self) -> DescribeQuery:
        return DescribeQuery(self.item_id, self.language, self.seed)


class DescribeReply(BaseModel):
    """A drafted product description. `generated` marks it as written by a machine, and by which."""

    item_id: str
    title: str
    description: str
    generated: dict[str, Any]


def shown_description(draft: Draft, served: Served) -> DescribeReply:
    """A description with its mark."""
    return DescribeReply(
        item_id=draft.item_id, title=draft.title, description=draft.text, generated=dict(draft.generated)
    )
