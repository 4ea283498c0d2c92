"""An event as it is sent: what is read, what is refused and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.live.events.reading import NEEDS, read_event, read_events
from retailor.live.shapes import Line

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PLAIN = {"event_id": "e1", "kind": "view", "time": "2026-11-28T09:30:00Z", "user_id": "u1", "item_id": "P1"}
UBI: dict[str, Any] = {
    "action_name": "click",
    "timestamp": "2026-11-28T09:30:00+08:00",
    "client_id": "c1",
    "query_id": "q1",
    "application": "shop",
    "event_attributes": {"object": {"object_id": "P7", "object_id_field": "sku"}, "position": {"ordinal": 3}},
}


def test_a_plain_event() -> None:
    found = read_event(PLAIN, NOW)
    assert found == Line("e1", "event", datetime(2026, 11, 28, 9, 30, tzinfo=UTC), "u1", "P1", "view")


def test_an_event_of_user_behavior_insights() -> None:
    found = read_event(UBI, NOW)
    assert isinstance(found, Line)
    assert (found.user_id, found.item_id, found.kind) == ("c1", "P7", "click")
    assert found.time == datetime(2026, 11, 28, 1, 30, tzinfo=UTC)
    assert found.body == {"query_id": "q1", "position": 3}
    assert read_event(UBI, NOW) == found, "the same row is the same event"
    other = read_event({**UBI, "query_id": "q2"}, NOW)
    assert isinstance(other, Line)
    assert other.key != found.key


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"event_id": None}, "event_id"),
        ({"kind": "veiw"}, "kind"),
        ({"time": "2026-11-28T09:30:00"}, "zone"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-10-01T00:00:00Z"}, "30 days ago"),
        ({"time": "2026-11-28T12:06:00Z"}, "ahead"),
        ({"user_id": None}, "session_id"),
        ({"item_id": None}, "needs 'item_id'"),
        ({"item_id": ""}, "item_id"),
        ({"item_id": 5}, "item_id"),
        ({"kind": "rate"}, "needs 'rating'"),
        ({"kind": "rate", "rating": 6}, "rating"),
        ({"kind": "search"}, "needs 'query'"),
        ({"kind": "edit", "about": "draft 1"}, "needs 'text'"),
        ({"itemid": "P1"}, "there is no field 'itemid'"),
        ({"position": 0}, "position"),
        ({"propensity": 0}, "propensity"),
        ({"action_name": "hover"}, "action_name"),
        ({"user_id": "u" * 201}, "user_id"),
    ],
)
def test_what_is_refused_says_why(change: dict[str, Any], told: str) -> None:
    row = {name: value for name, value in {**PLAIN, **change}.items() if value is not None}
    found = read_event(row, NOW)
    assert isinstance(found, str)
    assert told in found


def test_no_value_is_quoted() -> None:
    assert "Anna" not in str(read_event({**PLAIN, "kind": "Anna"}, NOW))


def test_words_of_people_are_masked() -> None:
    row = {**PLAIN, "kind": "search", "query": "mail anna@example.com about the tent"}
    found = read_event(row, NOW)
    assert isinstance(found, Line)
    assert "anna" not in found.body["query"]
    assert "tent" in found.body["query"]


@given(late=st.timedeltas(timedelta(days=-40), timedelta(days=2)), kind=st.sampled_from(sorted(NEEDS)))
def test_every_row_is_an_entry_or_a_reason(late: timedelta, kind: str) -> None:
    beside = {"rating": 4, "query": "a", "about": "b", "text": "c"}
    row = {**PLAIN, **beside, "kind": kind, "time": (NOW + late).isoformat()}
    rows = [row, None, [], {}, {**row, "x": 1}]
    taken, refused = read_events(rows, NOW)
    assert len(taken) + len(refused) == len(rows)
    assert (len(taken) == 1) == (timedelta(days=-30) <= late <= timedelta(minutes=5))
