"""Sentiment about an aspect in laptop reviews (SemEval-2014 task 4): three classes, the official split.

    python benchmarks/absa_laptop.py

The network reads the aspect and the sentence as a pair, TF-IDF and the frozen probe read the clauses that
mention the aspect. It is trained twice a seed: from the encoder as it came, and from the one that
`amazon_polarity.py` fine-tunes on 8,000 reviews of all kinds of goods (made now if not kept). Everything
is chosen on a tenth of the training sentences; the test is read once. A seed that is done is kept in the
work folder, and a killed training goes on: the same command can be given again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import amazon_polarity
import numpy as np
from bench import Bench, begin, parser_of
from encoders import encoder_of
from numpy.typing import NDArray
from reading import Stage, read_rows

from retailor.metrics.classify import accuracy_cases, macro_f1
from retailor.metrics.interval import paired_interval, score_mean
from retailor.models.shapes import Encoder
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import AspectReview, SentimentReader, SentimentSettings
from retailor.tasks.sentiment.fitting import TUNED
from retailor.tasks.sentiment.texts import Examples, read_examples
from retailor.train.settings import TrainSettings

OURS = "blended, transferred"


def aspects(path: Path) -> list[AspectReview]:
    """The examples of a file of three lines each: a sentence with $T$, the aspect, the polarity."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    found = []
    for sentence, aspect, polarity in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        label = {"-1": "negative", "0": "neutral", "1": "positive"}.get(polarity, polarity.lower())
        found.append(AspectReview(sentence.replace("$T$", aspect), aspect, label))
    return found


def stage(
    start: str, encoder: Encoder, train: list[AspectReview], test: Examples, seed: int, bench: Bench
) -> Stage:
    """One training from one encoder, read on the test; kept in the work folder."""

    def make(work: Path) -> Stage:
        chosen = SentimentSettings(
            mode="blended", few_labels=0, class_weights="none", select_by="accuracy", max_tokens=80,
            strengths=(1.0, 10.0), start_head="random", seed=seed,
            train=TrainSettings(
                epochs=bench.given.epochs, learning_rate=1e-4, layer_decay=0.9, batch_size=16,
                validate_every=131, freeze_embeddings=True,
            ),
        )  # fmt: skip
        reader = SentimentReader(encoder, chosen)
        reader.fit(Shop.of(), aspects=train, work=work)
        sys.stderr.write(f"{start} {seed}: {reader.log['validation']}\n")
        return read_rows(reader, test.queries)

    return bench.store.tensors(f"{start}, seed {seed}", make, start, seed)


def rows_of(stages: dict[str, list[Stage]], y: NDArray[np.int64], n_texts: int) -> list[dict[str, Any]]:
    """Means over seeds of every row, and paired differences; n counts aspects, `n_texts` their sentences."""
    first = stages["as it came"]
    systems = {row: [one[row] for one in first] for row in ("majority", "tf-idf", "nb-svm", "frozen probe")}
    systems["fine-tuned"] = [one[TUNED] for one in first]
    systems["blended"] = [one["retailor"] for one in first]
    systems["transfer, fine-tuned"] = [one[TUNED] for one in stages["transferred"]]
    systems[OURS] = [one["retailor"] for one in stages["transferred"]]
    seconds = {"fine-tuned": first, OURS: stages["transferred"]}
    hits = {
        row: np.array([accuracy_cases(y, one.argmax(axis=1)) for one in found])
        for row, found in systems.items()
    }
    rows: list[dict[str, Any]] = []
    for row, found in systems.items():
        took = float(np.mean([one["seconds retailor"][0] for one in seconds[row]])) if row in seconds else 0.0
        score = score_mean(row, "accuracy", hits[row].mean(axis=0), seconds=took)
        rows.append({**vars(score), "n_texts": n_texts, "spread": float(hits[row].mean(axis=1).std())})
        f1 = [macro_f1(y, one.argmax(axis=1), len(LABELS)) for one in found]
        rows.append({"row": row, "metric": "macro_f1", "value": float(np.mean(f1)), "n": len(y)})
    for row, less in (
        ("frozen probe", "tf-idf"), ("fine-tuned", "tf-idf"), (OURS, "tf-idf"), (OURS, "nb-svm"),
        (OURS, "blended"),
    ):  # fmt: skip
        value, low, high = paired_interval(hits[row].mean(axis=0), hits[less].mean(axis=0))
        rows.append({"row": f"{row} - {less}", "metric": "accuracy", "value": value, "low": low, "high": high,
                     "n": len(y)})  # fmt: skip
    return rows


def main() -> None:
    """Writes results/absa_laptop.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="e5")
    parser.add_argument("--epochs", type=float, default=4.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--limit", type=int, help="so many sentences to train and to test on")
    bench = begin(parser, canary={"encoder": "tiny", "epochs": 1.0, "limit": 48, "seeds": [0]})
    given = bench.given
    folder = given.data / "absa-laptop"
    train, held = (
        aspects(folder / f"Laptops_{part}.xml.seg")[: given.limit] for part in ("Train", "Test_Gold")
    )
    test = read_examples(Shop.of(), held, once=False)
    own = encoder_of(given.encoder, (one.text for one in train))
    starts = {"as it came": own, "transferred": transferred(bench)}
    stages = {
        start: [stage(start, encoder, train, test, seed, bench) for seed in given.seeds]
        for start, encoder in starts.items()
    }
    rows = rows_of(stages, test.y, len({one.text for one in test.queries}))
    seen = {(one.text, one.aspect) for one in train}
    rows.append({"row": "test cases that are in train", "metric": "n", "n": len(test),
                 "value": sum((one.text, one.aspect) in seen for one in held)})  # fmt: skip
    path = bench.write(rows, given.seeds)
    lines = [f"{r['row']:<30} {r['metric']:<10} {r['value']:.4f}" for r in rows]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


def transferred(bench: Bench) -> Encoder:
    """The encoder that `amazon_polarity.py` fine-tunes, with all its dials as they come."""
    other, store = bench.beside("amazon_polarity", amazon_polarity.parser(), amazon_polarity.CANARY)
    train, _ = amazon_polarity.reviews(other.data, other.limit)
    encoder = encoder_of(other.encoder, train.reviews["text"])
    found = amazon_polarity.tuned_reader(encoder, train, other, store).encoder
    assert found is not None
    return found


if __name__ == "__main__":
    main()
