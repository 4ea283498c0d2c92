"""The routes that a shop writes to: events, items, stock. All is on the disk before it is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Path, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.types import ASGIApp, Receive, Scope, Send

from retailor.errors import RetailorError, ServeError
from retailor.live.events.reading import EventBody
from retailor.serve.door.problems import problem_of
from retailor.serve.service import Service
from retailor.tasks.http import Id, Kept, Tag, strict

MAX_EVENTS = 5000
"""Of one request; more come in several."""
ItemId = Annotated[str, Path(min_length=1, max_length=200), Kept]
Amount = Annotated[float, Field(ge=0, le=1e9)]


class RefusedEvent(BaseModel):
    """An event that was not taken in: its row in what was sent, from 0, and why."""

    place: int
    reason: str


class EventsReply(BaseModel):
    """What became of the events. Those accepted or repeated are on the disk; one is repeated when its
    `event_id` was sent before."""

    accepted: int
    repeated: int
    refused: list[RefusedEvent]


class Attribute(BaseModel):
    """A property of an item."""

    name: Tag
    value: Annotated[str, StringConstraints(min_length=1, max_length=2000), Kept]


class ItemBody(BaseModel):
    """An item as it is from now on; what is left out, it does not have."""

    model_config = strict({"title": "Trail light", "category": ["Outdoor"], "price": 19.9, "currency": "EUR"})
    title: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True), Kept]
    description: Annotated[str, StringConstraints(max_length=20_000), Kept] | None = None
    brand: Tag | None = None
    category: list[Tag] = Field(default=[], max_length=20)
    price: Annotated[float, Field(ge=0, le=1e9)] | None = None
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] | None = None
    attributes: list[Attribute] = Field(default=[], max_length=200)
    image: Annotated[str, StringConstraints(max_length=2000), Kept] | None = None
    language: Annotated[str, StringConstraints(pattern="^[a-z]{2}$")] | None = None
    in_stock: bool | None = None
    """Whether there are some, until `/stock` counts them."""


class StockBody(BaseModel):
    """How many there are of each item. An item with none is not shown until there are some."""

    model_config = strict({"counts": {"P1": 3, "P2": 0}})
    counts: dict[Id, Amount] = Field(min_length=1, max_length=MAX_EVENTS)


class Done(BaseModel):
    """That it is on the disk."""

    status: str = "written"


class ForgottenReply(BaseModel):
    """That a customer was forgotten; `who` is what the run's note knows the ids by."""

    status: str = "forgotten"
    at: str
    who: list[str]
    rows: dict[str, int]
    left: str


_EVENTS: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["events"],
                    "properties": {
                        "events": {
                            "type": "array",
                            "maxItems": MAX_EVENTS,
                            "items": EventBody.model_json_schema(),
                        }
                    },
                },
                "example": {
                    "events": [
                        {
                            "event_id": "5c1",
                            "kind": "cart",
                            "time": "2026-11-28T09:30:00Z",
                            "user_id": "u1",
                            "item_id": "P1",
                        }
                    ]
                },
            },
            "application/x-ndjson": {"schema": {"type": "string", "description": "An event a line."}},
        },
    }
}


@dataclass(frozen=True)
class _Named:
    """What log and metrics call the route."""

    path: str = "/events"


class Written:
    """An ASGI app around another one, which takes in events itself: to find the route of a single event among
    all takes longer than to read it. It stands behind the guard, which gives the body in one piece."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._named = app, service, _Named()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/events" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = self._named
        kinds = [value for name, value in scope["headers"] if name == b"content-type"]
        try:
            body: bytes = (await receive()).get("body", b"")
            reply = await _taken(self._service, body, kinds[0].decode("latin-1") if kinds else "")
        except RetailorError as error:
            await problem_of(error)(scope, receive, send)
            return
        told = reply.model_dump_json().encode()
        headers = [(b"content-length", b"%d" % len(told)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})


async def _taken(service: Service, body: bytes, content_type: str) -> EventsReply:
    done = await service.take(_rows(body, content_type))
    refused = [RefusedEvent(place=each.place, reason=each.reason) for each in done.refused]
    return EventsReply(accepted=done.n_accepted, repeated=done.n_repeated, refused=refused)


def add_live(app: FastAPI, service: Service) -> None:
    """Adds the routes; they answer 501 where the server keeps no events."""

    # It is described here, and answered by `Written`, which stands before the routes.
    @app.post("/events", tags=["shop"], openapi_extra=dict(_EVENTS))
    async def events(request: Request) -> EventsReply:
        """Takes in what customers did. Send again what was not acknowledged: an event is counted once.

        An event has the fields of `EventBody`, or those of User Behavior Insights.
        """
        return await _taken(service, await request.body(), request.headers.get("content-type", ""))

    @app.put("/items/{item_id:path}", tags=["shop"])
    def put_item(item_id: ItemId, body: ItemBody) -> Done:
        """Adds an item, or changes it: page and search have it a moment later.

        A new one is recommended by its text, too; a known one by its old text until the next fit.
        """
        service.live().put_item(item_id, body.model_dump())
        service.absorb_soon()
        return Done()

    @app.delete("/items/{item_id:path}", tags=["shop"])
    def delete_item(item_id: ItemId) -> Done:
        """Takes an item out: nothing shows it any more."""
        service.live().remove_item(item_id)
        service.absorb_soon()
        return Done()

    @app.delete("/customers/{user_id:path}", tags=["shop"])
    def delete_customer(user_id: ItemId) -> ForgottenReply:
        """Forgets a customer at once: events, history, reviews and what quotes them; log, caches, files.

        Sums over all customers and trained weights forget with the next refresh. The receipt names nobody.
        """
        done = service.forget(user_id)
        return ForgottenReply(at=done.at, who=list(done.who), rows=dict(done.n_rows), left=done.left)

    @app.put("/stock", tags=["shop"])
    def put_stock(body: StockBody) -> Done:
        """Says how many there are of some items."""
        service.live().set_stock(body.counts)
        return Done()


def _rows(body: bytes, content_type: str) -> list[Any]:
    """What was sent, an event a row; a line that is no JSON is a None. ServeError 400, 413, 422."""
    if content_type.partition(";")[0].strip().lower() == "application/x-ndjson":
        rows = [_line(line) for line in body.splitlines() if line.strip()]
    else:
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ServeError(f"the body is not JSON: {error}.", status=400) from None
        if not (isinstance(found, dict) and set(found) == {"events"} and isinstance(found["events"], list)):
            raise ServeError('the body must be {"events": [ … ]}, with an event a row.', status=422)
        rows = found["events"]
    if len(rows) > MAX_EVENTS:
        raise ServeError(f"these are {len(rows):,} events; a request has {MAX_EVENTS:,} at most.", status=413)
    return rows


def _line(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
