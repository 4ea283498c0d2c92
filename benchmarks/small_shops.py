"""A shop of few customers: whether what answers is ever behind the best of its own parts.

    python benchmarks/small_shops.py

Of Amazon Beauty's customers a share is drawn; the catalogue stays whole. The last item of each is the test,
ranked among all items, the customer's own history masked, a tie worth the mean of its orders. A draw is
another sample of customers; with all of them, another sample of held-out customers. The encoder is frozen,
there is no transformer, and f(u, i) learns for at most `--steps` steps. "Weights as learned" is the same fit
with the blend that the validation cases give by themselves. A fit that is done is kept in the work folder:
the same command can be given again, or with one share more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from bench import begin, parser_of
from encoders import encoder_of
from numpy.typing import NDArray
from recommend_beauty import read_shop, some_customers

from retailor.metrics.interval import paired_interval, score_mean
from retailor.metrics.ranking import Ranked, ndcg_at, recall_at
from retailor.metrics.scores import Score
from retailor.models.shapes import Encoder
from retailor.retrieval.blend import Blend
from retailor.seeds import stream
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings, TwoTowerSettings
from retailor.tasks.recommend.blend.coldness import ColdBlend
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.evaluate.next_item import rank_cases

OURS = "retailor"
AS_LEARNED = "retailor, weights as learned"
METRICS = {"ndcg@10": ndcg_at, "recall@10": recall_at}
Tensors = Mapping[str, NDArray[np.int64]]


def drawn(shop: Shop, share: float, seed: int) -> Shop:
    """The shop with a share of its customers."""
    users = shop.events["user_id"].unique().sort()
    chosen = np.sort(stream(seed, "small shop").permutation(len(users))[: round(share * len(users))])
    kept_users = users.gather(chosen).implode()
    return shop.with_tables(events=shop.events.filter(pl.col("user_id").is_in(kept_users)))


def fitted(shop: Shop, share: float, seed: int, steps: int, encoder: Encoder, work: Path) -> Tensors:
    """'ranks ROW' [n] of every system and part of one draw, and the seconds that it took."""
    started = time.perf_counter()
    train, test = leave_last_out(drawn(shop, share, seed))
    settings = RecommendSettings(
        two_tower=TwoTowerSettings(enabled=steps > 0),
        sasrec=SasrecSettings(enabled=False),
        max_network_steps=steps,
        seed=seed,
        validation_seed=seed,
    )
    task = Recommender(encoder, settings).fit(train, work=work)
    cases, made = task.cases(test), task._made  # the parts, to rank with each alone
    systems: dict[str, Blend | ColdBlend] = {**made.systems, OURS: made.blend}
    shown = {blend.names for blend in made.systems.values()}
    systems |= {f"{name} alone": Blend((name,), (1.0,)) for name in made.parts if (name,) not in shown}
    if found := task.log["validation"].get("systems"):
        learned = found[OURS]["weights"]
        systems[AS_LEARNED] = Blend(tuple(learned), tuple(learned.values()))
    ranks = rank_cases(made.parts, systems, cases, made.customers.histories, made.catalogue.ties).ranks
    seconds = np.array([round(time.perf_counter() - started)])
    return {"seconds": seconds, **{f"ranks {row}": rank for row, rank in ranks.items()}}


def rows_of(share: float, fits: Sequence[Tensors]) -> Iterator[Score]:
    """Every row of one share: means over draws and their cases; and ours less each, the best part last.

    The interval resamples the cases of all draws together.
    """
    shown = [key.removeprefix("ranks ") for key in fits[0] if key.startswith("ranks ")]
    bucket = f"{share:.0%} of the customers"
    seconds = float(np.mean([fit["seconds"][0] for fit in fits]))
    for metric, measure in METRICS.items():
        values = {
            row: np.concatenate([measure(Ranked.single(fit[f"ranks {row}"]), 10) for fit in fits])
            for row in shown
        }
        for row, value in values.items():
            yield score_mean(row, metric, value, bucket=bucket, seconds=seconds)
        others = [row for row in shown if row not in (OURS, AS_LEARNED)]
        best = max(others, key=lambda row: values[row].mean())
        for row, name in [*((row, row) for row in shown if row != OURS), (best, "its best part")]:
            figures = paired_interval(values[OURS], values[row])
            yield Score(f"{OURS} less {name}", metric, *figures, len(values[row]), 0.0, bucket)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.02, 0.06, 0.2, 1.0])
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=30, help="of f(u, i) at most; 0 leaves it out")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--customers", type=int, help="so many customers, and the items that they chose")
    canary = {"shares": [0.5], "draws": [0], "steps": 2, "model": "tiny", "customers": 150}
    bench = begin(parser, canary=canary, no_key=("shares", "draws"))
    given = bench.given
    shop = read_shop(given.data / "amazon2014-beauty")
    if given.customers:
        shop = some_customers(shop, given.customers)
    encoder = encoder_of(given.model, read_catalogue(shop).texts)
    rows: list[Score] = []
    for share in given.shares:
        fits = [
            bench.store.tensors(
                f"share {share} draw {seed}",
                lambda work, share=share, seed=seed: fitted(shop, share, seed, given.steps, encoder, work),
                share,
                seed,
            )
            for seed in given.draws
        ]
        rows += rows_of(share, fits)
    bench.write(rows, given.draws)
    for row in rows:
        if row.metric == "ndcg@10":
            around = f"[{row.low:.4f}, {row.high:.4f}]"
            print(f"{row.bucket:25} {row.row:50} {row.value:8.4f} {around} n {row.n:,}")


if __name__ == "__main__":
    main()
