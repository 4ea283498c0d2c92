"""How much data a shop must have before its texts, and a language model that reads them, are worth what.

    python benchmarks/transfer_curve.py

What `retailor prove --task recommend --shares …` does, on some of Amazon Beauty's customers and the items
that they chose: the last item of each customer is the test, the same for every share; a share of the events
is a draw of customers. Adaptation, fine-tuning and the transformer are left out, for time. A cell (step,
share, seed) that is done is kept in the work folder: the same command can be given again.
"""

from __future__ import annotations

import sys

from bench import begin, parser_of
from encoders import encoder_of
from ledger import cells_told, write
from recommend_beauty import read_shop, some_customers

from retailor.prove.ledger import prove
from retailor.prove.settings import bounded
from retailor.shop.split import leave_last_out
from retailor.tasks.recommend.customers import read_catalogue
from retailor.tasks.recommend.settings import RecommendSettings, SasrecSettings

STEPS = (
    "popularity", "collaborative filter", "with words", "everything without a model", "frozen encoder",
    "everything blended",
)  # fmt: skip


def main() -> None:
    """Writes results/transfer_curve.json and results/transfer_curve.svg."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--customers", type=int, default=600, help="and the items that they chose")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=100, help="of f(u, i) at most")
    canary = {"encoder": "tiny", "customers": 120, "shares": [0.5, 1.0], "seeds": [0], "steps": 2}
    bench = begin(parser, canary=canary)
    given = bench.given
    shop = some_customers(read_shop(given.data / "amazon2014-beauty"), given.customers)
    train, test = leave_last_out(shop)
    settings = bounded(
        None, tasks=("recommend",), steps=STEPS, shares=tuple(given.shares), seeds=tuple(given.seeds)
    )
    cells_told(bench)
    ledger = prove(
        "recommend", train, encoder_of(given.encoder, read_catalogue(shop).texts), settings,
        work=bench.store.root, test=test,
        dials=RecommendSettings(sasrec=SasrecSettings(enabled=False), max_network_steps=given.steps),
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip
    write(bench, ledger)


if __name__ == "__main__":
    main()
