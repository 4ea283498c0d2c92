"""A real Prometheus, with the files that are shipped, scrapes real servers and raises the alarms."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
KEY = "a-key-of-who-may-ask"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Prometheus"),
]


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[[int], str]]:
    """Starts it on the shipped files with another target, another place of the key, and shorter waits."""
    started: list[subprocess.Popen[bytes]] = []

    def start(target: int) -> str:
        (tmp_path / "key").write_text(KEY)
        said = (DEPLOY / "prometheus.yml").read_text(encoding="utf-8")
        for old, new in (
            ("server:8000", f"127.0.0.1:{target}"), ("/run/secrets/scrape_key", str(tmp_path / "key")),
            ("15s", "1s"),
        ):  # fmt: skip
            assert old in said
            said = said.replace(old, new)
        (tmp_path / "prometheus.yml").write_text(said)
        rules = (DEPLOY / "alerts.yml").read_text(encoding="utf-8")
        (tmp_path / "alerts.yml").write_text(rules.replace("for: 2m", "for: 2s"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [
            "prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        with (tmp_path / "prometheus.log").open("w") as log:
            started.append(subprocess.Popen(command, stderr=log, stdout=log))
        url = f"http://127.0.0.1:{port}/api/v1"
        until(lambda: httpx.get(f"{url}/status/config").status_code == 200)
        return url

    yield start
    for each in started:
        each.terminate()
        each.wait(20)


def until(true: Callable[[], Any], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while True:
        try:
            if true():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.25)


def asked(url: str, query: str) -> list[Any]:
    found: list[Any] = httpx.get(f"{url}/query", params={"query": query}).json()["data"]["result"]
    return found


def test_it_scrapes_a_server_and_tells_when_that_is_down(
    start_server: Callable[..., Any], run_folder: Path, prometheus: Callable[[int], str]
) -> None:
    server = start_server(run_folder, "port=0, api_key_env='SCRAPED'", env={"SCRAPED": KEY})
    url = prometheus(server.port)
    until(lambda: asked(url, "retailor_ready == 1"))
    (target,) = httpx.get(f"{url}/targets").json()["data"]["activeTargets"]
    assert (target["health"], target["lastError"], target["labels"]["job"]) == ("up", "", "retailor")
    for _ in range(5):
        httpx.get(f"{server.url}/items", headers={"X-API-Key": KEY})
    count = 'retailor_http_requests_total{route="/items", status="200"}'
    until(lambda: [each["value"][1] for each in asked(url, count)] == ["5"])
    board = json.loads((DEPLOY / "grafana" / "retailor.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for each in panel["targets"]:
            query = each["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            reply = httpx.get(f"{url}/query", params={"query": query.replace("$shop", ".*")}).json()
            assert reply["status"] == "success", (panel["title"], reply)
    (group,) = httpx.get(f"{url}/rules").json()["data"]["groups"]
    until(lambda: httpx.get(f"{url}/rules").json()["data"]["groups"][0]["rules"][-1]["health"] == "ok")
    assert len(group["rules"]) == 7 and not httpx.get(f"{url}/alerts").json()["data"]["alerts"]
    server.process.send_signal(signal.SIGKILL)
    until(
        lambda: [each["state"] for each in httpx.get(f"{url}/alerts").json()["data"]["alerts"]] == ["firing"]
    )
    (alert,) = httpx.get(f"{url}/alerts").json()["data"]["alerts"]
    assert alert["labels"]["alertname"] == "RetailorDown"
    assert alert["annotations"]["summary"] == f"127.0.0.1:{server.port} answers nothing."


def test_a_wrong_key_is_told_by_prometheus(
    start_server: Callable[..., Any], run_folder: Path, prometheus: Callable[[int], str]
) -> None:
    server = start_server(run_folder, "port=0, api_key_env='SCRAPED'", env={"SCRAPED": "another"})
    url = prometheus(server.port)
    until(lambda: asked(url, 'up{job="retailor"} == 0'))
    (target,) = httpx.get(f"{url}/targets").json()["data"]["activeTargets"]
    assert "401" in target["lastError"] and KEY not in target["lastError"]
