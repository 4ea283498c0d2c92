"""Every route needs its role; a role may do what those before it may; keys may be given hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from retailor.errors import ConfigError
from retailor.serve.app import make_app
from retailor.serve.door.guard import OPEN
from retailor.serve.door.keys import ROLES, Keys, Role, role_for
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.testing.serving import TOY_TASKS

KEYS = {"ask": "ask-key", "write": "write-key", "administer": "admin-key"}
NEEDS = {
    ("POST", "/events"): "write", ("PUT", "/stock"): "write",
    ("PUT", "/items/{item_id}"): "write", ("DELETE", "/items/{item_id}"): "write",
    ("DELETE", "/customers/{user_id}"): "administer",
    ("GET", "/merchant/state"): "administer", ("POST", "/merchant/promote"): "administer",
    ("POST", "/merchant/back"): "administer",
}  # fmt: skip
"""All that asking does not allow; every other route of the app is asked, or open."""


@pytest.fixture(scope="module")
def client(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    digest = hashlib.sha256(KEYS["administer"].encode()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASK", KEYS["ask"])
        patch.setenv("WRITE", KEYS["write"])
        patch.setenv("ADMIN", f"sha256:{digest}")
        settings = ServeSettings(
            hosts=("testserver",), events_url=f"sqlite:///{tmp_path_factory.mktemp('log')}/live.db",
            api_key_env="ASK", write_key_env="WRITE", admin_key_env="ADMIN",
        )  # fmt: skip
        service = Service.load(run_folder, TOY_TASKS, settings)
        with TestClient(make_app(service)) as made:
            yield made
        service.close()


def test_every_route_needs_its_role(client: TestClient) -> None:
    app = client.app
    routes = {
        (method, route.path.replace(":path", ""))
        for route in app.routes  # type: ignore[attr-defined]
        if isinstance(route, APIRoute) and route.path not in OPEN and not route.path.startswith("/page/")
        for method in route.methods
    }
    assert NEEDS.keys() <= routes and len(routes) > 12
    for method, path in sorted(routes):
        needed = ROLES.index(NEEDS.get((method, path), "ask"))  # type: ignore[arg-type]
        place = path.replace("{item_id}", "nothing").replace("{user_id}", "nobody")
        body = {} if method in ("GET", "DELETE") else {"json": {}}
        for version in ("", "/v1"):
            for key in ("", "wrong", *KEYS.values()):
                good = key in [*KEYS.values()][needed:]
                got = client.request(method, version + place, headers={"X-API-Key": key}, **body)  # type: ignore[arg-type]
                assert (got.status_code != 401) is good, (method, path, key, got.text)


def test_a_digest_is_no_key(client: TestClient) -> None:
    digest = hashlib.sha256(KEYS["administer"].encode()).hexdigest()
    for sent in (digest, f"sha256:{digest}"):
        assert client.get("/merchant/state", headers={"X-API-Key": sent}).status_code == 401


def test_a_refusal_says_which_key_is_meant(client: TestClient) -> None:
    told = client.delete("/customers/nobody", headers={"X-API-Key": KEYS["write"]}).json()["detail"]
    assert "who may administer" in told
    assert "who may write" in client.post("/events", json={"events": []}).json()["detail"]
    assert "the API key" in client.get("/items").json()["detail"]


@pytest.mark.parametrize("given", [{}, {"ask": "a"}, {"ask": "a", "write": "w"}, {"write": "w"}])
def test_a_role_without_a_key_of_its_own_has_that_of_the_one_before(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"ask": "api_key_env", "write": "write_key_env", "administer": "admin_key_env"}
    for role, key in given.items():
        monkeypatch.setenv(role.upper(), key)
    keys = Keys.of(ServeSettings(**{names[role]: role.upper() for role in given}))  # type: ignore[arg-type]
    allowed = {
        (role, key) for role in get_args(Role) for key in ("", "a", "w", "w ") if keys.allow(role, key)
    }
    ask = given.get("ask")
    every = {(role, key) for role in ROLES for key in ("", "a", "w", "w ")}
    wanted = {
        (role, key)
        for role, key in every
        if not (need := ask if role == "ask" else given.get("write", ask))
        or key in (need, given.get("write", need))
    }
    assert allowed == wanted


def test_a_key_that_is_named_and_not_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(ConfigError, match="NO_SUCH"):
        Keys.of(ServeSettings(admin_key_env="NO_SUCH"))


def test_below_customers_and_the_merchant_it_is_who_administers() -> None:
    assert role_for("GET", "/customers") == "ask" and role_for("GET", "/customers/x") == "administer"
    assert role_for("GET", "/merchant/anything") == "administer" and role_for("GET", "/merchantile") == "ask"
