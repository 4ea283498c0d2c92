"""Requests per second and waiting times of a served search, with and without batching and cache.

    python benchmarks/serve_speed.py

A real server process a row, clients with connections that stay open, rows in turn within each round: the
ratios count, not the milliseconds of a machine. A figure is the median over the rounds, low and high are the
least and the greatest; on a machine that does other work they lie far apart, and say so.
Row "one by one" predicts each request alone and remembers nothing. "distinct" asks questions that all differ;
"hot" draws them from 100 with a Zipf law. The shop is the simulated one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench import begin, parser_of

from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.seeds import stream
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.search import Search
from retailor.testing.toys import HashEncoder

SERVER = """
import sys
from pathlib import Path
from retailor.serve.server import serve
from retailor.serve.settings import ServeSettings
from retailor.tasks.registry import TASKS
serve(Path(sys.argv[1]), {"search": TASKS["search"]}, eval(sys.argv[2], {"ServeSettings": ServeSettings}))
"""
ALONE = "max_batch=1, batch_wait_ms=0, cache_url='memory:?size_mb=0'"
BATCHED = "max_batch=32, batch_wait_ms=2, cache_url='memory:?size_mb=0'"
CACHED = "max_batch=32, batch_wait_ms=2"
ROWS = (
    ("one by one", "distinct", ALONE),
    ("batched", "distinct", BATCHED),
    ("one by one", "hot", ALONE),
    ("batched and cached", "hot", CACHED),
)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--model", default="minilm", help="a model name, or 'hash' for the encoder of the tests"
    )
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of the encoder; 0 leaves it to torch")
    parser.add_argument("--seed", type=int, default=0)
    bench = begin(parser, canary={"model": "hash", "items": 60, "requests": 40, "clients": 4, "rounds": 1})
    print(bench.write(measure(bench.given), [bench.given.seed]))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Tidy rows: requests_per_s, its ratio to "one by one" of the same round, and the waits."""
    shop = demo_shop(options.items, options.seed)
    encoder = HashEncoder() if options.model == "hash" else load_model(options.model, kind="encoder")
    assert isinstance(encoder, Encoder)
    loads = {make.__name__: make(shop, options.requests, options.seed) for make in (distinct, hot)}
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    found: dict[tuple[str, str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        Search(encoder).fit(shop).save(Path(place) / "search")
        for _ in range(options.rounds):
            alone: dict[str, float] = {}
            for row, load, settings in ROWS:
                waits_s, seconds = serve_and_ask(Path(place), settings, loads[load], options.clients)
                speed = len(waits_s) / seconds
                alone.setdefault(load, speed)
                values = {
                    "requests_per_s": speed,
                    "p50_ms": 1000 * float(np.quantile(waits_s, 0.5)),
                    "p99_ms": 1000 * float(np.quantile(waits_s, 0.99)),
                    "times_one_by_one": speed / alone[load],
                }
                for metric, value in values.items():
                    found.setdefault((row, load, metric), []).append(value)
                shown = "  ".join(f"{name} {value:.1f}" for name, value in values.items())
                print(f"{row:20s} {load:9s} {shown}", flush=True)
    return [
        {
            "row": row, "bucket": load, "metric": metric, "value": float(np.median(values)),
            "low": min(values), "high": max(values), "n": options.requests,
        }
        for (row, load, metric), values in found.items()
    ]  # fmt: skip


def distinct(shop: Shop, n: int, seed: int) -> list[str]:
    """Queries that all differ: words of two titles each."""
    titles = shop.items["title"].to_list()
    pick = stream(seed, "distinct").integers(len(titles), size=(n, 2))
    return [f"{titles[a].split()[0]} {titles[b]} {i}"[:200] for i, (a, b) in enumerate(pick)]


def hot(shop: Shop, n: int, seed: int) -> list[str]:
    """Queries that come again: a few often, many seldom."""
    pool = distinct(shop, 100, seed + 1)
    ranks = np.minimum(stream(seed, "hot").zipf(1.3, size=n), len(pool)) - 1
    return [pool[rank] for rank in ranks]


def serve_and_ask(
    folder: Path, settings: str, texts: Sequence[str], n_clients: int
) -> tuple[list[float], float]:
    """The wait of each request, and the seconds of all, against a fresh server."""
    log = folder / "log.txt"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(folder), f"ServeSettings(port=0, timeout_s=600, {settings})"],
            stderr=file,
        )
    try:
        port = port_of(log, server)
        asyncio.run(ask_all(port, ["warm up"] * 4, 1))
        started = time.perf_counter()
        waits_s = asyncio.run(ask_all(port, texts, n_clients))
        return waits_s, time.perf_counter() - started
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def port_of(log: Path, server: subprocess.Popen[bytes]) -> int:
    """The port that the server says it serves on."""
    while server.poll() is None:
        found = re.search(r"on http://[^ ]+:(\d+)", log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise SystemExit(log.read_text())


async def ask_all(port: int, texts: Sequence[str], n_clients: int) -> list[float]:
    """The wait of each request in seconds; every client has one connection and one request at a time."""
    left = list(reversed(texts))
    waits_s: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while left:
            body = json.dumps({"text": left.pop(), "k": 10}).encode()
            head = (
                f"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            started = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            assert answer.startswith(b"HTTP/1.1 200") and length, answer
            await reader.readexactly(int(length[1]))
            waits_s.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(client() for _ in range(n_clients)))
    return waits_s


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
