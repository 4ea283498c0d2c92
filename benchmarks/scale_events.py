"""Time and memory of the first stages by the number of events, beside bare Polars.

    python benchmarks/scale_events.py

A made-up log like Taobao's (a customer to a hundred events, four items to a hundred, items by a power law,
nine days, four kinds) at every size. Each stage runs in a process of its own: `read` (CSV to a shop), `look`,
`clean`, `split`, `customers` (what the recommender reads of events: catalogue and histories), `recommend`
(the whole recommender of ids alone, with the settings of `recommend_scale`). `seconds` is the stage without
the start of Python, `peak_gib` the most memory of its process, `ratio` the time beside bare Polars on the
same rows (CSV scanned into Parquet for `read`; Parquet read, and repeated rows dropped, for the others),
`growth_ratio` the time a row beside that of the smallest size. `--without` leaves stages out that a machine
cannot hold (bare Polars drops repeated rows of 100 M events in 30 GiB) or that take hours, which is the
recommender unless others are named; a stage has no `ratio` where what it stands beside is left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import begin, parser_of
from peak import peak_gib
from recommend_scale import settings

from retailor.shop.look import look
from retailor.shop.read import read_sources
from retailor.shop.sources.settings import Source
from retailor.shop.split import split_by_time
from retailor.shop.tables import open_shop
from retailor.tasks.recommend import Recommender
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.customers import read_customers
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.text.clean_shop import clean

SECONDS = 9 * 86_400
KINDS = ("pv", "cart", "fav", "buy")
KEYS = ["user_id", "item_id", "kind", "time"]


def main() -> None:
    if sys.argv[1:2] == ["--stage"]:
        print(json.dumps(measured(sys.argv[2], Path(sys.argv[3]))))
        return
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument(
        "--without", nargs="*", default=["recommend"], choices=list(STAGES), help="stages left out"
    )
    parser.add_argument("--seed", type=int, default=0)
    bench = begin(parser, canary={"sizes": [2_000, 20_000]})
    with tempfile.TemporaryDirectory() as folder:
        print(bench.write(measure(bench.given, Path(folder)), [bench.given.seed]))


def measure(given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Tidy rows."""
    rows: list[dict[str, Any]] = []
    first: dict[str, float] = {}
    for n in given.sizes:
        place = folder / str(n)
        place.mkdir()
        write_log(place / "log.csv", n, given.seed)
        found: dict[str, dict[str, float]] = {}
        for name in STAGES:
            if name in given.without:
                continue
            told = found[name] = stage(name, place)
            figures = dict(told)
            if beside := found.get("bare read" if "read" in name else "bare rows"):
                figures["ratio"] = told["seconds"] / beside["seconds"]
            figures["growth_ratio"] = told["seconds"] / n / first.setdefault(name, told["seconds"] / n)
            row = name.replace("bare ", "bare Polars, ")
            for metric, value in figures.items():
                rows.append({"row": row, "bucket": f"{n:,} events", "metric": metric, "value": value, "n": n})
            print(f"{n:>12,} {row:20s} " + " ".join(f"{k} {v:.3g}" for k, v in figures.items()), flush=True)
    return rows


def write_log(path: Path, n: int, seed: int) -> None:
    """A CSV in Taobao's form: customer, item, category, kind, second."""
    rng = np.random.default_rng(seed)
    n_items = max(10, n // 25)
    items = np.minimum((rng.pareto(0.8, n) * n_items / 200).astype(np.int64), n_items - 1)
    pl.DataFrame({
        "user": rng.integers(0, max(2, n // 100), n), "item": items, "category": items % 97,
        "kind": pl.Series(KINDS)[rng.choice(4, n, p=[0.89, 0.06, 0.03, 0.02])],
        "time": 1_511_539_200 + rng.integers(0, SECONDS, n),
    }).write_csv(path, include_header=False)  # fmt: skip


def stage(name: str, place: Path) -> dict[str, float]:
    """Seconds and peak of a stage in a process of its own."""
    command = [sys.executable, __file__, "--stage", name, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(name: str, place: Path) -> Mapping[str, float]:
    started = time.perf_counter()
    STAGES[name](place)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_gib": peak_gib()}


def _bare_read(place: Path) -> None:
    names = ["user_id", "item_id", "category", "kind", "time"]
    texts = dict.fromkeys(names[:-1], pl.String) | {"time": pl.Int64}
    scanned = pl.scan_csv(place / "log.csv", has_header=False, new_columns=names, schema_overrides=texts)
    scanned.with_columns(pl.from_epoch("time")).sink_parquet(place / "bare.parquet")


def _bare_rows(place: Path) -> None:
    pl.read_parquet(place / "bare.parquet").unique(subset=KEYS, keep="first", maintain_order=True)


def _read(place: Path) -> None:
    read_sources([Source(reader="taobao", files=(str(place / "log.csv"),))], place / "shop")


def _clean(place: Path) -> None:
    clean(open_shop(place / "shop")).save(place / "clean")


def _split(place: Path) -> None:
    train, test = split_by_time(open_shop(place / "clean"))
    train.save(place / "train")
    test.save(place / "test")


def _customers(place: Path) -> None:
    shop = open_shop(place / "train")
    read_customers(shop, read_catalogue(shop), RecommendSettings())


def _recommend(place: Path) -> None:
    Recommender(None, settings(0)).fit(open_shop(place / "train")).save(place / "task")


STAGES: Mapping[str, Callable[[Path], object]] = {
    "bare read": _bare_read, "bare rows": _bare_rows, "read": _read,
    "look": lambda place: look(open_shop(place / "shop")), "clean": _clean, "split": _split,
    "customers": _customers, "recommend": _recommend,
}  # fmt: skip


if __name__ == "__main__":
    main()
