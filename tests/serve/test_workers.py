"""Several processes behind one port: they share and follow each other; one that dies is missed by none."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from retailor.errors import ConfigError, DataError
from retailor.live.standing import place_of, set_standing
from retailor.serve.server import serve
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.testing.serving import TOY_TASKS, toy_run

Start = Callable[..., Any]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")


def workers_of(server: Any) -> list[int]:
    """The processes that answer."""
    found = re.findall(r'process_resident_memory_bytes{pid="(\d+)"}', metrics(server))
    return sorted(map(int, found))


def metrics(server: Any) -> str:
    return httpx.get(f"{server.url}/metrics").text


def until(true: Callable[[], Any], timeout_s: float = 20) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < timeout_s
        time.sleep(0.02)


def both(server: Any, ask: Callable[[httpx.Client], Any]) -> Iterator[Any]:
    """What connection after connection is answered: some by each worker."""
    for _ in range(12):
        with httpx.Client(base_url=server.url, timeout=20) as client:
            yield ask(client)


@pytest.fixture(scope="module")
def server(start_server: Start, run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    log = tmp_path_factory.mktemp("live") / "live.db"
    made = start_server(
        run_folder, f"port=0, workers=2, batch_wait_ms=1, absorb_s=0.2, events_url='sqlite:///{log}'"
    )
    until(lambda: "2 workers answer" in made.log.read_text())
    return made


def event(event_id: str, item_id: str, user_id: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"event_id": event_id, "kind": "view", "time": now, "user_id": user_id, "item_id": item_id}


def recommended(client: httpx.Client, user_id: str) -> list[str]:
    return [each["item_id"] for each in client.post("/recommend", json={"user_id": user_id}).json()["items"]]


def test_what_one_is_told_all_know(server: Any) -> None:
    with httpx.Client(base_url=server.url) as client:
        before = recommended(client, "new")
        assert client.post("/events", json={"events": [event("e1", before[0], "new")]}).status_code == 200
        told = time.monotonic()
    until(lambda: all(before[0] not in each for each in both(server, lambda one: recommended(one, "new"))))
    assert time.monotonic() - told < 10  # the promise is two seconds of a machine that does nothing else

    with httpx.Client(base_url=server.url) as client:
        for _ in range(5):
            best = recommended(client, "somebody")[0]
            assert client.put("/stock", json={"counts": {best: 0}}).status_code == 200
            # At once, and not within a second: no answer behind the acknowledgement has it.
            assert all(best not in each for each in both(server, lambda one: recommended(one, "nobody")))

        assert client.put("/items/NEW-1", json={"title": "A lamp that nobody has"}).status_code == 200
    ask = {"item_id": "NEW-1"}
    until(
        lambda: {one.status_code for one in both(server, lambda one: one.get("/items", params=ask))} == {200}
    )


def test_figures_are_those_of_all(server: Any) -> None:
    before = sum(counted(server, 'retailor_task_requests_total{task="search"}'))
    asked = [one.status_code for one in both(server, lambda one: one.post("/search", json={"text": "tent"}))]
    assert asked == [200] * 12
    until(lambda: counted(server, 'retailor_task_requests_total{task="search"}') == [before + 12])
    assert len(counted(server, "retailor_ready")) == 1 and counted(server, "retailor_ready") == [1.0]
    assert len(workers_of(server)) == 2


def counted(server: Any, name: str) -> list[float]:
    return [float(each) for each in re.findall(rf"^{re.escape(name)} (\S+)$", metrics(server), re.MULTILINE)]


def test_one_that_is_killed_under_load_is_missed_by_none(server: Any) -> None:
    ended, answers = threading.Event(), Counter[Any]()
    was = workers_of(server)

    def ask(number: int) -> None:
        while not ended.is_set():
            with httpx.Client(base_url=server.url, timeout=20) as client:
                for k in range(1, 30):
                    try:
                        answers[
                            client.post("/recommend", json={"user_id": f"u{number}", "k": k}).status_code
                        ] += 1
                    except httpx.TransportError:
                        answers["lost"] += 1
                        break

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        before = sum(
            counted(server, 'retailor_http_requests_total{method="POST",route="/recommend",status="200"}')
        )
        time.sleep(0.3)
        os.kill(was[0], signal.SIGKILL)
        until(lambda: len(now := workers_of(server)) == 2 and was[0] not in now)
        time.sleep(0.3)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    # Those that the killed one was answering; nobody else's, also of connections that nobody had taken yet.
    assert answers["lost"] <= 4 and set(answers) <= {200, "lost"} and answers[200] > 50, answers
    after = sum(
        counted(server, 'retailor_http_requests_total{method="POST",route="/recommend",status="200"}')
    )
    assert after > before  # what the dead one counted is not lost
    assert "ended by signal 9" in server.log.read_text()


def test_a_stop_lets_all_finish(start_server: Start, run_folder: Path) -> None:
    server = start_server(run_folder, "port=0, workers=2")
    until(lambda: "2 workers answer" in server.log.read_text())
    pids, statuses = workers_of(server), []

    def ask(number: int) -> None:
        reply = httpx.post(f"{server.url}/sentiment", json={"text": f"sleep 0.5{number}"}, timeout=20)
        statuses.append(reply.status_code)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: sum(counted(server, 'retailor_task_requests_total{task="sentiment"}')) == 6)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert statuses == [200] * 6
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert "Traceback" not in server.log.read_text()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/health")


@pytest.mark.slow
def test_workers_stop_when_their_parent_is_killed(start_server: Start, run_folder: Path) -> None:
    server = start_server(run_folder, "port=0, workers=2")
    until(lambda: "2 workers answer" in server.log.read_text())
    pids = workers_of(server)
    server.process.kill()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@pytest.mark.slow
def test_all_follow_what_is_promoted_and_what_is_forgotten(
    start_server: Start, shop: Shop, tmp_path: Path
) -> None:
    run = toy_run(tmp_path / "shop", shop, name="first")
    toy_run(place_of(run, 1) / "run", shop, name="second")
    noted = "impressions={'tasks': ['recommend']}"
    server = start_server(run, f"port=0, workers=2, events_url='sqlite:///{tmp_path}/live.db', {noted}")
    until(lambda: "2 workers answer" in server.log.read_text())
    set_standing(run, 1)
    until(lambda: set(both(server, lambda one: one.get("/ready").json()["name"])) == {"second"})
    who = httpx.get(f"{server.url}/customers").json()["customers"][0]["user_id"]
    for each in both(server, lambda one: recommended(one, who)):
        assert each
    assert httpx.delete(f"{server.url}/customers/{who}", timeout=60).status_code == 200
    of_them = {"user_id": who}
    until(lambda: set(both(server, lambda one: one.get("/customers", params=of_them).status_code)) == {404})
    time.sleep(2.5)  # what waited to be written is by now
    from retailor.live.events.log import Log

    assert not Log.open(f"sqlite:///{tmp_path}/live.db").of([who])
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.log.read_text().count("serving 'second' anew") >= 4)
    assert server.stop() == 0


def test_what_cannot_be_served_is_said_by_the_parent(tmp_path: Path, run_folder: Path) -> None:
    with pytest.raises(ConfigError, match="module:NAME"):
        serve(run_folder, TOY_TASKS, ServeSettings(port=0, workers=2))
    with pytest.raises(DataError, match="there is no task to serve"):
        serve(tmp_path, "retailor.testing.serving:TOY_TASKS", ServeSettings(port=0, workers=2))


@pytest.mark.slow
def test_a_run_that_no_worker_can_load_ends_the_server(shop: Shop, tmp_path: Path) -> None:
    run = toy_run(tmp_path / "shop", shop)
    (run / "stages" / "fit-search" / "state.json").write_text("{")
    with pytest.raises(DataError, match=r"state\.json"):
        serve(run, "retailor.testing.serving:TOY_TASKS", ServeSettings(port=0, workers=2))
