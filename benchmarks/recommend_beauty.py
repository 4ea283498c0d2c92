"""Recommendation on Amazon Beauty (2014, 5-core): the field's protocol, every control beside the system.

    python benchmarks/recommend_beauty.py

The last item of every customer is the test, ranked among the whole catalogue, the customer's own history
masked and ties counted against us. Weights and learned parts are chosen on the last item but one of some
customers; the test is scored once. The system is fitted as it comes, with its encoder tuned on behaviour,
with TF-IDF-SVD in every slot of the encoder, and with ids only. Fits that are done are kept in the work
folder: the same command can be given again. `--shop` may name another folder: one that holds `items.jsonl`
and `sequences.txt`, Taobao's `UserBehavior.csv`, or a shop that Retailor saved.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from bench import Bench, begin, parser_of
from numpy.typing import NDArray

from retailor.metrics.interval import paired_interval, score_mean
from retailor.metrics.ranking import Ranked, ndcg_at, recall_at
from retailor.metrics.scores import Score
from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.prove.words import WordVectors
from retailor.shop.read import read
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop, open_shop
from retailor.tasks.recommend import (
    Recommender,
    RecommendSettings,
    SasrecSettings,
    TuningSettings,
    TwoTowerSettings,
)
from retailor.tasks.recommend.cases import Cases
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.evaluate.next_item import Ranks, buckets_of, scores_of

OURS, TUNED = "retailor", "retailor, encoder tuned on behaviour"
METRICS = {"recall@10": recall_at, "ndcg@10": ndcg_at}


@dataclass(frozen=True)
class System:
    """One way to fit the recommender: its row, how, and under which names its other rows are shown."""

    row: str
    make: Callable[[int], Recommender]
    others: Mapping[str, str]
    shop: Shop


Tensors = Mapping[str, NDArray[np.int64]]


def read_shop(folder: Path) -> Shop:
    """The shop in the folder, whichever of the three it holds."""
    if (folder / "manifest.json").exists():
        return open_shop(folder)
    if (folder / "UserBehavior.csv").exists():
        return read("taobao", folder / "UserBehavior.csv")
    return read("amazon2014-beauty", folder / "items.jsonl", folder / "sequences.txt")


def some_customers(shop: Shop, n: int) -> Shop:
    """The shop with its first `n` customers, by id, and the items that they chose."""
    users = shop.events["user_id"].unique().sort()[:n].to_list()
    events = shop.events.filter(pl.col("user_id").is_in(users))
    items = shop.items.filter(pl.col("item_id").is_in(events["item_id"].unique().to_list()))
    return shop.with_tables(events=events, items=items)


def systems_of(train: Shop, given: Namespace) -> Iterator[System]:
    """The systems of the table. Without texts or without a model only those that need none."""
    texts = [text for text in read_catalogue(train).texts if text.strip()]
    dials = {"max_network_steps": given.network_steps}
    bare = train.with_tables(items=train.items.select("item_id"))
    baselines = {
        row: row if row == "popularity" else f"{row} (ids only)"
        for row in ("popularity", "item-knn", "ease", "ials", "sequential-knn", "ease + sequential-knn")
    }
    if texts:
        yield from text_systems(train, texts, given)
    names = baselines | {"sasrec alone": "sasrec (ids only)"}
    yield System(
        "retailor, ids only (control)",
        lambda seed: Recommender(None, RecommendSettings(seed=seed, **dials)),
        names,
        bare,
    )


def text_systems(train: Shop, texts: Sequence[str], given: Namespace) -> Iterator[System]:
    """The system, and the same with words in the place of the language model."""
    if given.model != "none":
        yield our_system(train, given, OURS, 0)
        yield our_system(train, given, TUNED, given.steps)
    dials = {"max_network_steps": given.network_steps}
    words = WordVectors(texts, min(384, len(texts) - 1))
    yield System(
        "retailor, tf-idf-svd in every slot (control)",
        lambda seed: Recommender(words, RecommendSettings(seed=seed, **dials)),
        {
            "tf-idf kernel + knn": "tf-idf kernel + knn (control)",
            "encoder kernel + knn": "tf-idf-svd kernel + knn (control)",
            "two-tower alone": "f(u, i) over tf-idf-svd (control)",
            "sasrec alone": "sasrec with tf-idf-svd (control)",
        },
        train,
    )
    quick = RecommendSettings(
        two_tower=TwoTowerSettings(enabled=False), sasrec=SasrecSettings(enabled=False), n_validation=0
    )
    yield System("retailor, closed form only", lambda seed: Recommender(None, quick), {}, train)


def our_system(train: Shop, given: Namespace, row: str, steps: int) -> System:
    """The recommender over the encoder, fine-tuned on behaviour for so many steps."""
    encoder = load_model(given.model, kind="encoder")
    assert isinstance(encoder, Encoder)
    tuning, network_steps = TuningSettings(steps=steps), given.network_steps
    name = f"fine-tuned {given.model}" if steps else given.model
    return System(
        row,
        lambda seed: Recommender(
            encoder, RecommendSettings(seed=seed, tuning=tuning, max_network_steps=network_steps)
        ),
        {
            "encoder kernel + knn": f"{name} kernel + knn",
            "two-tower alone": f"f(u, i) over {name}",
            "sasrec alone": f"sasrec with {name}",
        },
        train,
    )


def fitted(system: System, test: Shop, seed: int, bench: Bench) -> Tensors:
    """What the results need of one fit: 'ranks ROW' [n] and 'shown ROW' [n, 10] of its rows, and the rest.

    Seeds share what no seed changes. Its seconds are −1 where the work folder held pieces of it already. The
    closed form makes all of its own.
    """

    def make(work: Path) -> Tensors:
        room = None if "closed form" in system.row else bench.store.root / "parts"
        fresh = room is None or not room.exists()
        started = time.perf_counter()
        task = system.make(seed).fit(system.shop, work=room)
        took = int(time.perf_counter() - started) if fresh else -1
        cases = task.cases(test)
        ranks = task.ranks(cases)
        print(system.row, "seed", seed, task.log, sep="\n", flush=True)
        names = {OURS: system.row, **system.others}
        rows = {f"ranks {names[row]}": rank for row, rank in ranks.ranks.items() if row in names}
        rows |= {f"shown {names[row]}": shown for row, shown in ranks.shown.items() if row in names}
        about = {
            "n_seen": task.n_seen.astype(np.int64),
            "customers": cases.customers,
            "targets": cases.targets,
        }
        return {**rows, **about, "seconds": np.array([took, task.log["n_customers"]])}

    return bench.store.tensors(f"{system.row}, seed {seed}", make, seed)


def rows_of(system: System, fits: Sequence[Tensors]) -> Iterable[dict[str, object]]:
    """The figures of a system's rows: means over seeds, intervals over customers, `spread` over seeds."""
    first = fits[0]
    cases = Cases(first["customers"], first["targets"])
    n_seen, took = first["n_seen"].astype(np.float32), [int(fit["seconds"][0]) for fit in fits]
    seconds = float(np.mean(took)) if min(took) >= 0 else float("nan")
    for key in [key for key in first if key.startswith("ranks ")]:
        row = key.partition(" ")[2]
        alone = Ranks({row: first[key]}, {row: first[f"shown {row}"]}, {row: seconds})
        figures = scores_of(alone, cases, n_seen, int(first["seconds"][1]))
        yield from (vars(score) for score in figures if score.metric not in METRICS)
        for metric, measure in METRICS.items():
            values = np.array([measure(Ranked.single(fit[key]), 10) for fit in fits])  # [seeds, n]
            for bucket, inside in buckets_of(cases, n_seen).items():
                score = score_mean(row, metric, values[:, inside].mean(axis=0), bucket=bucket)
                spread = float(values[:, inside].mean(axis=1).std(ddof=1)) if len(fits) > 1 else None
                yield {**vars(score), "seconds": seconds, "spread": spread}


def differences(ours: Sequence[Tensors], other: Sequence[Tensors], row: str) -> Iterable[Score]:
    """The system less another, case by case and seed by seed: what the language model gave, by bucket."""
    cases = Cases(ours[0]["customers"], ours[0]["targets"])
    for metric, measure in METRICS.items():
        mine, control = (
            np.mean([measure(Ranked.single(fit[f"ranks {name}"]), 10) for fit in fits], axis=0)
            for name, fits in ((OURS, ours), (row, other))
        )
        for bucket, inside in buckets_of(cases, ours[0]["n_seen"].astype(np.float32)).items():
            value, low, high = paired_interval(mine[inside], control[inside])
            yield Score(f"{OURS} less {row}", metric, value, low, high, int(inside.sum()), 0.0, bucket)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--shop", default="amazon2014-beauty", help="its folder, in --data or by itself")
    parser.add_argument("--model", default="minilm", help="encoder, or 'none' for ids and words alone")
    parser.add_argument("--steps", type=int, default=400, help="of fine-tuning the encoder on behaviour")
    parser.add_argument("--network-steps", type=int, default=5000, help="of the other networks, at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--control-seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--customers", type=int, help="so many customers, and the items that they chose")
    bench = begin(parser, canary={"customers": 120, "steps": 2, "network_steps": 5, "seeds": [0]})
    given = bench.given
    shop = read_shop(given.data / given.shop)
    if given.customers:
        shop = some_customers(shop, given.customers)
    train, test = leave_last_out(shop)
    fits: dict[str, list[Tensors]] = {}
    rows: list[dict[str, object]] = []
    for system in systems_of(train, given):
        seeds = given.seeds
        if system.row != OURS:
            once = "closed form" in system.row or "ids only" in system.row
            seeds = given.seeds[:1] if once else given.control_seeds
        fits[system.row] = [fitted(system, test, seed, bench) for seed in seeds]
        made = bench.store.made(*(f"{system.row}, seed {seed}" for seed in seeds))
        rows += [{**row, "made": made} for row in rows_of(system, fits[system.row])]
    if OURS in fits:
        for row, made_fits in fits.items():
            if row != OURS:
                rows += [vars(score) for score in differences(fits[OURS], made_fits, row)]
    bench.write(rows, given.seeds)
    for row in rows:
        if row["bucket"] == "all" and row["metric"] in METRICS:
            print(f"{row['row']:45} {row['metric']:10} {row['value']:8.4f} n {row['n']:,}")


if __name__ == "__main__":
    main()
