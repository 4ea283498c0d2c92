"""The merchant's page over HTTP: where the run has one, never without the key, never where switched off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from retailor.serve.app import make_app
from retailor.serve.browsing import INSIGHT
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.testing.serving import TOY_TASKS, toy_run

PAGE = "<!doctype html><title>What customers say</title>"


@pytest.fixture(scope="module")
def folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = toy_run(tmp_path_factory.mktemp("told"), shop)
    record = json.loads((made / "run.json").read_text())
    stage = {"name": "insight", "kind": "insight", "folder": "stages/insight", "fingerprint": "0"}
    (made / "run.json").write_text(json.dumps({**record, "stages": [*record["stages"], stage]}))
    (made / "stages" / "insight").mkdir()
    (made / "stages" / "insight" / INSIGHT).write_text(PAGE)
    return made


def _client(folder: Path, **settings: object) -> TestClient:
    dials = ServeSettings(hosts=("testserver",), **settings)  # type: ignore[arg-type]
    return TestClient(make_app(Service.load(folder, TOY_TASKS, dials)))


def test_the_page_is_served_and_may_load_nothing(folder: Path) -> None:
    with _client(folder) as client:
        reply = client.get("/insight")
        assert (reply.status_code, reply.text) == (200, PAGE)
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")
        assert client.get("/ready").json()["insight"] is True


def test_it_asks_for_the_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "secret")
    with _client(folder, api_key_env="SHOP_KEY") as client:
        assert client.get("/insight").status_code == 401
        assert client.get("/insight", headers={"X-API-Key": "secret"}).status_code == 200


def test_it_can_be_switched_off(folder: Path) -> None:
    with _client(folder, show_insight=False) as client:
        assert client.get("/insight").status_code == 403
        assert client.get("/ready").json()["insight"] is False


def test_a_run_without_one_says_so(client: TestClient) -> None:
    assert client.get("/insight").status_code == 404
    assert client.get("/ready").json()["insight"] is False
