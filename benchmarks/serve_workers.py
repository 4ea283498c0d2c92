"""Several workers behind one port: what they take of memory, what they answer, and what a killed one costs.

    python benchmarks/serve_workers.py

The simulated shop with search and recommendation by an encoder, a real server a row, clients in one process
beside it. Memory is what the workers have of it together, shared pages counted once (PSS), after both tasks
have answered; what is hot has been asked of each before. `budget_ratio` is that memory to what it may be:
1.3 times that of one worker and 150 MiB each.
Rows come in turn within each round; a figure is the median over the rounds, low and high are the least and
the greatest. `back_s`: from `kill -9` of a worker under load until another answers in its place;
`lost_at_most_its_own`: 1 where no more requests got no answer meanwhile than there are clients.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from bench import begin, parser_of, scratch
from serve_speed import answered, distinct, hot, port_of, posted

from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.shop.demo import demo_shop
from retailor.tasks.recommend import Recommender
from retailor.tasks.search import Search
from retailor.testing.toys import HashEncoder

SERVER = """
import sys
from pathlib import Path
from retailor.serve.server import serve
from retailor.serve.settings import ServeSettings
settings = ServeSettings(port=0, timeout_s=600, workers=int(sys.argv[2]), events_url=sys.argv[3])
serve(Path(sys.argv[1]), "retailor.tasks.registry:TASKS", settings)
"""
MIB = 2**20


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="e5", help="a model name, or 'hash' for the encoder of the tests")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    small = {"model": "hash", "workers": [1, 2], "items": 60, "requests": 40, "clients": 4, "rounds": 1}
    bench = begin(parser, canary=small)
    print(bench.write(measure(bench.given), [bench.given.seed]))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Tidy rows of every round's figures."""
    shop = demo_shop(options.items, options.seed)
    encoder = HashEncoder() if options.model == "hash" else load_model(options.model, kind="encoder")
    assert isinstance(encoder, Encoder)
    texts = {
        make.__name__: [posted("/search", text) for text in make(shop, options.requests, options.seed)]
        for make in (distinct, hot)
    }
    found: dict[tuple[str, str], list[float]] = {}
    with scratch() as place:
        folder = Path(place)
        shop.save(folder / "shop")
        Search(encoder).fit(shop).save(folder / "search")
        Recommender(encoder).fit(shop).save(folder / "recommend")
        for _ in range(options.rounds):
            alone = 0.0
            for n in options.workers:
                for metric, value in one_row(folder, n, texts, options):
                    if metric == "memory_gib" and n == 1:
                        alone = value
                    if metric == "memory_gib" and n > 1 and alone:
                        budget = 1.3 * alone + n * 150 / 1024
                        found.setdefault((f"{n} workers", "budget_ratio"), []).append(value / budget)
                    row = f"{n} worker{'s' * (n > 1)}"
                    found.setdefault((row, metric), []).append(value)
                    print(f"{row:12s} {metric:20s} {value:.3f}", flush=True)
    return [
        {
            "row": row, "metric": metric, "value": float(np.median(values)),
            "low": min(values), "high": max(values), "n": options.requests,
        }
        for (row, metric), values in found.items()
    ]  # fmt: skip


def one_row(
    folder: Path, n: int, texts: dict[str, list[bytes]], options: argparse.Namespace
) -> Iterator[tuple[str, float]]:
    with served(folder, n) as port:
        for _ in range(3 * n):  # a connection each, so that every worker has answered both tasks
            asyncio.run(answered(port, [posted("/search", "warm up")] * 2, 1))
            httpx.post(f"http://127.0.0.1:{port}/recommend", json={"text": "a tent"}, timeout=600)
        pids = workers_of(port) if n > 1 else [int(Path(folder / "pid").read_text())]
        yield "memory_gib", sum(map(pss_bytes, pids)) / 2**30
        yield "memory_one_gib", max(map(rss_bytes, pids)) / 2**30
        for load, asked in texts.items():
            if load == "hot":  # what is asked again and again is remembered before the clock starts, by each
                for _ in range(3 * n):
                    asyncio.run(answered(port, list(dict.fromkeys(asked)), 1))
            started = time.perf_counter()
            waits_s = asyncio.run(answered(port, asked, options.clients))
            yield f"{load}_per_s", len(waits_s) / (time.perf_counter() - started)
            yield f"{load}_p99_ms", 1000 * float(np.quantile(waits_s, 0.99))
        if n > 1:
            lost, back_s = asyncio.run(killed(port, pids, texts["hot"], options.clients))
            yield "lost_at_most_its_own", float(lost <= options.clients)
            yield "back_s", back_s


@contextmanager
def served(folder: Path, n: int) -> Iterator[int]:
    """The port of a fresh server with an empty log, all its workers up."""
    log = folder / "log.txt"
    command = [
        sys.executable,
        "-c",
        SERVER,
        str(folder),
        str(n),
        f"sqlite:///{folder}/live-{time.time_ns()}.db",
    ]
    with log.open("w") as file:
        server = subprocess.Popen(command, stderr=file)
    (folder / "pid").write_text(str(server.pid))
    try:
        port = port_of(log, server)
        while n > 1 and f"{n} workers answer" not in log.read_text():
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(120)


def workers_of(port: int) -> list[int]:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return [int(pid) for pid in re.findall(r'process_resident_memory_bytes{pid="(\d+)"}', text)]


def pss_bytes(pid: int) -> int:
    """Memory of a process, of shared pages its part."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def killed(port: int, pids: Sequence[int], texts: Sequence[bytes], n_clients: int) -> tuple[int, float]:
    """Requests without an answer, and the seconds until another worker is there, of a kill under load."""
    ended, n_lost = asyncio.Event(), 0

    async def client(number: int) -> None:
        nonlocal n_lost
        at = number
        while not ended.is_set():
            try:
                at += n_clients
                await answered(port, [texts[at % len(texts)]] * 20, 1)
            except (OSError, asyncio.IncompleteReadError):
                n_lost += 1

    clients = [asyncio.create_task(client(number)) for number in range(n_clients)]
    await asyncio.sleep(0.5)
    os.kill(pids[0], signal.SIGKILL)
    started = time.perf_counter()
    while not (len(now := await asyncio.to_thread(workers_of, port)) == len(pids) and pids[0] not in now):
        assert time.perf_counter() - started < 300
        await asyncio.sleep(0.05)
    back_s = time.perf_counter() - started
    ended.set()
    await asyncio.gather(*clients)
    return n_lost, back_s


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
