"""What the HTTP bodies and replies of tasks are made of: bounded fields, and items as cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from retailor.shop.view import ShopView
from retailor.tasks.reasons import Language
from retailor.tasks.shapes import Recommended


def _kept(value: str) -> str:
    if "\0" in value:
        raise ValueError("has the character NUL, which a database cannot keep")
    return value


Kept = AfterValidator(_kept)
Id = Annotated[str, StringConstraints(min_length=1, max_length=200), Kept]
Words = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True), Kept]
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000, strip_whitespace=True), Kept]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), Kept]
Count = Annotated[int, Field(ge=1, le=100)]

IN_A_URL = ConfigDict(strict=False)
"""In an address every value is a text."""


def strict(example: dict[str, Any]) -> ConfigDict:
    """No unknown field, and no value of another type: in JSON `true` is no 1, and "5" no 5."""
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"example": example})


@dataclass(frozen=True)
class Served:
    """What the server knows beside an answer, when it words the reply."""

    view: ShopView
    cached: bool
    language: Language = "en"
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What `Entry.checked` noted of the query."""
    query_id: str = ""
    """What an event about one of the items should name; '' where what was shown is not noted."""


class Card(BaseModel):
    """What the catalogue says of an item."""

    item_id: str
    title: str
    description: str
    brand: str | None
    category: list[str]
    price: float | None
    currency: str | None
    image: str | None
    language: str | None
    n_events: int


class Because(BaseModel):
    """An item of the history that carried a recommendation."""

    item_id: str
    title: str


class Hit(BaseModel):
    """One item of a list, best first; `item` is null when the catalogue does not have it."""

    item_id: str
    score: float
    reason: str
    because: list[Because]
    item: Card | None


def hits(items: Sequence[Recommended], served: Served) -> list[Hit]:
    """Listed items with their cards, their reasons in the reader's language."""
    return [_hit(each, served) for each in items]


def _hit(each: Recommended, served: Served) -> Hit:
    card = served.view.card(each.item_id)
    return Hit(
        item_id=each.item_id,
        score=each.score,
        reason=each.reason if each.why is None else each.why.text(served.language),
        because=[Because(item_id=one, title=served.view.title(one)) for one in each.because],
        item=None if card is None else Card(**card),
    )
