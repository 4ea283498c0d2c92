"""Recommendation on Amazon Beauty (2014, 5-core): the field's protocol, every control beside the system.

    python benchmarks/recommend_beauty.py --data ../shared/data/amazon2014-beauty

The last item of every customer is the test, ranked among the whole catalogue, the customer's own history
masked and ties counted against us. Weights and the learned part are chosen on the last item but one of some
customers; the test is scored once. FOLDER may hold `items.jsonl` and `sequences.txt`, Taobao's
`UserBehavior.csv`, or a shop that Retailor saved.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from schema import write_results

from retailor.metrics.interval import paired_interval
from retailor.metrics.ranking import Ranked, ndcg_at, recall_at
from retailor.metrics.scores import Score
from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.shop.read import read
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop, open_shop
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend.customers import Cases
from retailor.tasks.recommend.evaluate import Ranks, buckets_of, scores_of

CONTROL = "tf-idf kernel + knn"


def read_shop(folder: Path) -> Shop:
    """The shop in the folder, whichever of the three it holds."""
    if (folder / "manifest.json").exists():
        return open_shop(folder)
    if (folder / "UserBehavior.csv").exists():
        return read("taobao", folder / "UserBehavior.csv")
    return read("amazon2014-beauty", folder / "items.jsonl", folder / "sequences.txt")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="recommend_beauty", help="of the file of results")
    parser.add_argument("--model", default="minilm", help="encoder, or 'none' for ids and words alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--work", type=Path, help="folder for checkpoints: a killed run goes on from them")
    given = parser.parse_args(arguments)
    train, test = leave_last_out(read_shop(given.data))
    encoder = None if given.model == "none" else load_model(given.model, kind="encoder")
    assert encoder is None or isinstance(encoder, Encoder)
    rows: list[Score] = []
    for seed in given.seeds:
        rows += run(train, test, encoder, seed, given.work, many=len(given.seeds) > 1)
    named = [replace(row, row=row.row.replace("encoder kernel", f"{given.model} kernel")) for row in rows]
    kept = list(arguments)
    if given.work is not None and "--work" in kept:  # where the checkpoints lie changes no figure
        del kept[kept.index("--work") : kept.index("--work") + 2]
    command = " ".join(["python", "benchmarks/recommend_beauty.py", *kept])
    write_results(given.name, named, given.seeds, command)
    for row in named:
        if row.bucket == "all":
            print(
                f"{row.row:40} {row.metric:14} {row.value:8.4f} [{row.low:.4f}, {row.high:.4f}] n {row.n:,}"
            )


def run(
    train: Shop, test: Shop, encoder: Encoder | None, seed: int, work: Path | None, *, many: bool
) -> Iterable[Score]:
    """All rows of one seed; the row's name says the seed when there are several."""
    started = time.perf_counter()
    task = Recommender(encoder, RecommendSettings(seed=seed)).fit(train, work=work)
    fitted = time.perf_counter() - started
    cases = task.cases(test)
    ranks = task.ranks(cases)
    print(task.log["weights"], task.log["dropped"], task.log["seconds"], sep="\n")
    scores = scores_of(ranks, cases, task.n_seen, task.log["n_customers"])
    found = [*scores, *differences(ranks, cases, task), Score("fit", "seconds", fitted, fitted, fitted, 1)]
    return [replace(row, row=f"{row.row}, seed {seed}") for row in found] if many else found


def differences(ranks: Ranks, cases: Cases, task: Recommender) -> Iterable[Score]:
    """The system less its control, case by case: what the language model gave, in all and by bucket."""
    if CONTROL not in ranks.ranks:
        return
    pair = [Ranked.single(ranks.ranks[row]) for row in ("retailor", CONTROL)]
    for bucket, inside in buckets_of(cases, task.n_seen).items():
        for metric, measure in {"recall@10": recall_at, "ndcg@10": ndcg_at}.items():
            mine, control = (measure(ranked, 10)[inside] for ranked in pair)
            value, low, high = paired_interval(mine, control)
            yield Score(f"retailor less {CONTROL}", metric, value, low, high, int(inside.sum()), 0.0, bucket)


if __name__ == "__main__":
    main(sys.argv[1:])
