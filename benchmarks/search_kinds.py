"""Whether search in the demo shop finds the kind of product that is asked for.

    python benchmarks/search_kinds.py

104 queries, English and Chinese, written with the kinds that they mean before anything was tried on them
(`questions/demo_search_kinds.jsonl`); half of them ('kept') were put away until the end. An item is right
when it is of a meant kind, in either language. The shop's own judgments, which are of other queries, are
learned from in the row "retailor" and not in those "without judgments"; "languages apart" has the items'
vectors as the encoder gives them.

"recommended" is what the recommender gives for the same words, of a customer who is not known: beside it
its words (TF-IDF) and its meaning (whitened vectors) alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench import begin, parser_of
from remembering import Remembering

from retailor.metrics.interval import score_mean
from retailor.metrics.ranking import Ranked, ndcg_at, top_items
from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.retrieval.bm25 import BM25Index
from retailor.shop.demo.shop import demo_shop, demo_truth
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.fit import understand
from retailor.tasks.recommend.query.ask import text_scores
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.item_table import meanings, texts_of
from retailor.tasks.search.shapes import SearchQuery
from retailor.text.clean_shop import clean

QUESTIONS = Path(__file__).parent / "questions" / "demo_search_kinds.jsonl"
N_FOUND = 10


def figures(
    row: str, found: Sequence[Sequence[str]], meant: Sequence[dict[str, float]], part: str
) -> list[Score]:
    """Whether the first item is of a meant kind, and nDCG@10, of lists of ids."""
    first = [float(bool(ids) and ids[0] in right) for ids, right in zip(found, meant, strict=True)]
    return [
        score_mean(row, "hit@1", first, bucket=part),
        score_mean(row, "ndcg@10", ndcg_at(Ranked.lists(found, meant), N_FOUND), bucket=part),
    ]


def asked(search: Search, queries: Sequence[str]) -> list[list[str]]:
    """The ids that a search finds for each query."""
    answers = search.predict([SearchQuery(query, N_FOUND) for query in queries])
    return [[each.item_id for each in answer.items] for answer in answers]


def main() -> None:
    """Writes results/search_kinds.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--encoder", default="e5")
    bench = begin(parser, canary={"size": 60, "encoder": "minilm"})
    given = bench.given
    shop, kinds = clean(demo_shop(given.size, 0)), demo_truth(given.size, 0).products
    unjudged = shop.with_tables(judgments=shop.judgments.clear())
    encoder = Remembering(load_model(given.encoder, kind="encoder"))
    searches = {
        "retailor": Search(encoder).fit(shop),
        "without judgments": Search(encoder).fit(unjudged),
        "without judgments, languages apart": Search(encoder, SearchSettings(across_languages=False)).fit(
            unjudged
        ),
        "without judgments, no category": Search(encoder, SearchSettings(category_weight=0)).fit(unjudged),
    }
    catalogue = read_catalogue(shop)
    known, _ = understand(catalogue.texts, encoder, None)
    recommending = {
        "recommended": known,
        "recommended, words alone": replace(known, encoder=None),
        "recommended, meaning alone": replace(known, vectorizer=None),
    }
    item_ids = shop.items["item_id"].to_list()
    words = BM25Index.of(texts_of(shop.items)["details"])
    vectors = encoder.encode(meanings(shop.items))
    rows: list[Score] = []
    questions: list[dict[str, Any]] = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    for part in ("develop", "kept"):
        own = [each for each in questions if each["part"] == part]
        queries = [each["query"] for each in own]
        meant = [{each: 1.0 for each in item_ids if kinds[each] in one["kinds"]} for one in own]
        best = [[item_ids[row] for row in top_items(words.scores([q]), N_FOUND)[0]] for q in queries]
        rows += figures("bm25", best, meant, part)
        near = encoder.encode(queries, role="query") @ vectors.T
        best = [[item_ids[row] for row in top_items(each[None], N_FOUND)[0]] for each in near]
        rows += figures("encoder", best, meant, part)
        for name, search in searches.items():
            rows += figures(name, asked(search, queries), meant, part)
        for name, reader in recommending.items():
            fits = np.stack([text_scores(reader, query, len(catalogue)) for query in queries])
            best = [[catalogue.item_ids[row] for row in one] for one in top_items(fits, N_FOUND)]
            rows += figures(name, best, meant, part)
    sys.stderr.write(f"{rows}\n")
    bench.write(rows, seeds=[0])


if __name__ == "__main__":
    main()
