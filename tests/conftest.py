"""What holds for every test; a real server in a process of its own, and a page of a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"

# A busy machine is no fault of the code: no example has a deadline. Examples are the same in every run, so
# that a red test is red again; RETAILOR_EXAMPLES=new draws others (by hand or nightly: `make test-slow`).
settings.register_profile("retailor", deadline=None, derandomize=True)
settings.register_profile("new", deadline=None, derandomize=False)
settings.load_profile("new" if os.environ.get("RETAILOR_EXAMPLES") == "new" else "retailor")


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """The address of a real server of S3 on loopback; its tests are skipped where it is not installed."""
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("moto_server is not installed: `uv tool install 'moto[server]'`")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[Any]:
    """A head without processors and two nodes of one, each of processes of its own."""
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0", OMP_NUM_THREADS="1")
    head = {"num_cpus": 0, "include_dashboard": False}

    def started(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except Exception:  # Ray gives each thirty seconds to start, and a machine may be busy
            return make()

    made = started(lambda: Cluster(initialize_head=True, head_node_args=head))
    for _ in range(2):
        started(lambda: made.add_node(num_cpus=1, object_store_memory=80 << 20))
    os.environ["RAY_ADDRESS"] = made.address
    yield made
    made.shutdown()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Starts servers by their commands; a function from the command to the address that it says it has."""
    started: list[subprocess.Popen[str]] = []

    def start(command: Sequence[str], env: dict[str, str] | None = None) -> str:
        log = tmp_path_factory.mktemp("log") / "log.txt"
        with log.open("w") as file:
            env = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
            process = subprocess.Popen([*command], stderr=file, text=True, env=env)
        started.append(process)
        until = time.monotonic() + 60
        while not (found := re.search(r"on (http://[^ ]+:\d+)", log.read_text())):
            assert time.monotonic() < until and process.poll() is None, log.read_text()
            time.sleep(0.05)
        return found[1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as running:
        made = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield made
        made.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test when its console has an error, and asks no host but this one."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    made = context.new_page()
    made.set_default_timeout(15_000)
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    made.on("request", lambda asked: None if "//127.0.0.1" in asked.url else problems.append(asked.url))
    made.problems = problems
    yield made
    context.close()
    assert not problems


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def _run(*command: str) -> None:
    """As somebody else where we are root: PostgreSQL does not run as root."""
    other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*other, *command], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Path]:
    """The folder with the socket of a server of its own."""
    initdb, control = _program("initdb"), _program("pg_ctl")
    if initdb is None or control is None:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        _run(initdb, "-D", f"{folder}/data", "-A", "trust", "-U", "retailor", "--no-sync")
        # What is killed in tests is our process, never the server: it need not wait for the disk.
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
        _run(control, "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield folder
        finally:
            _run(control, "-D", f"{folder}/data", "-m", "immediate", "stop")
