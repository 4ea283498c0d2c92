"""Which rule should choose between readers of sentiment: what each would have lost, on the same fits.

    python benchmarks/sentiment_auto.py

Three shops: English reviews of two labels, magazines' reviews with stars (three labels, few of them bad),
and Chinese reviews before an encoder that reads English only. A draw fits every candidate of 'auto' once
and keeps what each said to test texts. Random parts of these stand for held-out texts, by which rules
choose; the rest is then the truth, and a rule's regret is what the best candidate has on it less what the
chosen one has. Draws below 100 served to settle the rule, on test texts of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import begin, parser_of
from keeping import Store
from numpy.typing import NDArray
from remembering import Remembering

from retailor.metrics.classify import accuracy, log_loss_cases, macro_f1
from retailor.metrics.interval import score_mean
from retailor.models.local import LocalEncoder
from retailor.models.weights import load_model
from retailor.seeds import stream
from retailor.shop.read import read
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.choice import choose_by_loss
from retailor.tasks.sentiment.readers.blended import BlendedReader
from retailor.tasks.sentiment.readers.heads import cross_calibrated
from retailor.tasks.sentiment.texts import Examples, read_examples

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Said = Mapping[str, Floats]
"""By candidate, cheapest first, probabilities [n, C]."""
ROWS = ("tf-idf", "nb-svm", "frozen probe", "fine-tuned", "blended")
MAX_TOKENS = 32
N_HELD = (25, 60, 120)
REPEATS = 12


@dataclass(frozen=True)
class Draw:
    """What each candidate said to test texts, and their labels [n]."""

    shop: str
    test: Said
    y: Labels


def shops(data: Path) -> dict[str, Examples]:
    """All labelled reviews by shop, each text once."""
    magazines = data / "amazon2018-magazine"
    stars = read(
        "amazon-2018",
        magazines / "Magazine_Subscriptions_5.json.gz",
        magazines / "meta_Magazine_Subscriptions.json.gz",
    )
    rows = pl.read_csv(data / "online-shopping-10-cats" / "online_shopping_10_cats.csv")
    label = pl.when(pl.col("label") == 1).then(pl.lit("positive")).otherwise(pl.lit("negative"))
    chinese = Shop.of(
        reviews=rows.filter(pl.col("review").is_not_null()).select(
            review_id=pl.int_range(pl.len()).cast(pl.Utf8),
            text=pl.col("review"),
            label=label,
            language=pl.lit("zh"),
        )
    )
    found = {
        "English, two labels": read("amazon-polarity", data / "amazon-polarity-10k" / "train.dat.gz"),
        "English, stars": stars,
        "Chinese, English encoder": chinese,
    }
    return {name: read_examples(shop, once=True) for name, shop in found.items()}


def parts(n: int, seed: int, n_labels: int, n_test: int) -> tuple[Labels, Labels]:
    """Rows to learn from and rows to test on; draws below 100 test on other texts than those from 100 on."""
    order = stream(0, "sentiment auto").permutation(n)
    test = order[:n_test] if seed < 100 else order[n_test : 2 * n_test]
    rest = order[2 * n_test :]
    return np.sort(stream(seed, "sentiment auto", "draw").permutation(rest)[:n_labels]), np.sort(test)


def fitted(
    encoder: LocalEncoder, frozen: Remembering, train: Examples, test: Examples, seed: int
) -> dict[str, NDArray[Any]]:
    """The probabilities of every candidate of 'auto', 'test ROW', and the labels, 'test y'."""
    chosen = SentimentSettings(
        mode="blended", few_labels=0, validation=0.25, max_tokens=MAX_TOKENS, seed=seed,
        train=replace(SentimentSettings().train, freeze_layers=2),
    )  # fmt: skip
    reader = SentimentReader(encoder, chosen).fit(shop_of(train)).in_bulk()
    made = reader._made
    assert made.frozen is not None and isinstance(made.reader, BlendedReader)
    said = {row: words.probabilities(test.queries) for row, words in made.words.items()}
    vectors = frozen.encode(made.frozen.inputs(test.queries), role="query").astype(np.float64)
    said["frozen probe"] = made.frozen.head.probabilities(vectors)
    said["fine-tuned"] = made.reader.tuned.probabilities(test.queries)
    said["blended"] = made.reader.of(said[made.row_of(made.reader.words)], said["fine-tuned"])
    return {"test y": test.y, **{f"test {row}": said[row] for row in ROWS}}


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


def drawn(store: Store, data: Path, seeds: Sequence[int], n_labels: int, n_test: int) -> list[Draw]:
    """The draws of every shop; made now where they are not kept."""
    encoder = load_model("minilm", kind="encoder")
    assert isinstance(encoder, LocalEncoder)
    frozen, draws = Remembering(encoder), []
    for shop, examples in shops(data).items():
        for seed in seeds:
            learn, test = (examples.take(rows) for rows in parts(len(examples), seed, n_labels, n_test))

            def make(
                work: Path, learn: Examples = learn, test: Examples = test, seed: int = seed
            ) -> dict[str, NDArray[Any]]:
                return fitted(encoder, frozen, learn, test, seed)

            kept = store.tensors(f"{shop}, draw {seed}", make, shop, seed)
            draws.append(Draw(shop, {row: kept[f"test {row}"] for row in ROWS}, kept["test y"]))
    return draws


# Rules: what was said to held-out texts, and their labels, to the row that answers -----------------


def one_standard_error(said: Said, y: Labels) -> str:
    """The cheapest within one standard error of the best macro-F1, as it was before."""
    values = {row: macro_f1(y, p.argmax(axis=1), len(LABELS)) for row, p in said.items()}
    best = max(values, key=lambda row: values[row])
    right = accuracy(y, said[best].argmax(axis=1))
    error = np.sqrt(right * (1 - right) / len(y))
    row = next(row for row in said if values[row] >= values[best] - error)
    return "blended" if row == "fine-tuned" and values["blended"] > values[row] else row


def best_macro_f1(said: Said, y: Labels) -> str:
    return max(said, key=lambda row: macro_f1(y, said[row].argmax(axis=1), len(LABELS)))


def least_log_loss(said: Said, y: Labels) -> str:
    return min(said, key=lambda row: float(log_loss_cases(y, said[row]).mean()))


def of_auto(said: Said, y: Labels) -> str:
    """'blended' unless another leads it by two paired errors of the log loss: what 'auto' does."""
    return choose_by_loss({row: log_loss_cases(y, rows) for row, rows in said.items()})


def within_paired_error(said: Said, y: Labels) -> str:
    """The cheapest whose log loss is within one paired standard error of the least."""
    best = log_loss_cases(y, said[least_log_loss(said, y)])
    for row, rows in said.items():
        more = log_loss_cases(y, rows) - best
        if more.mean() <= more.std(ddof=1) / np.sqrt(len(y)):
            return row
    raise AssertionError("the best is within its own error")


RULES: dict[str, Callable[[Said, Labels], str]] = {
    "one standard error of macro-F1": one_standard_error,
    "best macro-F1": best_macro_f1,
    "least log loss": least_log_loss,
    "blended unless another leads it": of_auto,
    "one paired error of log loss": within_paired_error,
    **{f"always {row}": lambda said, y, row=row: row for row in ROWS},  # type: ignore[misc]
}


def regrets(draw: Draw, n_held: int) -> dict[str, tuple[float, float]]:
    """By rule its mean regret in accuracy and in log loss over random held-out parts of the test texts."""
    logits = {row: np.log(np.maximum(p, 1e-12)) for row, p in draw.test.items()}
    found: dict[str, list[tuple[float, float]]] = {rule: [] for rule in RULES}
    for repeat in range(REPEATS):
        order = stream(repeat, "sentiment auto", "held").permutation(len(draw.y))
        held, rest = order[:n_held], order[n_held:]
        said = {row: cross_calibrated(rows[held], draw.y[held]) for row, rows in logits.items()}
        right = {row: accuracy(draw.y[rest], p[rest].argmax(axis=1)) for row, p in draw.test.items()}
        loss = {row: float(log_loss_cases(draw.y[rest], p[rest]).mean()) for row, p in draw.test.items()}
        for name, rule in RULES.items():
            row = rule(said, draw.y[held])
            found[name].append((max(right.values()) - right[row], loss[row] - min(loss.values())))
    return {name: tuple(np.mean(values, axis=0)) for name, values in found.items()}  # type: ignore[misc]


def rows_of(draws: Sequence[Draw]) -> list[dict[str, Any]]:
    """A row a rule and number of held-out texts; intervals are over draws."""
    rows: list[dict[str, Any]] = []
    for n_held in N_HELD:
        by_draw = [regrets(draw, n_held) for draw in draws]
        for rule in RULES:
            for i, metric in enumerate(("regret in accuracy", "regret in log loss")):
                score = score_mean(
                    f"{rule}, {n_held} held out", metric, [found[rule][i] for found in by_draw]
                )
                rows.append(dict(vars(score)))
    return rows


def main() -> None:
    """Writes results/sentiment_auto.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102, 103, 104, 105])
    parser.add_argument("--labels", type=int, default=240)
    parser.add_argument("--test", type=int, default=300)
    bench = begin(parser, canary={"seeds": [100], "labels": 80, "test": 150})
    given = bench.given
    rows = rows_of(drawn(bench.store, given.data, given.seeds, given.labels, given.test))
    path = bench.write(rows, given.seeds)
    lines = [
        f"{r['row']:<50} {r['metric']:<20} {r['value']:.4f} ({r['low']:.4f}–{r['high']:.4f})" for r in rows
    ]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
