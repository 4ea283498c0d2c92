"""Requests per second and waiting times of a served run, beside a plain application of the same models.

    python benchmarks/serve_speed.py

A real server process a row, a client in another process whose connections stay open, rows in turn within each
round: the ratios count, not the milliseconds of a machine. A figure is the median over the rounds, low and
high are the least and the greatest; on a machine that does other work they lie far apart, and say so.
`server_ms` is the processor's time of the server a request, which other work hardly changes.

"plain": FastAPI, sentence-transformers and faiss, written as their documentation does, no batches and no
cache: the words, or the mean of a customer's items, are looked up among the items' vectors. "retailor" does
all that it does for its users beside that. "retailor, one by one" predicts each request alone and remembers
nothing. Loads: "search, distinct" asks questions that all differ, "search, hot" draws them from 100 with a
Zipf law, "recommend, hot" draws customers from 100 alike, by GET; "recommend, words" asks for words that all
differ. Who remembers nothing is asked a tenth of the hot loads. Connections that each ask again as soon as
they are answered wait for one another: 64 at 3,000 a second wait 21 ms, whatever the server does. So "2,000 a
second" comes at that rate over 64 connections, and a wait begins when its request was due. The shop is the
simulated one.
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
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from bench import begin, parser_of, scratch

from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.seeds import stream
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender
from retailor.tasks.search import Search
from retailor.testing.toys import HashEncoder

SERVER = """
import sys
from pathlib import Path
from retailor.serve.server import serve
from retailor.serve.settings import ServeSettings
settings = eval(sys.argv[2], {"ServeSettings": ServeSettings})
serve(Path(sys.argv[1]), "retailor.tasks.registry:TASKS", settings)
"""
PLAIN = """
import socket, sys
import faiss, numpy as np, polars as pl, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

folder, hashed = sys.argv[1], sys.argv[2] == "hash"
if hashed:
    from retailor.testing.toys import HashEncoder
    encode = HashEncoder().encode
else:
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(f"{folder}/search/encoder")
    encode = lambda texts: model.encode(texts, normalize_embeddings=True)
items = pl.read_parquet(f"{folder}/shop/items.parquet").to_dicts()
at = {each["item_id"]: i for i, each in enumerate(items)}
vectors = np.asarray(encode([each["title"] or "" for each in items]), np.float32)
index = faiss.IndexFlatIP(vectors.shape[1])
index.add(vectors)
seen = {}
for user_id, item_id in pl.read_parquet(f"{folder}/shop/events.parquet")["user_id", "item_id"].iter_rows():
    if item_id in at:
        seen.setdefault(user_id, []).append(at[item_id])
app = FastAPI()

class Asked(BaseModel):
    text: str
    k: int = 10

def found(vector, k, without=()):
    scores, rows = index.search(vector[None], k + len(without))
    kept = [(i, s) for i, s in zip(rows[0].tolist(), scores[0].tolist()) if i >= 0 and i not in without][:k]
    return {"items": [{"item_id": items[i]["item_id"], "score": s, "item": items[i]} for i, s in kept]}

@app.post("/search")
def search(asked: Asked):
    return found(np.asarray(encode([asked.text])[0], np.float32), asked.k)

@app.post("/recommend")
def by_words(asked: Asked):
    return found(np.asarray(encode([asked.text])[0], np.float32), asked.k)

@app.get("/recommend")
def recommend(user_id: str, k: int = 10):
    own = set(seen.get(user_id, ()))
    return found(vectors[list(own)].mean(axis=0) if own else vectors.mean(axis=0), k, own)

listener = socket.socket(proto=socket.IPPROTO_TCP)  # else every reply waits for an acknowledgement
listener.bind(("127.0.0.1", 0))
listener.listen(2048)
print(f"on http://127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="error")).run(sockets=[listener])
"""
ALONE = "max_batch=1, batch_wait_ms=0, cache_url='memory:?size_mb=0'"
ROWS = (("plain", None), ("retailor, one by one", ALONE), ("retailor", ""))
CONNECTIONS = (1, 8, 64)
STEADY = ("recommend, hot", 64, 2000)
"""A hot load that also comes at a steady rate: its connections, and requests a second."""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--model", default="minilm", help="a model name, or 'hash' for the encoder of the tests"
    )
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=300, help="of a load whose answers must be made")
    parser.add_argument("--hot", type=int, default=3000, help="of a hot load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of the encoder; 0 leaves it to torch")
    parser.add_argument("--seed", type=int, default=0)
    small = {"model": "hash", "items": 60, "requests": 40, "hot": 80, "rounds": 1}
    bench = begin(parser, canary=small)
    print(bench.write(measure(bench.given), [bench.given.seed]))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Tidy rows: requests_per_s, its ratio to "plain" of the same round, the waits, and the server's time."""
    shop = demo_shop(options.items, options.seed)
    encoder = HashEncoder() if options.model == "hash" else load_model(options.model, kind="encoder")
    assert isinstance(encoder, Encoder)
    loads = loads_of(shop, options)
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    found: dict[tuple[str, str, str, int], list[float]] = {}
    with scratch() as place:
        folder = Path(place)
        shop.save(folder / "shop")
        Search(encoder).fit(shop).save(folder / "search")
        Recommender(encoder).fit(shop).save(folder / "recommend")
        for _ in range(options.rounds):
            plain: dict[str, float] = {}
            for row, settings in ROWS:
                for load, figures, n in one_row(folder, settings, loads, options.model):
                    plain.setdefault(load, figures["requests_per_s"])
                    figures["speed_of_plain"] = figures["requests_per_s"] / plain[load]
                    for metric, value in figures.items():
                        found.setdefault((row, load, metric, n), []).append(value)
                    shown = "  ".join(f"{name} {value:.2f}" for name, value in figures.items())
                    print(f"{row:22s} {load:34s} {shown}", flush=True)
    return [
        {
            "row": row, "bucket": load, "metric": metric, "value": float(np.median(values)),
            "low": min(values), "high": max(values), "n": n,
        }
        for (row, load, metric, n), values in found.items()
    ]  # fmt: skip


def loads_of(shop: Shop, options: argparse.Namespace) -> dict[str, list[bytes]]:
    """Name to requests."""
    customers = shop.events["user_id"].unique(maintain_order=True).to_list()[:100]
    ranks = zipf(len(customers), options.hot, options.seed)
    texts = distinct(shop, 2 * options.requests, options.seed)
    return {
        "recommend, hot": [got("/recommend", f"user_id={quote(customers[rank])}&k=10") for rank in ranks],
        "search, hot": [posted("/search", text) for text in hot(shop, options.hot, options.seed)],
        "search, distinct": [posted("/search", text) for text in texts[: options.requests]],
        "recommend, words": [posted("/recommend", text) for text in texts[options.requests :]],
    }


def one_row(
    folder: Path, settings: str | None, loads: dict[str, list[bytes]], model: str
) -> Iterator[tuple[str, dict[str, float], int]]:
    """(load with its connections, figures, requests) against a fresh server."""
    with served(folder, settings, model) as (port, pid):
        for load, requests in loads.items():
            asyncio.run(answered(port, requests[:4] if "hot" not in load else sorted({*requests}), 4))
            of_each = len(CONNECTIONS) if "hot" not in load else 1
            for part, n in enumerate(CONNECTIONS):  # what must be made is asked once alone
                some = requests[part::of_each] if of_each > 1 else requests
                some = some if of_each > 1 or settings == "" else some[: len(some) // 10]
                yield f"{load}, {n} connection{'s' * (n > 1)}", timed(port, pid, some, n), len(some)
            if load == STEADY[0]:
                some = requests if settings == "" else requests[: len(requests) // 10]
                _, n, per_s = STEADY
                figures = timed(port, pid, some, n, per_s)
                yield f"{load}, {n} connections, {per_s:,} a second", figures, len(some)


def timed(port: int, pid: int, requests: Sequence[bytes], n: int, per_s: float = 0) -> dict[str, float]:
    """The figures of one load over n connections, at a steady rate where there is one."""
    before, started = cpu_s(pid), time.perf_counter()
    waits_s = asyncio.run(answered(port, requests, n, per_s))
    seconds, spent = time.perf_counter() - started, cpu_s(pid) - before
    return {
        "requests_per_s": len(requests) / seconds,
        "p50_ms": 1000 * float(np.quantile(waits_s, 0.5)),
        "p99_ms": 1000 * float(np.quantile(waits_s, 0.99)),
        "server_ms": 1000 * spent / len(requests),
    }


def distinct(shop: Shop, n: int, seed: int) -> list[str]:
    """Queries that all differ: words of two titles each."""
    titles = shop.items["title"].to_list()
    pick = stream(seed, "distinct").integers(len(titles), size=(n, 2))
    return [f"{titles[a].split()[0]} {titles[b]} {i}"[:200] for i, (a, b) in enumerate(pick)]


def hot(shop: Shop, n: int, seed: int) -> list[str]:
    """Queries that come again: a few often, many seldom."""
    pool = distinct(shop, 100, seed + 1)
    return [pool[rank] for rank in zipf(len(pool), n, seed)]


def zipf(n_of: int, n: int, seed: int) -> list[int]:
    """n places below `n_of`, the first ones most often."""
    drawn: list[int] = (np.minimum(stream(seed, "hot").zipf(1.3, size=n), n_of) - 1).tolist()
    return drawn


def got(path: str, query: str) -> bytes:
    return f"GET {path}?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def posted(path: str, text: str) -> bytes:
    body = json.dumps({"text": text, "k": 10}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def served(folder: Path, settings: str | None, model: str) -> Iterator[tuple[int, int]]:
    """Port and process of a fresh server; settings None: of the plain application."""
    log = folder / "log.txt"
    code = (
        [PLAIN, str(folder), model]
        if settings is None
        else [
            SERVER,
            str(folder),
            f"ServeSettings(port=0, timeout_s=600, max_bodies_per_client=256, {settings})",
        ]
    )
    with log.open("w") as file:
        server = subprocess.Popen([sys.executable, "-c", *code], stderr=file)
    try:
        yield port_of(log, server), server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def port_of(log: Path, server: subprocess.Popen[bytes]) -> int:
    """The port that the server says it serves on."""
    while server.poll() is None:
        found = re.search(r"on http://[^ ]+:(\d+)", log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise SystemExit(log.read_text())


def cpu_s(pid: int) -> float:
    """Seconds of a processor that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def answered(port: int, requests: Sequence[bytes], n_clients: int, per_s: float = 0) -> list[float]:
    """The wait of each request in seconds; every client has one connection and one request at a time.

    With `per_s` a request is due at its time, and waits from then on, a free connection or none.
    """
    left = list(reversed(requests))
    waits_s: list[float] = []
    open_ = [await asyncio.open_connection("127.0.0.1", port) for _ in range(n_clients)]
    begun = time.perf_counter()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while left:
            due = begun + (len(requests) - len(left)) / per_s if per_s else 0.0
            request = left.pop()
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            started = due or time.perf_counter()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            assert answer.startswith(b"HTTP/1.1 200") and length, answer
            await reader.readexactly(int(length[1]))
            waits_s.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(client(*each) for each in open_))
    return waits_s


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
