"""A server follows what is promoted, and loses no request by it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from retailor.errors import DataError
from retailor.live.standing import place_of, refreshes_of, set_standing, standing_run
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.testing.serving import TOY_TASKS, toy_run


@pytest.fixture
def promoted(shop: Shop, tmp_path: Path) -> Path:
    """A run with a refresh beside it, which is not promoted yet."""
    run = toy_run(tmp_path / "shop", shop, name="first")
    toy_run(place_of(run, 1) / "run", shop, name="second")
    return run


def test_what_was_promoted_is_served(promoted: Path) -> None:
    with closing(Service.load(promoted, TOY_TASKS, ServeSettings())) as service:
        assert service.ready()["name"] == "first"
        set_standing(promoted, 1)
        service.reload()
        assert service.ready()["name"] == "second" and service.folder == promoted
    assert standing_run(promoted) == place_of(promoted, 1) / "run"
    with closing(Service.load(promoted, TOY_TASKS, ServeSettings())) as again:
        assert again.ready()["name"] == "second"


@pytest.mark.parametrize("text", ["{", "[]", '{"number": "x"}'])
def test_a_corrupt_record_is_named(promoted: Path, text: str) -> None:
    refreshes_of(promoted).mkdir(exist_ok=True)
    (refreshes_of(promoted) / "standing.json").write_text(text)
    with pytest.raises(DataError, match=r"standing\.json"):
        standing_run(promoted)


def test_under_load_no_request_is_lost_when_another_run_answers(
    start_server: Callable[..., Any], promoted: Path
) -> None:
    server = start_server(promoted, "port=0, batch_wait_ms=1")
    ended, statuses = threading.Event(), []

    def ask(number: int) -> None:
        with httpx.Client(base_url=server.url, timeout=20) as client:
            while not ended.is_set():
                # Never the same question twice, so that none is answered from the cache.
                body = {"user_id": f"u{number}", "k": 1 + len(statuses) % 100}
                statuses.append(client.post("/recommend", json=body).status_code)

    def name() -> str:
        return str(httpx.get(f"{server.url}/ready").json()["name"])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number, expected in ((1, "second"), (0, "first"), (1, "second")):
            set_standing(promoted, number)
            until = time.monotonic() + 10
            while name() != expected:
                assert time.monotonic() < until
                time.sleep(0.05)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert len(statuses) > 50 and set(statuses) == {200}
    # One that does not load leaves the old one at work.
    (place_of(promoted, 2) / "run").mkdir(parents=True)
    (place_of(promoted, 2) / "run" / "run.json").write_text(json.dumps({"name": "x", "stages": []}))
    set_standing(promoted, 2)
    until = time.monotonic() + 10
    while "not reloaded" not in server.log.read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert name() == "second"
