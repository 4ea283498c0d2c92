"""The recommender on generated shops from 10 k to 1 M items: seconds, memory and waiting times against size.

    python benchmarks/recommend_scale.py

A shop of I items has I customers and 50 × I events, or `--events` × I: Zipf popularity, customers with tastes
in a few of many clusters who stay with one for some events, titles that share words within a cluster. Ids,
titles and events alone: no language model. Every size is made, fitted and asked in processes of its own, in a
folder of its own, so that a killed run goes on. All sizes have the settings of a large catalogue (factors by
least squares in place of the closed form, candidates), so that the line compares like with like.

The last event of N_ASKED customers, where it is of a new item, is held out. `p50_ms` and `p99_ms` are of the
ten best for one customer, one at a time, from candidates and by a scan of every item. `cpu_ms`, `fit_cpu_s`
are of the processor, for a machine that does other work, and `times_faster` is the ratio of the first.
`recall of scan@10` is the share of the scan's ten that candidates find.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import Bench, begin, parser_of
from numpy.typing import NDArray
from peak import peak_gib

from retailor.metrics.interval import score_mean
from retailor.progress import track
from retailor.seeds import stream
from retailor.shop.tables import TIME, Shop, open_shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings
from retailor.tasks.recommend.shapes import RecommendQuery

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
EVENTS_AN_ITEM = 50
CLUSTER = 100
N_TASTES = 4
N_ASKED = 1_000
SCANNED_SECONDS = 60.0
START_MS = 1_600_000_000_000
STAGES = ("make", "fit", "ask")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--events", type=int, default=EVENTS_AN_ITEM, help="of an item, on average")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", choices=STAGES, help="of one size; for the process of that stage")
    if "--stage" in sys.argv:
        options = parser.parse_args()
        given = (options.events,) if options.stage == "make" else ()
        STAGE[options.stage](options.work, options.sizes[0], options.seed, *given)
        return
    bench = begin(parser, canary={"sizes": [400]}, no_key=["sizes", "stage"])
    options = bench.given
    rows = [row for size in sorted(options.sizes) for row in measured(size, options, bench)]
    path = bench.write(rows, [options.seed])
    print(path)
    draw(rows, path.with_suffix(".svg"))


def measured(size: int, options: argparse.Namespace, bench: Bench) -> list[dict[str, Any]]:
    """The rows of one size; a stage that is kept is not measured again."""
    rows: list[dict[str, Any]] = []
    before: Path | None = None
    for stage in STAGES:

        def made(folder: Path, work: Path, stage: str = stage, before: Path | None = before) -> None:
            if before is not None:  # the folders of earlier stages lie inside
                shutil.copytree(before, folder, dirs_exist_ok=True)
            here = [sys.executable, __file__, "--stage", stage, "--sizes", str(size), "--work", str(folder)]
            threads = {name: str(options.threads) for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS")}
            more = ["--seed", str(options.seed), "--events", str(options.events)]
            subprocess.run([*here, *more], check=True, env={**os.environ, **threads})

        before = bench.store.folder(f"{size} items: {stage}", made, size, options.seed, options.events)
        rows += json.loads((before / f"{stage}.json").read_text(encoding="utf-8"))
    for row in rows:
        print(f"{row['row']:12s} {row['bucket']:>14s} {row['metric']:20s} {row['value']:.4f}", flush=True)
    return rows


# the shop -----------------------------------------------------------------------------------------


def make(folder: Path, size: int, seed: int, events_an_item: int) -> None:
    """Writes the shop, and the events to come as `asked.parquet`."""
    items, events, asked = generated(size, seed, events_an_item)
    Shop.of(items=items, events=events).save(folder / "shop")
    asked.write_parquet(folder / "asked.parquet")
    _done(folder, "make", [])


def generated(
    size: int, seed: int, events_an_item: int = EVENTS_AN_ITEM
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Items, events, and held-out last events, of a shop of `size` items and customers."""
    users, items = choices(size, seed, events_an_item)
    ends = np.append(np.flatnonzero(np.diff(users)), len(users) - 1)
    rng = stream(seed, "asked")
    again = np.zeros(size, np.int64)
    np.add.at(again, users, items == np.repeat(items[ends], np.diff(ends, prepend=-1)))
    able = np.flatnonzero(again[users[ends]] == 1)
    last = ends[np.sort(rng.permutation(able)[:N_ASKED])]
    kept = np.ones(len(users), bool)
    kept[last] = False
    # Events of all customers run through the same year; a customer's own keep their order.
    time_ms = START_MS + np.arange(len(users)) * (365 * 86_400_000 // len(users))
    events = pl.DataFrame(
        {
            "user_id": _ids("u", users[kept]),
            "item_id": _ids("i", items[kept]),
            "kind": pl.repeat("buy", int(kept.sum()), eager=True),
            "time": pl.Series(time_ms[kept]).cast(TIME),
        }
    )
    asked = pl.DataFrame({"user_id": _ids("u", users[last]), "item_id": _ids("i", items[last])})
    return catalogue(size, seed), events, asked


def choices(size: int, seed: int, events_an_item: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Who chose what, customer by customer, in time: user and item [events_an_item × size]."""
    rng = stream(seed, "choices")
    lengths = np.clip(rng.lognormal(np.log(0.7 * events_an_item), 0.85, size), 3, 400)
    lengths = np.maximum(3, lengths * events_an_item * size / lengths.sum()).astype(np.int64)
    users = np.repeat(np.arange(size), lengths)
    place = np.arange(len(users)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    clusters, sizes, starts = clustered(size, seed)
    tastes = rng.integers(len(sizes), size=(size, N_TASTES))
    mood = (place // 6 + rng.integers(N_TASTES, size=size)[users]) % N_TASTES
    taste = tastes[users, mood]
    inside = clusters[starts[taste] + zipf(sizes[taste], rng.random(len(users)))]
    anything = zipf(np.full(len(users), size), rng.random(len(users)))
    return users, np.where(rng.random(len(users)) < 0.7, inside, anything)


def clustered(size: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Items by cluster, the more popular first; the number of items and the first place of each cluster."""
    n = max(2, size // CLUSTER)
    own = stream(seed, "clusters").integers(n, size=size)
    sizes = np.maximum(np.bincount(own, minlength=n), 1)
    order = np.lexsort((np.arange(size), own))
    return order, sizes, np.minimum(np.cumsum(sizes) - sizes, size - sizes)


def zipf(n: NDArray[np.int64], uniform: NDArray[np.float64], power: float = 0.9) -> NDArray[np.int64]:
    """Ranks from 0 to n − 1, rank r drawn about as often as (r + 1) ** −power."""
    rest = 1 - power
    ranks = ((n + 1.0) ** rest * uniform + 1 - uniform) ** (1 / rest)
    return np.minimum(ranks.astype(np.int64) - 1, n - 1).clip(0)


def catalogue(size: int, seed: int) -> pl.DataFrame:
    """The items table: titles of two words of the cluster and two that mean nothing."""
    n = max(2, size // CLUSTER)
    own = stream(seed, "clusters").integers(n, size=size)
    rng = stream(seed, "titles")
    words = [
        _word(2 * own),
        _word(2 * own + 1),
        _word(2 * n + rng.integers(2_000, size=size)),
        _word(2 * n + 2_000 + zipf(np.full(size, 2_000), rng.random(size))),
    ]
    titles = [" ".join(some) for some in zip(*words, strict=True)]
    return pl.DataFrame({"item_id": _ids("i", np.arange(size)), "title": titles})


def _word(numbers: NDArray[np.int64]) -> list[str]:
    """A pronounceable word a number."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    n = len(syllables)
    return [
        syllables[i % n] + syllables[i // n % n] + syllables[i // n // n % n] + "k" for i in numbers.tolist()
    ]


def _ids(letter: str, numbers: NDArray[np.int64]) -> pl.Series:
    return pl.select(pl.format("{}{}", pl.lit(letter), pl.Series(numbers))).to_series()


# fit and ask --------------------------------------------------------------------------------------


def settings(seed: int) -> RecommendSettings:
    """Those of a large catalogue, whatever its size."""
    return RecommendSettings(
        seed=seed,
        max_closed_form=1,
        max_tuned=0,
        sasrec=SasrecSettings(enabled=False),
        retrieval="approximate",
        factors=64,
        n_links=100,
    )


def fit(folder: Path, size: int, seed: int) -> None:
    """Reads the shop, fits and saves the task."""
    started = time.perf_counter()
    shop = open_shop(folder / "shop")
    read_s, read_cpu_s = time.perf_counter() - started, time.process_time()
    task = Recommender(None, settings(seed)).fit(shop)
    fit_s = time.perf_counter() - started - read_s
    cpu_s = time.process_time() - read_cpu_s
    values = {"read_s": read_s, "fit_s": fit_s, "fit_cpu_s": cpu_s, "peak_gib": peak_gib()}
    task.save(folder / "task")
    print(json.dumps(task.log), file=sys.stderr)
    rows = [_row(size, "fit", metric, value) for metric, value in values.items()]
    parts = task.log["seconds"].get("validation", {})
    _done(folder, "fit", rows + [_row(size, f"fit: {name}", "fit_s", value) for name, value in parts.items()])


def ask(folder: Path, size: int, seed: int) -> None:
    """Ten for each customer asked, from candidates and by a scan; what came next is to be among them."""
    asked = pl.read_parquet(folder / "asked.parquet")
    started = time.perf_counter()
    task = Recommender.load(folder / "task")
    load_s = time.perf_counter() - started
    users, targets = asked["user_id"].to_list(), asked["item_id"].to_list()
    quick, quick_ms, quick_cpu_ms = answered(task, users)
    peak = peak_gib()
    slow, slow_ms, slow_cpu_ms = answered(task.scanning(), users, SCANNED_SECONDS)
    values = {"load_s": load_s, "peak_gib": peak}
    rows = [_row(size, "candidates", metric, value) for metric, value in values.items()]
    measured_ms = {
        ("candidates", "ms"): quick_ms,
        ("candidates", "cpu_ms"): quick_cpu_ms,
        ("scan", "ms"): slow_ms,
        ("scan", "cpu_ms"): slow_cpu_ms,
    }
    for (row, unit), waits_ms in measured_ms.items():
        for share in (50, 99):
            value = float(np.percentile(waits_ms, share))
            rows.append(_row(size, row, f"p{share}_{unit}", value, n=len(waits_ms)))
    for share in (50, 99):
        ratio = float(np.percentile(slow_cpu_ms, share) / np.percentile(quick_cpu_ms, share))
        rows.append(_row(size, "candidates", f"times_faster p{share}", ratio, n=len(slow_ms)))
    found = [len(set(a) & set(b)) / max(len(b), 1) for a, b in zip(quick, slow, strict=False)]
    lists = {"candidates": quick, "scan": slow, "popularity": popular(open_shop(folder / "shop"), users)}
    rows.append(_mean(size, "candidates", "recall of scan@10", found))
    for row, shown in lists.items():
        hits = [float(target in some) for target, some in zip(targets, shown, strict=False)]
        rows.append(_mean(size, row, "recall@10", hits))
    _done(folder, "ask", rows)


def answered(
    task: Recommender, users: Sequence[str], limit_s: float = float("inf")
) -> tuple[list[list[str]], list[float], list[float]]:
    """The ten of each customer, its milliseconds and those of the processor, until `limit_s` are over."""
    for user in users[:3]:  # what is made at the first question is not the question's
        task.predict([RecommendQuery(user_id=user, k=10)])
    found, waits_ms, cpu_ms = [], [], []
    begun = time.perf_counter()
    for user in track(users, "asking", len(users)):
        started, before = time.perf_counter(), time.process_time()
        answer = task.predict([RecommendQuery(user_id=user, k=10)])[0]
        waits_ms.append(1000 * (time.perf_counter() - started))
        cpu_ms.append(1000 * (time.process_time() - before))
        found.append([one.item_id for one in answer.items])
        if time.perf_counter() - begun > limit_s:
            break
    return found, waits_ms, cpu_ms


def popular(shop: Shop, users: Sequence[str]) -> list[list[str]]:
    """The ten items with most customers that each of the users does not have."""
    counts = shop.events.group_by("item_id").agg(pl.col("user_id").n_unique())
    best = counts.sort(["user_id", "item_id"], descending=[True, False])["item_id"][:1_000].to_list()
    own = shop.events.filter(pl.col("user_id").is_in(list(users))).group_by("user_id").agg("item_id")
    known = {user: set(items) for user, items in own.iter_rows()}
    return [[one for one in best if one not in known.get(user, ())][:10] for user in users]


# rows and the picture -----------------------------------------------------------------------------


def _row(size: int, row: str, metric: str, value: float, n: int | None = None) -> dict[str, Any]:
    return {"row": row, "bucket": f"{size} items", "metric": metric, "value": value, "n": n}


def _mean(size: int, row: str, metric: str, values: Sequence[float]) -> dict[str, Any]:
    score = score_mean(row, metric, np.array(values), bucket=f"{size} items")
    return {name: value for name, value in vars(score).items() if name != "draws"}


def _done(folder: Path, stage: str, rows: list[dict[str, Any]]) -> None:
    """Notes that a stage is over, whole or not at all."""
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    new = folder / f"{stage}.json.new"
    new.write_text(json.dumps(plain, indent=1), encoding="utf-8")
    new.replace(folder / f"{stage}.json")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Seconds of the fit, peak memory and the wait for an answer against the size, both axes logarithmic."""
    import altair as alt

    panels = {
        "Fit, seconds of processor": {("fit", "fit_cpu_s"): "fit"},
        "Fit, peak GiB": {("fit", "peak_gib"): "fit"},
        "Ten for a customer, ms of processor (p99)": {
            ("candidates", "p99_cpu_ms"): "candidates",
            ("scan", "p99_cpu_ms"): "every item",
        },
    }
    charts = [_panel(alt, title, rows, lines) for title, lines in panels.items()]
    chart = alt.hconcat(*charts, spacing=30).resolve_scale(color="independent")
    chart = chart.properties(title="The recommender against the size of the shop")
    chart.configure_view(stroke=None).configure_title(anchor="start", fontSize=13).save(str(path))


def _panel(alt: Any, title: str, rows: list[dict[str, Any]], lines: dict[tuple[str, str], str]) -> Any:
    values = [
        {
            "items": int(row["bucket"].split()[0]),
            "value": row["value"],
            "how": lines[row["row"], row["metric"]],
        }
        for row in rows
        if (row["row"], row["metric"]) in lines
    ]
    legend = alt.Legend(orient="top", title=None) if len(lines) > 1 else None
    colours = alt.Scale(domain=list(lines.values()), range=["#2a6f97", "#9aa5b1"][: len(lines)])
    log = alt.Scale(type="log", nice=False, padding=12)
    base = alt.Chart(alt.Data(values=values), title=title).encode(
        x=alt.X("items:Q", scale=log, title="items", axis=alt.Axis(format="~s", tickCount=5)),
        y=alt.Y(
            "value:Q",
            scale=alt.Scale(type="log", nice=True),
            title=None,
            axis=alt.Axis(format="~g", tickCount=6),
        ),
        color=alt.Color("how:N", scale=colours, legend=legend),
    )
    return (base.mark_line() + base.mark_point(filled=True, size=45)).properties(width=220, height=200)


STAGE: dict[str, Callable[..., None]] = {"make": make, "fit": fit, "ask": ask}

if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
