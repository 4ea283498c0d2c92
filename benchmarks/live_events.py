"""Events that a server takes in: how many a second, durably, beside bare inserts, and while it recommends.

    python benchmarks/live_events.py

A server of the simulated shop's recommender with a log in SQLite; every event is on the disk before it is
acknowledged. Beside it: a loop of inserts into SQLite with the same durability and nothing else. `ratio` is
ours to that loop, in the same round; a figure is the median over the rounds, low and high the least and the
greatest. `known_ms`: from the acknowledgement of a customer's event until a recommendation has changed by it.
`counted_s`: until a new item is known. Speeds are of a machine that may do other work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from bench import begin, parser_of, scratch
from serve_speed import port_of

from retailor.shop.demo import demo_shop
from retailor.tasks.recommend import Recommender

SERVER = """
import sys
from pathlib import Path
from retailor.serve.server import serve
from retailor.serve.settings import ServeSettings
from retailor.tasks.registry import TASKS
settings = ServeSettings(
    port=0, timeout_s=600, max_queue=4096, max_bodies_per_client=256, events_url=sys.argv[2]
)
serve(Path(sys.argv[1]), {"recommend": TASKS["recommend"]}, settings)
"""
BULK = 500
BESIDE = (1, 20)
"""Events a request beside recommendations: one by one, and as a page's script gathers them."""
HEAD = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-s", type=int, default=100, help="recommendations a second beside the events")
    parser.add_argument("--seed", type=int, default=0)
    bench = begin(parser, canary={"items": 60, "events": 40, "clients": 2, "rounds": 1, "per_s": 20})
    print(bench.write(measure(bench.given), [bench.given.seed]))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Tidy rows of every round's figures."""
    shop = demo_shop(options.items, options.seed)
    item_ids = shop.items["item_id"].to_list()
    found: dict[tuple[str, str], list[float]] = {}
    with scratch() as place:
        folder = Path(place)
        shop.save(folder / "shop")
        Recommender().fit(shop).save(folder / "recommend")
        for number in range(options.rounds):
            for row, metric, value in one_round(folder, item_ids, options, number):
                found.setdefault((row, metric), []).append(value)
                print(f"{row:45s} {metric:15s} {value:.2f}", flush=True)
    return [
        {
            "row": row, "metric": metric, "value": float(np.median(values)),
            "low": min(values), "high": max(values), "n": options.events,
        }
        for (row, metric), values in found.items()
    ]  # fmt: skip


def one_round(
    folder: Path, item_ids: Sequence[str], options: argparse.Namespace, number: int
) -> Iterator[tuple[str, str, float]]:
    events = [event(item_ids, f"{number}-{i}") for i in range(options.events)]
    alone, bulk = inserted(folder, events, 1), inserted(folder, events, BULK)
    yield "bare insert, an event a transaction", "events_per_s", alone
    yield f"bare insert, {BULK} a transaction", "events_per_s", bulk
    with served(folder) as port:
        single = [json.dumps({"events": [each]}).encode() for each in events]
        speed = asyncio.run(posted(port, single, options.clients))
        yield "retailor, an event a request", "events_per_s", speed
        yield "retailor, an event a request", "ratio", speed / alone
        again = [event(item_ids, f"{number}-bulk-{i}") for i in range(options.events)]
        many = [json.dumps({"events": again[i : i + BULK]}).encode() for i in range(0, len(again), BULK)]
        speed = asyncio.run(posted(port, many, 2)) * options.events / len(many)
        yield f"retailor, {BULK} a request", "events_per_s", speed
        yield f"retailor, {BULK} a request", "ratio", speed / bulk
        for n in BESIDE:
            beside = [event(item_ids, f"{number}-beside-{n}-{i}") for i in range(options.events)]
            some = [json.dumps({"events": beside[i : i + n]}).encode() for i in range(0, len(beside), n)]
            speed, waits_s = asyncio.run(posted_beside(port, some, options))
            row = f"retailor, {some_a_request(n)}beside {options.per_s} recommendations a second"
            yield row, "events_per_s", speed * options.events / len(some)
            yield row, "p99_ms", 1000 * float(np.nanquantile(waits_s, 0.99))
            yield row, "refused_ratio", float(np.isnan(waits_s).mean())
        yield "retailor", "known_ms", 1000 * known_s(port, number)
        yield "retailor", "counted_s", counted_s(port, number)


def some_a_request(n: int) -> str:
    return "" if n == 1 else f"{n} a request, "


def event(item_ids: Sequence[str], key: str) -> dict[str, Any]:
    at = hash_of(key)
    return {
        "event_id": key, "kind": "view", "time": datetime.now(UTC).isoformat(),
        "user_id": f"customer {at % 997}", "item_id": item_ids[at % len(item_ids)],
    }  # fmt: skip


def hash_of(key: str) -> int:
    return int.from_bytes(key.encode()[-6:], "big")


def inserted(folder: Path, events: Sequence[dict[str, Any]], n: int) -> float:
    """Events a second of a loop that inserts n in a transaction; a commit waits for the disk."""
    path = folder / f"bare-{time.time_ns()}.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE log (key TEXT PRIMARY KEY, body TEXT)")
    started = time.perf_counter()
    for i in range(0, len(events), n):
        connection.execute("BEGIN IMMEDIATE")
        rows = [(each["event_id"], json.dumps(each)) for each in events[i : i + n]]
        connection.executemany("INSERT OR IGNORE INTO log VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return len(events) / seconds


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """The port of a fresh server with an empty log."""
    log = folder / "log.txt"
    command = [sys.executable, "-c", SERVER, str(folder), f"sqlite:///{folder}/live-{time.time_ns()}.db"]
    with log.open("w") as file:
        server = subprocess.Popen(command, stderr=file)
    try:
        yield port_of(log, server)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


async def posted(port: int, bodies: Sequence[bytes], n_clients: int) -> float:
    """Requests a second; each client has one connection and one request at a time."""
    left = list(reversed(bodies))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while left:
            body = left.pop()
            while not (answer := await asked(reader, writer, b"/events", body)):
                writer.close()  # busy: what was not acknowledged is sent again
                await asyncio.sleep(0.05)
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert not json.loads(answer)["refused"], answer
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(n_clients)))
    return len(bodies) / (time.perf_counter() - started)


async def posted_beside(
    port: int, bodies: Sequence[bytes], options: argparse.Namespace
) -> tuple[float, list[float]]:
    """Requests a second while recommendations are asked for at a steady rate, and how long these waited."""
    waits_s: list[float] = []
    is_done = asyncio.Event()

    async def recommend(user: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps({"user_id": f"customer {user}", "k": 10}).encode()
        started = time.perf_counter()
        answer = await asked(reader, writer, b"/recommend", body)
        waits_s.append(time.perf_counter() - started if answer else float("nan"))
        writer.close()

    async def steadily() -> None:
        asking = []
        while not is_done.is_set():
            asking.append(asyncio.create_task(recommend(len(asking) % 997)))
            await asyncio.sleep(1 / options.per_s)
        await asyncio.gather(*asking)

    beside = asyncio.create_task(steadily())
    speed = await posted(port, bodies, options.clients)
    is_done.set()
    await beside
    return speed, waits_s


async def asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes, body: bytes
) -> bytes:
    """The body of the answer, b'' where the server says that it is busy."""
    writer.write(HEAD % (path, len(body)) + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    if answer.startswith(b"HTTP/1.1 429"):
        return b""
    length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
    assert answer.startswith(b"HTTP/1.1 200") and length, answer
    return await reader.readexactly(int(length[1]))


def recommended(client: httpx.Client, user_id: str, k: int = 100) -> list[str]:
    found = client.post("/recommend", json={"user_id": user_id, "k": k}).json()
    return [each["item_id"] for each in found["items"]]


def known_s(port: int, number: int) -> float:
    """Seconds from the acknowledgement of an event until its customer's list is another one."""
    user_id = f"known {number}"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        before = recommended(client, user_id)
        sent = {**event(before[:1], f"known {number}"), "user_id": user_id, "kind": "buy"}
        assert client.post("/events", json={"events": [sent]}).json()["accepted"] == 1
        started = time.perf_counter()
        while recommended(client, user_id) == before:
            assert time.perf_counter() - started < 60
        return time.perf_counter() - started


def counted_s(port: int, number: int) -> float:
    """Seconds from the acknowledgement of a new item until it is recommended by its words."""
    item_id, title = f"NEW-{number}", "Zirconium kaleidoscope"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        assert client.put(f"/items/{item_id}", json={"title": title}).status_code == 200
        started = time.perf_counter()
        while True:
            found = client.get("/items", params={"item_id": item_id})
            if found.status_code == 200:
                return time.perf_counter() - started
            assert time.perf_counter() - started < 120
            time.sleep(0.01)


if __name__ == "__main__":
    main()
