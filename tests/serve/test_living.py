"""A server of a living shop: events in, better answers out, nothing lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi.testclient import TestClient

from retailor.errors import ConfigError
from retailor.live.shapes import Line
from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.testing.serving import TOY_TASKS, toy_run

Start = Callable[..., Any]


def now() -> str:
    return datetime.now(UTC).isoformat()


def event(event_id: str, item_id: str, user_id: str = "new", **more: Any) -> dict[str, Any]:
    return {
        "event_id": event_id, "kind": "view", "time": now(), "user_id": user_id, "item_id": item_id, **more
    }  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    return ServeSettings(
        hosts=("testserver",), batch_wait_ms=1, events_url=f"sqlite:///{tmp_path}/live.db", absorb_s=0.2
    )


@pytest.fixture
def client(run_folder: Path, settings: ServeSettings) -> Iterator[TestClient]:
    service = Service.load(run_folder, TOY_TASKS, settings)
    with TestClient(make_app(service)) as made:
        yield made
    service.close()


def recommended(client: Any, user_id: str, k: int = 100) -> list[str]:
    found = client.post("/recommend", json={"user_id": user_id, "k": k})
    assert found.status_code == 200, found.text
    return [each["item_id"] for each in found.json()["items"]]


def until(done: Callable[[], bool], timeout_s: float = 20) -> None:
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < timeout_s
        time.sleep(0.02)


def test_an_event_changes_the_next_recommendation(client: TestClient) -> None:
    before = recommended(client, "new")
    reply = client.post("/events", json={"events": [event("e1", before[0])]})
    assert reply.json() == {"accepted": 1, "repeated": 0, "refused": []}
    assert reply.headers["content-type"] == "application/json" and reply.headers["x-frame-options"] == "DENY"
    told = client.get("/metrics").text
    assert 'retailor_http_requests_total{method="POST",route="/events",status="200"} 1.0' in told
    assert before[0] not in recommended(client, "new")
    assert recommended(client, "someone else")[0] == before[0]


def test_a_new_item_does_not_wait_for_events_to_be_counted(run_folder: Path, tmp_path: Path) -> None:
    """What the task knows of items and of events has numbers of its own; both are right in the end."""
    settings = ServeSettings(events_url=f"sqlite:///{tmp_path}/own.db", absorb_s=600)
    service = Service.load(run_folder, TOY_TASKS, settings)
    counts = service._now().task("recommend").now.state["popular"]
    line = Line("e", "event", datetime.now(UTC), "new", counts[-1][0], "view")
    service.live().take([[line]])
    service.live().put_item("X1", {"title": "Zephyr kite"})
    service.absorb(with_events=False)
    loaded = service._now().task("recommend")
    assert dict(loaded.now.state["popular"]) == {**dict(counts), "X1": 0}
    assert loaded.number < loaded.items_number == service.live().recent.number
    put = loaded.fingerprint
    service.absorb(with_events=False)
    assert service._now().task("recommend") is loaded, "nothing new: nothing is done"
    service.absorb()
    loaded = service._now().task("recommend")
    assert dict(loaded.now.state["popular"]) == {**dict(counts), "X1": 0, counts[-1][0]: counts[-1][1] + 1}
    assert loaded.number == loaded.items_number and loaded.fingerprint != put
    service.close()


def test_sent_again_it_is_counted_once(client: TestClient, shop: Shop) -> None:
    sent = {"events": [event("e1", shop.items["item_id"][0])]}
    assert client.post("/events", json=sent).json()["accepted"] == 1
    assert client.post("/events", json=sent).json() == {"accepted": 0, "repeated": 1, "refused": []}


def test_lines_and_refusals_keep_their_places(client: TestClient, shop: Shop) -> None:
    item_id = shop.items["item_id"][0]
    client.post("/events", json={"events": [event("e1", item_id)]})
    lines = [json.dumps(event("e2", item_id)), "{broken", json.dumps(event("e1", "P-other")), json.dumps({})]
    headers = {"Content-Type": "application/x-ndjson"}
    reply = client.post("/events", content="\n".join(lines), headers=headers).json()
    assert reply["accepted"] == 1
    assert [each["place"] for each in reply["refused"]] == [1, 2, 3]


@pytest.mark.parametrize("body", ["[]", "3", '{"events": 1}', '{"events": [], "more": 1}'])
def test_a_body_that_has_no_events(client: TestClient, body: str) -> None:
    reply = client.post("/events", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 422
    assert "events" in reply.json()["detail"]


def test_a_body_that_is_no_json(client: TestClient) -> None:
    reply = client.post("/events", content="{", headers={"Content-Type": "application/json"})
    assert reply.status_code == 400


def test_events_are_counted_into_what_is_popular(client: TestClient) -> None:
    last = recommended(client, "someone")[-1]
    many = [event(f"e{n}", last, f"u{n}", kind="buy") for n in range(500)]
    assert client.post("/events", json={"events": many}).json()["accepted"] == 500
    until(lambda: recommended(client, "someone")[0] == last)
    assert last not in recommended(client, "u7"), "its own history is not lost to the counting"


def test_a_new_item_is_known_and_one_taken_out_is_not(client: TestClient) -> None:
    body = {"title": "A lamp nobody has", "price": 5.0, "currency": "EUR"}
    assert client.put("/items/NEW-1", json=body).status_code == 200
    until(lambda: "NEW-1" in recommended(client, "someone"))
    assert client.get("/items", params={"item_id": "NEW-1"}).json()["items"][0]["price"] == 5.0
    assert client.delete("/items/NEW-1").status_code == 200
    assert "NEW-1" not in recommended(client, "someone")
    until(lambda: client.get("/items", params={"item_id": "NEW-1"}).status_code == 404)


def test_what_is_out_of_stock_is_not_recommended(client: TestClient) -> None:
    best = recommended(client, "someone")[0]
    assert client.put("/stock", json={"counts": {best: 0}}).status_code == 200
    assert best not in recommended(client, "someone")
    title = client.get("/items", params={"item_id": best}).json()["items"][0]["title"]
    found = client.post("/search", json={"text": title}).json()["items"]
    assert best not in [each["item_id"] for each in found]
    client.put("/stock", json={"counts": {best: 2}})
    found = client.post("/search", json={"text": title}).json()["items"]
    assert best in [each["item_id"] for each in found]
    assert recommended(client, "someone")[0] == best


def test_it_is_all_there_after_a_restart(run_folder: Path, settings: ServeSettings) -> None:
    for first in (True, False):
        service = Service.load(run_folder, TOY_TASKS, settings)
        with TestClient(make_app(service)) as client:
            if first:
                best = recommended(client, "new")[0]
                client.post("/events", json={"events": [event("e1", best)]})
                client.put("/items/NEW-1", json={"title": "A lamp"})
            assert best not in recommended(client, "new")
            until(lambda: "NEW-1" in recommended(client, "new"))
        service.close()


def test_without_a_log_it_says_so(run_folder: Path) -> None:
    service = Service.load(run_folder, TOY_TASKS, ServeSettings(hosts=("testserver",)))
    with TestClient(make_app(service)) as client:
        for reply in (
            client.post("/events", json={"events": []}),
            client.put("/items/a", json={"title": "b"}),
            client.delete("/items/a"),
            client.put("/stock", json={"counts": {"a": 1}}),
        ):
            assert reply.status_code == 501
            assert "--events" in reply.json()["detail"]
    service.close()


def test_who_may_ask_may_not_write(
    run_folder: Path, settings: ServeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASK", "ask-key")
    monkeypatch.setenv("WRITE", "write-key")
    url = settings.events_url
    strict = ServeSettings(hosts=("testserver",), events_url=url, api_key_env="ASK", write_key_env="WRITE")
    service = Service.load(run_folder, TOY_TASKS, strict)
    with TestClient(make_app(service)) as client:
        for key, status in (("ask-key", 401), ("write-key", 200), ("", 401)):
            headers = {"X-API-Key": key}
            assert client.post("/events", json={"events": []}, headers=headers).status_code == status
            assert client.post("/v1/events", json={"events": []}, headers=headers).status_code == status
            assert client.put("/stock", json={"counts": {"a": 1}}, headers=headers).status_code == status
            assert client.delete("/items/a", headers=headers).status_code == status
        assert client.get("/items", headers={"X-API-Key": "ask-key"}).status_code == 200
    service.close()


def test_nobody_without_a_key_writes_from_elsewhere() -> None:
    with pytest.raises(ConfigError, match="key of who may"):
        ServeSettings(host="0.0.0.0", events_url="sqlite:///x.db").write_key()


def test_what_was_acknowledged_outlives_a_kill(
    start_server: Start, run_folder: Path, tmp_path: Path, shop: Shop
) -> None:
    item_id = shop.items["item_id"][0]
    options = f"port=0, events_url='sqlite:///{tmp_path}/live.db'"
    server = start_server(run_folder, options)
    for n in range(20):
        reply = httpx.post(f"{server.url}/events", json={"events": [event(f"e{n}", item_id, f"u{n}")]})
        assert reply.json()["accepted"] == 1
    server.process.kill()
    server.process.wait()
    again = start_server(run_folder, options)
    sent = [event(f"e{n}", item_id, f"u{n}") for n in range(21)]
    reply = httpx.post(f"{again.url}/events", json={"events": sent}).json()
    # Their times differ from those of the first sending, so that each says it was there.
    assert (reply["accepted"], len(reply["refused"])) == (1, 20)
    with httpx.Client(base_url=again.url) as client:
        assert item_id not in recommended(client, "u3")


def test_what_the_catalogue_has_none_of_is_shown_once_some_came_in(
    shop: Shop, tmp_path: Path, settings: ServeSettings
) -> None:
    none_of = shop.items["item_id"].to_list()[:50]
    without = shop.with_tables(items=shop.items.with_columns(in_stock=~pl.col("item_id").is_in(none_of)))
    folder = toy_run(tmp_path / "run", without)
    service = Service.load(folder, TOY_TASKS, settings)
    with TestClient(make_app(service)) as client:
        assert client.get("/ready").json()["n_sold_out"] == 50
        assert not {*none_of} & {*recommended(client, "someone")}
        some, other, again = none_of[:3]
        client.put("/stock", json={"counts": {some: 3}})
        assert {*none_of} & {*recommended(client, "someone")} == {some}
        client.put("/stock", json={"counts": {some: 0}})
        assert not {*none_of} & {*recommended(client, "someone")}
        assert client.put(f"/items/{other}", json={"title": "Here again"}).status_code == 200
        assert client.put(f"/items/{again}", json={"title": "Not yet", "in_stock": False}).status_code == 200
        until(lambda: {*none_of} & {*recommended(client, "someone")} == {other})
    service.close()
