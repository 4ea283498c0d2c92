"""Ta-Feng supermarket baskets: what is in a customer's next basket, with what was bought before counting.

    python benchmarks/recommend_tafeng.py

The last basket of each of the 13,858 customers is asked for; all before it is known. Customers are split into
five folds by the seed, as where these files come from (Li et al., A Next Basket Recommendation Reality Check,
arXiv:2109.14233): TIFU-kNN and UP-CF answer a fold's customers with the dials that did best, by recall@10, on
the customers of the fold after it, and their neighbours are all customers, known by what came before their
last basket. Retailor sees no last basket at all: its weights are learned on the baskets before them.
recall@10 is over all items of the basket, ndcg@10 against the best order of as many.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import Bench, begin, parser_of
from numpy.typing import NDArray

from retailor.metrics.interval import difference, score_mean
from retailor.metrics.ranking import Ranked, ndcg_at, recall_at
from retailor.metrics.scores import Score
from retailor.progress import track
from retailor.retrieval.histories import Histories, Scorer
from retailor.retrieval.next_basket import TifuKnn, UpCf
from retailor.retrieval.popularity import fit_popularity
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings
from retailor.tasks.recommend.evaluate.baskets import ranks_of
from retailor.tasks.recommend.scorers.user_history import UserHistory

N_FOLDS, BLOCK = 5, 256
START = datetime(2000, 11, 1, tzinfo=UTC)
TIFU = [
    {"n_neighbours": n, "own": own, "group_decay": group}
    for n, own, group in ((300, 0.7, 0.7), (300, 0.7, 0.9), (300, 0.5, 0.9), (900, 0.7, 0.9), (300, 0.9, 0.9))
]
UPCF = [
    {"recency": recency, "locality": float(locality), "alpha": alpha}
    for recency, locality, alpha in ((5, 1, 0.25), (5, 5, 0.25), (25, 5, 0.25), (25, 10, 0.25), (25, 5, 0.75))
]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--customers", type=int, help="so many, the first; all unless given")
    bench = begin(parser, canary={"customers": 300})
    rows = list(run(bench))
    bench.write(rows, [bench.given.seed])
    for row in rows:
        print(f"{row.row:40} {row.metric:10} {row.value:.4f} [{row.low:.4f}, {row.high:.4f}] n {row.n:,}")


Baskets = dict[str, list[list[int]]]


def read(folder: Path, n: int | None) -> tuple[Baskets, dict[str, list[int]]]:
    """The baskets of each customer before the last one, in order, and the last."""
    before, last = (
        json.loads((folder / f"tafeng_{part}.json").read_text()) for part in ("history", "future")
    )
    users = sorted(last, key=int)[:n]
    return {u: before[u][1:-1] for u in users}, {u: sorted(set(last[u][1])) for u in users}


def histories_of(baskets: Baskets) -> Histories:
    """The baskets of every customer, end to end."""
    made = Histories.of([[item for basket in own for item in basket] for own in baskets.values()])
    numbers = [k for own in baskets.values() for k, basket in enumerate(own) for _ in basket]
    return Histories(made.offsets, made.items, made.weights, None, np.array(numbers, np.int32))


def shop_of(baskets: Baskets) -> Shop:
    """The same as events of a shop, a basket a day: the order is all that is known of the times."""
    lines = [
        (user, f"i{item}", "buy", START + timedelta(days=k))
        for user, own in baskets.items()
        for k, basket in enumerate(own)
        for item in basket
    ]
    return Shop.of(events=pl.DataFrame(lines, schema=["user_id", "item_id", "kind", "time"], orient="row"))


def run(bench: Bench) -> Iterator[Score]:
    """The rows."""
    given = bench.given
    before, last = read(given.data / "tafeng", given.customers)
    histories, targets = histories_of(before), [*last.values()]
    n_items = 1 + max(max(map(max, targets)), int(histories.items.max()))
    folds = stream(given.seed, "folds").permutation(len(targets)) % N_FOLDS
    popular = fit_popularity(histories.matrix(n_items))
    kept = partial(measured, histories=histories, targets=targets)
    tables = {
        "popularity": kept(popular),
        "personal top frequency": kept(Frequency(UserHistory(n_items, 0.0), popular)),
    }
    for row, kind, grid in (("tifu-knn", TifuKnn, TIFU), ("up-cf", UpCf, UPCF)):
        made = [
            bench.store.tensors(
                f"{row} {i}", lambda work, k=kind, d=dials: kept(k.fit(histories, n_items, **d))
            )
            for i, dials in enumerate(grid)
        ]
        tables[row] = by_fold(made, folds)
    settings = RecommendSettings(
        repeats=True,
        seed=given.seed,
        sasrec=SasrecSettings(enabled=False),
    )
    tables["retailor"] = bench.store.tensors("retailor", lambda work: retailor(before, last, settings, work))
    yield from scores_of(tables)


class Frequency:
    """What the customer bought most often, then what all did."""

    def __init__(self, own: UserHistory, popular: Scorer) -> None:
        self.own, self.popular = own, popular

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """[B, I]"""
        popular = self.popular.scores(histories)
        return self.own.scores(histories) + popular / (1 + popular.max())


Table = Mapping[str, NDArray[Any]]


def measured(scorer: Scorer, *, histories: Histories, targets: list[list[int]]) -> dict[str, NDArray[Any]]:
    """recall@10 and ndcg@10 of every customer [n]."""
    ranks = []
    for start in track(range(0, len(targets), BLOCK), "ranking", -(-len(targets) // BLOCK)):
        scores = scorer.scores(histories.at(slice(start, start + BLOCK)))
        for row, asked in zip(scores, targets[start : start + BLOCK], strict=True):
            ranks.append(ranks_of(row, np.array(asked, np.int64)))
    return measures(ranks, [len(asked) for asked in targets])


def measures(ranks: list[NDArray[np.int64]], n_asked: list[int]) -> dict[str, NDArray[Any]]:
    """recall@10 over the whole basket, and ndcg@10, of the ranks of each customer's items."""
    ranked = Ranked.cases([(each, np.ones(len(each))) for each in ranks])
    sizes = np.array(n_asked)
    return {
        "recall@10": recall_at(ranked, 10) * np.clip(sizes, 1, 10) / sizes,
        "ndcg@10": ndcg_at(ranked, 10),
    }


def by_fold(made: list[Table], folds: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Each fold's figures with the dials that have the highest recall@10 in the fold after it."""
    found = {metric: np.zeros(len(folds)) for metric in made[0]}
    for fold in range(N_FOLDS):
        check = folds == (fold + 1) % N_FOLDS
        best = max(made, key=lambda table: table["recall@10"][check].mean())
        for metric in found:
            found[metric][folds == fold] = best[metric][folds == fold]
    return found


def retailor(
    before: Baskets, last: Mapping[str, list[int]], settings: RecommendSettings, work: Path
) -> dict[str, NDArray[Any]]:
    """What the product answers where repeats count, asked for the next basket of every customer."""
    task = Recommender(None, settings).fit(shop_of(before), work=work)
    print(json.dumps({"weights": task.log.get("weights"), "dropped": task.log.get("dropped_parts")}))
    ranks, owners, user_ids = task.basket_ranks(shop_of({user: [own] for user, own in last.items()}))
    place = {user: row for row, user in enumerate(user_ids)}
    return measures([ranks[owners == place[user]] for user in last], [len(own) for own in last.values()])


def scores_of(tables: Mapping[str, Table]) -> Iterator[Score]:
    """A figure of each row and measure, and what ours has more than each other."""
    for metric in ("recall@10", "ndcg@10"):
        scores = {row: score_mean(row, metric, table[metric]) for row, table in tables.items()}
        yield from scores.values()
        for row, score in scores.items():
            if row != "retailor" and (found := difference(scores["retailor"], score)) is not None:
                yield found


if __name__ == "__main__":
    main()
