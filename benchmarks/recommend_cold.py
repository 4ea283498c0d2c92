"""New items: a tenth of Amazon Beauty's items lose all their training events and are asked for all the same.

    python benchmarks/recommend_cold.py

The withheld items are drawn by the seed. Cases are the customers whose last item, the test, is one of them;
it is ranked among the whole catalogue, old items and new, the customer's own history masked and ties counted
against us. "From one event" shows the same cases to systems that see only the customer's latest item.
Without text nothing can be said about an item without events: there it comes last.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from bench import begin, parser_of
from recommend_beauty import METRICS, OURS, read_shop, some_customers

from retailor.metrics.interval import paired_interval, score_mean
from retailor.metrics.ranking import Ranked
from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.prove.words import WordVectors
from retailor.seeds import stream
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, TuningSettings
from retailor.tasks.recommend.catalogue import read_catalogue

SHARE = 0.1
CONTROL = "retailor, tf-idf-svd in every slot (control)"
SHOWN = {
    "popularity": "popularity",
    "ease + sequential-knn": "ease + sequential-knn (ids only)",
    "tf-idf kernel + knn": "tf-idf kernel + knn (control)",
}


def withheld(train: Shop, test: Shop, seed: int) -> tuple[Shop, Shop]:
    """The training part without the events of a tenth of its items, and the test events of those items."""
    items = train.items["item_id"].sort().to_list()
    drawn = stream(seed, "withheld").permutation(len(items))[: round(SHARE * len(items))]
    hidden = [items[row] for row in drawn]
    known = train.events.filter(~pl.col("item_id").is_in(hidden))
    asked = test.events.filter(
        pl.col("item_id").is_in(hidden), pl.col("user_id").is_in(known["user_id"].unique().to_list())
    )
    return train.with_tables(events=known), test.with_tables(events=asked)


def ranks_of(task: Recommender, test: Shop) -> dict[str, np.ndarray]:
    """The rank of every case's target, by system; and again from the customer's latest item alone."""
    cases = task.cases(test)
    found = dict(task.ranks(cases).ranks)
    latest = task.ranks(cases, latest=1).ranks
    return found | {f"{row}, from one event": rank for row, rank in latest.items() if row == OURS}


def rows_of(ours: dict[str, np.ndarray], control: dict[str, np.ndarray]) -> Iterator[Score]:
    """Every row's figures, and ours less each."""
    named = {SHOWN[row]: rank for row, rank in control.items() if row in SHOWN}
    named |= {row.replace(OURS, CONTROL, 1): rank for row, rank in control.items() if row.startswith(OURS)}
    named |= {row: rank for row, rank in ours.items() if row.startswith(OURS)}
    for row, rank in named.items():
        for metric, measure in METRICS.items():
            yield score_mean(row, metric, measure(Ranked.single(rank), 10))
    for row, rank in named.items():
        mine = f"{OURS}, from one event" if row.endswith("one event") else OURS
        if row != mine:
            for metric, measure in METRICS.items():
                pair = [measure(Ranked.single(one), 10) for one in (named[mine], rank)]
                yield Score(f"{mine} less {row}", metric, *paired_interval(*pair), len(rank))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--steps", type=int, default=0, help="of fine-tuning the encoder on behaviour")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network-steps", type=int, default=5000, help="of the other networks, at most")
    parser.add_argument("--customers", type=int, help="so many customers, and the items that they chose")
    bench = begin(parser, canary={"customers": 200, "steps": 2, "network_steps": 5})
    given = bench.given
    shop = read_shop(given.data / "amazon2014-beauty")
    if given.customers:
        shop = some_customers(shop, given.customers)
    train, test = withheld(*leave_last_out(shop), given.seed)
    texts = [text for text in read_catalogue(train).texts if text.strip()]
    encoders = (load_model(given.model, kind="encoder"), WordVectors(texts, min(384, len(texts) - 1)))
    settings = RecommendSettings(
        seed=given.seed,
        tuning=TuningSettings(steps=given.steps),
        max_network_steps=given.network_steps,
    )
    ours, control = (
        bench.store.tensors(
            encoder.name,
            lambda work, encoder=encoder: ranks_of(
                Recommender(encoder, settings).fit(train, work=work), test
            ),
            given.seed,
        )
        for encoder in encoders
    )
    rows = list(rows_of(ours, control))
    bench.write(rows, [given.seed])
    for row in rows:
        print(f"{row.row:90} {row.metric:10} {row.value:.4f} [{row.low:.4f}, {row.high:.4f}] n {row.n:,}")


if __name__ == "__main__":
    main()
