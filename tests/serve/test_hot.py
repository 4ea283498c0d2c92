"""A reply that is sent as it was says what a fresh one would, whatever has happened since."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from retailor.serve.app import make_app
from retailor.serve.known import Known
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.testing.serving import TOY_TASKS, toy_run


@pytest.fixture
def served(run_folder: Path, tmp_path: Path) -> Iterator[tuple[TestClient, Service]]:
    settings = ServeSettings(
        hosts=("testserver",), batch_wait_ms=1, events_url=f"sqlite:///{tmp_path}/live.db", absorb_s=0.1
    )
    with (
        closing(Service.load(run_folder, TOY_TASKS, settings)) as service,
        TestClient(make_app(service)) as client,
    ):
        yield client, service


def n_whole(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Fills with whether each request was answered by what is remembered whole."""
    found: list[bool] = []
    plain = service.remembered

    def remembered(*given: Any) -> bytes | None:
        body = plain(*given)
        found.append(body is not None)
        return body

    monkeypatch.setattr(service, "remembered", remembered)
    return found


ASKED = {
    "by address": ("GET", "/recommend?user_id={user}&k=5", None),
    "by body": ("POST", "/recommend", {"user_id": "{user}", "k": 5}),
    "search": ("GET", "/v1/search?text=travel", None),
    "answer": ("POST", "/answer", {"question": "what is the colour?"}),
    "sentiment": ("POST", "/sentiment", {"text": "good and bad"}),
}


@pytest.mark.parametrize("name", ASKED)
def test_it_is_the_reply_that_was_sent(
    served: tuple[TestClient, Service], shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    client, service = served
    method, path, body = ASKED[name]
    user = shop.events["user_id"][0]
    path = path.format(user=user)
    if body is not None and "user_id" in body:
        body = {**body, "user_id": user}
    whole = n_whole(service, monkeypatch)
    kind = path.removeprefix("/v1")[1:].split("?")[0]
    before = service.tallies[kind].n_requests
    first, second, third, fourth = (client.request(method, path, json=body) for _ in range(4))
    assert whole == [False, True, True]  # the first was not yet known at all
    assert first.status_code == 200 and first.json()["cached"] is False
    assert second.content == third.content == fourth.content
    assert second.json() == {**first.json(), "cached": True}
    assert sorted(second.headers.items()) == sorted(third.headers.items())
    assert (service.tallies[kind].n_requests - before, service.tallies[kind].n_hits) == (4, 3)
    route = f'route="/{kind}",status="200"'
    assert f'retailor_http_requests_total{{method="{method}",{route}}} 4.0' in client.get("/metrics").text


def test_languages_and_errors_are_kept_apart(served: tuple[TestClient, Service]) -> None:
    client, _ = served
    path = "/recommend?k=3"
    replies = {
        language: [client.get(path, headers={"Accept-Language": language}).json() for _ in range(4)][-1]
        for language in ("en", "zh-CN", "fr, zh;q=0.5")
    }
    assert replies["en"]["items"][0]["reason"] != replies["zh-CN"]["items"][0]["reason"]
    assert replies["fr, zh;q=0.5"] == replies["zh-CN"]
    wrong = [client.get("/recommend?by=similar&item_ids=nope") for _ in range(3)]
    assert [each.status_code for each in wrong] == [404] * 3
    bad = [client.get("/recommend?k=0") for _ in range(3)]
    assert [each.status_code for each in bad] == [422] * 3
    assert client.head(path).content == b""
    assert client.put(path, json={}).status_code == 405


def test_what_has_happened_since_is_known(served: tuple[TestClient, Service]) -> None:
    client, _ = served
    path = "/recommend?user_id=new&k=5"

    def items() -> list[str]:
        return [each["item_id"] for each in client.get(path).json()["items"]]

    best = [items() for _ in range(4)][-1][0]
    now = datetime.now(UTC).isoformat()
    one = {"event_id": "e1", "kind": "view", "time": now, "user_id": "new", "item_id": best}
    assert client.post("/events", json={"events": [one]}).status_code == 200
    assert best not in items()
    best = [items() for _ in range(4)][-1][0]
    assert client.put("/stock", json={"counts": {best: 0}}).status_code == 200
    assert best not in items()
    assert client.put("/stock", json={"counts": {best: 1}}).status_code == 200
    assert best in items()
    first = [client.get("/search?text=travel").json()["items"][0] for _ in range(4)][-1]["item_id"]
    assert client.put(f"/items/{first}", json={"title": "travel travel"}).status_code == 200
    for _ in range(200):
        found = {each["item_id"]: each["item"] for each in client.get("/search?text=travel").json()["items"]}
        if found.get(first, {}).get("title") == "travel travel":
            return
    raise AssertionError("the old title is still shown")


def test_what_is_forgotten_is_not_kept(shop: Shop, tmp_path: Path) -> None:
    run = toy_run(tmp_path / "run", shop)
    with closing(Service.load(run, TOY_TASKS, ServeSettings(hosts=("testserver",)))) as service:
        client = TestClient(make_app(service))
        user = str(shop.events["user_id"][0])
        known = [client.get(f"/recommend?user_id={user}").json() for _ in range(4)][-1]
        assert known["known_customer"] is True
        assert client.delete(f"/customers/{user}").status_code == 200
        assert not service.known_queries._found
        assert client.get(f"/recommend?user_id={user}").json()["known_customer"] is False


def test_what_is_noted_is_made_each_time(run_folder: Path, tmp_path: Path) -> None:
    settings = ServeSettings(
        hosts=("testserver",), events_url=f"sqlite:///{tmp_path}/live.db",
        impressions={"tasks": ["recommend"]},  # type: ignore[arg-type]
    )  # fmt: skip
    with closing(Service.load(run_folder, TOY_TASKS, settings)) as service:
        client = TestClient(make_app(service))
        ids = [client.get("/recommend?k=3").json()["query_id"] for _ in range(4)]
        assert len(set(ids)) == 4 and None not in ids


def test_drafts_are_marked_and_counted_each_time(served: tuple[TestClient, Service], shop: Shop) -> None:
    client, _ = served
    body = {"item_id": shop.items["item_id"][0], "rating": 5}
    replies = [client.post("/review", json=body) for _ in range(4)]
    assert [each.headers.get("X-Generated") for each in replies] == ["true"] * 4
    assert "retailor_generated_drafts_total 4.0" in client.get("/metrics").text


def test_known_requests_are_bounded() -> None:
    known = Known(3)
    for n in range(4):
        known.put(n, n)
    assert (known.get(3), known.get(0)) == (3, None)


def talk(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        received = b""
        try:
            while part := connection.recv(65_536):
                received += part
        except ConnectionResetError:
            pass
        return received


def test_the_head_of_a_request_is_held_to_its_limits(start_server: Any, run_folder: Path) -> None:
    """What the parser lets pass and the one before it did not."""
    server = start_server(run_folder, "port=0, header_timeout_s=0.5")
    line, host = b"GET /health HTTP/1.1\r\n", b"Host: localhost\r\n"
    good = line + host + b"\r\n"
    assert talk(server.port, good * 3).count(b"HTTP/1.1 200") == 3  # one after the other, in one go
    for bad in (
        line + b"\r\n",  # no host
        line + host + host + b"\r\n",
        line + host + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        line + host + b"X: a\r\n" * 20_000 + b"\r\n",
        line + host + b"X: " + b"a" * 100_000,  # which does not end
        b"GET /health?" + b"a" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        line + host + b"X : a\r\n\r\n",
        line + b"Host: a\x00b\r\n\r\n",
    ):
        reply = talk(server.port, bad)
        assert reply.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421")), bad[:80]
        assert reply.count(b"HTTP/1.1") == 1
    long = b" " * 90_000 + b"{}"
    head = b"POST /recommend HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(long) + long
    for sent in (whole, whole + good):  # a long body is no long head
        assert not talk(server.port, sent).startswith(b"HTTP/1.1 400")
    assert talk(server.port, good * 500).count(b"HTTP/1.1 200") <= 33  # a long line is not waited for
    assert talk(server.port, good).startswith(b"HTTP/1.1 200")
    assert talk(server.port, b"GET /health HTTP/1.0\r\n\r\n").startswith((b"HTTP/1.1 200", b"HTTP/1.1 421"))
    upgrade = line + host + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n"
    assert talk(server.port, upgrade).startswith(b"HTTP/1.1 200")
    assert server.stop() == 0 and "Traceback" not in server.log.read_text()
