"""A real server in a process of its own: many clients, bad clients, slow clients, and a clean stop."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from retailor.errors import ConfigError, DataError
from retailor.serve.server import Opened, listen, serve
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.testing.serving import TOY_TASKS, toy_run

Start = Callable[..., Any]
POST = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
JSON = {"Content-Type": "application/json"}
HTTP = httpx.Client(verify=False, timeout=30, limits=httpx.Limits(max_connections=100, keepalive_expiry=0))
"""One client for all threads; a connection is not kept, so that each request has its own."""


@pytest.fixture(scope="module")
def server(start_server: Start, run_folder: Path) -> Any:
    return start_server(run_folder, "port=0, body_timeout_s=0.5, max_body_bytes=100_000, batch_wait_ms=5")


def talk(port: int, data: bytes, wait_s: float = 5) -> bytes:
    """Sends raw bytes and reads until the server closes or `wait_s` have passed."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait_s) as connection:
        connection.sendall(data)
        received = b""
        try:
            while part := connection.recv(65_536):
                received += part
        except (TimeoutError, ConnectionResetError):
            pass
        return received


def wait_until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    until = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def let_in(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The reply of a server that is not full: on a busy machine it may turn a burst away for a moment."""
    for _ in range(50):
        reply = ask()
        if reply.status_code not in (429, 503):
            break
        time.sleep(0.2)
    return reply


def test_fifty_at_once_get_each_their_own_answer(server: Any) -> None:
    customers = HTTP.get(f"{server.url}/customers", params={"size": 50}).json()["customers"]

    def ask(customer: dict[str, Any]) -> tuple[str, Any, Any]:
        body = {"user_id": customer["user_id"], "k": 3}
        first = let_in(lambda: HTTP.post(f"{server.url}/recommend", json=body)).json()
        second = let_in(lambda: HTTP.post(f"{server.url}/recommend", json=body)).json()
        return customer["user_id"], first, second

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, customers))
    assert len(answers) == 50
    for user_id, first, second in answers:
        history = HTTP.get(f"{server.url}/customers", params={"user_id": user_id, "size": 100}).json()[
            "history"
        ]
        seen = {event["item_id"] for event in history}
        assert len(first["items"]) == 3 and first["known_customer"] is True
        assert not seen & {item["item_id"] for item in first["items"]}
        assert second["items"] == first["items"] and second["cached"] is True
    assert 'retailor_batch_size_count{task="recommend"}' in HTTP.get(f"{server.url}/metrics").text


def test_a_mix_of_good_and_bad_requests(server: Any) -> None:
    kinds: list[tuple[int, Callable[[], httpx.Response]]] = [
        (200, lambda: HTTP.post(f"{server.url}/search", json={"text": "travel"})),
        (400, lambda: HTTP.post(f"{server.url}/search", content=b"{", headers=JSON)),
        (422, lambda: HTTP.post(f"{server.url}/search", json={"words": "travel"})),
        (415, lambda: HTTP.post(f"{server.url}/search", data={"text": "travel"})),
        (413, lambda: HTTP.post(f"{server.url}/search", content=b" " * 200_000, headers=JSON)),
        (404, lambda: HTTP.get(f"{server.url}/items", params={"item_id": "nope"})),
        (500, lambda: HTTP.post(f"{server.url}/sentiment", json={"text": "poison"})),
    ]
    asked = kinds * 15
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda each: each[1](), asked))
    assert [reply.status_code for reply in replies] == [status for status, _ in asked]
    assert all("Traceback" not in reply.text and "serving.py" not in reply.text for reply in replies)


def test_a_chunked_body_without_an_end_is_cut(server: Any) -> None:
    head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    reply = talk(server.port, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 8)
    assert reply.startswith(b"HTTP/1.1 413")


def test_a_slow_client_is_let_go_and_delays_nobody(server: Any) -> None:
    head = POST % (b"/search", 100) + b"{"
    with ThreadPoolExecutor(20) as pool:
        slow = [pool.submit(talk, server.port, head) for _ in range(20)]
        time.sleep(0.1)
        started = time.monotonic()
        assert HTTP.post(f"{server.url}/search", json={"text": "travel"}).status_code == 200
        assert time.monotonic() - started < 0.4
        assert all(future.result().startswith(b"HTTP/1.1 408") for future in slow)


def test_half_open_connections_do_not_shut_others_out(start_server: Start, run_folder: Path) -> None:
    """More than the process has file handles for: who asks for something gets in, and the log stays short."""
    few = start_server(run_folder, "port=0, header_timeout_s=30", handles=256)
    half_open = [socket.create_connection(("127.0.0.1", few.port), timeout=5) for _ in range(300)]
    for connection in half_open[::2]:
        with suppress(OSError):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: loc")
    assert [HTTP.get(f"{few.url}/health").status_code for _ in range(20)] == [200] * 20
    assert HTTP.post(f"{few.url}/search", json={"text": "travel"}).status_code == 200
    for connection in half_open:
        connection.close()
    assert few.stop() == 0
    assert len(few.log.read_text()) < 10_000 and "Traceback" not in few.log.read_text()


@pytest.mark.parametrize(
    "first", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["new", "kept alive"]
)
@pytest.mark.parametrize("then", [b"", b"GET /hea"], ids=["silent", "slow"])
def test_a_connection_without_a_request_ends(
    start_server: Start, run_folder: Path, first: bytes, then: bytes
) -> None:
    server = start_server(run_folder, "port=0, header_timeout_s=0.5")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(first)
        received = connection.recv(65_536) if first else b""
        began = time.monotonic()
        for byte in then * 40:  # a byte now and then must not keep it open
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(0.02)
        with suppress(OSError):
            while part := connection.recv(65_536):
                received += part
        assert time.monotonic() - began < 8
    assert received.count(b"HTTP/1.1 200") == bool(first)
    assert server.stop() == 0


def test_slow_bodies_of_one_client_delay_nobody(start_server: Start, run_folder: Path) -> None:
    server = start_server(run_folder, "port=0, body_timeout_s=3, max_in_flight=8, max_bodies_per_client=12")
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(20)]
    for connection in slow:
        connection.sendall(POST % (b"/search", 100) + b"{")
    wait_until(lambda: 'status="429"' in HTTP.get(f"{server.url}/metrics").text)
    assert HTTP.get(f"{server.url}/search", params={"text": "travel"}).status_code == 200
    replies = Counter(connection.recv(65_536)[:12] for connection in slow)
    for connection in slow:
        connection.close()
    assert replies == {b"HTTP/1.1 408": 12, b"HTTP/1.1 429": 8}
    assert server.stop() == 0


def test_two_lengths_are_refused_and_the_connection_ends(server: Any) -> None:
    head = POST.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length")
    body = b'11\r\n{"text": "travel"}\r\n0\r\n\r\n'
    smuggled = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reply = talk(server.port, head % (b"/search", len(body)) + body + smuggled, wait_s=3)
    assert reply.startswith(b"HTTP/1.1 400") and reply.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n"
        b"Content-Type: application/json\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(server: Any, data: bytes) -> None:
    reply = talk(server.port, data, wait_s=0.5)
    assert reply.split(b"\r\n")[0].split(b" ")[1][:1] == b"4"
    assert HTTP.get(f"{server.url}/health").status_code == 200


def test_who_leaves_early_breaks_nothing(server: Any) -> None:
    body = json.dumps({"text": "sleep 0.05"}).encode()
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(POST % (b"/sentiment", len(body)) + body)
    assert HTTP.post(f"{server.url}/sentiment", json={"text": "good"}).status_code == 200


def test_a_busy_server_says_so_and_stays_alive(start_server: Start, run_folder: Path) -> None:
    busy = start_server(run_folder, "port=0, max_queue=2, max_batch=1")
    with ThreadPoolExecutor(20) as pool:
        texts = [{"text": f"sleep 0.{i:02d}"} for i in range(20, 40)]
        asked = [pool.submit(HTTP.post, f"{busy.url}/sentiment", json=text) for text in texts]
        wait_until(lambda: 'rejected_total{task="sentiment"} 0.0' not in HTTP.get(f"{busy.url}/metrics").text)
        assert HTTP.get(f"{busy.url}/health").status_code == 200
        replies = [future.result() for future in asked]
    statuses = Counter(reply.status_code for reply in replies)
    assert set(statuses) == {200, 429} and statuses[200] >= 1
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in replies if reply.status_code == 429)
    assert busy.stop() == 0


def test_a_request_that_takes_too_long_ends(start_server: Start, run_folder: Path) -> None:
    impatient = start_server(run_folder, "port=0, timeout_s=0.2")
    reply = HTTP.post(f"{impatient.url}/sentiment", json={"text": "sleep 0.6"})
    assert (reply.status_code, reply.json()["error"]) == (504, "timeout")


def test_sigterm_lets_requests_finish_and_takes_no_new_ones(start_server: Start, run_folder: Path) -> None:
    server = start_server(run_folder)
    with ThreadPoolExecutor(5) as pool:
        asked = [
            pool.submit(HTTP.post, f"{server.url}/sentiment", json={"text": f"sleep 0.2{i}"})
            for i in range(5)
        ]
        wait_until(lambda: 'requests_total{task="sentiment"} 5.0' in HTTP.get(f"{server.url}/metrics").text)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        with pytest.raises(httpx.TransportError):
            HTTP.get(f"{server.url}/health")
        assert [future.result().status_code for future in asked] == [200] * 5
    assert server.process.wait(60) == 0
    assert "Traceback" not in server.log.read_text()


def test_a_stop_right_after_the_start_is_heard(start_server: Start, run_folder: Path) -> None:
    """The first line of the log is the sign that it can be stopped: nothing later may be needed for it."""
    assert [start_server(run_folder).stop(timeout_s=60) for _ in range(2)] == [0, 0]


STOPPED = """
import signal, sys
from pathlib import Path
import uvicorn
from retailor.serve.server import serve
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.testing.serving import TOY_TASKS

folder, number = Path(sys.argv[1]), signal.Signals(int(sys.argv[2]))
heard = []
signal.signal(number, lambda *_: heard.append("somebody else"))
close, load = Service.close, Service.load

def closed(service):
    signal.raise_signal(number)
    close(service)
    heard.append("closed")

def loaded(*given):
    made = load(*given)
    if heard == ["start"]:
        signal.raise_signal(number)
    return made

def run(server, sockets):
    signal.raise_signal(number)
    heard.append(f"stopped {server.should_exit}")

Service.close, Service.load, uvicorn.Server.run = closed, loaded, run
serve(folder, TOY_TASKS, ServeSettings(port=0))
assert heard == ["stopped True", "closed"], heard
heard[:] = ["start"]
serve(folder, TOY_TASKS, ServeSettings(port=0))
assert heard == ["start", "somebody else", "stopped True", "closed"], heard
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_at_any_moment_ends_in_order(number: signal.Signals, run_folder: Path) -> None:
    """Before uvicorn listens, after it is done, and while all is closed; before that the stop is not ours.

    In a process of its own, whose handlers of signals nobody else has touched.
    """
    command = [sys.executable, "-c", STOPPED, str(run_folder), str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_hangup_serves_the_new_run_without_a_pause(start_server: Start, shop: Shop, tmp_path: Path) -> None:
    server = start_server(toy_run(tmp_path, shop, name="before"))
    toy_run(tmp_path, shop, name="after")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: HTTP.get(f"{server.url}/ready").json()["name"] == "after")
    (tmp_path / "run.json").write_text("{")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "not reloaded" in server.log.read_text())
    assert HTTP.get(f"{server.url}/ready").json()["name"] == "after"


def test_the_log_names_the_address_and_no_words(server: Any) -> None:
    HTTP.get(f"{server.url}/search", params={"text": "my secret wish"})
    wait_until(lambda: "GET /search 200" in server.log.read_text())
    log = server.log.read_text()
    assert f"serving 'toy' (recommend, search, answer, sentiment, review) on {server.url}" in log
    assert "secret" not in log


def test_a_taken_port_and_an_empty_folder_are_said_at_once(run_folder: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1 port {port}"):
            serve(run_folder, TOY_TASKS, ServeSettings(port=port))
    with pytest.raises(ConfigError, match=r"cannot listen on no\.such.host.invalid"):
        serve(run_folder, TOY_TASKS, ServeSettings(host="no.such.host.invalid"))
    with pytest.raises(DataError, match="there is no task to serve"):
        serve(tmp_path, TOY_TASKS, ServeSettings(port=0))
    with pytest.raises(ConfigError, match="should hold the API key"):
        serve(run_folder, TOY_TASKS, ServeSettings(port=0, api_key_env="NO_SUCH_KEY"))


def test_what_is_said_while_it_opens_is_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    @contextmanager
    def opened() -> Iterator[Opened]:
        logging.getLogger("retailor.models").info("exported, which takes a while")
        raise DataError("nothing to serve")
        yield

    with pytest.raises(DataError, match="nothing to serve"):
        listen(ServeSettings(port=0), opened)
    assert "INFO exported, which takes a while" in capfd.readouterr().err
