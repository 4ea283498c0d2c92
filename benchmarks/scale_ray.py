"""What going over a Ray cluster costs: titles encoded here, on one node and on two, and after a kill.

    python benchmarks/scale_ray.py

The same titles by the same encoder, in blocks that are kept, from nothing each time. `local` is a loop in
this process with as many threads as the cluster has processors; nodes are processes of their own on this
machine, with one processor each. `seconds` is the encoding alone: the machines have been asked (`check_s`),
and processes have opened the encoder, as in a run of hours. `ratio` is that to local with as many cores,
`apart` the greatest difference of a number of a vector. `2 nodes, one killed`: one is taken away in
the middle, without a word; `recovery_s` is what that took more than both together.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import begin, parser_of

from retailor.models import encoding
from retailor.models.encoding import memo_vectors
from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.runner import running
from retailor.shop.demo import demo_shop
from retailor.testing.models import tiny_encoder


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--titles", type=int, default=200_000)
    parser.add_argument("--block", type=int, default=1024)
    parser.add_argument("--encoder", default="minilm", help="'tiny' is a random one of two layers")
    parser.add_argument("--seed", type=int, default=0)
    bench = begin(parser, canary={"titles": 400, "block": 50, "encoder": "tiny"})
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0", OMP_NUM_THREADS="1")
    with tempfile.TemporaryDirectory() as folder:
        print(bench.write(measure(bench.given, Path(folder)), [bench.given.seed]))


def measure(given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Tidy rows."""
    encoding.BLOCK = given.block
    encoder: Encoder = (
        tiny_encoder() if given.encoder == "tiny" else load_model(given.encoder, kind="encoder")
    )
    titles = titles_of(given.titles, given.seed)
    rows: list[dict[str, Any]] = []

    def add(row: str, **figures: float) -> None:
        for metric, value in figures.items():
            rows.append({"row": row, "metric": metric, "value": value, "n": len(titles)})
            print(f"{row:22s} {metric:12s} {value:.4f}", flush=True)

    local: dict[int, float] = {}
    for n in (1, 2):
        torch.set_num_threads(n)
        local[n], vectors = encoded(encoder, titles, folder / f"local-{n}")
        add(f"local, {n} cores" if n > 1 else "local, 1 core", seconds=local[n])
    torch.set_num_threads(1)
    with cluster() as made:
        nodes = []
        for n in (1, 2):
            nodes.append(made.add_node(num_cpus=1))
            work = folder / f"{n}" / "work"
            with on_cluster(encoder, titles, work) as check_s:
                took, found = encoded(encoder, titles, work)
            apart = round(float(np.abs(found - vectors).max()), 4)
            name = f"{n} node{'s' * (n > 1)}"
            add(name, seconds=took, ratio=took / local[n], check_s=check_s, apart=apart)
        both, work = took, folder / "killed" / "work"
        with on_cluster(encoder, titles, work):
            half = len(titles) // given.block // 2
            killing = threading.Thread(target=kill_half_way, args=(made, nodes[0], work, half))
            killing.start()
            took, found = encoded(encoder, titles, work)
            killing.join()
        apart = round(float(np.abs(found - vectors).max()), 4)
        add("2 nodes, one killed", seconds=took, recovery_s=took - both, apart=apart)
    return rows


def titles_of(n: int, seed: int) -> list[str]:
    """So many different titles: those of a demo shop, numbered."""
    some = demo_shop(min(n, 2000), seed).items["title"].to_list()
    return [f"{some[i % len(some)]} {i // len(some)}" for i in range(n)]


def encoded(encoder: Encoder, titles: list[str], work: Path) -> tuple[float, Any]:
    """Seconds and vectors, with nothing kept from before."""
    work.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    found = memo_vectors(encoder, titles, work=work)
    return time.perf_counter() - started, found


@contextmanager
def cluster() -> Iterator[Any]:
    """A head without processors, to add nodes to."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    os.environ["RAY_ADDRESS"] = made.address
    try:
        yield made
    finally:
        made.shutdown()
        del os.environ["RAY_ADDRESS"]


@contextmanager
def on_cluster(encoder: Encoder, titles: list[str], work: Path) -> Iterator[float]:
    """Within it work goes to the cluster, whose processes have opened the encoder; seconds of the check."""
    work.mkdir(parents=True)
    started = time.perf_counter()
    with running("ray", work):
        check_s = time.perf_counter() - started
        warm = [f"warm {title}" for title in titles[: 4 * encoding.BLOCK]]
        memo_vectors(encoder, warm, work=work)
        for path in work.glob("*.safetensors"):
            path.unlink()
        yield check_s


def kill_half_way(made: Any, node: Any, work: Path, n: int) -> None:
    """Takes a node away when so many blocks are there."""
    while len(list(work.glob("*.safetensors"))) < n:
        time.sleep(0.02)
    made.remove_node(node, allow_graceful=False)


if __name__ == "__main__":
    main()
