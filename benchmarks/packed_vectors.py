"""How many of the ten truly nearest vectors are found through codes, and at what memory and time.

    python benchmarks/packed_vectors.py

Real vectors: Icecat's titles by MiniLM and by e5, asked with its judged queries, and Beauty's titles by
MiniLM, asked with titles that are put aside. `--sizes` beyond the real ones are reached so: a new vector is a
real one plus a part of the difference of two of its thirty nearest, as a unit vector; it stays among what
texts of such a shop differ by. Rows 'grown from a quarter' say how far that can be believed: a quarter of the
real vectors grown to the real number, beside the real ones. `recall@10` is against a scan of float32;
`share_of_float32` counts what stays in memory (the whole vectors, in float16, stay on the disk). The scan,
the graph and the codes answer in turn, each query alone in one thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bench import Bench, begin, parser_of
from numpy.typing import NDArray
from recommend_beauty import read_shop
from search_icecat import read_icecat

from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.retrieval.packed import PackedVectors
from retailor.retrieval.vectors import VectorIndex
from retailor.seeds import stream

F32 = NDArray[np.float32]
N_NEAR = 30
SHARES = (0.3, 1.0)
"""A new vector moves by a part of a difference that is drawn between these."""
K = 10


def grown(known: F32, n: int, seed: int) -> F32:
    """The unit vectors, and others until there are `n`."""
    draw = stream(seed, "packed", "grown")
    near = VectorIndex(known).search(known, N_NEAR + 1)[0][:, 1:]
    made = [known]
    while (missing := n - sum(map(len, made))) > 0:
        size = min(missing, 50_000)
        start = draw.integers(0, len(known), size)
        one, other = (near[start, draw.integers(0, near.shape[1], size)] for _ in range(2))
        part = draw.uniform(*SHARES, size=(size, 1)).astype(np.float32)
        moved = known[start] + part * (known[one] - known[other])
        made.append(moved / np.linalg.norm(moved, axis=1, keepdims=True))
    return np.concatenate(made)[:n]


def encoded(bench: Bench, name: str, model: str) -> tuple[F32, F32]:
    """The vectors of the items, in half precision as they would be saved, and of what is asked."""
    given, icecat = bench.given, name.startswith("Icecat")
    if icecat:
        shop = read_icecat(given.data / "icecat-search")
        asked = shop.judgments["query"].unique(maintain_order=True).to_list()
    else:
        shop = read_shop(given.data / "amazon2014-beauty")
    titles = list(dict.fromkeys(title for title in shop.items["title"].to_list() if title))
    titles = [titles[i] for i in stream(given.seed, "packed", "titles").permutation(len(titles))]
    if not icecat:
        asked, titles = titles[: given.queries], titles[given.queries :]
    titles, asked = titles[: given.items or len(titles)], asked[: given.queries]

    def make(_: Path) -> Mapping[str, NDArray[Any]]:
        encoder = load_model(model, kind="encoder")
        role = "query" if icecat else "passage"
        return {"items": encoder.encode(titles).astype(np.float16), "asked": encoder.encode(asked, role=role)}

    found = bench.store.tensors(f"{name}, {model}", make)
    items = found["items"].astype(np.float32)
    return items / np.linalg.norm(items, axis=1, keepdims=True), found["asked"]


def rows_of(row: str, vectors: F32, asked: F32, *, graph: bool, work: Path) -> list[Score | dict[str, Any]]:
    """Recall, memory and time of each way to find what is nearest."""
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "whole.npy", vectors.astype(np.float16))
    on_disk = np.load(work / "whole.npy", mmap_mode="r")
    vectors = np.asarray(on_disk, np.float32)
    found: dict[str, VectorIndex | PackedVectors] = {"scan of float32": VectorIndex(vectors)}
    seconds: dict[str, float] = {}
    makers: dict[str, Any] = {
        "graph": lambda: VectorIndex.build(vectors, method="approximate"),
        "int8": lambda: PackedVectors.of(on_disk, "int8"),
        "pca": lambda: PackedVectors.of(on_disk, "pca"),
        "binary": lambda: PackedVectors.of(on_disk, "binary"),
    }
    for name in makers if graph else list(makers)[1:]:
        started = time.perf_counter()
        found[name] = makers[name]()
        seconds[name] = time.perf_counter() - started
    answers: dict[str, list[NDArray[np.int64]]] = {name: [] for name in found}
    waits: dict[str, list[float]] = {name: [] for name in found}
    for query in asked:
        for name, index in found.items():
            started = time.perf_counter()
            rows, _ = index.search(query[None], K)
            waits[name].append(1000 * (time.perf_counter() - started))
            answers[name].append(rows[0])
    truth, made = answers["scan of float32"], []
    for name, index in found.items():
        hits = [len(np.intersect1d(a, b)) / K for a, b in zip(truth, answers[name], strict=True)]
        size = _bytes(index)
        made.append(score_mean(f"{row}: {name}", "recall@10", hits, seconds=seconds.get(name, 0.0)))
        figures = {
            "share_of_float32": size / (4 * vectors.size),
            "bytes_a_vector": size / len(vectors),
            "p50_ms": float(np.quantile(waits[name], 0.5)),
            "p99_ms": float(np.quantile(waits[name], 0.99)),
        }
        made += [
            {"row": f"{row}: {name}", "metric": metric, "value": value, "n": len(asked)}
            for metric, value in figures.items()
        ]
        sys.stderr.write(
            f"{row}: {name}: recall {np.mean(hits):.4f} {figures} {seconds.get(name, 0):.1f} s\n"
        )
    return made


def _bytes(index: VectorIndex | PackedVectors) -> int:
    if isinstance(index, PackedVectors):
        return index.size_bytes
    return index.vectors.nbytes + (0 if index.graph is None else int(index.graph.memory_usage))


def main() -> None:
    """Writes results/packed_vectors.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--graph-to", type=int, default=100_000, help="the largest size that gets a graph")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--items", type=int, default=0, help="so many titles; 0 for all")
    parser.add_argument("--models", nargs="+", default=["minilm", "e5"])
    parser.add_argument("--seed", type=int, default=0)
    canary = {"sizes": [3_000], "graph_to": 3_000, "queries": 10, "items": 900, "models": ["minilm"]}
    bench = begin(parser, canary=canary)
    given = bench.given
    rows: list[Score | dict[str, Any]] = []
    work = bench.store.root / "whole"
    for shop, model in [("Icecat", model) for model in given.models] + [("Beauty", "minilm")]:
        items, asked = encoded(bench, shop, model)
        name = f"{shop}, {model}"
        rows += rows_of(f"{name}, {len(items):,} real", items, asked, graph=True, work=work)
        quarter = grown(items[: len(items) // 4], len(items), given.seed)
        rows += rows_of(
            f"{name}, {len(items):,} grown from a quarter", quarter, asked, graph=False, work=work
        )
        for size in given.sizes:
            graph = size <= given.graph_to
            rows += rows_of(
                f"{name}, {size:,}", grown(items, size, given.seed), asked, graph=graph, work=work
            )
    bench.write(rows, [given.seed])


if __name__ == "__main__":
    main()
