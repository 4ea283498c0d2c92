"""Which passage answers a product question: HetPQA's ranking set, and two of other kinds.

    python benchmarks/answer_hetpqa.py

Learned on HetPQA's training questions about items that the test does not have, with other questions'
evidence as negatives; nothing is chosen on a test set. `epqa` (relevance 2 counts) and `semipqa` (attributes
alone) are other data: they show what carries over. Lists in which all or no candidates are relevant are left
out of map, mrr and hit@1, as they cannot be ranked wrongly.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
from bench import begin, parser_of
from remembering import Remembering

from retailor.metrics.scores import Score
from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.answer.evidence.features import FEATURES
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.evidence.passages import passages
from retailor.tasks.answer.ranking.cases import cases_of, featurise, learning_lists
from retailor.tasks.answer.ranking.ranker import DEFAULT, logistic


def training_shop(folder: Path) -> Shop:
    """The training questions about items that the ranking set does not ask about."""
    rows = pl.read_csv(folder / "train.csv", separator="\t", infer_schema=False)
    test = pl.read_csv(folder / "ranking_dev.csv", separator="\t", infer_schema=False)
    rows = rows.join(test.select("ASIN").unique(), on="ASIN", how="anti")
    rows = rows.join(test.select("question").unique(), on="question", how="anti")
    questions = rows.group_by("ASIN", "question", maintain_order=True).agg(
        pl.col("answer").first(), evidence=_evidence(pl.lit(1.0))
    )
    return Shop.of(
        items=questions.select(item_id="ASIN").unique(maintain_order=True),
        questions=questions.rename({"ASIN": "item_id"}).with_row_index("question_id"),
    )


def ranking_shop(path: Path, separator: str, relevant: str) -> Shop:
    """The questions of a ranking set with their labelled candidates; of no item, so that no page is added."""
    rows = pl.read_csv(path, separator=separator, infer_schema=False)
    if "source" not in rows.columns:
        rows = rows.with_columns(source=pl.lit("attribute"))
    label = (pl.col("label") == relevant).cast(pl.Float32)
    lists = rows.group_by("qid", "question", maintain_order=True).agg(evidence=_evidence(label))
    return Shop.of(questions=lists.rename({"qid": "question_id"}))


def _evidence(relevance: pl.Expr) -> pl.Expr:
    return pl.struct(text="candidate", source="source", relevance=relevance)


def main() -> None:
    """Writes results/answer_hetpqa.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--questions", type=int, help="so many of each set")
    parser.add_argument("--weights", action="store_true", help="print the weights of the default ranker")
    bench = begin(parser, canary={"questions": 40, "seeds": [0]})
    given = bench.given
    train = training_shop(given.data / "hetpqa")
    tests = {
        "hetpqa": ranking_shop(given.data / "hetpqa/ranking_dev.csv", "\t", "1"),
        "epqa": ranking_shop(given.data / "epqa/dev.csv", ",", "2"),
        "semipqa": ranking_shop(given.data / "semipqa/ranking_dev.csv", "\t", "1"),
    }
    train, *some = (
        shop.with_tables(questions=shop.questions[: given.questions]) for shop in (train, *tests.values())
    )
    tests = dict(zip(tests, some, strict=True))
    encoder = Remembering(load_model(given.encoder, kind="encoder"))
    if given.weights:
        print_default(encoder, train)
        return
    rows: list[Score] = []
    for seed in given.seeds:
        answerer = Answerer(encoder, None, AnswerSettings(seed=seed)).fit(train)
        sys.stderr.write(f"{answerer.log}\n")
        for name, test in tests.items():
            scores = answerer.evaluate(test)
            sys.stderr.write(f"{name}\n{scores}\n")
            rows += [_row(s, name, seed, given.seeds[0]) for s in scores if s.row == "retailor" or seed == 0]
    bench.write(rows, given.seeds)


def print_default(encoder: Encoder, train: Shop) -> None:
    """The weights for shops without questions, as `tasks/answer/ranking/ranker.py` has them."""
    table = passages(train, max_per_item=400, max_review_sentences=0, max_chars=600)
    index = PassageIndex.of(table, encoder)
    cases = learning_lists(cases_of(train.questions, index, max_page=40), n_negatives=6, seed=0)
    ranker = logistic(featurise(cases, index, encoder, with_page=True), tuple(DEFAULT))
    named = {name: round(ranker.weights[FEATURES.index(name)], 2) for name in DEFAULT}
    sys.stdout.write(f"{named} bias {ranker.bias:.2f}\n")


def _row(score: Score, name: str, seed: int, first: int) -> Score:
    row = score.row if seed == first else f"{score.row}, seed {seed}"
    return Score(row, score.metric, score.value, score.low, score.high, score.n, score.seconds, name)


if __name__ == "__main__":
    main()
