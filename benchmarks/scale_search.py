"""Search over 100,000 and a million titles: waiting times, memory, and what the vectors' codes miss.

    python benchmarks/scale_search.py

Titles are walks through those of Icecat and Beauty: from a word to one that follows it somewhere, so that
words, their frequencies and their neighbours are real; brand, categories and price are those of a real item.
The encoder is the table of MiniLM's word vectors (a text is their mean), for to encode a million titles with
the network takes hours; `MiniLM, a query` is what its network would take for each question. Asked are
Icecat's judged queries and pieces of one to three words of Beauty's titles, each alone in one thread, without
HTTP.

Vectors are kept in binary codes. `p99_cpu_ms` is of the processor, for a machine that does other work. `words
alone` is BM25 over titles and the ten best, without anything else. `recall@10` is the share of the ten
nearest by a scan that the codes find. Every size is fitted and asked in processes of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import Bench, begin, parser_of
from peak import peak_gib
from recommend_beauty import read_shop
from search_icecat import read_icecat

from retailor.metrics.interval import score_mean
from retailor.models.static import StaticEncoder
from retailor.models.weights import load_model
from retailor.retrieval.vectors import VectorIndex
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.shapes import SearchQuery

SIZES = (100_000, 1_000_000)
LONGEST = 16
"""Words of a title at most."""
STAGES = ("fit", "ask")
END = -1


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", choices=STAGES, help="of one size; for the process of that stage")
    if "--stage" in sys.argv:
        options = parser.parse_args()
        STAGE[options.stage](options)
        return
    bench = begin(parser, canary={"sizes": [3_000], "queries": 40}, no_key=["sizes", "stage"])
    rows = [row for size in sorted(bench.given.sizes) for row in measured(size, bench)]
    print(bench.write(rows, [bench.given.seed]))


def measured(size: int, bench: Bench) -> list[dict[str, Any]]:
    """The rows of one size; a fit that is kept is not measured again."""
    given = bench.given

    def run(stage: str, folder: Path) -> None:
        command = [sys.executable, __file__, "--stage", stage, "--sizes", str(size), "--work", str(folder)]
        more = ["--data", str(given.data), "--seed", str(given.seed), "--queries", str(given.queries)]
        one = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1")
        subprocess.run([*command, *more], check=True, env={**os.environ, **one})

    folder = bench.store.folder(f"{size} titles", lambda made, work: run("fit", made), size, given.seed)
    run("ask", folder)
    rows: list[dict[str, Any]] = []
    for stage in STAGES:
        rows += json.loads((folder / f"{stage}.json").read_text(encoding="utf-8"))
    for row in rows:
        print(f"{row['row']:18s} {row['bucket']:>16s} {row['metric']:14s} {row['value']:.4f}", flush=True)
    return rows


# the shop -----------------------------------------------------------------------------------------


def real(data: Path) -> tuple[pl.DataFrame, list[str]]:
    """The items of the two shops that have a title, and Icecat's judged queries."""
    icecat, beauty = read_icecat(data / "icecat-search"), read_shop(data / "amazon2014-beauty")
    columns = ["title", "brand", "category", "price"]
    items = pl.concat([shop.items.select(columns) for shop in (icecat, beauty)])
    items = items.filter(pl.col("title").fill_null("").str.strip_chars() != "")
    return items, icecat.judgments["query"].unique(maintain_order=True).to_list()


def made_shop(known: pl.DataFrame, n: int, seed: int) -> Shop:
    """`n` items of made titles."""
    own = known[stream(seed, "scale search", "items").integers(len(known), size=n)]
    ids = pl.select(pl.format("P{}", pl.int_range(n))).to_series()
    titles = pl.Series(walked(known["title"].to_list(), n, seed))
    return Shop.of(items=own.with_columns(item_id=ids, title=titles))


def walked(titles: Sequence[str], n: int, seed: int) -> list[str]:
    """`n` titles: each begins as some title does, and goes on with a word that follows in one."""
    words = [title.split() for title in titles]
    names = sorted({word for title in words for word in title})
    number = {word: i for i, word in enumerate(names)}
    said = np.array([one for title in words for one in (*map(number.__getitem__, title), END)])
    order = np.argsort(said, kind="stable")
    starts = np.searchsorted(said[order], np.arange(len(names) + 1))
    firsts = np.array([number[title[0]] for title in words])
    draw = stream(seed, "scale search", "titles")
    now = firsts[draw.integers(len(firsts), size=n)]
    table = np.full((LONGEST, n), END)
    for place in range(LONGEST):
        table[place] = now
        there = now != END
        low, high = starts[now[there]], starts[now[there] + 1]
        at = low + (draw.random(len(low)) * (high - low)).astype(np.int64)
        now = np.full(n, END)
        now[there] = said[order[at] + 1]
    spelt = np.array([*names, ""], dtype=object)
    return [" ".join(word for word in row if word) for row in spelt[table].T]


def queries_of(known: pl.DataFrame, judged: Sequence[str], n: int, seed: int) -> list[str]:
    """`n` queries: judged ones, and pieces of titles."""
    draw = stream(seed, "scale search", "queries")
    titles = known["title"].to_list()[::-1]  # Beauty's come first
    found = [judged[i] for i in draw.permutation(len(judged))[: n // 2]]
    while len(found) < n:
        said = titles[int(draw.integers(len(titles) // 2))].split()
        at = int(draw.integers(len(said)))
        found.append(" ".join(said[at : at + int(draw.integers(1, 4))])[:80])
    return found


def encoder() -> StaticEncoder:
    """The word vectors of MiniLM."""
    model = load_model("minilm", kind="encoder")
    table = model.network.get_input_embeddings().weight.detach().numpy()
    tokenizer = model.tokenizer.backend_tokenizer
    return StaticEncoder(np.ascontiguousarray(table), tokenizer, name="word vectors of minilm")


# fit and ask --------------------------------------------------------------------------------------


def fit(options: argparse.Namespace) -> None:
    """Fits and saves the task."""
    known, _ = real(options.data)
    size = options.sizes[0]
    shop = made_shop(known, size, options.seed)
    table, before, started = encoder(), time.process_time(), time.perf_counter()
    task = Search(table, SearchSettings(vectors="binary")).fit(shop)
    values = {"fit_s": time.perf_counter() - started, "fit_cpu_s": time.process_time() - before}
    values["peak_gib"] = peak_gib()
    task.save(options.work / "task")
    _write(options.work / "fit.json", [_row(size, "fit", name, value) for name, value in values.items()])


def ask(options: argparse.Namespace) -> None:
    """Asks the saved task, and beside it words alone and MiniLM."""
    size = options.sizes[0]
    known, judged = real(options.data)
    asked = queries_of(known, judged, options.queries, options.seed)
    del known
    started = time.perf_counter()
    task = Search.load(options.work / "task")
    rows = [_row(size, "search", "load_s", time.perf_counter() - started)]
    rows += _timed(size, "search", asked, lambda text: task.predict([SearchQuery(text)]))
    rows.append(_row(size, "search", "peak_gib", peak_gib()))
    titles = task._made.lexical["titles"]
    rows += _timed(size, "words alone", asked, lambda text: titles.search([text], 10))
    nearest = task._made.nearest
    index = nearest.index
    assert index is not None, "of the settings"
    vectors = task.encoder.encode(asked, role="query")
    rows += _timed(size, "nearest by codes", list(vectors), lambda one: index.search(one[None], 10))
    scan = VectorIndex(np.asarray(nearest.vectors, np.float32))
    true, near = scan.search(vectors, 10)[0], index.search(vectors, 10)[0]
    shares = [len(np.intersect1d(a, b)) / 10 for a, b in zip(true, near, strict=True)]
    score = score_mean("nearest by codes", "recall@10", np.array(shares), bucket=_bucket(size))
    rows.append({name: value for name, value in vars(score).items() if name != "draws"})
    model = load_model("minilm", kind="encoder")
    rows += _timed(size, "MiniLM, a query", asked, lambda text: model.encode([text], role="query"))
    _write(options.work / "ask.json", rows)


def _timed(size: int, row: str, asked: Sequence[Any], answer: Callable[[Any], Any]) -> list[dict[str, Any]]:
    for one in asked[:5]:  # what is made at the first question is not the question's
        answer(one)
    waits: dict[str, list[float]] = {"ms": [], "cpu_ms": []}
    for one in asked:
        started, before = time.perf_counter(), time.process_time()
        answer(one)
        waits["ms"].append(1000 * (time.perf_counter() - started))
        waits["cpu_ms"].append(1000 * (time.process_time() - before))
    return [
        _row(size, row, f"p{share}_{unit}", float(np.percentile(each, share)), len(asked))
        for unit, each in waits.items()
        for share in (50, 99)
    ]


def _row(size: int, row: str, metric: str, value: float, n: int | None = None) -> dict[str, Any]:
    return {"row": row, "bucket": _bucket(size), "metric": metric, "value": value, "n": n}


def _bucket(size: int) -> str:
    return f"{size:,} titles"


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    path.write_text(json.dumps(plain, indent=1), encoding="utf-8")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


STAGE: dict[str, Callable[[argparse.Namespace], None]] = {"fit": fit, "ask": ask}

if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
