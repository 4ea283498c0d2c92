"""What is asked over HTTP and what comes back, with limits and examples."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, Field, FiniteFloat, StringConstraints, model_validator

from retailor.retrieval.tokens import places_of
from retailor.tasks.http import IN_A_URL, Count, Hit, Served, Words, hits, strict
from retailor.tasks.search.shapes import (
    Facet,
    Filter,
    FilterField,
    Found,
    Kind,
    Op,
    SearchQuery,
    Sort,
    Suggestions,
    Typed,
)
from retailor.text.quantities import is_unit

Offset = Annotated[int, Field(ge=0, le=900)]
_NUMBERS = ("price", "quantity", "rating")


class FilterBody(BaseModel):
    """A condition on items: `price <= 50`, `brand = HP`, `words != gaming`, `quantity >= 16` of a unit."""

    model_config = strict({"field": "price", "op": "<=", "value": 50})
    field: FilterField
    op: Op
    value: FiniteFloat | Words
    unit: Annotated[str, Field(max_length=20)] = ""
    text: Annotated[str, Field(max_length=500)] = ""
    """The words that it was read from, in a reply; '' for one that was asked for."""
    name: Annotated[str, Field(max_length=200)] = ""
    """Of an attribute, as the shop calls it: `attribute RAM = 16 GB`."""

    @model_validator(mode="after")
    def _has_a_number(self) -> Self:
        if self.field in _NUMBERS and isinstance(self.value, str):
            raise ValueError(f"the value of a {self.field} is a number, not '{self.value[:40]}'")
        if self.field == "quantity" and not is_unit(self.unit):
            raise ValueError(f"'{self.unit}' is no unit; a quantity has one such as kg, cm or l")
        if (self.field == "attribute") != bool(self.name.strip()):
            raise ValueError("an attribute has a 'name', and nothing else has one")
        if self.field not in _NUMBERS and self.op not in ("=", "!="):
            raise ValueError(f"a {self.field} is = or !=, not {self.op}")
        return self

    @classmethod
    def of(cls, one: Filter) -> Self:
        return cls(field=one.field, op=one.op, value=one.value, unit=one.unit, text=one.text, name=one.name)

    def filter(self) -> Filter:
        return Filter(self.field, self.op, self.value, self.unit, self.text, self.name)


class SearchUrl(BaseModel):
    """Words to find items by. Filters in them are read unless `read` is false."""

    model_config = IN_A_URL
    text: Words
    k: Count = 10
    read: bool = True
    offset: Offset = 0
    sort: Sort = "relevance"

    def query(self) -> SearchQuery:
        return SearchQuery(self.text, self.k, (), self.read, self.offset, self.sort)


class SearchBody(SearchUrl):
    """Words, a picture or both to find items by, and conditions on them."""

    model_config = strict({"text": "warm blanket under 40", "k": 5})
    text: Annotated[str, StringConstraints(max_length=500, strip_whitespace=True)] = ""
    """May be empty where there is a picture."""
    image: Annotated[str, Field(max_length=28_000_000)] = ""
    """The bytes of a JPEG, PNG, WebP, GIF, BMP or TIFF in base64. How large a body may be says the server."""
    filters: Annotated[list[FilterBody], Field(max_length=20)] = []

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.text and not self.image:
            raise ValueError("a search has words in 'text', a picture in 'image', or both")
        return self

    def query(self) -> SearchQuery:
        asked = tuple(each.filter() for each in self.filters)
        return SearchQuery(self.text, self.k, asked, self.read, self.offset, self.sort, image=self.image)


class Counted(BaseModel):
    """How many of the items found are of a value."""

    value: str
    n: int


class SearchReply(BaseModel):
    """Items, best first, and how the query was understood: what to show so that it can be taken off."""

    items: list[Hit]
    highlights: dict[str, list[tuple[int, int]]]
    """By item: where in its title words of the query stand, as offsets of characters."""
    searched: str
    filters: list[FilterBody]
    mended: dict[str, str]
    n_found: int
    is_nearest: bool
    """Whether nothing matches: the items are only the nearest there are."""
    relaxed: list[FilterBody]
    """Filters that no item meets together with the others, and that were left out."""
    facets: dict[str, list[Counted]]
    attributes: dict[str, list[Counted]]
    """Of the shop's own attributes, by name, those that tell the items found apart."""
    cached: bool
    query_id: str | None = None
    """What events about these items should name; null where the server does not note what it shows."""


def shown(answer: Found, served: Served) -> SearchReply:
    """Found items with their cards, their reasons in the reader's language."""
    return SearchReply(
        items=hits(answer.items, served),
        highlights={
            each.item_id: places_of(served.view.title(each.item_id), answer.searched) for each in answer.items
        },
        searched=answer.searched,
        filters=[FilterBody.of(each) for each in answer.filters],
        mended=dict(answer.mended),
        n_found=answer.n_found,
        is_nearest=answer.is_nearest,
        relaxed=[FilterBody.of(each) for each in answer.relaxed],
        facets=_counted(answer.facets),
        attributes=_counted(answer.attributes),
        cached=served.cached,
        query_id=served.query_id or None,
    )


def _counted(facets: tuple[Facet, ...]) -> dict[str, list[Counted]]:
    return {each.name: [Counted(value=value, n=n) for value, n in each.counts] for each in facets}


class SuggestUrl(BaseModel):
    """The beginning of a query."""

    model_config = IN_A_URL
    q: Annotated[str, Field(max_length=200)]
    k: Annotated[int, Field(ge=1, le=50)] = 10

    def query(self) -> Typed:
        return Typed(self.q, self.k)


class Suggested(BaseModel):
    """A phrase to search for; `n` items are of a category or brand, `item_id` has a title."""

    text: str
    kind: Kind
    n: int | None
    item_id: str | None


class SuggestReply(BaseModel):
    """What may be meant, best first; `mended` is what was typed, mended, or ''."""

    items: list[Suggested]
    mended: str


def shown_suggestions(answer: Suggestions, served: Served) -> SuggestReply:
    """Suggestions as they are."""
    return SuggestReply(items=[Suggested(**vars(each)) for each in answer.items], mended=answer.mended)
