"""Whether the ranking of `choose`, made before any training, is the ranking of real fine-tunes.

    python benchmarks/choose.py

Two shops, English (amazon-polarity-10k) and Chinese (online-shopping-10-cats). Candidates: both encoders that
arrive by pip, their lower layers alone, and the smaller one without its training. Each is ranked on some
labelled reviews, then fine-tuned on the same ones and tested on others. A fine-tune that is done is kept in
the work folder.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import Bench, begin, parser_of
from scipy.stats import kendalltau

from retailor.choose.rank import choose
from retailor.choose.shapes import ChooseSettings
from retailor.metrics.classify import accuracy
from retailor.models.local import LocalEncoder, load_encoder
from retailor.models.weights import load_model
from retailor.prove.encoders import untrained
from retailor.shop.read import read
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.texts import read_examples
from retailor.train.settings import TrainSettings

CANDIDATES = ("minilm", "e5", "minilm-3-layers", "minilm-1-layer", "minilm-untrained", "e5-6-layers")


def first_layers(encoder: LocalEncoder, n: int) -> LocalEncoder:
    """The encoder with its first `n` layers alone."""
    made = encoder.copy()
    layers: Any = made.network.encoder
    layers.layer = layers.layer[:n]
    made.network.config.num_hidden_layers = n  # type: ignore[union-attr]
    return made


def candidates(bench: Bench) -> list[str]:
    """Names and folders of the candidates; those that are made here are kept in the work folder."""
    made: dict[str, Callable[[], LocalEncoder]] = {
        "minilm-3-layers": lambda: first_layers(opened("minilm"), 3),
        "minilm-1-layer": lambda: first_layers(opened("minilm"), 1),
        "minilm-untrained": lambda: untrained(opened("minilm"), 0),
        "e5-6-layers": lambda: first_layers(opened("e5"), 6),
    }

    def place(name: str) -> str:
        if name not in made:
            return name
        return str(bench.store.folder(name, lambda folder, _: made[name]().save(folder / name)) / name)

    return [place(name) for name in bench.given.candidates]


def opened(name: str) -> LocalEncoder:
    encoder = load_model(name, kind="encoder")
    assert isinstance(encoder, LocalEncoder)
    return encoder


def shops(data: Path) -> dict[str, Shop]:
    """The two shops, in a fixed random order."""
    english = read("amazon-polarity", data / "amazon-polarity-10k" / "train.dat.gz")
    rows = pl.read_csv(data / "online-shopping-10-cats" / "online_shopping_10_cats.csv")
    rows = rows.filter(pl.col("review").is_not_null()).unique("review", maintain_order=True)
    label = pl.when(pl.col("label") == 1).then(pl.lit("positive")).otherwise(pl.lit("negative"))
    chinese = Shop.of(
        reviews=rows.select(
            review_id=pl.int_range(pl.len()).cast(pl.Utf8), text=pl.col("review"), label=label,
            language=pl.lit("zh"),
        )
    )  # fmt: skip
    found = {"amazon-polarity": english, "online-shopping": chinese}
    return {
        name: shop.with_tables(reviews=different(shop).sample(fraction=1.0, shuffle=True, seed=0))
        for name, shop in found.items()
    }


def different(shop: Shop) -> pl.DataFrame:
    return shop.reviews.unique("text", keep="first", maintain_order=True)


def fine_tuned(model: str, train: Shop, test: Shop, steps: int) -> dict[str, float]:
    """Accuracy and seconds of a real fine-tune."""
    encoder = load_model(model) if "/" not in model else load_encoder(model)
    settings = SentimentSettings(
        mode="fine-tuned", few_labels=0, max_tokens=96, strengths=(10.0,),
        train=TrainSettings(
            max_steps=steps, epochs=1e3, learning_rate=1e-4, layer_decay=0.9, freeze_embeddings=True
        ),
    )  # fmt: skip
    reader = SentimentReader(encoder, settings).fit(train)
    cases = read_examples(test, once=False)
    predicted = [LABELS.index(answer.label) for answer in reader.predict(list(cases.queries))]
    return {
        "accuracy": accuracy(cases.y, np.array(predicted)),
        "seconds": reader.log["validation"]["fine-tuned"]["seconds"],
    }


def main() -> None:
    """Writes results/choose.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--labels", type=int, default=300, help="labelled reviews to rank and train on")
    parser.add_argument("--test", type=int, default=400, help="reviews to test each fine-tune on")
    parser.add_argument("--steps", type=int, default=24, help="steps of each fine-tune, of 32 texts")
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES), choices=CANDIDATES)
    canary = {"labels": 40, "test": 40, "steps": 2, "candidates": ["minilm", "minilm-1-layer"]}
    bench = begin(parser, canary=canary)
    given, n = bench.given, bench.given.labels
    rows: list[dict[str, Any]] = []
    models = candidates(bench)
    for name, shop in shops(given.data).items():
        train = shop.with_tables(reviews=shop.reviews[:n])
        test = shop.with_tables(reviews=shop.reviews[n : n + given.test])
        ranked = choose(train, models, ChooseSettings(sample=n))
        real = {}
        for one in ranked.candidates:
            short = Path(one.model).name
            told = bench.store.value(
                f"{name}, {short}",
                lambda _, one=one, train=train, test=test: fine_tuned(one.model, train, test, given.steps),
                name,
                short,
            )
            real[one.model] = told["accuracy"]
            row = f"{name}: {short}"
            rows += [
                {"row": row, "metric": "logme", "value": one.figures["logme"], "n": n},
                {"row": row, "metric": "probe", "value": one.figures["probe"], "n": n},
                {"row": row, "metric": "accuracy", "value": told["accuracy"], "n": len(test.reviews),
                 "seconds": told["seconds"]},
                {"row": row, "metric": "texts_per_s", "value": one.texts_per_s, "n": n},
            ]  # fmt: skip
        true = [real[one.model] for one in ranked.candidates]
        for by in ("logme", "probe"):
            told_by = [one.figures[by] for one in ranked.candidates]
            lost = max(true) - true[max(range(len(true)), key=lambda i: told_by[i])]
            rows += [
                {"row": f"{name}: ranked by {by}", "metric": "kendall", "n": len(true),
                 "value": float(kendalltau(told_by, true).statistic)},
                {"row": f"{name}: ranked by {by}", "metric": "lost by taking the first", "value": lost,
                 "n": len(true)},
            ]  # fmt: skip
    path = bench.write(rows, (0,))
    lines = [f"{r['row']:<44} {r['metric']:<26} {r['value']:.4f}" for r in rows]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
