"""Whether the ranking of `choose`, made before any training, is the ranking of real fine-tunes.

    python benchmarks/choose.py --data ../shared/data

Two shops, English (amazon-polarity-10k) and Chinese (online-shopping-10-cats). Candidates: both encoders that
arrive by pip, their lower layers alone, and the smaller one without its training. Each is ranked on some
labelled reviews, then fine-tuned on the same ones and tested on others. A fine-tune that is done is kept in
the work folder. With --limit it is a rehearsal.
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
from schema import RESULTS, write_results
from scipy.stats import kendalltau

from retailor.choose.rank import ChooseSettings, choose
from retailor.metrics.classify import accuracy
from retailor.models.local import LocalEncoder, load_encoder
from retailor.models.weights import load_model
from retailor.prove.cells import untrained
from retailor.shop.read import read
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.texts import read_examples


def first_layers(encoder: LocalEncoder, n: int) -> LocalEncoder:
    """The encoder with its first `n` layers alone."""
    made = encoder.copy()
    layers: Any = made.network.encoder
    layers.layer = layers.layer[:n]
    made.network.config.num_hidden_layers = n  # type: ignore[union-attr]
    return made


def candidates(work: Path) -> list[str]:
    """Names and folders of the candidates; those that are made here are kept in the work folder."""
    made: dict[str, Callable[[], LocalEncoder]] = {
        "minilm-3-layers": lambda: first_layers(opened("minilm"), 3),
        "minilm-1-layer": lambda: first_layers(opened("minilm"), 1),
        "minilm-untrained": lambda: untrained(opened("minilm"), 0),
        "e5-6-layers": lambda: first_layers(opened("e5"), 6),
    }
    for name, make in made.items():
        if not (work / name).exists():
            make().save(work / name)
    return ["minilm", "e5", *(str(work / name) for name in made)]


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
        name: shop.with_tables(reviews=shop.reviews.sample(fraction=1.0, shuffle=True, seed=0))
        for name, shop in found.items()
    }


def fine_tuned(path: Path, model: str, train: Shop, test: Shop, steps: int) -> dict[str, float]:
    """Accuracy and seconds of a real fine-tune, kept at `path`."""
    if not path.exists():
        encoder = load_model(model) if "/" not in model else load_encoder(model)
        settings = SentimentSettings(
            mode="fine-tuned", few_labels=0, max_steps=steps, epochs=1e3, learning_rate=1e-4, max_tokens=96,
            validate_every=None, patience=None, freeze_embeddings=True, strengths=(10.0,),
        )  # fmt: skip
        reader = SentimentReader(encoder, settings).fit(train)
        cases = read_examples(test, once=False)
        predicted = [LABELS.index(answer.label) for answer in reader.predict(list(cases.queries))]
        told = {
            "accuracy": accuracy(cases.y, np.array(predicted)),
            "seconds": reader.log["validation"]["fine-tuned"]["seconds"],
        }
        path.write_text(json.dumps(told), encoding="utf-8")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def main() -> None:
    """Writes results/choose.json."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--limit", type=int, help="so many labelled reviews: a rehearsal")
    arguments.add_argument("--labels", type=int, default=500, help="labelled reviews to rank and train on")
    arguments.add_argument("--test", type=int, default=1000, help="reviews to test each fine-tune on")
    arguments.add_argument("--steps", type=int, default=48, help="steps of each fine-tune, of 32 texts")
    arguments.add_argument("--work", type=Path, default=Path("build/choose"))
    given = arguments.parse_args()
    work = given.work / f"{given.limit or given.labels}-{given.test}-{given.steps}"
    work.mkdir(parents=True, exist_ok=True)
    n = given.limit or given.labels
    rows: list[dict[str, Any]] = []
    models = candidates(work)
    for name, shop in shops(given.data).items():
        train = shop.with_tables(reviews=shop.reviews[:n])
        test = shop.with_tables(reviews=shop.reviews[n : n + (given.limit or given.test)])
        ranked = choose(train, models, ChooseSettings(sample=n))
        real = {}
        for one in ranked.candidates:
            short = Path(one.model).name
            told = fine_tuned(work / f"{name}-{short}.json", one.model, train, test, given.steps)
            real[one.model] = told["accuracy"]
            row = f"{name}: {short}"
            rows += [
                {"row": row, "metric": "logme", "value": one.logme, "n": n},
                {"row": row, "metric": "probe", "value": one.probe, "n": n},
                {"row": row, "metric": "accuracy", "value": told["accuracy"], "n": len(test.reviews),
                 "seconds": told["seconds"]},
                {"row": row, "metric": "texts_per_s", "value": one.texts_per_s, "n": n},
            ]  # fmt: skip
        true = [real[one.model] for one in ranked.candidates]
        for by in ("logme", "probe"):
            told_by = [getattr(one, by) for one in ranked.candidates]
            lost = max(true) - true[max(range(len(true)), key=lambda i: told_by[i])]
            rows += [
                {"row": f"{name}: ranked by {by}", "metric": "kendall", "n": len(true),
                 "value": float(kendalltau(told_by, true).statistic)},
                {"row": f"{name}: ranked by {by}", "metric": "lost by taking the first", "value": lost,
                 "n": len(true)},
            ]  # fmt: skip
    folder = RESULTS if given.limit is None else work
    command = (
        f"python benchmarks/{Path(sys.argv[0]).name} --labels {n} --test {given.test} --steps {given.steps}"
    )
    path = write_results("choose", rows, (0,), command, folder=folder)
    lines = [f"{r['row']:<44} {r['metric']:<26} {r['value']:.4f}" for r in rows]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
