"""What each step of transfer is worth in reading Amazon reviews, with 64 and 512 labels: three seeds.

    python benchmarks/ledger.py

What `retailor prove` does, on the training reviews of `amazon-polarity-10k`, tested on its own test part.
All dials are as they come, nothing is chosen on the test. A cell (step, labels, seed) that is done is kept in
the work folder: the same command can be given again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import Bench, begin, parser_of
from encoders import encoder_of

from retailor.prove.figures import Row
from retailor.prove.ledger import Ledger, prove
from retailor.prove.picture import draw
from retailor.prove.settings import bounded
from retailor.shop.read import read
from retailor.shop.tables import Shop


def reviews(data: Path, part: str, limit: int | None) -> Shop:
    """The different reviews of a part of the collection, or some of them."""
    shop = read("amazon-polarity", data / "amazon-polarity-10k" / f"{part}.dat.gz")
    different = shop.reviews.unique("text", keep="first", maintain_order=True)
    return shop.with_tables(reviews=different if limit is None else different.sample(limit, seed=0))


def rows_of(ledger: Ledger) -> list[dict[str, Any]]:
    """Two rows a step and size of the data: its score with what it took, and its gain on the row above.

    The same of each kind of cases, and how many there are.
    """
    found = _steps(ledger, ledger.rows)
    for kind in ledger.kinds:
        found += _steps(ledger, kind.rows, f"{kind.name}, ")
        found += [
            {"row": "cases", "bucket": f"{kind.name}, {n:,} {ledger.unit}", "metric": "cases",
             "value": cases, "n": cases}
            for n, cases in kind.cases.items()
        ]  # fmt: skip
    return found


def leads_of(ledger: Ledger) -> list[dict[str, Any]]:
    """A row a size of the data, of all cases and of each kind: the model's row less the control."""
    found = [
        ("", ledger.findings, ledger.rows),
        *((f"{one.name}, ", one.findings, one.rows) for one in ledger.kinds),
    ]
    return [
        {"row": "language model less control", "bucket": f"{kind}{each.n:,} {ledger.unit}",
         "metric": ledger.metric, "value": each.gain, "low": each.gain_low, "high": each.gain_high,
         "n": next(row.n_test for row in rows if row.n == each.n), "control": each.control,
         "model": each.model, "stop": each.stop}
        for kind, findings, rows in found
        for each in findings
        if each.gain is not None
    ]  # fmt: skip


def _steps(ledger: Ledger, rows: Sequence[Row], kind: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in rows:
        bucket = f"{kind}{row.n:,} {ledger.unit}"
        found.append({"bucket": bucket, **_score(row, ledger.metric)})
        if row.gain is not None:
            found.append(
                {"row": f"{row.step} - {row.against}", "bucket": bucket, "metric": ledger.metric,
                 "value": row.gain, "low": row.gain_low, "high": row.gain_high, "n": row.n_test}
            )  # fmt: skip
    return found


def _score(row: Row, metric: str) -> dict[str, Any]:
    return {
        "row": row.step,
        "metric": metric,
        "value": row.score,
        "low": row.low,
        "high": row.high,
        "n": row.n_test,
        "spread": row.spread,
        "seconds": row.cost.seconds,
        "shared_seconds": row.cost.shared_seconds,
        "examples_seen": row.cost.examples_seen,
        "parameters_trained": row.cost.parameters_trained,
    }


def main() -> None:
    """Writes results/ledger.json and results/ledger.svg."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--labels", type=int, nargs="+", default=[64, 512], help="0 is all of them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--max-steps", type=int, help="of each training, adaptation too; as many as it takes")
    parser.add_argument("--limit", type=int, help="so many reviews to train and to test on")
    bench = begin(
        parser, canary={"encoder": "tiny", "labels": [32], "seeds": [0], "max_steps": 2, "limit": 120}
    )
    given = bench.given
    settings = bounded(
        given.max_steps, tasks=("sentiment",), labels=tuple(given.labels), seeds=tuple(given.seeds)
    )
    train, test = (reviews(given.data, part, given.limit) for part in ("train", "test"))
    cells_told(bench)
    ledger = prove(
        "sentiment", train, encoder_of(given.encoder, train.reviews["text"]), settings,
        work=bench.store.root, test=test, tell=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip
    write(bench, ledger)


def write(bench: Bench, ledger: Ledger, *, leads: bool = False) -> None:
    """The result, with the `leads` of the language model if asked for, and its picture."""
    path = bench.write(rows_of(ledger) + (leads_of(ledger) if leads else []), bench.given.seeds)
    draw(ledger, path.with_suffix(".svg"))
    sys.stderr.write(f"{ledger}\n{path}\n")


def cells_told(bench: Bench) -> None:
    """Notes whether a ledger's cells are made now or were kept."""
    cells = bench.store.root / "cells"
    bench.store.stages["cells"] = {"made": "kept" if cells.exists() else "now"}


if __name__ == "__main__":
    main()
