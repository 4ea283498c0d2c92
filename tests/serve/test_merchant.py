"""The merchant's page: behind the key of who may administer, in both languages, with runs to choose from."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi.testclient import TestClient

from retailor.live.settings import DriftSettings
from retailor.live.standing import place_of, run_of, set_standing, standing_run
from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo import demo_shop
from retailor.testing.serving import TOY_TASKS, toy_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with one refresh that was promoted, one that was not, and one that is gone from the disk."""
    shop = demo_shop(60)
    days = pl.datetime(2025, 11, 1, time_zone="UTC") + pl.duration(days=pl.int_range(pl.len()) % 30)
    shop = shop.with_tables(events=shop.events.with_columns(time=days.cast(shop.events.schema["time"])))
    made = toy_run(tmp_path / "shop", shop)
    for number, decision in ((1, "promoted"), (2, "kept"), (3, "kept")):
        place = place_of(made, number)
        if number < 3:
            shutil.copytree(made, run_of(made, number))
        place.mkdir(parents=True, exist_ok=True)
        judged = {
            "task": "recommend", "metric": "ndcg@10", "n": 400, "champion": 0.1, "challenger": 0.12,
            "difference": 0.02, "interval": [0.01, 0.03], "lower": 0.01, "decides": True, "reason": "",
        }  # fmt: skip
        receipt = {
            "number": number, "ended": "2026-11-28T03:00:00+00:00", "decision": decision, "reasons": [],
            "judged": [judged],
        }  # fmt: skip
        (place / "receipt.json").write_text(json.dumps(receipt))
        (place / "begun.json").write_text(json.dumps({"champion": 0}))
    set_standing(made, 1)
    return made


def settings(run: Path, **more: Any) -> ServeSettings:
    values: dict[str, Any] = {
        "hosts": ("testserver",), "batch_wait_ms": 1.0, "events_url": f"sqlite:///{run.parent}/live.db",
        "impressions": {"tasks": ["recommend"]}, "bandit": {"explore": 0.5, "learn_s": 0.05},
        "experiment": {"name": "diverse", "days": 0.001, "least": 10},
    }  # fmt: skip
    return ServeSettings(**(values | more))


@contextmanager
def served(run: Path, **more: Any) -> Iterator[tuple[TestClient, Service]]:
    drift = DriftSettings(least_events=10, reference_days=10)
    with closing(Service.load(run, TOY_TASKS, settings(run, **more), drift)) as service:
        yield TestClient(make_app(service)), service


def events(n: int, kind: str = "buy") -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(hours=1)
    return {
        "events": [
            {
                "event_id": f"{kind}{i}", "kind": kind, "time": at.isoformat(), "user_id": f"u{i}",
                "item_id": "P-not-there",
            }
            for i in range(n)
        ]
    }  # fmt: skip


def test_it_tells_what_came_in_arms_drift_runs_and_the_bandit(run: Path) -> None:
    with served(run) as (client, service):
        for i in range(40):
            client.post("/recommend", json={"user_id": f"u{i}", "k": 3})
        client.post("/events", json=events(60))
        client.post("/events", json=events(5, "view"))
        service._living._tell()  # type: ignore[union-attr]
        before = client.get("/merchant/state").json()
        assert before["counted_at"] is None and before["experiment"] is None
        watch = service.watch()
        assert watch is not None
        watch.count()
        told = client.get("/merchant/state").json()
        assert {(each["kind"], each["n"]) for each in told["came_in"]} == {("buy", 60), ("view", 5)}
        assert told["shown"] == 40 and told["counted_at"]
        assert [arm["name"] for arm in told["experiment"]["arms"]] == ["control", "treated"]
        assert not told["experiment"]["mismatched"]
        assert told["drift"][-1]["n"] == 65
        assert "unknown items" in [each["figure"] for each in told["drift"][-1]["alarms"]]
        assert [(each["number"], each["answers"], each["can_answer"]) for each in told["runs"]] == [
            (3, False, False), (2, False, True), (1, True, True), (0, False, True),
        ]  # fmt: skip
        assert told["bandit"]["explore"] == 0.5 and not told["bandit"]["is_stopped"]
        metrics = client.get("/metrics").text
        assert 'retailor_drift_alarm{figure="unknown items"} 1.0' in metrics
        assert "retailor_shown_total 40.0" in metrics and "retailor_bandit_stopped 0.0" in metrics


def test_promote_and_back(run: Path) -> None:
    with served(run) as (client, service):
        assert service.standing == run_of(run.resolve(), 1)
        done = client.post("/merchant/promote", json={"number": 2})
        assert done.status_code == 200 and service.standing == run_of(run.resolve(), 2)
        assert [each["number"] for each in done.json()["runs"] if each["answers"]] == [2]
        assert client.post("/merchant/promote", json={"number": 0}).status_code == 200
        assert service.standing == run
        nothing = client.post("/merchant/back", json={})
        assert nothing.status_code == 409 and "nothing to go back to" in nothing.json()["detail"]
        for number in (3, 17):
            refused = client.post("/merchant/promote", json={"number": number})
            assert refused.status_code == 409 and str(run.parent) not in refused.text, refused.text
        assert service.standing == run
        client.post("/merchant/promote", json={"number": 1})
        assert client.post("/merchant/back", json={}).status_code == 200 and service.standing == run


def test_a_run_that_does_not_load_leaves_the_one_of_now(run: Path) -> None:
    (run_of(run, 2) / "stages" / "fit-recommend" / "state.json").write_text("broken")
    with served(run) as (client, service):
        refused = client.post("/merchant/promote", json={"number": 2})
        assert refused.status_code == 409 and "cannot be loaded" in refused.json()["detail"]
        assert str(run.parent) not in refused.text
        assert service.standing == run_of(run.resolve(), 1) == standing_run(run).resolve()
        assert client.post("/recommend", json={"k": 3}).status_code == 200


def test_only_who_may_write_sees_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASK", "ask-key")
    monkeypatch.setenv("WRITE", "write-key")
    with served(run, api_key_env="ASK", write_key_env="WRITE") as (client, _):
        for method, path in (("GET", "state"), ("POST", "back"), ("POST", "promote")):
            for key in (None, "ask-key"):
                headers = {} if key is None else {"X-API-Key": key}
                body = {"json": {"number": 0}} if method == "POST" else {}
                for version in ("", "/v1"):
                    reply = client.request(method, f"{version}/merchant/{path}", headers=headers, **body)
                    assert reply.status_code == 401, (method, path, key)
        assert client.get("/merchant/state", headers={"X-API-Key": "write-key"}).status_code == 200
        assert client.get("/merchant").status_code == 200, "the page itself has nothing in it"


@pytest.mark.parametrize("path", ["/merchant/back", "/v1/merchant/promote", "/events"])
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""]
)
def test_a_form_of_another_site_changes_nothing_where_there_is_no_key(
    run: Path, path: str, kind: str
) -> None:
    site = {"Origin": "https://other.example"}
    with served(run) as (client, service):
        sent = client.post(path, content=b'{"number": 2}', headers={**site, "Content-Type": kind})
        assert sent.status_code == 415
        before = {**site, "Access-Control-Request-Method": "POST"}
        asked = client.options(path, headers=before | {"Access-Control-Request-Headers": "content-type"})
        assert not any(name.startswith("access-control-") for name in asked.headers), (
            "so nothing else is sent"
        )
        assert service.standing == run_of(run.resolve(), 1)


def test_a_server_of_less_says_so(run: Path, tmp_path: Path) -> None:
    with served(run, events_url=None, impressions={}, bandit={}, experiment={}) as (client, _):
        told = client.get("/merchant/state").json()
        assert told["came_in"] is None and told["drift"] is None and told["bandit"] is None
    alone = tmp_path / "alone"
    shutil.copytree(run / "stages" / "fit-recommend", alone)
    with served(alone, events_url=None, impressions={}, bandit={}, experiment={}) as (client, _):
        assert client.get("/merchant/state").json()["runs"] == []
        assert client.post("/merchant/back", json={}).status_code == 409


def test_the_page_in_both_languages(page: Any, start_server: Callable[..., Any], run: Path) -> None:
    server = start_server(
        run,
        f"port=0, events_url='sqlite:///{run.parent}/live.db', write_key_env='WRITE', watch_s=0.2, "
        "impressions={'tasks': ['recommend']}, bandit={'explore': 0.5, 'learn_s': 0.1}, "
        "experiment={'name': 'diverse', 'least': 10}",
        env={"WRITE": "write-key"},
    )
    key = {"X-API-Key": "write-key"}
    for i in range(30):
        httpx.post(f"{server.url}/recommend", json={"user_id": f"u{i}", "k": 3})
    assert httpx.post(f"{server.url}/events", json=events(60), headers=key).json()["accepted"] == 60
    page.goto(f"{server.url}/merchant")
    page.fill("#key", "wrong")
    page.click("#key-form button")
    page.wait_for_selector("#key-dialog[open]")
    page.fill("#key", "write-key")
    page.click("#key-form button")
    page.wait_for_selector(".part")
    text = page.inner_text("#parts")
    for said in ("buy", "60", "Refresh 1", "answers now", "no longer on the disk", "ndcg@10", "explore"):
        assert said in text, said
    assert page.locator(".hour").count() == 48
    until = time.monotonic() + 30.0
    while "control" not in page.inner_text("#parts"):
        assert time.monotonic() < until, "the experiment is not counted"
        page.click("#again")
        page.wait_for_timeout(100)
    page.on("dialog", lambda dialog: dialog.accept())
    held: list[tuple[Any, Any]] = []
    page.route("**/merchant/state", lambda route: held.append((route, route.fetch())))
    page.click("#again")
    while not held:
        page.wait_for_timeout(20)
    page.click("text=Back to the one before")
    page.wait_for_selector("tr:has-text('The run itself') .badge")
    route, before = held[0]
    with page.expect_response("**/merchant/state"):
        route.fulfill(response=before)
    page.wait_for_timeout(100)
    assert page.locator("tr:has-text('The run itself') .badge").count() == 1, "what comes late is of before"
    page.unroute("**/merchant/state")
    page.click("#language")
    text = page.inner_text("body")
    assert "收到的事件" in text and "正在应答" in text and "Refresh" not in text and "m_" not in text
    page.click("tr:has-text('第1次更新') button")
    page.wait_for_selector("tr:has-text('第1次更新') .badge")
    page.problems[:] = [each for each in page.problems if "401" not in each]
