"""Sentiment of 62,000 Chinese shopping reviews in ten categories: random 90/10, three seeds.

    python benchmarks/online_shopping.py

Duplicates are removed before the split. Everything is chosen on a twentieth of the training reviews; the
test is read once a seed. Word embeddings and the lowest layers stay frozen. Near-duplicates of the test of
EPRSTMT take no part, so that `eprstmt.py` may take a reader from here as that of another shop. A seed that is
done is kept in the work folder, its reader beside it, and a killed training goes on: the same command can be
given again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import begin, parser_of
from encoders import encoder_of
from keeping import Store
from near_duplicates import near_duplicates
from numpy.typing import NDArray
from reading import Stage, as_blended, read_rows

from retailor.metrics.classify import accuracy_cases, macro_f1
from retailor.metrics.interval import paired_interval, score_mean
from retailor.models.shapes import Encoder
from retailor.seeds import stream
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.texts import read_examples
from retailor.train.settings import TrainSettings

SEEDS = (0, 1, 2)
BASELINES = ("tf-idf", "nb-svm")
CANARY = {"encoder": "tiny", "limit": 260}


def reviews(data: Path, limit: int | None) -> tuple[Shop, dict[str, int]]:
    """The different reviews, their categories as items, and how many were left out, by reason."""
    raw = pl.read_csv(data / "online-shopping-10-cats" / "online_shopping_10_cats.csv")
    rows = raw.with_columns(pl.col("review").str.strip_chars()).filter(pl.col("review").str.len_chars() > 0)
    rows = rows.unique("review", maintain_order=True)
    n_different = len(rows)
    if limit:
        rows = rows.sample(limit, seed=0)
    left_out = {"repeated or empty reviews, removed": len(raw) - n_different}
    lines = (data / "eprstmt" / "test_public.json").read_text(encoding="utf-8").splitlines()
    near = near_duplicates(rows["review"].to_list(), [json.loads(line)["sentence"] for line in lines])
    left_out["near-duplicates of the test of EPRSTMT, removed"] = int(near.sum())
    rows = rows.filter(pl.Series(~near))
    label = pl.when(pl.col("label") == 1).then(pl.lit("positive")).otherwise(pl.lit("negative"))
    table = rows.select(
        review_id=pl.int_range(pl.len()).cast(pl.Utf8), item_id=pl.col("cat"), text=pl.col("review"),
        label=label, language=pl.lit("zh"),
    )  # fmt: skip
    return Shop.of(reviews=table), left_out


def split(shop: Shop, seed: int) -> tuple[Shop, Shop]:
    """(train, test): nine tenths and one, at random."""
    order = stream(seed, "online shopping").permutation(len(shop.reviews))
    cut = len(order) // 10
    test, train = (
        shop.with_tables(reviews=shop.reviews[np.sort(part)]) for part in (order[:cut], order[cut:])
    )
    return train, test


def settings(seed: int, given: argparse.Namespace) -> SentimentSettings:
    return SentimentSettings(
        mode="blended",
        few_labels=0,
        seed=seed,
        train=TrainSettings(
            epochs=given.epochs,
            learning_rate=given.rate,
            layer_decay=0.9,
            validate_every=800,
            freeze_embeddings=True,
            freeze_layers=given.freeze,
        ),
        max_tokens=128,
        validation=0.05,
        class_weights="none",
        select_by="accuracy",
        strengths=(10.0, 100.0),
        adversarial=given.adversarial,
    )


def fitted_reader(
    encoder: Encoder, train: Shop, seed: int, given: argparse.Namespace, store: Store
) -> SentimentReader:
    """The reader of one seed, kept in the store."""

    def learn(folder: Path, work: Path) -> None:
        SentimentReader(encoder, settings(seed, given)).fit(train, work=work).save(folder / "reader")

    return SentimentReader.load(store.folder(f"reader, seed {seed}", learn, seed) / "reader")


def stage(encoder: Encoder, shop: Shop, seed: int, given: argparse.Namespace, store: Store) -> Stage:
    """One seed, fitted and read; kept in the store."""

    def make(_: Path) -> Stage:
        train, test = split(shop, seed)
        reader = fitted_reader(encoder, train, seed, given, store)
        sys.stderr.write(f"seed {seed}: {reader.log['validation']}\n")
        cases = read_examples(test, once=False)
        known = np.array([hash_of(query.text) for query in cases.queries])
        rows = as_blended(read_rows(reader, cases.queries))
        return {"y": cases.y.astype(np.float64), "text": known, **rows}

    return store.tensors(f"seed {seed}", make, seed)


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def rows_of(stages: list[Stage]) -> list[dict[str, Any]]:
    """Means over seeds, intervals over the different test reviews, paired differences from the baselines."""
    rows: list[dict[str, Any]] = []
    labels = [one["y"].astype(np.int64) for one in stages]
    texts = np.concatenate([one["text"] for one in stages])
    hits = {
        row: [accuracy_cases(y, one[row].argmax(axis=1)) for y, one in zip(labels, stages, strict=True)]
        for row in stages[0]
        if row not in ("y", "text") and not row.startswith("seconds ")
    }
    by_text = {row: means_by(texts, np.concatenate(found)) for row, found in hits.items()}
    for row, found in hits.items():
        seconds = float(np.mean([one[f"seconds {row}"][0] for one in stages]))
        score = score_mean(row, "accuracy", by_text[row], seconds=seconds)
        rows.append({**vars(score), "spread": float(np.std([one.mean() for one in found]))})
        f1 = [
            macro_f1(y, one[row].argmax(axis=1), len(LABELS)) for y, one in zip(labels, stages, strict=True)
        ]
        rows.append({"row": row, "metric": "macro_f1", "value": float(np.mean(f1)), "n": score.n})
        for base in BASELINES if row not in ("majority", *BASELINES) else ():
            value, low, high = paired_interval(by_text[row], by_text[base])
            rows.append(
                {"row": f"{row} - {base}", "metric": "accuracy", "value": value, "low": low, "high": high,
                 "n": score.n}
            )  # fmt: skip
    return rows


def means_by(keys: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean value of each different key: a review that several seeds test counts once."""
    _, place = np.unique(keys, return_inverse=True)
    return np.asarray(np.bincount(place, values) / np.bincount(place))


def parser() -> argparse.ArgumentParser:
    found = parser_of(__doc__)
    found.add_argument("--encoder", default="e5")
    found.add_argument("--epochs", type=float, default=1.0)
    found.add_argument("--freeze", type=int, default=4, help="lowest layers that stay as they are")
    found.add_argument("--rate", type=float, default=1e-4)
    found.add_argument("--adversarial", default="none", choices=("none", "fgm", "freelb", "r-drop"))
    found.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    found.add_argument("--limit", type=int, help="so many reviews")
    return found


def main() -> None:
    """Writes results/online_shopping.json."""
    bench = begin(parser(), canary={**CANARY, "seeds": [0, 1]})
    given = bench.given
    shop, left_out = reviews(given.data, given.limit)
    encoder = encoder_of(given.encoder, shop.reviews["text"])
    rows = rows_of([stage(encoder, shop, seed, given, bench.store) for seed in given.seeds])
    rows += [{"row": why, "metric": "n", "value": n} for why, n in left_out.items()]
    path = bench.write(rows, given.seeds)
    lines = [f"{r['row']:<36} {r['metric']:<10} {r['value']:.4f}" for r in rows]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
