"""Search over Icecat in words that its catalogue does not use, and filters in the words of a query.

    python benchmarks/search_other_words.py

A hundred queries, half of them Chinese, written before anything was tried on them
(`questions/icecat_other_words.jsonl`); each is judged by the grades of the query of the catalogue that it
means. No judgment is learned from. Forty queries with filters in their words
(`questions/search_filters.jsonl`), half of them kept away while the reader was written, are read with the
catalogue's own brands, colours and units; one is right when every filter is, and no other was read. The
catalogue sells under other names than its prices' (no stars, no currency), so those that it cannot tell are
expected to stay words.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from bench import begin, parser_of
from search_icecat import some_queries

from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.shop.read import read
from retailor.shop.tables import Shop
from retailor.tasks.search import Search
from retailor.tasks.search.filters import Vocabulary, read_filters
from retailor.tasks.search.lexicon import COLOURS

QUESTIONS = Path(__file__).parent / "questions"
LANGUAGES = {"en": "English", "zh": "Chinese"}


def lines_of(name: str) -> list[dict[str, Any]]:
    """The rows of a file of questions."""
    text = (QUESTIONS / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def asked_otherwise(shop: Shop, language: str) -> Shop:
    """The shop whose judgments are those of queries in other words."""
    rows = [row for row in lines_of("icecat_other_words") if row["language"] == language]
    asked = pl.DataFrame(
        {"other": [row["query"] for row in rows], "query": [row["judged_as"] for row in rows]}
    )
    found = shop.judgments.join(asked, on="query").select(query="other", item_id="item_id", grade="grade")
    return shop.with_tables(judgments=found)


def read_right(row: dict[str, Any], known: Vocabulary) -> bool:
    """Whether all filters that the catalogue can tell were read out of a query, and no other."""
    wanted = {key for each in row["filters"] if (key := _key(each, known)) is not None}
    found = {
        (each.field, each.op, each.value, each.unit if each.field == "quantity" else "")
        for each in read_filters(row["query"], known).filters
    }
    return wanted == found


def _key(one: dict[str, Any], known: Vocabulary) -> tuple[Any, ...] | None:
    value, field = one["value"], one["field"]
    if field == "rating" and not known.rated:
        return None
    if field == "colour":
        value = COLOURS.get(value.removesuffix("色"), value)
    elif field == "brand" and value.lower() not in known.brands:
        return ("words", "!=", value.lower(), "") if one["op"] == "!=" else None
    elif field == "brand":
        value = known.brands[value.lower()]
    return (field, one["op"], float(value) if isinstance(value, int | float) else value, one.get("unit", ""))


def main() -> None:
    """Writes results/search_other_words.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoders", nargs="+", default=["minilm", "e5"])
    parser.add_argument("--queries", type=int, help="only items judged for so many queries")
    bench = begin(parser, canary={"queries": 12, "encoders": ["minilm"]})
    given = bench.given
    folder = given.data / "icecat-search"
    shop = read("icecat", *sorted(folder.glob("*.zip")), folder / "Broad_Query_Set_rated.csv")
    if given.queries:
        shop = some_queries(shop, given.queries)
    rows: list[Score] = []
    for name in given.encoders:
        search = Search(load_model(name, kind="encoder")).fit(
            shop.with_tables(judgments=shop.judgments.clear()), work=None
        )
        for code, language in LANGUAGES.items():
            scores = search.evaluate(asked_otherwise(shop, code))
            rows += [replace(each, row=f"{each.row}, {name}", bucket=language) for each in scores]
            sys.stderr.write(f"{name}, {language}\n{scores}\n")
    for part in ("kept", "develop"):
        asked = [row for row in lines_of("search_filters") if row["part"] == part]
        right = [float(read_right(row, search._made.table.vocabulary)) for row in asked]
        rows.append(score_mean("filters read", "accuracy", right, bucket=f"queries {part}"))
    bench.write(rows, seeds=[0])


if __name__ == "__main__":
    main()
