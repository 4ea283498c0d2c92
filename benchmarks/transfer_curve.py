"""How much data a shop must have before its texts, and a language model that reads them, are worth what.

    python benchmarks/transfer_curve.py
    python benchmarks/transfer_curve.py --shop magazines

What `retailor prove --task recommend --shares …` does, on some of Amazon Beauty's customers and the items
that they chose, or on Magazines or Gift Cards whole, whose customers have written reviews: the last item of
each customer is the test, the same for every share; a share of the events is a draw of customers. Cold items,
cold customers and customers known by a review alone have curves of their own. Adaptation, fine-tuning and the
transformer are left out, for time. A cell (step, share, seed) that is done is kept in the work folder: the
same command can be given again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
from bench import begin, parser_of
from encoders import encoder_of
from ledger import cells_told, write
from recommend_beauty import read_shop, some_customers

from retailor.prove.ledger import prove
from retailor.prove.settings import bounded
from retailor.shop.read import read
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.settings import RecommendSettings, SasrecSettings
from retailor.text.clean_shop import clean

STEPS = (
    "popularity", "collaborative filter", "with words", "everything without a model", "frozen encoder",
    "everything blended",
)  # fmt: skip
REVIEWED = {"magazines": "amazon2018-magazine", "gift-cards": "amazon2018-gift-cards"}


def shop_of(name: str, data: Path, n_customers: int) -> Shop:
    """Some of Beauty's customers and what they chose, or a shop whose customers write, cleaned."""
    if name not in REVIEWED:
        return some_customers(read_shop(data / "amazon2014-beauty"), n_customers)
    shop = clean(read("amazon-2018", *sorted((data / REVIEWED[name]).glob("*.gz"))))
    items = shop.items.unique("item_id", keep="first", maintain_order=True)
    events = shop.events.filter(pl.col("item_id").is_in(items["item_id"].implode()))
    sold = items.filter(pl.col("item_id").is_in(events["item_id"].implode()))
    return shop.with_tables(events=events, items=sold)


def main() -> None:
    """Writes results/transfer_curve.json and its picture, or those of another shop."""
    parser = parser_of(__doc__)
    parser.add_argument("--shop", choices=("beauty", *REVIEWED), default="beauty")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--customers", type=int, default=600, help="of Beauty, and the items that they chose")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.03, 0.1, 0.3, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=100, help="of f(u, i) at most")
    canary = {"shop": "gift-cards", "encoder": "tiny", "shares": [0.3, 1.0], "seeds": [0], "steps": 2}
    bench = begin(parser, canary=canary)
    given = bench.given
    shop = shop_of(given.shop, given.data, given.customers)
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
    write(bench, ledger, leads=True)


if __name__ == "__main__":
    main()
