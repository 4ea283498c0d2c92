"""An event as a shop sends it, in our fields or in those of User Behavior Insights, as a line of the log.

User Behavior Insights is the open schema of search events (github.com/o19s/ubi, schema 1.3): `action_name`,
`query_id`, `client_id`, `timestamp`, and `event_attributes` with the object and its position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from retailor.live.shapes import Line, Refused
from retailor.text.private import mask

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Kind = Literal[
    "view", "cart", "buy", "favourite", "rate", "click", "search", "thumb_up", "thumb_down", "edit", "answer"
]
NEEDS: Mapping[str, tuple[str, ...]] = {
    "view": ("item_id",),
    "cart": ("item_id",),
    "buy": ("item_id",),
    "favourite": ("item_id",),
    "rate": ("item_id", "rating"),
    "click": ("item_id",),
    "search": ("query",),
    "thumb_up": ("about",),
    "thumb_down": ("about",),
    "edit": ("about", "text"),
    "answer": ("about", "text"),
}
"""Kind of event to the fields that it cannot do without, beside who did it and when."""
UBI_KINDS: Mapping[str, Kind] = {
    "view": "view", "view_item": "view", "product_view": "view", "item_view": "view",
    "click": "click", "item_click": "click", "click_through": "click", "result_click": "click",
    "add_to_cart": "cart", "buy": "buy", "purchase": "buy", "watch": "favourite",
    "add_to_wishlist": "favourite",
    "search": "search", "on_search": "search", "query": "search",
}  # fmt: skip
MAX_LATE = timedelta(days=30)
MAX_AHEAD = timedelta(minutes=5)
"""Clocks of customers go wrong; an event further off than these says nothing of when it was."""


class EventBody(BaseModel):
    """Something that happened: who, what, when. `event_id` makes it safe to send again."""

    model_config = ConfigDict(extra="forbid", strict=False)
    event_id: Id
    kind: Kind
    time: AwareDatetime
    user_id: Id | None = None
    session_id: Id | None = None
    item_id: Id | None = None
    rating: Annotated[float, Field(ge=0, le=5)] | None = None
    query: Annotated[str, StringConstraints(max_length=500)] | None = None
    query_id: Id | None = None
    position: Annotated[int, Field(ge=1, le=10_000)] | None = None
    propensity: Annotated[float, Field(gt=0, le=1)] | None = None
    about: Annotated[str, StringConstraints(max_length=2000)] | None = None
    text: Annotated[str, StringConstraints(max_length=2000)] | None = None


BESIDE = ("session_id", "query", "query_id", "position", "propensity", "about", "text")
WORDS = ("query", "about", "text")
"""What people write: contacts in it are masked before it is kept."""


def read_events(rows: Sequence[Any], now: datetime) -> tuple[list[Line], list[Refused]]:
    """The rows that are events, in order, and why the others are none."""
    taken: list[Line] = []
    refused: list[Refused] = []
    for place, row in enumerate(rows):
        found = read_event(row, now)
        if isinstance(found, str):
            refused.append(Refused(place, found))
        else:
            taken.append(found)
    return taken, refused


def read_event(row: Any, now: datetime) -> Line | str:
    """The line of a row, or what is wrong with it. No value is quoted: it may be a customer's words."""
    if not isinstance(row, dict):
        return "an event is a JSON object."
    plain = _of_ubi(row) if "action_name" in row else row
    if isinstance(plain, str):
        return plain
    try:
        body = EventBody.model_validate(plain)
    except ValidationError as error:
        return _sentence(error)
    return _flaw(body, now) or _line(body)


def _flaw(body: EventBody, now: datetime) -> str:
    if any("\0" in value for value in vars(body).values() if isinstance(value, str)):
        return "a text has the character NUL, which a database cannot keep."
    if body.user_id is None and body.session_id is None:
        return "nobody is said to have done it: give 'user_id' or 'session_id'."
    for name in NEEDS[body.kind]:
        if getattr(body, name) in (None, ""):
            return f"an event of kind '{body.kind}' needs '{name}'."
    if body.time < now - MAX_LATE:
        return f"'time' is more than {MAX_LATE.days} days ago: older events belong into the shop's files."
    if body.time > now + MAX_AHEAD:
        return f"'time' is more than {MAX_AHEAD.seconds // 60} minutes ahead."
    return ""


def _line(body: EventBody) -> Line:
    beside = {name: getattr(body, name) for name in BESIDE if getattr(body, name) is not None}
    for name in WORDS:
        if name in beside:
            beside[name] = mask(beside[name])
    time = body.time.astimezone(UTC)
    time = time.replace(microsecond=time.microsecond // 1000 * 1000)
    return Line(body.event_id, "event", time, body.user_id, body.item_id, body.kind, body.rating, beside)


def _of_ubi(row: Mapping[str, Any]) -> dict[str, Any] | str:
    """Our fields from those of a UBI event. It has no id of its own: the same row twice is one event."""
    action = row.get("action_name")
    kind = UBI_KINDS.get(action) if isinstance(action, str) else None
    if kind is None:
        return f"'action_name' is none of those that say something here: {', '.join(UBI_KINDS)}."
    attributes = row.get("event_attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    thing, place = attributes.get("object"), attributes.get("position")
    found = {
        "event_id": "ubi-" + hashlib.sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32],
        "kind": kind,
        "time": row.get("timestamp"),
        "user_id": row.get("client_id") or row.get("user_id"),
        "session_id": row.get("session_id"),
        "item_id": thing.get("object_id") if isinstance(thing, dict) else None,
        "query": row.get("user_query"),
        "query_id": row.get("query_id"),
        "position": place.get("ordinal") if isinstance(place, dict) else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _sentence(error: ValidationError) -> str:
    first: dict[str, Any] = error.errors(include_input=False, include_url=False)[0]  # type: ignore[assignment]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return f"there is no field '{name[:100]}'; it has {', '.join(EventBody.model_fields)}."
    if first["type"] == "timezone_aware":
        return "'time' does not say its zone: write 2026-11-28T09:30:00Z, or +08:00 in place of Z."
    message = first["msg"]
    return f"'{name}': {message[0].lower()}{message[1:]}."
