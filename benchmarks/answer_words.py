"""An answer in words beside what people answered, given the evidence: HetPQA's test answers.

    python benchmarks/answer_words.py

Every question comes with the passage that answers it, so nothing is searched. `copying the evidence` is the
passage as it stands; ours is what a customer is told: the passage in its best sentence, an attribute as
words, a yes or no where the passage says it. `quoted` is the share of ours whose words, but for a yes or no
and for who says it, all stand in the passage; `lead_agrees`, of our yes and no beside people's, those that
agree. The length of a quote was chosen on the training answers.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from bench import begin, parser_of

from retailor.metrics.generation import bleu, rouge_l
from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Score
from retailor.retrieval.tokens import content_words
from retailor.tasks.answer.evidence.passages import plain
from retailor.tasks.answer.ranking.cases import source_of
from retailor.tasks.answer.shapes import Evidence
from retailor.tasks.answer.wording import compose, says_yes

WHO = frozenset(content_words("Yes. No. A customer writes:"))


def rows_of(path: Path, n: int | None) -> pl.DataFrame:
    """Questions with evidence and an answer."""
    rows = pl.read_csv(path, separator="\t", infer_schema=False)
    return rows.drop_nulls(["question", "candidate", "answer"])[:n]


def main() -> None:
    """Writes results/answer_words.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--questions", type=int, help="so many of the test")
    bench = begin(parser, canary={"questions": 150})
    rows = rows_of(bench.given.data / "hetpqa" / "test.csv", bench.given.questions)
    copied, people = rows["candidate"].to_list(), rows["answer"].to_list()
    told = [
        compose(question, Evidence(plain(text), source_of(source), "x", 1.0))
        for question, text, source in rows.select("question", "candidate", "source").iter_rows()
    ]
    scores: list[Score] = []
    words = [plain(text) for text in copied]
    systems = {"copying the evidence": copied, "copying, attributes as words": words, "retailor": told}
    for name, texts in systems.items():
        scores.append(score_mean(name, "rouge_l", rouge_l(texts, people).tolist()))
        scores.append(score_mean(name, "bleu", bleu(texts, people).tolist()))
    quoted = [
        {*content_words(text)} <= {*content_words(passage)} | WHO
        for text, passage in zip(told, words, strict=True)
    ]
    leads = [(says_yes(text), says_yes(answer)) for text, answer in zip(told, people, strict=True)]
    agree = [float(ours == theirs) for ours, theirs in leads if ours is not None and theirs is not None]
    scores += [score_mean("retailor", "quoted", quoted), score_mean("retailor", "lead_agrees", agree)]
    bench.write(scores, [0])


if __name__ == "__main__":
    main()
