"""Which rule should choose between readers of sentiment: what each would have lost, on the same fits.

    python benchmarks/sentiment_auto.py --data ../shared/data

Four shops: English reviews of two labels, magazines' reviews with stars (three labels, few of them bad), and Chinese
reviews, once with an encoder that reads Chinese and once with one that does not. A draw takes some labelled
reviews, fits every candidate of 'auto' once, and keeps what each said to the held-out texts and to test texts;
rules then choose by the former and lose by the latter. A rule's regret is what the best candidate of the draw
has on test texts less what the chosen one has. Draws below 100 were used to settle the rule, with
test texts of their own; those from 100 on, which are reported, came after. A draw that is done is kept in the work
folder. With --limit it is a rehearsal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from remembering import Remembering
from schema import RESULTS, write_results

from retailor.metrics.classify import accuracy, accuracy_cases, log_loss_cases, macro_f1
from retailor.metrics.interval import score_mean
from retailor.models.local import LocalEncoder
from retailor.models.weights import load_model
from retailor.seeds import stream
from retailor.shop.read import read
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.readers.blended import BlendedReader
from retailor.tasks.sentiment.readers.linear import cross_calibrated
from retailor.tasks.sentiment.texts import Examples, read_examples

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
ROWS = ("tf-idf", "nb-svm", "frozen probe", "fine-tuned", "blended")
MAX_TOKENS = 32


@dataclass(frozen=True)
class Draw:
    """What each candidate, cheapest first, said to held-out and to test texts: probabilities [n, C]."""

    shop: str
    held: Mapping[str, Floats]
    y: Labels
    test: Mapping[str, Floats]
    y_test: Labels


def shops(data: Path) -> dict[str, tuple[str, Examples]]:
    """By name the encoder and all labelled reviews, each text once."""
    english = read("amazon-polarity", data / "amazon-polarity-10k" / "train.dat.gz")
    magazine = data / "amazon2018-magazine"
    stars = read("amazon-2018", magazine / "Magazine_Subscriptions_5.json.gz", magazine / "meta_Magazine_Subscriptions.json.gz")
    rows = pl.read_csv(data / "online-shopping-10-cats" / "online_shopping_10_cats.csv")
    rows = rows.filter(pl.col("review").is_not_null())
    label = pl.when(pl.col("label") == 1).then(pl.lit("positive")).otherwise(pl.lit("negative"))
    chinese = read_examples(Shop.of(
        reviews=rows.select(
            review_id=pl.int_range(pl.len()).cast(pl.Utf8), text=pl.col("review"), label=label, language=pl.lit("zh")
        )
    ), once=True)
    return {
        "English, two labels": ("minilm", read_examples(english, once=True)),
        "English, stars": ("minilm", read_examples(stars, once=True)),
        "Chinese, English encoder": ("minilm", chinese),
    }


def parts(n: int, seed: int, n_labels: int, n_test: int) -> tuple[Labels, Labels]:
    """Rows to learn from and rows to test on; draws below 100 test on other texts than those from 100 on."""
    order = stream(0, "sentiment auto").permutation(n)
    test = order[:n_test] if seed < 100 else order[n_test : 2 * n_test]
    rest = order[2 * n_test :]
    return np.sort(stream(seed, "sentiment auto", "draw").permutation(rest)[:n_labels]), np.sort(test)


def fitted(encoder: LocalEncoder, frozen: Remembering, train: Examples, test: Examples, seed: int) -> dict[str, NDArray[Any]]:
    """What every candidate of 'auto' said: 'held …' logits and 'test …' probabilities by row, and labels."""
    chosen = SentimentSettings(
        mode="blended", few_labels=0, validation=0.25, max_tokens=MAX_TOKENS, freeze_layers=2, seed=seed
    )
    reader = SentimentReader(encoder, chosen).fit(shop_of(train)).in_bulk()
    made = reader._made
    assert made.tested is not None and made.frozen is not None and isinstance(made.reader, BlendedReader)
    found: dict[str, NDArray[Any]] = {"held y": made.tested, "test y": test.y}
    found |= {f"held {row}": made.heard[row] for row in ROWS}
    said = {row: words.probabilities(test.queries) for row, words in made.words.items()}
    vectors = frozen.encode(made.frozen.inputs(test.queries), role="query").astype(np.float64)
    said["frozen probe"] = made.frozen.head.probabilities(vectors)
    said["fine-tuned"] = made.reader.tuned.probabilities(test.queries)
    said["blended"] = made.reader.of(said[made.row_of(made.reader.words)], said["fine-tuned"])
    return found | {f"test {row}": said[row] for row in ROWS}


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


def drawn(work: Path, data: Path, seeds: Sequence[int], n_labels: int, n_test: int, only=None) -> list[Draw]:
    """The draws of every shop; made now where they are not kept."""
    draws: list[Draw] = []
    known = shops(data)
    encoder = load_model('minilm', kind='encoder')
    frozen = Remembering(encoder)
    for seed in seeds:
        for shop, (model, examples) in known.items():
            if only and shop not in only: continue
            path = work / f"{shop.replace(' ', '-')}-{seed}-{n_labels}-{n_test}.safetensors"
            if not path.exists():
                learn, test = parts(len(examples), seed, n_labels, n_test)
                import time; t=time.time()
                save_file(fitted(encoder, frozen, examples.take(learn), examples.take(test), seed), path)
                sys.stderr.write(f"{path.name} {time.time()-t:.1f}\n")
            kept = load_file(path)
            y = kept["held y"]
            draws.append(
                Draw(
                    shop,
                    {row: cross_calibrated(kept[f"held {row}"], y) for row in ROWS},
                    y,
                    {row: kept[f"test {row}"] for row in ROWS},
                    kept["test y"],
                )
            )
    return draws

if __name__ == "__main__":
    w=Path('/tmp/choice/auto'); w.mkdir(exist_ok=True)
    seeds=[int(a) for a in sys.argv[2].split(',')]
    drawn(w, Path('/work/shared/data'), seeds, int(sys.argv[1]), 300)
