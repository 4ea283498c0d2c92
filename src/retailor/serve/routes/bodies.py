"""Requests and responses about the shop and the server; those of a task are in its folder."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from retailor.tasks.http import IN_A_URL, Card, Count, Id, strict

Place = Annotated[int, Field(ge=1, le=1_000_000)]


# requests -----------------------------------------------------------------------------------------


class ItemsBody(BaseModel):
    """Items by id, or else by words, a page at a time."""

    model_config = strict({"text": "blanket", "page": 1, "size": 20}) | IN_A_URL
    item_id: list[Id] = Field(default=[], max_length=100)
    text: Annotated[str, StringConstraints(max_length=200)] = ""
    page: Place = 1
    size: Count = 20


class PictureBody(BaseModel):
    """An item's id."""

    model_config = strict({"item_id": "B01"}) | IN_A_URL
    item_id: Id


class CustomersBody(BaseModel):
    """One customer's history by id, or else customers by a part of the id, a page at a time."""

    model_config = strict({"text": "", "page": 1, "size": 20}) | IN_A_URL
    user_id: Id | None = None
    text: Annotated[str, StringConstraints(max_length=200)] = ""
    page: Place = 1
    size: Count = 20


# responses ----------------------------------------------------------------------------------------


class ItemsReply(BaseModel):
    items: list[Card]
    n_total: int


class Customer(BaseModel):
    """A customer, with the titles of the last items."""

    user_id: str
    n_events: int
    recent: list[str]


class Event(BaseModel):
    """Something a customer did, latest first."""

    item_id: str
    kind: str | None
    rating: float | None
    time: str | None
    item: Card | None


class CustomersReply(BaseModel):
    """`history` is there only when one customer was asked for."""

    customers: list[Customer]
    n_total: int
    history: list[Event] | None = None


class Health(BaseModel):
    status: str = "alive"


class Ready(BaseModel):
    """What is served: task kinds with fingerprints, and those the run left out, with the reason."""

    ready: bool
    name: str
    tasks: dict[str, str]
    absent: dict[str, str]
    n_items: int
    n_sold_out: int
    """Items that the catalogue has none of, which are not shown."""
    n_customers: int
    insight: bool
    """Whether `/insight` has a page."""
    pictures: bool
    """Whether `/picture` has pictures of items."""
    sees: bool
    """Whether `/search` takes a picture."""
    events: bool
    """Whether `/events` are taken in."""


class Problem(BaseModel):
    """Why a request was not answered: a code for machines, a sentence for people."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"error": "not_found", "detail": "there is no item 'x' in this shop."}}
    )
    error: str
    detail: str
