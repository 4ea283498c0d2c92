"""What each step of transfer is worth in recommendation, search and answering, on real shops: three seeds.

    python benchmarks/ledger_tasks.py

What `retailor prove --task …` does, all rows: adaptation to the shop's words and fine-tuning with them.
Recommendation on some of Amazon Beauty's customers and the items that they chose, the last item of each the
test (no transformer); search on Icecat's judged items and others drawn, the queries held out by a hash;
answering on HetPQA's questions about items that its ranking set does not have, tested on that set. Every
training is short (`--steps`), for time: a shop that trains for longer may gain more. A cell (step, seed) that
is done is kept in the work folder: the same command can be given again.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from answer_hetpqa import ranking_shop, training_shop
from bench import begin, parser_of
from choose_tasks import with_others
from encoders import encoder_of
from ledger import cells_told, leads_of, rows_of
from recommend_beauty import read_shop, some_customers
from search_icecat import read_icecat, some_queries

from retailor.prove.ledger import prove
from retailor.prove.settings import bounded
from retailor.shop.split import leave_last_out, split_at_random
from retailor.shop.tables import Shop
from retailor.tasks.recommend.settings import RecommendSettings, SasrecSettings
from retailor.text.fields import texts


def shops(given: Namespace) -> Iterator[tuple[str, str, Shop, Shop, Any]]:
    """(task, shop's name, training part, test part, dials) of each ledger."""
    beauty = some_customers(read_shop(given.data / "amazon2014-beauty"), given.customers)
    dials = RecommendSettings(sasrec=SasrecSettings(enabled=False), max_network_steps=given.steps)
    yield "recommend", "Beauty", *leave_last_out(beauty), dials
    icecat = with_others(some_queries(read_icecat(given.data / "icecat-search"), given.queries), given.read)
    yield "search", "Icecat", *split_at_random(icecat, test=0.4), None
    train = training_shop(given.data / "hetpqa")
    test = ranking_shop(given.data / "hetpqa/ranking_dev.csv", "\t", "1")
    some = (each.with_tables(questions=each.questions[: given.questions]) for each in (train, test))
    yield "answer", "HetPQA", *some, None


def main() -> None:
    """Writes results/ledger_tasks.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--customers", type=int, default=300, help="of Beauty, and the items that they chose")
    parser.add_argument("--queries", type=int, default=116, help="judged queries of Icecat")
    parser.add_argument("--read", type=int, default=1500, help="items of Icecat")
    parser.add_argument("--questions", type=int, default=600, help="to learn from, and as many to test on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60, help="of each training at most")
    parser.add_argument("--only", nargs="+", help="these tasks alone")
    canary = {
        "encoder": "tiny", "customers": 60, "queries": 60, "read": 300, "questions": 60, "seeds": [0],
        "steps": 2,
    }  # fmt: skip
    bench = begin(parser, canary=canary, no_key=("only",))
    given = bench.given
    rows: list[dict[str, Any]] = []
    cells_told(bench)
    for task, name, train, test, dials in shops(given):
        if given.only and task not in given.only:
            continue
        settings = bounded(given.steps, tasks=(task,), seeds=tuple(given.seeds))
        ledger = prove(
            task, train, encoder_of(given.encoder, texts(train)), settings, work=bench.store.root / task,
            test=test, dials=dials, tell=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
        place = f"{task}, {name}"
        rows += [
            {**row, "bucket": f"{place}, {row['bucket']}"} for row in (*rows_of(ledger), *leads_of(ledger))
        ]
        sys.stderr.write(f"{ledger}\n")
    bench.write(rows, given.seeds)


if __name__ == "__main__":
    main()
