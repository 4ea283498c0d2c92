"""Yes or no to a question about an appliance, from what others asked and were told of the same item.

    python benchmarks/answer_yes_no.py

Of the file's yes/no questions those whose answer the file says is Y or N. Items are dealt by a hash:
six tenths to learn from, two to choose on, two to test. A question sees the other questions of its item with
their answers, never its own answer, nor another question in the same words. The file has no descriptions and
no reviews. `question alone`: what can be guessed from how it is asked. These are logistic regressions over
the encoder's vectors, which the answerer itself does not have.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench import begin, parser_of
from numpy.typing import NDArray
from remembering import Remembering

from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Score
from retailor.models.weights import load_model
from retailor.retrieval.tokens import content_words
from retailor.tasks.answer.forms.stance import polarity
from retailor.tasks.answer.wording import NEGATION, says_yes

NEAREST = 5
PARTS = ("learn", "choose", "test")


def questions_of(folder: Path, n: int | None) -> list[dict[str, Any]]:
    """The questions of items of which one has a yes or no, each with its item's part."""
    with gzip.open(folder / "qa_Appliances.json.gz", "rt", encoding="utf-8") as lines:
        rows = [ast.literal_eval(line) for line in lines]
    for row in rows:
        dealt = int(hashlib.sha256(row["asin"].encode()).hexdigest(), 16) % 10
        row["part"] = PARTS[0] if dealt < 6 else PARTS[1] if dealt < 8 else PARTS[2]
        row["label"] = {"Y": 1, "N": 0}.get(row.get("answerType", "?"))
    rows = rows[:n]
    labelled = {row["asin"] for row in rows if row["label"] is not None}
    return [row for row in rows if row["asin"] in labelled]


class Features:
    """Of each question: its vector, and what its neighbours on the item's page were told."""

    def __init__(self, rows: Sequence[dict[str, Any]], encoder: Any) -> None:
        self.rows = rows
        self.asked = encoder.encode([row["question"][:300] for row in rows], role="query")
        self.page: dict[str, list[int]] = defaultdict(list)
        for i, row in enumerate(rows):
            self.page[row["asin"]].append(i)
        self.words = [frozenset(content_words(row["question"])) for row in rows]

    def others(self, i: int) -> NDArray[np.int64]:
        """The other questions of the item, but for those in the same words."""
        own = self.rows[i]
        same = [j for j in self.page[own["asin"]] if j != i and self.words[j] != self.words[i]]
        return np.array(same, dtype=np.int64)

    def of(self, i: int) -> NDArray[np.float32]:
        """Votes of the nearest questions and answers, weighted by nearness, and how near they are."""
        others = self.others(i)
        if not len(others):
            return np.zeros(4, dtype=np.float32)
        near = self.asked[others] @ self.asked[i]
        order = np.argsort(-near)[:NEAREST]
        weight = np.exp(8 * (near[order] - 1))
        votes = np.array([vote(self.rows[int(others[j])]["answer"]) for j in order])
        mean, first = float(weight @ votes) / float(weight.sum()), float(near[order[0]])
        return np.array([mean, votes[0] * first, first, weight @ votes], dtype=np.float32)


def vote(answer: str) -> float:
    """1 for an answer that says yes, -1 for no, between them where only its words tell."""
    lead = says_yes(answer)
    if lead is not None:
        return 1.0 if lead else -1.0
    return 0.4 * polarity(answer) - 0.4 * (NEGATION.search(answer[:80]) is not None)


def main() -> None:
    """Writes results/answer_yes_no.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--questions", type=int, help="so many of the file")
    bench = begin(parser, canary={"questions": 1200})
    rows = questions_of(bench.given.data / "qa-appliances", bench.given.questions)
    encoder = Remembering(load_model(bench.given.encoder, kind="encoder"))
    scores: list[Score] = []
    for part in ("choose", "test"):
        scores += measured(rows, encoder, part)
    bench.write(scores, [0])


def measured(rows: Sequence[dict[str, Any]], encoder: Any, part: str) -> list[Score]:
    """Accuracy of every system on a part."""
    asked = [i for i, row in enumerate(rows) if row["questionType"] == "yes/no" and row["label"] is not None]
    learn = [i for i in asked if rows[i]["part"] == "learn"]
    tried = [i for i in asked if rows[i]["part"] == part]
    right = np.array([rows[i]["label"] for i in tried])
    major = int(np.mean([rows[i]["label"] for i in learn]) >= 0.5)
    found = {"majority": np.full(len(tried), major), **learned(rows, encoder, learn, tried)}
    return [
        score_mean(name, "accuracy", (told == right).astype(float).tolist(), bucket=part, seconds=0.0)
        for name, told in found.items()
    ]


def learned(
    rows: Sequence[dict[str, Any]], encoder: Any, learn: Sequence[int], tried: Sequence[int]
) -> dict[str, NDArray[np.int64]]:
    """What TF-IDF of the question, its vector, and its vector with the item's other answers say."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    label = [rows[i]["label"] for i in learn]
    text = [[rows[i]["question"] for i in part] for part in (learn, tried)]
    tfidf = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2), LogisticRegression(C=3, max_iter=1000)
    )
    features = Features(rows, encoder)
    alone = [features.asked[list(part)] for part in (learn, tried)]
    beside = [np.array([features.of(i) for i in part]) for part in (learn, tried)]
    both = [np.hstack([4 * a, b]) for a, b in zip(alone, beside, strict=True)]
    model = LogisticRegression(C=1.0, max_iter=2000)
    scaled = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))
    return {
        "TF-IDF": tfidf.fit(text[0], label).predict(text[1]),
        "question alone": model.fit(4 * alone[0], label).predict(4 * alone[1]),
        "other answers alone": scaled.fit(beside[0], label).predict(beside[1]),
        "question and other answers": model.fit(both[0], label).predict(both[1]),
    }


if __name__ == "__main__":
    main()
