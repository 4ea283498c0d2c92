"""How often the truth lies in the 80 % interval of a ledger's forecast, which has not seen larger sizes.

    python benchmarks/forecast.py

Curves of real ledgers: accuracy of the cheap reader of reviews by labels (polarity, and each category of
online-shopping-10-cats), and NDCG@10 of three rows of recommendation without a language model by events (some
of Beauty's customers, Magazines, Gift Cards). Of a curve the first three sizes, and then one more at a time,
are carried on to the next sizes, up to eight times the data; the truth is what the ledger measured there, a
mean of its seeds. Nothing is chosen here: the dials of the interval are those that other readers' curves
chose (`tests/prove/test_forecast.py`). Intervals resample whole shops, with all curves of each:
rows of one shop see the same events and are no cases of their own, and with three shops an interval is wide.
Beside it: the score stays as it is, and a line over the logarithm of the data through the last two sizes.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from bench import Bench, begin, parser_of
from encoders import encoder_of
from ledger import cells_told
from transfer_curve import shop_of

from retailor.metrics.interval import bounds
from retailor.models.local import LocalEncoder
from retailor.prove.figures import Row
from retailor.prove.forecast import LEAST_SIZES, curve_of
from retailor.prove.ledger import prove
from retailor.prove.settings import ProveSettings
from retailor.seeds import stream
from retailor.shop.read import read
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop
from retailor.tasks.recommend.settings import RecommendSettings, SasrecSettings

READER = ("cheap baseline",)
FILTERS = ("popularity", "collaborative filter", "with words")
AHEAD = 3
"""Sizes beyond the last known that are foretold."""
N_RESAMPLES = 2000


def reviewed(given: Namespace) -> Iterator[tuple[str, Shop, Shop]]:
    """(name, training part, test part) of shops whose reviews have labels; drawn, each text once."""
    folder = given.data / "amazon-polarity-10k"
    parts = [
        read("amazon-polarity", folder / f"{part}.dat.gz").reviews.unique(
            "text", keep="first", maintain_order=True
        )
        for part in ("train", "test")
    ]
    train, test = (_drawn(table, n) for table, n in zip(parts, (given.labels, given.tests), strict=True))
    yield "polarity", Shop.of(reviews=train), Shop.of(reviews=test)
    raw = pl.read_csv(given.data / "online-shopping-10-cats" / "online_shopping_10_cats.csv")
    raw = raw.filter(pl.col("review").str.strip_chars() != "").unique("review", maintain_order=True)
    label = pl.when(pl.col("label") == 1).then(pl.lit("positive")).otherwise(pl.lit("negative"))
    for category in sorted(raw["cat"].unique()):
        rows = raw.filter(pl.col("cat") == category).select(text="review", label=label)
        rows = _drawn(rows, given.labels + given.tests).with_columns(language=pl.lit("zh"))
        n_test = min(given.tests, len(rows) // 3)
        yield category, Shop.of(reviews=rows[n_test:]), Shop.of(reviews=rows[:n_test])


def _drawn(rows: pl.DataFrame, n: int) -> pl.DataFrame:
    return rows[stream(0, "forecast").permutation(len(rows))[:n].tolist()]


def curves(bench: Bench) -> Iterator[tuple[str, str, str, list[Row]]]:
    """(unit, shop, step, rows by size, the small first) of every curve."""
    given = bench.given
    encoder = encoder_of("tiny", ["a b c"] * 10)  # no row reads by it
    for name, train, test in reviewed(given):
        sizes = tuple(16 * 2**i for i in range(20) if 16 * 2**i <= min(given.labels, len(train.reviews)))
        dials = ProveSettings(
            tasks=("sentiment",), steps=READER, labels=sizes, seeds=tuple(given.seeds), max_test=given.tests
        )
        yield from _steps(bench, name, "sentiment", train, test, encoder, dials)
    for shop in given.shops:
        train, test = leave_last_out(shop_of(shop, given.data, given.customers))
        shares = tuple(2.0**-i for i in range(given.halvings, -1, -1))
        dials = ProveSettings(
            tasks=("recommend",), steps=FILTERS, shares=shares, seeds=tuple(given.seeds), max_test=given.tests
        )
        yield from _steps(bench, shop, "recommend", train, test, encoder, dials)


def _steps(
    bench: Bench, name: str, task: str, train: Shop, test: Shop, encoder: LocalEncoder, dials: ProveSettings
) -> Iterator[tuple[str, str, str, list[Row]]]:
    more = RecommendSettings(sasrec=SasrecSettings(enabled=False)) if task == "recommend" else None
    ledger = prove(
        task, train, encoder, dials, work=bench.store.root / task, test=test, dials=more,
        tell=lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True),
    )  # fmt: skip
    for step in dict.fromkeys(row.step for row in ledger.rows):
        yield ledger.unit, name, step, [row for row in ledger.rows if row.step == step]


def hidden(rows: Sequence[Row]) -> Iterator[dict[str, float]]:
    """Of a curve each forecast from its first sizes: what was told, what came, and two cheap guesses."""
    for k in range(LEAST_SIZES, len(rows)):
        known = rows[:k]
        curve = curve_of(known)
        before, last = known[-2:]
        slope = (last.score - before.score) / np.log(last.n / before.n)
        for later in rows[k : k + AHEAD]:
            middle, low, high = curve.score(later.n)
            line = last.score + slope * np.log(later.n / last.n)
            yield {
                "times": round(later.n / last.n),
                "inside": float(low <= later.score <= high),
                "width": high - low,
                "error": abs(middle - later.score),
                "error, as it is now": abs(last.score - later.score),
                "error, a line over log n": abs(line - later.score),
            }


SHOWN = {
    "inside": ("forecast, 80 % interval", "truth inside"),
    "width": ("forecast, 80 % interval", "mean width"),
    "error": ("forecast", "mean absolute error"),
    "error, as it is now": ("as it is now", "mean absolute error"),
    "error, a line over log n": ("a line over log n", "mean absolute error"),
}


def rows_of(told: Mapping[str, Sequence[Mapping[str, float]]], bucket: str) -> Iterator[dict[str, Any]]:
    """The figures of the forecasts of some shops, by shop; intervals over shops."""
    some = [list(each) for each in told.values() if each]
    if not some:
        return
    drawn = stream(0, "forecast", "shops").integers(0, len(some), (N_RESAMPLES, len(some)))
    counts = np.array([len(each) for each in some])
    for key, (row, metric) in SHOWN.items():
        sums = np.array([sum(one[key] for one in each) for each in some])
        low, high = bounds(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
        yield {"row": row, "metric": metric, "bucket": bucket, "value": float(sums.sum() / counts.sum()),
               "low": low, "high": high, "n": int(counts.sum()), "shops": len(some)}  # fmt: skip


def main() -> None:
    """Writes results/forecast.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labels", type=int, default=2048, help="at most, of each shop")
    parser.add_argument("--tests", type=int, default=1000, help="at most, of each shop")
    parser.add_argument("--customers", type=int, default=300, help="of Beauty, and the items that they chose")
    parser.add_argument("--shops", nargs="*", default=["beauty", "magazines", "gift-cards"])
    parser.add_argument("--halvings", type=int, default=6, help="of the events: the least share is 2^-N")
    canary = {"seeds": [0, 1], "labels": 128, "tests": 60, "shops": ["gift-cards"], "halvings": 4}
    bench = begin(parser, canary=canary)
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    cells_told(bench)
    for unit, shop, _, rows in curves(bench):
        found.setdefault(unit, {}).setdefault(shop, []).extend(hidden(rows))
    figures: list[dict[str, Any]] = []
    every = {shop: told for some in found.values() for shop, told in some.items()}
    for bucket, some in (("all", every), *found.items()):
        figures += rows_of(some, bucket)
        for times in sorted({int(one["times"]) for told in some.values() for one in told}):
            at = {name: [one for one in told if one["times"] == times] for name, told in some.items()}
            figures += rows_of(at, f"{bucket}, {times} times the data")
    bench.write(figures, bench.given.seeds)
    for row in figures:
        around = f"[{row['low']:.4f}, {row['high']:.4f}]"
        print(
            f"{row['bucket']:32} {row['row']:26} {row['metric']:20} {row['value']:.4f} {around} n {row['n']}"
        )


if __name__ == "__main__":
    main()
