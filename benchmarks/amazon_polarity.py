"""Sentiment of 2,000 Amazon reviews, learned from 8,000, and from 64: what each step of transfer is worth.

    python benchmarks/amazon_polarity.py

Everything is chosen on a tenth of the training reviews; the test reviews are read once. With 64 labels (five
draws) the rest of the training reviews serves without its labels: a panel of judges, and an encoder that is
tuned on what the panel is surest of; it sees no label, so the draws share it. A stage that is done is kept in
the work folder, and a training that was killed goes on: the same command can be given again. With --scratch
the same network is also trained from random weights, which takes long.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import Bench, begin, parser_of
from encoders import encoder_of
from keeping import Store
from numpy.typing import NDArray
from reading import Stage, as_blended, read_rows
from remembering import Remembering

from retailor.metrics.classify import accuracy_cases, paired_macro_f1, score_classes
from retailor.metrics.interval import paired_interval, score_mean
from retailor.models.local import LocalEncoder, load_encoder
from retailor.prove.encoders import untrained
from retailor.seeds import derive, stream
from retailor.shop.read import read
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.readers.panel import headed, seat
from retailor.tasks.sentiment.texts import Examples, read_examples
from retailor.tasks.sentiment.training.pseudo_labels import PseudoTuning, opinion_tuned
from retailor.text.opinions import OpinionWords
from retailor.train.loop import TrainSettings

MAX_TOKENS = 160
CANARY = {"encoder": "tiny", "limit": 300, "epochs": 1.0, "few": 8, "max_steps": 2}
FEW_SEEDS = (0, 1, 2, 3, 4)
BASELINES = ("tf-idf", "nb-svm")
METRICS = ("accuracy", "macro_f1", "ece", "log_loss")
Labels = NDArray[np.int64]


def fitted(reader: SentimentReader, test: Examples) -> Stage:
    """Probabilities and training seconds of every row of a fitted reader."""
    sys.stderr.write(f"{reader.log['chosen']}: {reader.log['validation']}\n")
    return read_rows(reader, test.queries)


def drawn(y: Labels, n: int, seed: int) -> Labels:
    """Numbers of `n` reviews, as many of each label."""
    rng = stream(seed, "few labels")
    some = [rng.permutation(np.flatnonzero(y == label))[: n // 2] for label in np.unique(y)]
    return np.sort(np.concatenate(some))


def few_stages(encoder: LocalEncoder, train: Shop, test: Examples, bench: Bench) -> list[Stage]:
    """A stage a draw of labels; what needs no label is made once, of reviews that no draw has."""
    known = read_examples(train, once=True)
    draws = [drawn(known.y, bench.given.few, seed) for seed in FEW_SEEDS]
    rest = np.setdiff1d(np.arange(len(known)), np.concatenate(draws))
    texts = [known.queries[i].text for i in rest]
    tuning = PseudoTuning(
        train=TrainSettings(epochs=1.0, batch_size=32, learning_rate=1e-4, layer_decay=0.9, warmup=0.1,
                            freeze_embeddings=True, freeze_layers=4),
        words=OpinionWords(), max_texts=4000, per_class=1250, floor=0.6, max_tokens=MAX_TOKENS, dropout=0.1,
        teacher_weight=2.0, seed=0,
    )  # fmt: skip

    def learn(folder: Path, work: Path) -> None:
        tuned = opinion_tuned(encoder, texts, tuning, work=work)
        assert tuned.encoder is not None, tuned.why
        (folder / "log.json").write_text(json.dumps(tuned.log), encoding="utf-8")
        tuned.encoder.save(folder / "student")

    folder = bench.store.folder("student", learn)
    student = load_encoder(folder / "student")
    assert isinstance(student, LocalEncoder)
    seconds = float(json.loads((folder / "log.json").read_text(encoding="utf-8"))["seconds"])
    readers = {"frozen probe": remembering(encoder), "pseudo-labels": remembering(student)}
    seated = seat(
        readers["frozen probe"], texts, OpinionWords(), max_texts=tuning.max_texts, max_tokens=MAX_TOKENS,
        work=bench.store.root / "vectors",
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
        bench.store.tensors(f"few labels, seed {seed}", lambda _, seed=seed, rows=rows: one(seed, rows), seed)
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


def few_rows(stages: list[Stage], test: Examples, few: int) -> list[dict[str, Any]]:
    """Means over draws of the few labels; intervals are over test reviews, `spread` is over draws."""
    rows: list[dict[str, Any]] = []
    cases = {
        row: np.array([accuracy_cases(test.y, found[row].argmax(axis=1)) for found in stages])
        for row in ("tf-idf", "frozen probe", "panel", "pseudo-labels")
    }
    for row, hits in cases.items():
        name = f"{row}, {few} labels"
        seconds = float(np.mean([found[f"seconds {row}"][0] for found in stages]))
        score = score_mean(name, "accuracy", hits.mean(axis=0), seconds=seconds)
        rows.append({**vars(score), "spread": float(hits.mean(axis=1).std(ddof=1))})
        if row != "tf-idf":
            less = "tf-idf" if row == "frozen probe" else "frozen probe"
            value, low, high = paired_interval(hits.mean(axis=0), cases[less].mean(axis=0))
            name = f"{row} - {less}, {few} labels"
            rows.append({"row": name, "metric": "accuracy", "value": value, "low": low, "high": high,
                         "n": len(test)})  # fmt: skip
    return rows


def tuned_reader(
    encoder: LocalEncoder, train: Shop, given: argparse.Namespace, store: Store
) -> SentimentReader:
    """The reader fine-tuned on all labels, kept in the store."""
    chosen = SentimentSettings(
        mode="blended", few_labels=0, max_tokens=MAX_TOKENS, select_by="accuracy",
        train=TrainSettings(
            epochs=given.epochs, learning_rate=given.rate, layer_decay=0.9, freeze_embeddings=True,
            validate_every=225,
        ),
    )  # fmt: skip

    def learn(folder: Path, work: Path) -> None:
        SentimentReader(encoder, chosen).fit(train, work=work).save(folder / "reader")

    return SentimentReader.load(store.folder("fine-tuned", learn, chosen.mode) / "reader")


def scratch(encoder: LocalEncoder, train: Shop, test: Examples, work: Path) -> Stage:
    """The rows of the same network from random weights."""
    usual = SentimentSettings().train
    chosen = SentimentSettings(
        mode="fine-tuned", few_labels=0, start_head="random",
        train=replace(usual, layer_decay=1.0, learning_rate=3e-4, epochs=3.0),
    )  # fmt: skip
    return fitted(SentimentReader(untrained(encoder, 0), chosen).fit(train, work=work), test)


def reviews(data: Path, limit: int | None) -> tuple[Shop, Shop]:
    """The training and the test reviews, or some of each: not the first lines, which are all of one label."""
    folder = data / "amazon-polarity-10k"
    both = [read("amazon-polarity", folder / f"{part}.dat.gz") for part in ("train", "test")]
    train, held = (s.with_tables(reviews=s.reviews.sample(limit, seed=0)) for s in both) if limit else both
    return train, held


def parser() -> argparse.ArgumentParser:
    found = parser_of(__doc__)
    found.add_argument("--encoder", default="e5")
    found.add_argument("--epochs", type=float, default=3.0)
    found.add_argument("--rate", type=float, default=1e-4)
    found.add_argument("--few", type=int, default=64, help="labels of the rows of few labels")
    found.add_argument("--max-steps", type=int, help="of the reader with all dials by default")
    found.add_argument("--scratch", action="store_true", help="with the network from random weights, too")
    found.add_argument("--limit", type=int, help="so many reviews to train and to test on")
    return found


def main() -> None:
    """Writes results/amazon_polarity.json, or results/amazon_polarity_minilm.json."""
    bench = begin(parser(), canary=CANARY)
    given, store = bench.given, bench.store
    train, held = reviews(given.data, given.limit)
    overlap = len(held.reviews.join(train.reviews.select(pl.col("text").unique()), on="text", how="semi"))
    test = read_examples(held, once=True)
    encoder = encoder_of(given.encoder, train.reviews["text"])
    default = SentimentSettings()
    default = replace(default, train=replace(default.train, max_steps=given.max_steps))

    def blended(_: Path) -> Stage:
        return as_blended(fitted(tuned_reader(encoder, train, given, store), test))

    def by_default(work: Path) -> Stage:
        made = fitted(SentimentReader(encoder, default).fit(train, work=work), test)
        return {name: made[name] for name in ("retailor", "seconds retailor")}

    found = {**store.tensors("blended", blended), **store.tensors("by default", by_default)}
    if given.scratch:
        random = store.tensors("from scratch", lambda work: scratch(encoder, train, test, work))
        found["from scratch"], found["seconds from scratch"] = random["retailor"], random["seconds retailor"]
    rows = rows_of(found, test) + few_rows(few_stages(encoder, train, test, bench), test, given.few)
    rows.append({"row": "test reviews that are in train", "metric": "n", "value": overlap, "n": len(test)})
    path = bench.write(rows, FEW_SEEDS)
    lines = [f"{r['row']:<40} {r['metric']:<10} {r['value']:.4f}" for r in rows]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
