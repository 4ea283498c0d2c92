"""Sentiment of 2,000 Amazon reviews, learned from 8,000, and from 64: what each step of transfer is worth.

    python benchmarks/amazon_polarity.py --data ../shared/data

Everything is chosen on a tenth of the training reviews; the test reviews are read once. With 64 labels (five
draws) the rest of the training reviews serves without its labels: a panel of judges, and an encoder that is
tuned on what the panel is surest of; it sees no label, so the draws share it. A stage that is done is kept in
the work folder, and a training that was killed goes on: the same command can be given again. With --scratch
the same network is also trained from random weights, which takes long. With --limit it is a rehearsal on a
few reviews: figures go to the work folder, not to results/.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from reading import Stage, read_rows
from remembering import Remembering
from safetensors.numpy import load_file, save_file
from schema import RESULTS, write_results

from retailor.metrics.classify import accuracy_cases, paired_macro_f1, score_classes
from retailor.metrics.interval import paired_interval, score_mean
from retailor.models.local import LocalEncoder, load_encoder
from retailor.models.weights import load_model
from retailor.prove.cells import untrained
from retailor.seeds import derive, stream
from retailor.shop.read import read
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.readers.opinions import OpinionWords
from retailor.tasks.sentiment.readers.panel import headed, seat
from retailor.tasks.sentiment.texts import Examples, read_examples
from retailor.tasks.sentiment.training.pseudo import PseudoTuning, opinion_tuned
from retailor.train.loop import TrainSettings

FEW = 64
MAX_TOKENS = 160
FEW_SEEDS = (0, 1, 2, 3, 4)
BASELINES = ("tf-idf", "nb-svm")
METRICS = ("accuracy", "macro_f1", "ece", "log_loss")
Labels = NDArray[np.int64]


def stage(path: Path, make: Callable[[], Stage]) -> Stage:
    """The stage kept at `path`, made now if it is not there."""
    if not path.exists():
        made = make()
        save_file({name: np.ascontiguousarray(rows) for name, rows in made.items()}, path)
    return load_file(path)


def fitted(reader: SentimentReader, test: Examples) -> Stage:
    """Probabilities and training seconds of every row of a fitted reader."""
    sys.stderr.write(f"{reader.log['chosen']}: {reader.log['validation']}\n")
    return read_rows(reader, test.queries)


def drawn(y: Labels, seed: int) -> Labels:
    """Numbers of FEW reviews, as many of each label."""
    rng = stream(seed, "few labels")
    some = [rng.permutation(np.flatnonzero(y == label))[: FEW // 2] for label in np.unique(y)]
    return np.sort(np.concatenate(some))


def few_stages(encoder: LocalEncoder, train: Shop, test: Examples, work: Path) -> list[Stage]:
    """A stage a draw of labels; what needs no label is made once, of reviews that no draw has."""
    known = read_examples(train, once=True)
    draws = [drawn(known.y, seed) for seed in FEW_SEEDS]
    rest = np.setdiff1d(np.arange(len(known)), np.concatenate(draws))
    texts = [known.queries[i].text for i in rest]
    tuning = PseudoTuning(
        loop=TrainSettings(epochs=1.0, batch_size=32, learning_rate=1e-4, layer_decay=0.9, warmup=0.1,
                           freeze_embeddings=True, freeze_layers=4),
        words=OpinionWords(), max_texts=4000, per_class=1250, floor=0.6, max_tokens=MAX_TOKENS, dropout=0.1,
        teacher_weight=2.0, seed=0,
    )  # fmt: skip
    if not (work / "student").exists():
        tuned = opinion_tuned(encoder, texts, tuning, work=work / "student.work")
        assert tuned.encoder is not None, tuned.why
        (work / "student.json").write_text(json.dumps(tuned.log), encoding="utf-8")
        tuned.encoder.save(work / "student")
    student = load_encoder(work / "student")
    assert isinstance(student, LocalEncoder)
    seconds = float(json.loads((work / "student.json").read_text(encoding="utf-8"))["seconds"])
    readers = {"frozen probe": remembering(encoder), "pseudo-labels": remembering(student)}
    seated = seat(
        readers["frozen probe"], texts, OpinionWords(), max_texts=tuning.max_texts, max_tokens=MAX_TOKENS,
        work=work / "student.work",
    )  # fmt: skip
    assert seated.panel is not None, seated.why

    def one(seed: int, rows: Labels) -> Stage:
        examples = known.take(rows)
        chosen = SentimentSettings(mode="frozen", few_labels=1000, max_tokens=MAX_TOKENS, seed=seed)
        found: Stage = {}
        for row, own in readers.items():
            made = fitted(SentimentReader(own, chosen).fit(shop_of(examples)), test)
            found |= {"tf-idf": made["tf-idf"], row: made["retailor"]}
        panel, _, _ = headed(
            seated.panel, examples.queries, examples.y, np.ones(len(LABELS)), None, derive(seed, "sentiment")
        )
        found["panel"] = panel.probabilities(test.queries)
        return found | {f"seconds {row}": np.array([seconds * (row == "pseudo-labels")]) for row in found}

    return [
        stage(work / f"few-{seed}.safetensors", lambda seed=seed, rows=rows: one(seed, rows))  # type: ignore[misc]
        for seed, rows in zip(FEW_SEEDS, draws, strict=True)
    ]


def remembering(encoder: LocalEncoder) -> Remembering:
    memory = Remembering(encoder)
    memory.tokenizer = encoder.tokenizer  # type: ignore[attr-defined]
    return memory


def shop_of(examples: Examples) -> Shop:
    return Shop.of(
        reviews=pl.DataFrame(
            {
                "review_id": [str(i) for i in range(len(examples))],
                "text": [query.text for query in examples.queries],
                "label": [LABELS[label] for label in examples.y],
            }
        )
    )


def rows_of(found: Stage, test: Examples) -> list[dict[str, Any]]:
    """Scores of each row, and its paired differences from the baselines of words."""
    rows: list[dict[str, Any]] = []
    for row, probabilities in found.items():
        if row.startswith("seconds "):
            continue
        seconds = float(found[f"seconds {row}"][0])
        scores = score_classes(row, test.y, probabilities, seconds=seconds)
        rows += [vars(score) for score in scores if score.metric in METRICS]
        for less in BASELINES if row not in ("majority", *BASELINES) else ():
            own, base = probabilities.argmax(axis=1), found[less].argmax(axis=1)
            differences = {
                "accuracy": paired_interval(accuracy_cases(test.y, own), accuracy_cases(test.y, base)),
                "macro_f1": paired_macro_f1(test.y, own, base, len(LABELS)),
            }
            rows += [
                {"row": f"{row} - {less}", "metric": metric, "value": v, "low": low, "high": high,
                 "n": len(test)}
                for metric, (v, low, high) in differences.items()
            ]  # fmt: skip
    return rows


def few_rows(stages: list[Stage], test: Examples) -> list[dict[str, Any]]:
    """Means over draws of the few labels; intervals are over test reviews, `spread` is over draws."""
    rows: list[dict[str, Any]] = []
    cases = {
        row: np.array([accuracy_cases(test.y, found[row].argmax(axis=1)) for found in stages])
        for row in ("tf-idf", "frozen probe", "panel", "pseudo-labels")
    }
    for row, hits in cases.items():
        name = f"{row}, {FEW} labels"
        seconds = float(np.mean([found[f"seconds {row}"][0] for found in stages]))
        score = score_mean(name, "accuracy", hits.mean(axis=0), seconds=seconds)
        rows.append({**vars(score), "spread": float(hits.mean(axis=1).std(ddof=1))})
        if row != "tf-idf":
            less = "tf-idf" if row == "frozen probe" else "frozen probe"
            value, low, high = paired_interval(hits.mean(axis=0), cases[less].mean(axis=0))
            name = f"{row} - {less}, {FEW} labels"
            rows.append({"row": name, "metric": "accuracy", "value": value, "low": low, "high": high,
                         "n": len(test)})  # fmt: skip
    return rows


def main() -> None:
    """Writes results/amazon_polarity.json."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--encoder", default="e5")
    arguments.add_argument("--epochs", type=float, default=3.0)
    arguments.add_argument("--rate", type=float, default=1e-4)
    arguments.add_argument("--scratch", action="store_true", help="with the network from random weights, too")
    arguments.add_argument("--limit", type=int, help="so many reviews to train and to test on: a rehearsal")
    arguments.add_argument("--work", type=Path, default=Path("build/amazon_polarity"))
    given = arguments.parse_args()
    work = given.work / (given.encoder if given.limit is None else f"{given.encoder}-{given.limit}")
    work.mkdir(parents=True, exist_ok=True)
    folder = given.data / "amazon-polarity-10k"
    train, held = (read("amazon-polarity", folder / f"{part}.dat.gz") for part in ("train", "test"))
    if given.limit:
        # Not the first lines: those are all of one label.
        train, held = (s.with_tables(reviews=s.reviews.sample(given.limit, seed=0)) for s in (train, held))
    overlap = len(held.reviews.join(train.reviews.select(pl.col("text").unique()), on="text", how="semi"))
    test = read_examples(held, once=False)
    encoder = load_model(given.encoder, kind="encoder")
    assert isinstance(encoder, LocalEncoder)

    def tuned() -> Stage:
        chosen = SentimentSettings(
            mode="blended", few_labels=0, epochs=given.epochs, learning_rate=given.rate,
            max_tokens=MAX_TOKENS, freeze_embeddings=True, validate_every=225, patience=None,
            select_by="accuracy",
        )  # fmt: skip
        if not (work / "tuned.reader").exists():
            reader = SentimentReader(encoder, chosen).fit(train, work=work / "tuned")
            reader.save(work / "tuned.reader")
        return fitted(SentimentReader.load(work / "tuned.reader"), test)

    def scratch() -> Stage:
        dials = {"mode": "fine-tuned", "few_labels": 0, "start_head": "random", "layer_decay": 1.0}
        chosen = SentimentSettings(**dials, learning_rate=3e-4, epochs=3.0)
        reader = SentimentReader(untrained(encoder, 0), chosen).fit(train, work=work / "scratch")
        return fitted(reader, test)

    found = stage(work / "tuned.safetensors", tuned)
    if given.scratch:
        random = stage(work / "scratch.safetensors", scratch)
        found["from scratch"], found["seconds from scratch"] = random["retailor"], random["seconds retailor"]
    rows = rows_of(found, test) + few_rows(few_stages(encoder, train, test, work), test)
    rows.append({"row": "test reviews that are in train", "metric": "n", "value": overlap, "n": len(test)})
    results = RESULTS if given.limit is None else work
    name = "amazon_polarity" if given.encoder == "e5" else f"amazon_polarity_{Path(given.encoder).name}"
    command = (
        f"python benchmarks/amazon_polarity.py --encoder {given.encoder} --epochs {given.epochs:g} "
        f"--rate {given.rate:g}{' --scratch' if given.scratch else ''}"
    )
    path = write_results(name, rows, FEW_SEEDS, command, folder=results)
    lines = [f"{r['row']:<40} {r['metric']:<10} {r['value']:.4f}" for r in rows]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
