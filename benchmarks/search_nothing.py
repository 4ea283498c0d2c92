"""Whether search in the demo shop says that nothing fits, where the shop has no such thing, and only there.

    python benchmarks/search_nothing.py

Sixty queries, English and Chinese, half of them for things that the demo sells, written before anything was
tried on them (`questions/demo_nothing_fits.jsonl`); half of each ('kept') were put away until the end.
'right' is the share that is told rightly; 'false_alarms' the share of queries for what is sold of which it is
said that nothing fits, on these and on the queries of `search_kinds`, all of which mean something sold;
'noticed' the share of the others. Baselines are a bound on the best BM25 score and on the best cosine, each
at the same share of false alarms on the shop's own judged queries, and words that mean nothing alone.
The half put away was asked once with the bound of the judged queries and with that of the rehearsed ones
('without judgments'); that the two are now met half-way was settled after that look.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench import begin, parser_of
from remembering import Remembering

from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.retrieval.bm25 import BM25Index
from retailor.shop.demo.shop import demo_shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.item_table import meanings, texts_of
from retailor.tasks.search.shapes import SearchQuery
from retailor.text.clean_shop import clean

QUESTIONS = Path(__file__).parent / "questions"
Says = Callable[[Sequence[str]], list[bool]]
"""Queries to whether something fits."""


def questions(name: str, part: str) -> list[dict[str, Any]]:
    """The rows of one part of a file of questions."""
    lines = (QUESTIONS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [each for each in map(json.loads, lines) if each["part"] == part]


def says_of(search: Search) -> Says:
    """What a search says of queries."""
    return lambda queries: [not each.is_nearest for each in search.predict([SearchQuery(q) for q in queries])]


def above(score: Callable[[Sequence[str]], np.ndarray], known: Sequence[str], share: float) -> Says:
    """A bound on a score, below which so large a share of known queries lies."""
    least = float(np.quantile(score(known), share))
    return lambda queries: (score(queries) >= least).tolist()


def figures(row: str, says: Says, part: str) -> list[Score]:
    """The measures of one way to tell."""
    asked = questions("demo_nothing_fits", part)
    kinds = [each["query"] for each in questions("demo_search_kinds", part)]
    found = np.array(says([each["query"] for each in asked]))
    sold = np.array([bool(each["kinds"]) for each in asked])
    values = {
        "right": found == sold,
        "false_alarms": ~found[sold],
        "noticed": ~found[~sold],
        "false_alarms, kinds": ~np.array(says(kinds)),
    }
    return [score_mean(row, name, each.astype(float), bucket=part) for name, each in values.items()]


def main() -> None:
    """Writes results/search_nothing.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--encoder", default="e5")
    parser.add_argument("--parts", nargs="+", default=["develop", "kept"])
    bench = begin(parser, canary={"size": 150, "encoder": "minilm", "parts": ["develop"]})
    given = bench.given
    shop = clean(demo_shop(given.size, 0))
    encoder = Remembering(load_model(given.encoder, kind="encoder"))
    share = SearchSettings().false_alarms
    words = BM25Index.of(texts_of(shop.items)["details"])
    items = encoder.encode(meanings(shop.items))
    judged = shop.judgments["query"].unique(maintain_order=True).to_list()
    unjudged = shop.with_tables(judgments=shop.judgments.clear())
    searches = {"retailor": Search(encoder).fit(shop), "without judgments": Search(encoder).fit(unjudged)}
    if not all(each.log["nothing_fits"] for each in searches.values()):
        sys.exit("search_nothing: a shop of this size decides nothing; give a larger --size")
    rows = {
        **{row: says_of(search) for row, search in searches.items()},
        "nonsense words alone": says_of(Search(encoder, SearchSettings(false_alarms=0)).fit(shop)),
        "bm25 bound": above(lambda queries: words.scores(queries).max(axis=1), judged, share),
        "cosine bound": above(
            lambda queries: (encoder.encode(queries, role="query") @ items.T).max(axis=1), judged, share
        ),
    }
    scores = [each for part in given.parts for row, says in rows.items() for each in figures(row, says, part)]
    sys.stderr.write(f"{scores}\n")
    bench.write(scores, seeds=[0])


if __name__ == "__main__":
    main()
