"""Taobao User Behavior: ids only, four behaviours, no text and so no language model.

    python benchmarks/recommend_taobao.py

The last event of every customer that is of a new item is the test, ranked among all items that the sample
has, the customer's own history masked and ties counted against us. What the behaviours are worth is shown by
systems that see only views, or count every behaviour alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from bench import begin, parser_of
from recommend_beauty import some_customers

from retailor.metrics.interval import paired_interval
from retailor.metrics.ranking import Ranked, ndcg_at, recall_at
from retailor.metrics.scores import Score
from retailor.shop.read import read
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend.cases import Cases
from retailor.tasks.recommend.evaluate.next_item import scores_of
from retailor.tasks.recommend.settings import BEHAVIOURS

SYSTEMS = {
    "retailor": {},
    "retailor, all behaviours alike": {"behaviours": dict.fromkeys(BEHAVIOURS, 1.0)},
    "retailor, views only": {"behaviours": {"view": 1.0}},
}
SHOWN = ("popularity", "item-knn", "sequential-knn", "ials", "sasrec alone", "tf-idf + knn")
METRICS = {"recall@10": recall_at, "ndcg@10": ndcg_at}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--customers", type=int, help="so many customers, and the items that they chose")
    parser.add_argument("--network-steps", type=int, default=5000, help="of each network, at most")
    bench = begin(parser, canary={"customers": 60, "network_steps": 5})
    given = bench.given
    shop = read("taobao", given.data / "taobao" / "UserBehavior.csv")
    if given.customers:
        shop = some_customers(shop, given.customers)
    many, steps = len(given.seeds) > 1, given.network_steps
    rows = [row for seed in given.seeds for row in run(shop, seed, steps, many)]
    bench.write(rows, given.seeds)
    for row in rows:
        if row.bucket == "all" and row.metric in METRICS:
            print(f"{row.row:50} {row.metric:10} {row.value:.4f} [{row.low:.4f}, {row.high:.4f}] n {row.n:,}")


def same_cases(cases: Cases, known: Sequence[str], here: Sequence[str]) -> Cases:
    """The cases of one fit in the rows of another, which may know fewer customers: those have no history."""
    rows = {user_id: row for row, user_id in enumerate(here)}
    customers = [rows.get(known[row], -1) if row >= 0 else -1 for row in cases.customers]
    return Cases(np.array(customers, np.int64), cases.targets)


def run(shop: Shop, seed: int, steps: int, many: bool) -> Iterator[Score]:
    """The rows of one seed; their names say which when there are several."""
    train, test = leave_last_out(shop)
    mark = f", seed {seed}" if many else ""
    first, asked, ours = None, None, None
    for name, settings in SYSTEMS.items():
        chosen = RecommendSettings(seed=seed, max_network_steps=steps, **settings)
        task = Recommender(None, chosen).fit(train)
        if first is None or asked is None:
            first, asked = task, task.cases(test)
        cases = same_cases(asked, first.user_ids, task.user_ids)
        ranks = task.ranks(cases)
        for score in scores_of(ranks, cases, task.n_seen, task.log["n_customers"]):
            if score.row == "retailor" or (name == "retailor" and score.row in SHOWN):
                row = name if score.row == "retailor" else score.row
                yield Score(row + mark, *list(vars(score).values())[1:])
        mine = Ranked.single(ranks.ranks["retailor"])
        ours = ours or mine
        others = {name: mine} if name != "retailor" else {}
        if name == "retailor":
            others = {row: Ranked.single(ranks.ranks[row]) for row in SHOWN if row in ranks.ranks}
        for row, other in others.items():
            for metric, measure in METRICS.items():
                value, low, high = paired_interval(measure(ours, 10), measure(other, 10))
                n = int(np.size(measure(other, 10)))
                yield Score(f"retailor less {row}{mark}", metric, value, low, high, n)


if __name__ == "__main__":
    main()
