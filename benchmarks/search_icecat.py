"""Search over the Icecat catalogue: words, meaning, and both with weights learned on other queries.

    python benchmarks/search_icecat.py --data ../shared/data

19,406 products, 116 judged queries with a relevant product; an unjudged product counts as irrelevant.
The weights that a query is scored with are chosen by ten-fold cross-validation on the other nine folds; two
rows take weights that saw no judgment: those of a shop without any, and the default of before.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from remembering import Remembering
from schema import write_results

from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings

UNJUDGED = {
    "without judgments": SearchSettings().default_weights,
    "without judgments, before": (0.4, 0.3, 0.3),
}


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


def main() -> None:
    """Writes results/search_icecat.json."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--encoder", default="minilm")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = arguments.parse_args()
    shop = read_icecat(given.data / "icecat-search")
    rows: list[Score] = []
    encoder = Remembering(load_model(given.encoder, kind="encoder"))
    for seed in given.seeds:
        search = Search(encoder, SearchSettings(seed=seed)).fit(shop)
        scores = search.evaluate(shop)
        first = seed == given.seeds[0]
        own = [replace(s, row=s.row if first else f"retailor, folds of seed {seed}") for s in scores]
        rows += [s for s in own if first or s.row.startswith("retailor")]
        sys.stderr.write(f"{search.log}\n{scores}\n")
    for name, weights in UNJUDGED.items():
        given_weights = Search(encoder, SearchSettings(weights=weights)).fit(shop).evaluate(shop)
        rows += [replace(s, row=name) for s in given_weights if s.row == "retailor"]
    write_results("search_icecat", rows, given.seeds, " ".join(sys.argv))


if __name__ == "__main__":
    main()
