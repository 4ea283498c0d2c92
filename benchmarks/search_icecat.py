"""Search over the Icecat catalogue: words, meaning, and both with weights learned on other queries.

    python benchmarks/search_icecat.py

19,406 products, 116 judged queries with a relevant product; an unjudged product counts as irrelevant.
The weights, the trees and their say that a query is scored with are learned by ten-fold cross-validation on
the other nine folds. Rows "without judgments" saw none: as a shop without any is served, the same without its
second look, and with other fixed weights.
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import begin, parser_of
from remembering import Remembering

from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.shapes import SearchQuery

UNJUDGED: dict[str, tuple[float, float, float] | None] = {
    "without judgments": None,
    "without judgments, weights .4 .3 .3": (0.4, 0.3, 0.3),
}
"""Rows of a search that saw no judgment, and the weights that they are given; None takes the default."""


def read_icecat(folder: Path) -> Shop:
    """Items and judgments of the four zipped parts."""
    products: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.json.zip")):
        with zipfile.ZipFile(path) as archive:
            products += json.loads(archive.read(archive.namelist()[0]))
    items = pl.DataFrame([_item(product) for product in products], infer_schema_length=None)
    judgments = pl.read_csv(folder / "Broad_Query_Set_rated.csv", infer_schema=False)
    return Shop.of(
        items=items.unique("item_id", keep="first", maintain_order=True),
        judgments=judgments.rename({"docid": "item_id", "rating": "grade"}),
    )


def _item(product: dict[str, Any]) -> dict[str, Any]:
    return {
        "item_id": product["id"],
        "title": product.get("title"),
        "description": product.get("short_description"),
        "brand": product.get("supplier"),
        "attributes": [
            {"name": name[7:].replace("_", " ").strip(), "value": _value(value)}
            for name, value in product.items()
            if name.startswith("attr_")
        ],
    }


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}".removesuffix(".0")


def some_queries(shop: Shop, n: int) -> Shop:
    """The shop with its first `n` queries, and the items judged for them."""
    queries = shop.judgments["query"].unique(maintain_order=True)[:n].to_list()
    judgments = shop.judgments.filter(pl.col("query").is_in(queries))
    items = shop.items.filter(pl.col("item_id").is_in(judgments["item_id"].unique().to_list()))
    return shop.with_tables(items=items, judgments=judgments)


def asked_ms(name: str, search: Search, shop: Shop) -> list[dict[str, Any]]:
    """Milliseconds of ten hits for one judged query at a time, vectors of the queries known."""
    queries = shop.judgments["query"].unique(maintain_order=True).to_list()
    search.predict([SearchQuery(query) for query in queries])
    waits_ms = []
    for query in queries:
        started = time.perf_counter()
        search.predict([SearchQuery(query)])
        waits_ms.append(1000 * (time.perf_counter() - started))
    parts = {"p50_ms": 0.5, "p99_ms": 0.99}
    return [
        {"row": name, "metric": metric, "value": float(np.quantile(waits_ms, q)), "n": len(queries)}
        for metric, q in parts.items()
    ]


def main() -> None:
    """Writes results/search_icecat.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--queries", type=int, help="so many queries, and the items judged for them")
    bench = begin(parser, canary={"queries": 12, "seeds": [0]})
    given = bench.given
    shop = read_icecat(given.data / "icecat-search")
    if given.queries:
        shop = some_queries(shop, given.queries)
    rows: list[Score | dict[str, Any]] = []
    encoder = Remembering(load_model(given.encoder, kind="encoder"))
    for seed in given.seeds:
        search = Search(encoder, SearchSettings(seed=seed)).fit(shop)
        scores = search.evaluate(shop)
        first = seed == given.seeds[0]
        ours = [replace(s, row=f"retailor, folds of seed {seed}") for s in scores if s.row == "retailor"]
        rows += scores if first else ours
        sys.stderr.write(f"{search.log}\n{scores}\n")
    rows += asked_ms("with trees", search, shop)
    unjudged = shop.with_tables(judgments=shop.judgments.clear())
    for name, weights in UNJUDGED.items():
        search = Search(encoder, SearchSettings(weights=weights)).fit(unjudged)
        named = {"retailor": name, **({} if weights else {"retailor, first look": f"{name}, first look"})}
        rows += [replace(s, row=named[s.row]) for s in search.evaluate(shop) if s.row in named]
        rows += [] if weights else asked_ms("by the rule", search, shop)
    bench.write(rows, given.seeds)


if __name__ == "__main__":
    main()
