"""Half an hour at twice what a server can answer: what it sheds, how long the others wait, what it holds.

    python benchmarks/soak.py

A real server of search with MiniLM over the simulated shop, every question another, so that none is
remembered for the next. First its capacity (`per_s`, eight connections that ask again at once) and the wait
of one that asks alone (`alone_p99_ms`). Then twice the capacity for `--minutes`, over 320 connections, each
question due at its time; `asked_per_s` is what came of that, less where all connections wait for replies.
`max_in_flight` is how many requests a server lets in: the fewer, the sooner it says no. "as it comes" (256)
is asked for a tenth of the time. All come from one address, so `max_bodies_per_client` is raised.

`accepted_per_s` and `p99_ms` are of what was answered, `times_alone_ratio` is that p99 to the one alone;
`refused_ratio` is the share that got 429 or 503, `told_ratio` the share of those that were told when to come
again, `failed` all else. `grown_ratio` is the most memory after a sixth of the time to what it was then.
`back_s`: from the end of the load until answers take no longer than three times `alone_p99_ms` for good. At
the end SIGTERM in the middle of the load: `unanswered` counts the questions that were sent before it and got
nothing.
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
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bench import begin, parser_of, scratch
from serve_speed import SERVER, answered, port_of, posted

from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.seeds import stream
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.search import Search
from retailor.testing.toys import HashEncoder

ROWS = (("max_in_flight 4", "max_in_flight=4", 1.0), ("as it comes", "", 0.1))
"""The settings of a server, and its share of the minutes."""
CONNECTIONS = 320
"""More than any of these servers lets in, so that a question seldom waits for a connection."""
TIMES = 2.0
LOOK_S = 5.0
AFTER_S = 10.0


@dataclass
class Seen:
    """What became of the questions of a load."""

    waits_s: list[float] = field(default_factory=list)
    """Of those that were answered."""
    statuses: Counter[int] = field(default_factory=Counter)
    n_told: int = 0
    """Refusals with a Retry-After."""
    memory: list[float] = field(default_factory=list)
    """MiB, every LOOK_S."""
    lost: list[float] = field(default_factory=list)
    """When those were sent that got no reply."""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--model", default="minilm", help="a model name, or 'hash' for one that costs nothing"
    )
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--probe", type=int, default=400, help="questions that measure the capacity")
    parser.add_argument("--seed", type=int, default=0)
    bench = begin(parser, canary={"model": "hash", "items": 60, "minutes": 0.05, "probe": 60})
    print(bench.write(measure(bench.given), [bench.given.seed]))


def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Tidy rows."""
    shop = demo_shop(given.items, given.seed)
    encoder = HashEncoder() if given.model == "hash" else load_model(given.model, kind="encoder")
    assert isinstance(encoder, Encoder)
    rows: list[dict[str, Any]] = []
    with scratch() as place:
        folder = Path(place)
        Search(encoder).fit(shop).save(folder / "search")
        for row, settings, share in ROWS:
            asked, seconds = questions(shop, given.seed), 60 * share * given.minutes
            figures = asyncio.run(soaked(folder, settings, seconds, asked, given))
            print(
                f"{row}: " + "  ".join(f"{name} {value:.3f}" for name, value in figures.items()), flush=True
            )
            rows += [
                {"row": row, "bucket": "all", "metric": name, "value": value, "n": None}
                for name, value in figures.items()
            ]
    return rows


def questions(shop: Shop, seed: int) -> Iterator[bytes]:
    """Requests that all differ, without end: the first word of a title, another title, a number."""
    titles = [title for title in shop.items["title"].to_list() if title]
    draw = stream(seed, "soak")
    number = 0
    while True:
        for a, b in draw.integers(len(titles), size=(4096, 2)).tolist():
            number += 1
            yield posted("/search", f"{titles[a].split()[0]} {titles[b]} {number}"[:200])


async def soaked(
    folder: Path, settings: str, seconds: float, asked: Iterator[bytes], given: argparse.Namespace
) -> dict[str, float]:
    """The figures of one server."""
    log = folder / "log.txt"
    settings = f"ServeSettings(port=0, max_bodies_per_client={CONNECTIONS}, {settings})"
    with log.open("w") as file:
        server = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), settings], stderr=file)
    try:
        port = port_of(log, server)
        await answered(port, [next(asked) for _ in range(20)], 4)
        alone = await answered(port, [next(asked) for _ in range(given.probe // 2)], 1)
        alone_s = float(np.quantile(alone, 0.99))
        begun = time.perf_counter()
        await answered(port, [next(asked) for _ in range(given.probe)], 8)
        per_s = given.probe / (time.perf_counter() - begun)
        seen = Seen()
        begun = time.perf_counter()
        await load(port, server.pid, seen, asked, TIMES * per_s, seconds)
        spent_s = time.perf_counter() - begun
        back_s = await until_back(port, asked, 3 * alone_s)
        figures = {**of_load(seen, spent_s, alone_s), "per_s": per_s, "back_s": back_s}
        figures["unanswered"] = await stopped(port, server, asked, TIMES * per_s)
        return figures
    finally:
        if server.poll() is None:
            server.kill()
        server.wait()


def of_load(seen: Seen, seconds: float, alone_s: float) -> dict[str, float]:
    n = seen.statuses.total()
    refused = seen.statuses[429] + seen.statuses[503]
    settled = seen.memory[len(seen.memory) // 6 :]
    p99_s = float(np.quantile(seen.waits_s, 0.99))
    return {
        "alone_p99_ms": 1000 * alone_s,
        "asked_per_s": n / seconds,
        "accepted_per_s": len(seen.waits_s) / seconds,
        "p50_ms": 1000 * float(np.median(seen.waits_s)),
        "p99_ms": 1000 * p99_s,
        "times_alone_ratio": p99_s / alone_s,
        "refused_ratio": refused / n,
        "told_ratio": seen.n_told / max(refused, 1),
        "failed": (n - refused - seen.statuses[200]) / n,
        "grown_ratio": max(settled) / settled[0],
        "memory_gib": settled[-1] / 1024,
    }


async def load(port: int, pid: int, seen: Seen, asked: Iterator[bytes], per_s: float, seconds: float) -> None:
    """Asks at a steady rate for so long, and looks at the server's memory meanwhile."""
    begun, number = time.perf_counter(), 0

    async def client() -> None:
        nonlocal number
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        end = begun + seconds
        while (due := begun + number / per_s) < end and time.perf_counter() < end:
            number += 1
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            started = time.perf_counter()
            writer.write(next(asked))
            try:
                status, is_told = await reply_of(reader)
            except (OSError, EOFError, asyncio.IncompleteReadError):
                seen.lost.append(started)
                status, is_told = 0, False
            seen.statuses[status] += 1
            seen.n_told += is_told
            if status == 200:
                seen.waits_s.append(time.perf_counter() - started)
            if not status:
                return
        writer.close()

    async def look() -> None:
        while Path(f"/proc/{pid}").exists():
            seen.memory.append(resident_mib(pid))
            await asyncio.sleep(min(LOOK_S, seconds / 20))

    looking = asyncio.create_task(look())
    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    looking.cancel()


async def reply_of(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status of a reply that is read to its end, and whether it says when to come again."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split(b" ", 2)[1]), b"\r\nretry-after:" in head


async def until_back(port: int, asked: Iterator[bytes], bound_s: float) -> float:
    """Seconds until the last answer that took longer than the bound, of one who asks alone; 0 without one."""
    begun, back_s = time.perf_counter(), 0.0
    while time.perf_counter() < begun + AFTER_S:
        (wait_s,) = await answered(port, [next(asked)], 1)
        if wait_s > bound_s:
            back_s = time.perf_counter() - begun
    return back_s


async def stopped(port: int, server: subprocess.Popen[bytes], asked: Iterator[bytes], per_s: float) -> float:
    """SIGTERM in the middle of a load: how many questions sent before it got no reply."""
    seen = Seen()
    loading = asyncio.create_task(load(port, server.pid, seen, asked, per_s, AFTER_S))
    await asyncio.sleep(AFTER_S / 5)
    told = time.perf_counter()
    server.send_signal(signal.SIGTERM)
    await asyncio.to_thread(server.wait, 60)
    await loading
    assert server.returncode == 0, f"the server ended with {server.returncode}"
    assert seen.statuses[200] and seen.lost, "it was stopped in the middle"
    return float(sum(sent < told for sent in seen.lost))


def resident_mib(pid: int) -> float:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
