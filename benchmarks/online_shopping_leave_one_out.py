"""Sentiment of Chinese reviews of a category that no label was seen of: trained on nine, tested on the tenth.

    python benchmarks/online_shopping_leave_one_out.py

Duplicates are removed before anything else. Of each category --limit reviews are read with their labels in
the nine and without in the tenth, as are --unlabelled others of the tenth; up to --test others of it are the
test. Rows: TF-IDF, a probe on the frozen encoder, plain fine-tuning; fine-tuning of an encoder that was
adapted to the texts of all ten by masked words, or to those of the tenth by pseudo-labels (`start_encoder`);
fine-tuning with a critic that must not tell the tenth from the nine (`domain_weight`); and either adaptation
with the critic. Word embeddings stay frozen. Each dial is the same for all categories and rows; held-out
reviews of the nine choose between the weights before and after training.

The recipe was chosen on the draw of --seed 0 (docs/log.md); the draw of seed 1 had not been looked at before
the rows that are in results/. Every (category, row) that is done is kept in the work folder: the same command
goes on. All rows take about two hours of one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import begin, parser_of
from encoders import encoder_of
from keeping import Store
from numpy.typing import NDArray
from online_shopping import reviews

from retailor.metrics.classify import accuracy_cases
from retailor.metrics.interval import bootstrap_means, bounds
from retailor.models.local import load_encoder
from retailor.models.shapes import Encoder
from retailor.seeds import stream
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.texts import read_examples
from retailor.train.adapt import AdaptSettings, adapt
from retailor.train.settings import TrainSettings

FROZEN = "frozen probe"
BASELINES = ("tf-idf", FROZEN)
PLAIN, CRITIC = "fine-tuned", "+ domain-adversarial"
MASKED, PSEUDO = "+ masked words", "+ pseudo-labels"
MASKED_CRITIC, PSEUDO_CRITIC = f"{MASKED}, domain-adversarial", f"{PSEUDO}, domain-adversarial"
TRAINED = (PLAIN, PSEUDO_CRITIC, CRITIC, PSEUDO, MASKED_CRITIC, MASKED)
DEFAULT_ROWS = TRAINED[:4]
ROWS = (*BASELINES, PLAIN, CRITIC, PSEUDO, PSEUDO_CRITIC, MASKED, MASKED_CRITIC)
Hits = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """Reviews of one category: labelled (unless it is left out), never labelled, and to test on."""

    labelled: Shop
    unlabelled: Shop
    test: Shop


def parts(shop: Shop, given: argparse.Namespace) -> dict[str, Part]:
    """By category."""
    found = {}
    for category in sorted(shop.reviews["item_id"].unique())[: given.categories]:
        rows = shop.reviews.filter(pl.col("item_id") == category)
        order = stream(given.seed, "leave one out", category).permutation(len(rows))
        n_test = min(given.test, len(rows) // 2)
        cuts = np.split(order, np.cumsum([n_test, given.limit, given.unlabelled]))
        test, labelled, more = (shop.with_tables(reviews=rows[np.sort(ix)]) for ix in cuts[:3])
        found[category] = Part(labelled, more, test)
    return found


def fold(held: dict[str, Part], left_out: str) -> tuple[Shop, Shop]:
    """(nine labelled categories and the tenth without labels, test reviews of the tenth)."""
    own = held[left_out]
    tables = [part.labelled.reviews for category, part in held.items() if category != left_out]
    blank = pl.concat([own.labelled.reviews, own.unlabelled.reviews]).with_columns(
        label=pl.lit(None, pl.Utf8)
    )
    return own.test.with_tables(reviews=pl.concat([*tables, blank])), own.test


def settings(row: str, given: argparse.Namespace) -> SentimentSettings:
    return SentimentSettings(
        mode="fine-tuned",
        few_labels=0,
        seed=given.seed,
        train=replace(
            SentimentSettings().train,
            epochs=given.epochs,
            learning_rate=given.rate,
            validate_every=10**6,
            patience=None,
            freeze_embeddings=True,
        ),
        max_tokens=given.tokens,
        validation=0.1,
        class_weights="none",
        select_by="accuracy",
        # Of another category the start may be the better: .886 on the draw of seed 0, the end .873.
        stop_by="accuracy",
        strengths=(10.0,),
        word_strengths=(0.3,),
        start_encoder="pseudo-labels" if row in (PSEUDO, PSEUDO_CRITIC) else "given",
        pseudo_texts=3000,
        pseudo_per_class=900,
        domain_weight=given.weight if row in (CRITIC, PSEUDO_CRITIC, MASKED_CRITIC) else 0.0,
        keep_frozen=False,
    )


def adapted(encoder: Encoder, held: dict[str, Part], given: argparse.Namespace, store: Store) -> Encoder:
    """The encoder adapted by masked words to the reviews of all categories, none of them of a test; kept."""

    def learn(folder: Path, work: Path) -> None:
        shops = [shop for part in held.values() for shop in (part.labelled, part.unlabelled)]
        said = [text for shop in shops for text in shop.reviews["text"]]
        chosen = AdaptSettings(
            train=TrainSettings(max_steps=given.adapt_steps, epochs=1000.0),
            head_steps=min(given.adapt_steps, 100), max_tokens=given.tokens, keep=0.0, seed=given.seed,
        )  # fmt: skip
        adapt(encoder, said, chosen, work=work).save(folder / "encoder")

    return load_encoder(store.folder("masked words", learn, given.seed) / "encoder")


def cells(
    row: str, encoder: Encoder, train: Shop, test: Shop, given: argparse.Namespace
) -> Iterator[tuple[str, Hits, float]]:
    """(row, hits on the test reviews, seconds of training); plain fine-tuning comes with the baselines."""
    reader = SentimentReader(encoder, settings(row, given)).fit(train)
    cases = read_examples(test, once=False)
    log = reader.log["validation"]
    if row == PLAIN:
        for name, (found, _) in reader.readings(cases.queries).items():
            if name in BASELINES:
                yield name, accuracy_cases(cases.y, found.argmax(axis=1)), float(log[name]["seconds"])
    said = np.array([LABELS.index(answer.label) for answer in reader.predict(cases.queries)])
    yield row, accuracy_cases(cases.y, said), float(log[reader.log["chosen"]]["seconds"])


def cells_of(
    held: dict[str, Part], given: argparse.Namespace, store: Store
) -> dict[str, list[tuple[Hits, float]]]:
    """By row: hits and seconds of each category, made now where they are not kept."""
    encoder = encoder_of(
        given.encoder, (text for one in held.values() for text in one.labelled.reviews["text"])
    )
    found: dict[str, list[tuple[Hits, float]]] = {}
    for row in (row for row in TRAINED if row in given.rows):
        own = adapted(encoder, held, given, store) if row in (MASKED, MASKED_CRITIC) else encoder
        for category in held:

            def learn(
                _: Path, row: str = row, own: Encoder = own, category: str = category
            ) -> dict[str, Any]:
                return {
                    name: [hits.tolist(), seconds]
                    for name, hits, seconds in cells(row, own, *fold(held, category), given)
                }

            for name, (hits, seconds) in store.value(
                f"{category}, {row}", learn, row, category, given.seed
            ).items():
                found.setdefault(name, []).append((np.array(hits), seconds))
                sys.stderr.write(f"{category} {name}: {np.mean(hits):.4f}\n")
    return {row: found[row] for row in ROWS if row in found}


def mean_over_categories(values: list[Hits]) -> tuple[float, float, float]:
    """The mean of the categories' means, and its 95 % interval over test reviews within each of them."""
    draws = np.mean([bootstrap_means(one, seed=i) for i, one in enumerate(values)], axis=0)
    return float(np.mean([one.mean() for one in values])), *bounds(draws)


def rows_of(found: dict[str, list[tuple[Hits, float]]], categories: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    plain = [hits for hits, _ in found[PLAIN]]
    n = sum(map(len, plain))
    for row, cells_ in found.items():
        own = [hits for hits, _ in cells_]
        value, low, high = mean_over_categories(own)
        seconds = float(np.mean([s for _, s in cells_]))
        rows.append({"row": row, "metric": "accuracy", "value": value, "low": low, "high": high, "n": n,
                     "seconds": seconds})  # fmt: skip
        rows += [
            {"row": row, "metric": "accuracy", "value": hits.mean(), "n": len(hits), "bucket": category}
            for category, hits in zip(categories, own, strict=True)
        ]
        for base in (PLAIN, FROZEN) if row not in BASELINES else (PLAIN,):
            if base == row:
                continue
            less = [a - b for a, (b, _) in zip(own, found[base], strict=True)]
            value, low, high = mean_over_categories(less)
            rows.append({"row": f"{row} less {base}", "metric": "accuracy", "value": value, "low": low,
                         "high": high, "n": n})  # fmt: skip
            won = sum(bool(one.mean() > 0) for one in less)
            rows.append({"row": f"{row} beats {base}", "metric": "categories", "value": won, "n": len(less)})
    return rows


def main() -> None:
    """Writes results/online_shopping_leave_one_out.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="e5")
    parser.add_argument("--limit", type=int, default=40, help="labelled reviews of each category")
    parser.add_argument("--unlabelled", type=int, default=3000, help="other reviews of each category")
    parser.add_argument("--test", type=int, default=200, help="test reviews of each category, at most")
    parser.add_argument("--categories", type=int, help="so many of the ten")
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--weight", type=float, default=0.3, help="of the reversed gradient")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--adapt-steps", type=int, default=250, help="of masked words")
    parser.add_argument("--seed", type=int, default=1, help="of the draw of reviews and the training")
    parser.add_argument("--rows", nargs="+", default=list(DEFAULT_ROWS), choices=TRAINED, help="to train")
    canary = {
        "encoder": "tiny",
        "limit": 16,
        "unlabelled": 40,
        "test": 20,
        "categories": 3,
        "epochs": 1.0,
        "adapt_steps": 2,
        "rows": [PLAIN, CRITIC, MASKED],
    }
    bench = begin(parser, canary=canary, no_key=["rows"])
    given = bench.given
    shop, left_out = reviews(given.data, 2000 if given.canary else None)
    held = parts(shop, given)
    rows = rows_of(cells_of(held, given, bench.store), list(held))
    rows += [{"row": why, "metric": "n", "value": n} for why, n in left_out.items()]
    path = bench.write(rows, [given.seed])
    lines = [f"{r['row']:<40} {r['metric']:<10} {r['value']:.4f}" for r in rows if "bucket" not in r]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
