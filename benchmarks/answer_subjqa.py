"""Where a review answers a question, and whether it does: SubjQA's electronics, the test part.

    python benchmarks/answer_subjqa.py

Nothing is learned on this data. Of each review the sentence is told that ranks first. `span_f1`: the words
that it shares with the span that a person marked, over the pairs that have one. `aurc`: the area under the
curve of risk over coverage (Geifman & El-Yaniv 2017) over all pairs, where an answer is as right as its
`span_f1` and one to a pair without a span is wrong; lower is better. `by length` tells our sentence, and is
the surer the shorter it is.
"""

from __future__ import annotations

import ast

import numpy as np
import polars as pl
from bench import begin, parser_of
from remembering import Remembering

from retailor.metrics.generation import token_f1
from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.shop.tables import Shop
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.evidence.passages import passages
from retailor.tasks.answer.ranking.ranker import default_ranker
from retailor.tasks.answer.ranking.scores import risks

NONE = "ANSWERNOTFOUND"


def span_of(row: dict[str, str]) -> str | None:
    """What a person marked in the review; None for nothing."""
    start, end = ast.literal_eval(row["human_ans_indices"])
    span = row["review"][start:end]
    return None if NONE in span or NONE in row["human_ans_spans"] else span


def main() -> None:
    """Writes results/answer_subjqa.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--part", choices=("dev", "test"), default="test")
    parser.add_argument("--questions", type=int, help="so many of the part")
    bench = begin(parser, canary={"part": "dev", "questions": 40})
    given = bench.given
    path = given.data / "subjqa-electronics" / f"{given.part}.csv"
    rows = pl.read_csv(path, infer_schema=False)[: given.questions].to_dicts()
    encoder = Remembering(load_model(given.encoder, kind="encoder"))
    reviews = {row["review_id"]: row["review"].removesuffix(NONE).strip() for row in rows}
    shop = Shop.of(
        reviews=pl.DataFrame(
            {"item_id": list(reviews), "review_id": list(reviews), "text": list(reviews.values())}
        )
    )
    table = passages(shop, max_per_item=400, max_review_sentences=400, max_chars=600)
    bench.write(measured(rows, PassageIndex.of(table, encoder), encoder), [0])


def measured(rows: list[dict[str, str]], index: PassageIndex, encoder: Remembering) -> list[Score]:
    """Both figures of each system."""
    ranker = default_ranker()
    asked = encoder.encode([row["question"] for row in rows], role="query")
    told: dict[str, list[tuple[str, float]]] = {name: [] for name in ("first", "bm25", "encoder", "retailor")}
    for row, vector in zip(rows, asked, strict=True):
        page = index.page(row["review_id"])
        features = index.features(row["question"], vector, page, frozenset())
        scores = {
            "first": -np.arange(len(page), dtype=np.float64),
            "bm25": index.lexical.subset(row["question"], page),
            "encoder": index.vectors[page] @ vector,
            "retailor": ranker.logits(features),
        }
        for name, each in scores.items():
            best = int(np.argmax(each)) if len(page) else -1
            told[name].append((index.texts[page[best]], float(each[best])) if len(page) else ("", -99.0))
    spans = [span_of(row) for row in rows]
    found: list[Score] = []
    told["by length"] = [(text, -float(len(text))) for text, _ in told["retailor"]]
    for name, answers in told.items():
        f1 = token_f1([text for text, _ in answers], [span or "" for span in spans])
        right = np.where([span is not None for span in spans], f1, 0.0)
        marked = [float(value) for value, span in zip(f1, spans, strict=True) if span is not None]
        found.append(score_mean(name, "span_f1", marked))
        found.append(score_mean(name, "aurc", risks(np.array([sure for _, sure in answers]), right).tolist()))
    return found


if __name__ == "__main__":
    main()
