"""Whether `choose` ranks encoders for recommendation and search as real training does.

    python benchmarks/choose_tasks.py

Recommendation on two shops: some of Amazon Beauty's customers with the items that they chose, and the
simulated demo shop. Each encoder is fine-tuned on what customers choose after what, the whole recommender is
fitted over it (no transformer), and the last item of each customer is the test. Search on two: Icecat's
judged items with others drawn, and the demo shop. Each encoder's search learns its weights from the judged
queries and is scored on folds that it did not learn from. The candidates are four of `choose.py`. A fit that
is done is kept in the work folder.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import Bench, begin, parser_of
from choose import CANDIDATES, candidates
from recommend_beauty import read_shop, some_customers
from scipy.stats import kendalltau
from search_icecat import read_icecat, some_queries

import retailor as rt
from retailor.choose.rank import choose
from retailor.choose.shapes import Choice, ChooseSettings
from retailor.metrics.ranking import Ranked, ndcg_at
from retailor.models.local import load_encoder
from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.seeds import stream
from retailor.shop.demo import demo_shop
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings, TuningSettings
from retailor.tasks.search import Search

FEW = ("minilm", "minilm-3-layers", "minilm-untrained", "e5")

Fit = Callable[[Shop, Encoder, int, Path], float]
"""(shop, encoder, steps, work) to the test's NDCG@10 of what would be served."""


def recommended(shop: Shop, encoder: Encoder, steps: int, work: Path) -> float:
    train, test = leave_last_out(shop)
    settings = RecommendSettings(
        sasrec=SasrecSettings(enabled=False), tuning=TuningSettings(steps=steps), max_network_steps=steps
    )
    task = Recommender(encoder, settings).fit(train, work=work)
    return task.evaluate(test).value("retailor", "ndcg@10")


def searched(shop: Shop, encoder: Encoder, steps: int, work: Path) -> float:
    found = Search(encoder).fit(shop, work=work).ranks(shop)["retailor"]
    return float(ndcg_at(Ranked.cases(list(found)), 10).mean())


def with_others(shop: Shop, n: int) -> Shop:
    """The judged items, and others drawn, `n` in all."""
    judged = pl.col("item_id").is_in(shop.judgments["item_id"].unique().implode())
    others = shop.items.filter(~judged)
    drawn = stream(0, "choose", "others").permutation(len(others))[
        : max(0, n - shop.items.filter(judged).height)
    ]
    return shop.with_tables(items=pl.concat([shop.items.filter(judged), others[np.sort(drawn).tolist()]]))


def shops(bench: Bench) -> dict[tuple[str, str], tuple[Shop, Fit]]:
    """(task, shop's name) to the shop and its real training."""
    given = bench.given
    beauty = some_customers(read_shop(given.data / "amazon2014-beauty"), given.customers)
    icecat = some_queries(read_icecat(given.data / "icecat-search"), given.queries)
    demo = rt.clean(demo_shop(given.items, 0))
    return {
        ("recommend", "beauty"): (beauty, recommended),
        ("recommend", "demo"): (demo, recommended),
        ("search", "icecat"): (with_others(icecat, given.read), searched),
        ("search", "demo"): (demo, searched),
    }


def told(model: str, shop: Shop, fit: Fit, steps: int, work: Path) -> dict[str, float]:
    encoder = load_encoder(model) if "/" in model else load_model(model, kind="encoder")
    started = time.perf_counter()
    return {"value": fit(shop, encoder, steps, work), "seconds": round(time.perf_counter() - started, 1)}


def rows_of(place: str, choice: Choice, real: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """What was foreseen and what came of one task on one shop."""
    rows: list[dict[str, Any]] = []
    for one in choice.candidates:
        row = f"{place}: {Path(one.model).name}"
        rows += [
            {"row": row, "metric": name, "value": value, "n": choice.n} for name, value in one.figures.items()
        ]
        rows.append({"row": row, "metric": "ndcg@10 after training", "n": choice.n, **real[one.model]})
    rows += [
        {"row": f"{place}: {choice.beside}", "metric": name, "value": value, "n": choice.n}
        for name, value in choice.control.items()
    ]
    true = [real[one.model]["value"] for one in choice.candidates]
    for by in choice.candidates[0].figures:
        rows += _ranked(f"{place}: ranked by {by}", [one.figures[by] for one in choice.candidates], true)
    return rows


def _ranked(row: str, foreseen: Sequence[float], true: Sequence[float]) -> list[dict[str, Any]]:
    lost = max(true) - true[int(np.argmax(foreseen))]
    kendall = float(np.nan_to_num(kendalltau(foreseen, true).statistic))
    return [
        {"row": row, "metric": "kendall", "value": kendall, "n": len(true)},
        {"row": row, "metric": "lost by taking the first", "value": lost, "n": len(true)},
    ]


def main() -> None:
    """Writes results/choose_tasks.json."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "--customers", type=int, default=400, help="of Beauty, with the items that they chose"
    )
    parser.add_argument("--queries", type=int, default=116, help="judged queries of Icecat")
    parser.add_argument("--read", type=int, default=1500, help="items of Icecat")
    parser.add_argument("--items", type=int, default=200, help="of the demo shop")
    parser.add_argument("--sample", type=int, default=400, help="cases that a candidate is looked at with")
    parser.add_argument("--steps", type=int, default=30, help="of fine-tuning on behaviour")
    parser.add_argument("--candidates", nargs="+", default=list(FEW), choices=CANDIDATES)
    canary = {
        "customers": 60, "queries": 25, "read": 400, "items": 40, "sample": 60, "steps": 2,
        "candidates": ["minilm-1-layer", "minilm-3-layers"],
    }  # fmt: skip
    bench = begin(parser, canary=canary, no_key=("candidates",))
    given = bench.given
    models = candidates(bench)
    rows: list[dict[str, Any]] = []
    for (task, name), (shop, fit) in shops(bench).items():
        train = leave_last_out(shop)[0] if task == "recommend" else shop
        asked = ChooseSettings(sample=given.sample, max_texts=given.read)
        choice = choose(train, models, asked, task=task)
        place, real = f"{task}, {name}", {}
        for model in models:
            short = Path(model).name
            real[model] = bench.store.value(
                f"{place}, {short}",
                lambda work, model=model, shop=shop, fit=fit: told(model, shop, fit, given.steps, work),
                task, name, short,
            )  # fmt: skip
        rows += rows_of(place, choice, real)
    path = bench.write(rows, (0,))
    lines = [f"{r['row']:<44} {r['metric']:<26} {r['value']:.4f}" for r in rows]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
