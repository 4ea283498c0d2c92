"""Several shops in one server: each answers as if it were alone, and none finds anything of another."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from retailor.live.standing import place_of, set_standing
from retailor.serve import reloading
from retailor.serve.door.guard import OPEN
from retailor.serve.door.keys import Keys
from retailor.serve.logged import Whose, of_shop
from retailor.serve.reloading import _reload
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.serve.shops.app import make_shops_app, operator_keys
from retailor.serve.shops.encoders import EncoderPool
from retailor.shop.tables import Shop
from retailor.testing.serving import TOY_TASKS, ToySentiment, toy_run
from retailor.testing.toys import HashEncoder

NAMES = ("north", "south")
ROLES = ("ask", "write", "admin")
MARK = "Quarzglas"
"""A word that only the southern shop has: in its name, ids, titles, pages."""


def marked(shop: Shop) -> Shop:
    """The shop with other ids, and a word that stands nowhere else."""
    item, user = pl.format(f"{MARK}-{{}}", "item_id"), pl.format(f"{MARK}_{{}}", "user_id")
    return Shop.of(
        items=shop.items.with_columns(
            item.alias("item_id"), pl.format(f"{{}} {MARK}", "title").alias("title")
        ),
        events=shop.events.with_columns(item.alias("item_id"), user.alias("user_id")),
        reviews=shop.reviews.with_columns(item.alias("item_id"), user.alias("user_id")),
    )


@pytest.fixture(scope="module")
def runs(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shops")
    south = toy_run(folder / MARK, marked(shop), name=f"run-of-{MARK}")
    insight = south / "stages" / "insight"
    insight.mkdir()
    (insight / "insight.html").write_text(f"<p>{MARK} breaks</p>")
    record = json.loads((south / "run.json").read_text())
    record["stages"].append({"name": "insight", "kind": "insight", "folder": "stages/insight"})
    (south / "run.json").write_text(json.dumps(record))
    (south / "images").mkdir()
    (south / "plan.toml").write_text('name = "south"\n[pictures]\nfolder = "images"\n')
    return {"north": toy_run(folder / "first", shop), "south": south}


@pytest.fixture(scope="module")
def keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            for role in ROLES:
                patch.setenv(f"{name}_{role}".upper(), f"{name}-{role}-key")
        patch.setenv("OPERATOR", "operator-key")
        yield


def settings_of(name: str, folder: Path, **more: Any) -> ServeSettings:
    upper = name.upper()
    return ServeSettings(
        hosts=("testserver",), batch_wait_ms=1, absorb_s=0.2, events_url=f"sqlite:///{folder}/{name}.db",
        api_key_env=f"{upper}_ASK", write_key_env=f"{upper}_WRITE", admin_key_env=f"{upper}_ADMIN", **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def client(
    runs: dict[str, Path], keys: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    log, cache = tmp_path_factory.mktemp("logs"), tmp_path_factory.mktemp("cache")
    with ExitStack() as stack:
        services = {}
        for name, run in runs.items():
            settings = settings_of(
                name, log, cache_url=f"lmdb:{cache}", impressions={"tasks": ["recommend", "search"]}
            )
            services[name] = Service.load(run, TOY_TASKS, settings, space=name)
            stack.callback(services[name].close)
        server = ServeSettings(hosts=("testserver",))
        app = make_shops_app(services, server, operator_keys("OPERATOR"))
        yield stack.enter_context(TestClient(app))


def key(name: str, role: str = "admin") -> dict[str, str]:
    return {"X-API-Key": f"{name}-{role}-key"}


def ask(
    client: TestClient, name: str, method: str, path: str, body: Any = None, **more: Any
) -> httpx.Response:
    """A request to a shop, with its own key of who may administer unless another is given."""
    more.setdefault("headers", key(name))
    return client.request(method, f"/shops/{name}{path}", **({} if body is None else {"json": body}), **more)


def apps(client: TestClient) -> dict[str, Any]:
    return client.app._shops  # type: ignore[attr-defined,no-any-return]


def routes(client: TestClient) -> list[tuple[str, str]]:
    found = {
        (method, route.path.replace(":path", ""))
        for route in apps(client)["south"].routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert len(found) > 20
    return sorted(found)


def test_each_answers_as_if_it_were_alone(client: TestClient, shop: Shop) -> None:
    word = shop.items["title"][0].split()[-1]
    for name in NAMES:
        for path in (f"/shops/{name}/search", f"/v1/shops/{name}/search", f"/shops/{name}/v1/search"):
            found = client.post(path, json={"text": word, "k": 5}, headers=key(name, "ask")).json()["items"]
            assert found and all((MARK in each["item_id"]) is (name == "south") for each in found)
    both = [ask(client, name, "POST", "/search", {"text": MARK, "k": 5}).json()["items"] for name in NAMES]
    assert not both[0] and len(both[1]) == 5


def test_nothing_of_another_shop_is_in_any_answer(client: TestClient, shop: Shop) -> None:
    """Every route of the northern shop with what a southern customer would send: its word is nowhere."""
    ids = {"item_id": f"{MARK}-{shop.items['item_id'][0]}", "user_id": f"{MARK}_{shop.events['user_id'][0]}"}
    there = ask(client, "south", "GET", "/items", params={"item_id": ids["item_id"]})
    assert MARK in there.json()["items"][0]["title"] and MARK in ask(client, "south", "GET", "/insight").text
    asked = [
        ("POST", "/recommend", {"user_id": ids["user_id"]}, 200),
        ("POST", "/recommend", {"item_ids": [ids["item_id"]]}, 404),
        ("POST", "/answer", {"question": "Which material?", "item_id": ids["item_id"]}, 404),
        ("POST", "/review", {"item_id": ids["item_id"], "rating": 5}, 404),
        ("POST", "/sentiment", {"text": "good"}, 200),
        ("POST", "/search", {"text": "tent"}, 200),
        ("GET", f"/describe?item_id={ids['item_id']}", None, 404),
        ("GET", f"/picture?item_id={ids['item_id']}", None, 404),
        ("GET", f"/items?item_id={ids['item_id']}", None, 404),
        ("GET", f"/items?text={MARK}", None, 200),
        ("GET", f"/customers?user_id={ids['user_id']}", None, 404),
        ("GET", f"/customers?text={MARK}", None, 200),
        ("GET", f"/suggest?q={MARK}", None, 200),
        ("GET", "/insight", None, 404),
        ("GET", "/ready", None, 200),
        ("GET", "/metrics", None, 200),
        ("GET", "/merchant/state", None, 200),
        ("POST", "/merchant/promote", {"number": 1}, 409),
        ("POST", "/chat", {"message": f"Show me {ids['item_id']}"}, 200),
        ("GET", "/openapi.json", None, 200), ("GET", "/docs", None, 200), ("GET", "/", None, 200),
        ("GET", "/merchant", None, 200), ("GET", "/page/tasks.js", None, 200), ("GET", "/no/such", None, 404),
    ]  # fmt: skip
    for method, path, body, status in asked:
        got = ask(client, "north", method, path, body)
        assert got.status_code == status, (path, got.text)
        told = got.text.replace(str(ids["item_id"]), "").replace(MARK, "", path.count(MARK))
        assert MARK not in told and "south" not in told.lower(), (path, got.text)
    shown = ask(client, "north", "POST", "/recommend", {"user_id": ids["user_id"]}).json()
    assert not shown["known_customer"]


def test_a_key_opens_its_own_shop_alone(client: TestClient) -> None:
    """On every route, in every role; and what the refusal says is what any wrong key is told."""
    for method, path in routes(client):
        place = (
            path.replace("{item_id}", "nothing").replace("{user_id}", "nobody").replace("{name}", "page.js")
        )
        body = None if method in ("GET", "DELETE") else {}
        wrong = ask(client, "south", method, place, body, headers={"X-API-Key": "no key at all"})
        is_open = (path in OPEN and path != "/ready") or path.startswith("/page/")
        assert (wrong.status_code != 401) is is_open, path
        for role in ROLES:
            others = ask(client, "south", method, place, body, headers=key("north", role))
            same = (others.status_code, others.text, dict(others.headers))
            assert same == (wrong.status_code, wrong.text, dict(wrong.headers)), path
            own = ask(client, "south", "GET", "/items", headers=key("south", role))
            assert own.status_code == 200
    assert ask(client, "south", "GET", "/items", headers={"X-API-Key": "operator-key"}).status_code == 401


def test_a_shop_that_is_not_there_looks_like_one_with_another_key(client: TestClient) -> None:
    for path in ("/items", "/ready", "/metrics"):
        replies = [ask(client, name, "GET", path, headers=key("north")) for name in ("south", "nowhere")]
        assert [each.status_code for each in replies] == [401, 401] and replies[0].text == replies[1].text


@pytest.mark.parametrize(
    "path",
    [
        "/shops/north/shops/north/merchant/state", "/shops/north/v1/shops/north/merchant/state",
        "/shops/north/../south/ready", "/shops/north/%2e%2e/south/ready", "/shops/north%2F..%2Fsouth/ready",
        "/shops//south/ready", "//shops/south/ready", "/shops/north//merchant/state", "/shops/south%00/ready",
        "/shops/SOUTH/ready", "/shops/north/merchant/../merchant/state", "/v1/v1/shops/south/ready",
        "/shops/south/v1/v1/ready",
    ],
)  # fmt: skip
def test_no_way_of_writing_a_path_opens_more(client: TestClient, path: str) -> None:
    """With the northern key of who may ask: neither the other shop, nor what is for administrators."""
    got: dict[str, Any] = {}

    async def send(message: Any) -> None:
        got.update({message["type"]: message})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    from urllib.parse import unquote_to_bytes

    scope = {
        "type": "http", "method": "GET", "path": unquote_to_bytes(path).decode(), "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
        "asgi": {"version": "3.0"},
        "headers": [(b"host", b"testserver"), (b"x-api-key", b"north-ask-key")],
        "client": ("127.0.0.1", 1), "server": ("testserver", 80),
    }  # fmt: skip
    client.portal.call(client.app, scope, receive, send)  # type: ignore[union-attr,arg-type]
    status = got["http.response.start"]["status"]
    assert status in (401, 404), (status, got["http.response.body"]["body"])


def test_answers_are_remembered_for_one_shop_alone(shop: Shop, tmp_path: Path) -> None:
    """Of two shops with equal artifacts, in one folder of a cache, the second has nothing of the first."""
    runs = {name: toy_run(tmp_path / name, shop) for name in NAMES}
    settings = ServeSettings(cache_url=f"lmdb:{tmp_path}/cache", batch_wait_ms=1)
    services = {name: Service.load(run, TOY_TASKS, settings, space=name) for name, run in runs.items()}
    word = shop.items["title"][0].split()[-1]
    query = TOY_TASKS["search"].http.body(text=word).query()
    first = [services[name].ask("search", query) for name in (*NAMES, *NAMES)]
    assert first[0].fingerprint == first[1].fingerprint
    assert [each.cached for each in first] == [False, False, True, True]
    services["north"].cache.clear()
    assert [services[name].ask("search", query).cached for name in NAMES] == [False, True]
    for each in services.values():
        each.close()


def test_what_happens_in_one_shop_changes_no_other(client: TestClient) -> None:
    before = {name: recommended(client, name, "visitor") for name in NAMES}
    event = {"event_id": "e1", "kind": "view", "user_id": "visitor", "time": datetime.now(UTC).isoformat()}
    for name in NAMES:
        sent = {"events": [{**event, "item_id": before[name][0]}]}
        assert (
            ask(client, name, "POST", "/events", sent).json()["accepted"] == 1
        )  # the same id is no repetition
        left = [each for each in NAMES if each != name and name == "north"]
        assert all(recommended(client, each, "visitor") == before[each] for each in left)
    # A stock of the one, a new item of the other.
    ask(client, "north", "PUT", "/stock", {"counts": {before["north"][1]: 0, before["south"][1]: 0}})
    assert before["south"][1] in recommended(client, "south", "visitor")
    ask(client, "north", "PUT", "/items/X1", {"title": "Zephyr kite"})
    for _ in range(200):
        if ask(client, "north", "POST", "/search", {"text": "zephyr"}).json()["items"]:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the new item was not found")
    assert not ask(client, "south", "POST", "/search", {"text": "zephyr"}).json()["items"]
    came = [ask(client, name, "GET", "/merchant/state").json()["came_in"] for name in NAMES]
    assert [[(each["kind"], each["n"]) for each in one] for one in came] == [[("view", 1)], [("view", 1)]]


def recommended(client: TestClient, name: str, user_id: str) -> list[str]:
    found = ask(client, name, "POST", "/recommend", {"user_id": user_id, "k": 20})
    assert found.status_code == 200, found.text
    return [each["item_id"] for each in found.json()["items"]]


def test_a_conversation_is_of_its_shop(client: TestClient) -> None:
    """The state that a shop gave is no way into another: what it speaks of is not there."""
    turn = ask(client, "south", "POST", "/chat", {"message": f"I am looking for a {MARK}"}).json()
    assert MARK in json.dumps(turn)
    got = ask(
        client, "north", "POST", "/chat", {"message": "tell me more about the first", "state": turn["state"]}
    )
    reply = {key: value for key, value in got.json().items() if key != "state"}
    assert got.status_code in (200, 404, 422) and MARK not in json.dumps(reply), reply


def test_forgetting_in_one_shop_leaves_the_other(client: TestClient, runs: dict[str, Path]) -> None:
    event = {"kind": "buy", "user_id": "both", "time": datetime.now(UTC).isoformat(), "event_id": "bought"}
    for name in NAMES:
        item = recommended(client, name, "both")[0]
        assert (
            ask(client, name, "POST", "/events", {"events": [{**event, "item_id": item}]}).json()["accepted"]
            == 1
        )
    history = {name: recommended(client, name, "both") for name in NAMES}
    assert ask(client, "north", "DELETE", "/customers/both").status_code == 200
    assert recommended(client, "north", "both") != history["north"]
    assert recommended(client, "south", "both") == history["south"]
    assert (runs["north"] / "forgotten.json").exists() and not (runs["south"] / "forgotten.json").exists()


def test_figures_say_of_which_shop_they_are(client: TestClient) -> None:
    ask(client, "south", "POST", "/sentiment", {"text": "great"})
    for name in NAMES:
        text = ask(client, name, "GET", "/metrics", headers=key(name, "ask")).text
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        assert len(lines) > 20 and all(f'shop="{name}"' in line for line in lines)
    assert client.get("/metrics").status_code == client.get("/shops").status_code == 401
    for name in NAMES:
        for role in ROLES:
            assert client.get("/metrics", headers=key(name, role)).status_code == 401
    every = client.get("/metrics", headers={"X-API-Key": "operator-key"}).text
    assert all(f'retailor_ready{{shop="{name}"}} 1.0' in every for name in NAMES)
    assert "process_resident_memory_bytes" in every
    types = [line for line in every.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len({line.split()[2] for line in types})
    listed = client.get("/shops", headers={"X-API-Key": "operator-key"}).json()["shops"]
    assert [each["name"] for each in listed] == [*NAMES] and listed[1]["run"] == f"run-of-{MARK}"


def test_the_lobby_tells_nothing(client: TestClient) -> None:
    for path in ("/", "/ready", "/health", "/openapi.json", "/docs", "/merchant", "/page/page.js"):
        text = client.get(path).text
        assert MARK not in text and "south" not in text and "north" not in text
    assert client.get("/ready").json() == {"ready": True}


def test_the_pages_stay_below_their_shop(client: TestClient) -> None:
    got = client.get("/shops/south", follow_redirects=False)
    assert got.status_code == 307 and got.headers["location"] == "south/"
    for path in ("/", "/merchant", "/docs"):
        text = client.get(f"/shops/south{path}").text
        assert 'href="page/page.css"' in text and 'href="/' not in text and 'src="/' not in text
    served = client.get("/shops/south/openapi.json").json()["servers"]
    assert [each["url"] for each in served] == ["/shops/south/v1", "/shops/south"]


@pytest.mark.parametrize(
    "path", ["items/", "search/", "health/", "merchant/state/", "page/", "docs/", "customers/", "/items"]
)
def test_no_address_leads_out_of_a_shop(client: TestClient, path: str) -> None:
    for before in ("/shops/north/", "/v1/shops/north/", "/shops/north/v1/"):
        got = client.get(f"{before}{path}", headers=key("north"), follow_redirects=False)
        assert got.status_code in (404, 405) and "location" not in got.headers, got.headers


def test_ready_is_described(client: TestClient) -> None:
    for path, model in (("/shops/south/openapi.json", "Ready"), ("/openapi.json", "AllReady")):
        spec = client.get(path).json()
        told = spec["paths"]["/ready"]["get"]["responses"]
        for status in ("200", "503"):
            schema = told[status]["content"]["application/json"]["schema"]
            assert schema["$ref"].endswith(f"/{model}")


def test_a_line_of_the_log_names_its_shop(runs: dict[str, Path], tmp_path: Path) -> None:
    """Those of requests, of threads that answer, of those that take in what happens, of a reload."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            Whose().filter(record)
            lines.append(f"{record.shop}{record.getMessage()}")  # type: ignore[attr-defined]

    handler, log = Kept(), logging.getLogger("retailor")
    log.addHandler(handler)
    before = log.level
    log.setLevel(logging.INFO)
    services: dict[str, Service] = {}
    try:
        for name, run in runs.items():
            settings = ServeSettings(
                hosts=("testserver",), events_url=f"sqlite:///{tmp_path}/{name}.db", watch_s=0.05
            )
            with of_shop(name):
                services[name] = Service.load(run, TOY_TASKS, settings, space=name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(services["south"].live(), "catch_up", lambda: 1 / 0)
            patch.setattr(services["north"].watch(), "count", lambda: 1 / 0)
            with TestClient(make_shops_app(services, ServeSettings(hosts=("testserver",)), Keys())) as client:
                for name in NAMES:
                    client.post(f"/shops/{name}/sentiment", json={"text": "poison"})
                client.get("/health")
            told = "south: what is new could not be taken in: ZeroDivisionError"
            wait_until(lambda: told in lines)
            for name in NAMES:
                with of_shop(name):
                    _reload(services[name], None)
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
        for each in services.values():
            each.close()
    for name in NAMES:
        assert any(line.startswith(f"{name}: 'sentiment' failed with ValueError at") for line in lines)
        assert any(line.startswith(f"{name}: POST /shops/{name}/sentiment 500") for line in lines)
        assert any(line.startswith(f"{name}: serving ") for line in lines)
    assert any(line.startswith("GET /health 200") for line in lines), "which is nobody's"
    assert not any("north: " in line and "south" in line for line in lines)


def test_a_run_that_fails_of_anything_leaves_its_shop_and_the_others_at_work(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A library's own error, in one of two that are loaded by one signal, and a promotion afterwards."""
    monkeypatch.setattr(reloading, "LOOK_EVERY_S", 0.05)
    runs = {name: toy_run(tmp_path / name, shop, name=name) for name in NAMES}
    services = {name: Service.load(run, TOY_TASKS, ServeSettings()) for name, run in runs.items()}
    for run in runs.values():
        toy_run(place_of(run, 1) / "run", shop, name="second")
    broken = Path(runs["north"])
    monkeypatch.setattr(ToySentiment, "load", _failing(broken, ToySentiment.load.__func__))  # type: ignore[attr-defined]
    tasks = {**TOY_TASKS, "sentiment": replace(TOY_TASKS["sentiment"], load=ToySentiment.load)}
    for each in services.values():
        each.entries = each._runs._entries = tasks
    served = [reloading.Served(services[name], None, name) for name in NAMES]
    before = signal.getsignal(signal.SIGHUP)
    try:
        with caplog.at_level(logging.INFO, "retailor.serve"), reloading.reloads(served):
            signal.raise_signal(signal.SIGHUP)
            wait_until(lambda: "serving 'south' anew" in caplog.text)
            assert "not reloaded: KeyError at" in caplog.text and "secret" not in caplog.text
            for name in NAMES:
                set_standing(runs[name], 1)
            wait_until(lambda: services["south"].ready()["name"] == "second")
            wait_until(lambda: services["north"].ready()["name"] == "second")
    finally:
        signal.signal(signal.SIGHUP, before)
        for each in services.values():
            each.close()


def _failing(folder: Path, load: Any) -> Any:
    def loaded(given: Path, *, open_encoder: Any = None) -> Any:
        if given.is_relative_to(folder):
            raise KeyError("secret words")
        return load(ToySentiment, given, open_encoder=open_encoder)

    return staticmethod(loaded)


def test_without_keys_figures_are_open_and_with_a_shops_alone_closed(
    runs: dict[str, Path], keys: None, tmp_path: Path
) -> None:
    for settings, status in (
        (ServeSettings(hosts=("testserver",)), 200),
        (settings_of("north", tmp_path), 404),
    ):
        service = Service.load(runs["north"], TOY_TASKS, settings)
        with TestClient(make_shops_app({"a": service}, ServeSettings(hosts=("testserver",)), Keys())) as made:
            assert made.get("/metrics").status_code == made.get("/shops").status_code == status
        service.close()


class Held(ToySentiment):
    """Answers nobody until it may."""

    asked, free = threading.Event(), threading.Event()

    def predict(self, queries: Any) -> Any:
        self.asked.set()
        assert self.free.wait(60)
        return super().predict(queries)


def test_a_crowd_in_one_shop_takes_no_threads_of_another(runs: dict[str, Path]) -> None:
    """Ten requests that wait, on a server of two threads a shop: the other shop answers."""
    held = {**TOY_TASKS, "sentiment": replace(TOY_TASKS["sentiment"], load=Held.load)}
    settings = ServeSettings(hosts=("testserver",), threads=2, max_batch=1, timeout_s=60)
    Held.free.set()  # a server asks each task once when it opens
    services = {name: Service.load(run, held, settings, space=name) for name, run in runs.items()}
    Held.asked.clear()
    Held.free.clear()
    with TestClient(make_shops_app(services, settings, Keys())) as client, ThreadPoolExecutor(30) as pool:
        crowd = [
            pool.submit(client.post, "/shops/north/sentiment", json={"text": f"good {i}"}) for i in range(10)
        ]
        try:
            assert Held.asked.wait(30)
            time.sleep(0.3)  # so that the others stand behind it
            assert client.get("/shops/south/items").status_code == 200
            # Of its own crowd, too, nobody must wait who asks whether it is well, or for a page.
            for path in ("health", "ready", "", "merchant", "page/page.js", "openapi.json", "docs"):
                assert client.get(f"/shops/north/{path}").status_code == 200
            assert not any(each.done() for each in crowd)
        finally:
            Held.free.set()
        assert [each.result().status_code for each in crowd] == [200] * 10
    for each in services.values():
        each.close()


def test_equal_encoders_are_opened_once_and_let_go(tmp_path: Path) -> None:
    for name in NAMES:
        HashEncoder().save(tmp_path / name)
    HashEncoder(dim=12).save(tmp_path / "other")
    from retailor.models.local import load_encoder

    pool = EncoderPool(load_encoder)
    a, b, c = (pool(tmp_path / name) for name in (*NAMES, "other"))
    assert a is b and a is not c and pool.n_opened == 2
    assert pool(tmp_path / "north") is a
    del a, b
    assert pool(tmp_path / "north") is not None and pool.n_opened == 3


CODE = """
import sys
from dataclasses import replace
from pathlib import Path
from retailor.serve.settings import ServeSettings
from retailor.serve.shops.server import serve_shops
from retailor.serve.shops.settings import OneShop
from retailor.testing.serving import TOY_TASKS
named = (each.split("=") for each in sys.argv[1:])
shops = [OneShop(name, Path(run), ServeSettings()) for name, run in named]
serve_shops(shops, TOY_TASKS, ServeSettings(port=0))
"""


def started(log: Path, *shops: str) -> tuple[subprocess.Popen[str], str]:
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", CODE, *shops], stderr=file, text=True)
    for _ in range(2400):
        if "encoders are open" in log.read_text() or process.poll() is not None:
            break
        time.sleep(0.05)
    found = log.read_text().partition("http://")[2].split("/")[0]
    assert found, log.read_text()
    return process, f"http://{found}"


def test_a_real_server_of_two(shop: Shop, tmp_path: Path) -> None:
    """Reload of a shop that broke leaves it and the others at work; a change of one is seen in it alone."""
    runs = {"north": toy_run(tmp_path / "a", shop), "south": toy_run(tmp_path / "b", marked(shop))}
    log = tmp_path / "log"
    process, url = started(log, *(f"{name}={run}" for name, run in runs.items()))
    try:
        for name in NAMES:
            assert f"{url}/shops/{name}/" in log.read_text()
            assert httpx.get(f"{url}/shops/{name}/ready").json()["n_items"] == shop.items.height
        record = (runs["south"] / "run.json").read_text()
        (runs["south"] / "run.json").write_text("{")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "not reloaded" in log.read_text() and "serving 'toy' anew" in log.read_text())
        assert all(httpx.get(f"{url}/shops/{name}/ready").status_code == 200 for name in NAMES)
        (runs["south"] / "run.json").write_text(record.replace('"toy"', '"renamed"'))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: httpx.get(f"{url}/shops/south/ready").json()["name"] == "renamed")
        assert httpx.get(f"{url}/shops/north/ready").json()["name"] == "toy"
        assert "GET /shops/south/ready 200" in log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert "Traceback" not in log.read_text()


def wait_until(true: Callable[[], bool], timeout_s: float = 20) -> None:
    until = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def test_the_page_of_a_shop_in_a_browser(page: Any, shop: Shop, tmp_path: Path) -> None:
    runs = {
        "north": toy_run(tmp_path / "a", shop),
        "south": toy_run(tmp_path / "b", marked(shop), name="Süd"),
    }
    process, url = started(tmp_path / "log", *(f"{name}={run}" for name, run in runs.items()))
    try:
        page.goto(f"{url}/shops/south")
        page.wait_for_selector(".card")
        assert MARK in page.inner_text("#panel") and page.inner_text("#run-name") == "Süd"
        page.goto(f"{url}/shops/north/")
        page.wait_for_selector(".card")
        assert MARK not in page.inner_text("body")
        page.click("a[data-word=merchant]")
        page.wait_for_selector("main section, main h2")
        assert page.url == f"{url}/shops/north/merchant" and page.inner_text("#run-name") == "toy"
        page.click("a[data-word=m_shop]")
        page.wait_for_selector(".card")
        assert page.url.partition("#")[0] == f"{url}/shops/north/"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
