"""Sentiment about an aspect in laptop reviews (SemEval-2014 task 4): three classes, the official split.

    python benchmarks/absa_laptop.py --data ../shared/data

Everything is chosen on a tenth of the training sentences; the test is read once. The network reads the aspect
and the sentence as a pair; TF-IDF and the frozen probe read the clauses that mention the aspect. A killed run
goes on with the same command. With --limit it is a rehearsal: figures go to the work folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from schema import RESULTS, write_results

from retailor.metrics.classify import accuracy_cases, score_classes
from retailor.metrics.interval import paired_interval
from retailor.models.weights import load_model
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import AspectReview, SentimentReader, SentimentSettings
from retailor.tasks.sentiment.texts import read_examples

METRICS = ("accuracy", "macro_f1", "ece")


def aspects(path: Path) -> list[AspectReview]:
    """The examples of a file of three lines each: a sentence with $T$, the aspect, the polarity."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    found = []
    for sentence, aspect, polarity in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        label = {"-1": "negative", "0": "neutral", "1": "positive"}.get(polarity, polarity.lower())
        found.append(AspectReview(sentence.replace("$T$", aspect), aspect, label))
    return found


def rows_of(reader: SentimentReader, test: list[AspectReview]) -> list[dict[str, Any]]:
    """Scores of every row of the reader, and paired differences from TF-IDF."""
    cases = read_examples(Shop.of(), test, once=False)
    readings = reader.readings(cases.queries)
    rows: list[dict[str, Any]] = []
    base = accuracy_cases(cases.y, readings["tf-idf"][0].argmax(axis=1))
    for row, (found, seconds) in readings.items():
        scores = score_classes(row, cases.y, found, seconds=seconds)
        rows += [vars(score) for score in scores if score.metric in METRICS]
        if row not in ("majority", "tf-idf"):
            value, low, high = paired_interval(accuracy_cases(cases.y, found.argmax(axis=1)), base)
            rows.append(
                {"row": f"{row} - tf-idf", "metric": "accuracy", "value": value, "low": low, "high": high,
                 "n": len(cases)}
            )  # fmt: skip
    return rows


def main() -> None:
    """Writes results/absa_laptop.json."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--encoder", default="minilm")
    arguments.add_argument("--limit", type=int, help="so many sentences to train and to test on: a rehearsal")
    arguments.add_argument("--work", type=Path, default=Path("build/absa_laptop"))
    given = arguments.parse_args()
    work = given.work / ("all" if given.limit is None else str(given.limit))
    folder = given.data / "absa-laptop"
    train, test = (
        aspects(folder / f"Laptops_{part}.xml.seg")[: given.limit] for part in ("Train", "Test_Gold")
    )
    settings = SentimentSettings(
        mode="fine-tuned", few_labels=0, epochs=3.0, learning_rate=1e-4, layer_decay=0.9, batch_size=16,
        class_weights="none", select_by="accuracy", validate_every=131, patience=None, max_tokens=80,
        strengths=(1.0, 10.0), start_head="random",
    )  # fmt: skip
    reader = SentimentReader(load_model(given.encoder, kind="encoder"), settings)
    reader.fit(Shop.of(), aspects=train, work=work)
    validation = reader.log["validation"]
    sys.stderr.write(f"{validation}\n{reader.log['training']['validations']}\n")
    rows = rows_of(reader, test)
    rows.append(
        {
            "row": "training",
            "metric": "seconds",
            "value": validation["fine-tuned"]["seconds"],
            "n": len(train),
        }
    )
    seen = {(one.text, one.aspect) for one in train}
    rows.append({"row": "test cases that are in train", "metric": "n", "n": len(test),
                 "value": sum((one.text, one.aspect) in seen for one in test)})  # fmt: skip
    results = RESULTS if given.limit is None else work
    command = f"python benchmarks/{Path(sys.argv[0]).name}"
    path = write_results("absa_laptop", rows, (settings.seed,), command, folder=results)
    lines = [f"{r['row']:<30} {r['metric']:<10} {r['value']:.4f}" for r in rows]
    sys.stderr.write("\n".join([*lines, str(path), f"labels: {', '.join(LABELS)}", ""]))
    assert np.isfinite([r["value"] for r in rows]).all()


if __name__ == "__main__":
    main()
