"""A toy run folder, a service on it, a client without a network, and real servers."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.testing.serving import TOY_TASKS, toy_run


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A server that was tried in this process has set up its log."""
    loggers = [logging.getLogger(name) for name in ("retailor", "uvicorn")]
    before = [(each.handlers[:], each.level, each.propagate) for each in loggers]
    yield
    for each, (handlers, level, propagate) in zip(loggers, before, strict=True):
        each.handlers, each.propagate = handlers, propagate
        each.setLevel(level)


@pytest.fixture(scope="session")
def shop() -> Shop:
    return demo_shop(60)


@pytest.fixture(scope="session")
def run_folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run(tmp_path_factory.mktemp("run"), shop)


@pytest.fixture(scope="module")
def settings() -> ServeSettings:
    return ServeSettings(hosts=("testserver",), batch_wait_ms=1.0, max_body_bytes=20_000)


@pytest.fixture(scope="module")
def service(run_folder: Path, settings: ServeSettings) -> Iterator[Service]:
    made = Service.load(run_folder, TOY_TASKS, settings)
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(make_app(service)) as made:
        yield made


@dataclass
class Server:
    """A `serve` in a process of its own, on a free loopback port."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 20) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout_s)


CODE = """
import sys
from pathlib import Path
from retailor.serve.server import serve
from retailor.serve.settings import ServeSettings

settings = eval(sys.argv[2], {"ServeSettings": ServeSettings})
serve(Path(sys.argv[1]), "retailor.testing.serving:SLOW_TASKS", settings)
"""


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts servers; in them a sentiment text `sleep 0.5` takes that long."""
    started: list[Server] = []

    def start(
        folder: Path, settings: str = "port=0", env: dict[str, str] | None = None, handles: int | None = None
    ) -> Server:
        limit = [] if handles is None else ["sh", "-c", f'ulimit -n {handles}; exec "$@"', "sh"]
        log = tmp_path_factory.mktemp("log") / "log.txt"
        with log.open("w") as file:
            process = subprocess.Popen(
                [*limit, sys.executable, "-c", CODE, str(folder), f"ServeSettings({settings})"],
                stderr=file,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
            )
        server = Server(process, 0, log)
        started.append(server)
        server.port = int(_wait_for(log, process, r"on http://[^ ]+:(\d+)"))
        return server

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


def _wait_for(log: Path, process: subprocess.Popen[str], pattern: str, timeout_s: float = 120) -> str:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and process.poll() is None:
        found = re.search(pattern, log.read_text())
        if found:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")
