"""How fast the default encoder is beside sentence-transformers' default `encode`, on the same texts.

    python benchmarks/encode_speed.py --data ../shared/data

The same 2,000 real texts (reviews and product titles), the same weights, the same cores, in turns; the
figure is the median of the rounds, with their least and most as the interval.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from schema import write_results

from retailor.models.local import LocalEncoder
from retailor.models.weights import load_model
from retailor.seeds import stream


def real_texts(data: Path, n: int, seed: int) -> list[str]:
    """Half reviews, half product titles, shuffled."""
    with gzip.open(data / "amazon-polarity-10k" / "test.dat.gz", "rt", encoding="utf-8") as file:
        reviews = [line.rsplit("$LABEL$", 1)[0].strip() for line in file]
    with (data / "amazon2014-beauty" / "items.jsonl").open(encoding="utf-8") as file:
        titles = [title for line in file if (title := json.loads(line).get("title"))]
    draw = stream(seed, "texts")
    picked = [*draw.choice(reviews, n // 2, replace=False), *draw.choice(titles, n - n // 2, replace=False)]
    return [str(picked[i]) for i in draw.permutation(n)]


def timed(encode: Callable[[list[str]], Any], texts: list[str]) -> tuple[Any, float]:
    started = time.perf_counter()
    rows = encode(texts)
    return rows, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="minilm")
    given = parser.parse_args()
    from sentence_transformers import SentenceTransformer

    ours = load_model(given.model, kind="encoder")
    assert isinstance(ours, LocalEncoder)
    texts = real_texts(given.data, given.texts, given.seed)
    with tempfile.TemporaryDirectory() as folder:
        ours.save(Path(folder) / "encoder")
        theirs = SentenceTransformer(str(Path(folder) / "encoder"), device="cpu")
    seconds: dict[str, list[float]] = {"retailor": [], "sentence-transformers": []}
    ours.encode(texts[:64]), theirs.encode(texts[:64])
    for _ in range(given.rounds):
        expected, took = timed(theirs.encode, texts)
        seconds["sentence-transformers"].append(took)
        found, took = timed(ours.encode, texts)
        seconds["retailor"].append(took)
    cosines = (np.asarray(expected) * found).sum(1)
    rows = [row for name, took in seconds.items() for row in _rates(name, took, len(texts))]
    ratios = [a / b for a, b in zip(seconds["sentence-transformers"], seconds["retailor"], strict=True)]
    rows.append(
        {"row": "retailor", "metric": "times_faster", "value": statistics.median(ratios), "low": min(ratios),
         "high": max(ratios), "n": len(texts)}
    )  # fmt: skip
    rows.append({"row": "retailor", "metric": "least_cosine", "value": float(cosines.min()), "n": len(texts)})
    rows.append({"row": "retailor", "metric": "mean_cosine", "value": float(cosines.mean()), "n": len(texts)})
    for row in rows:
        print(f"{row['row']:24}{row['metric']:14}{row['value']:.5g}")
    if given.model == "minilm":
        write_results("encode_speed", rows, [given.seed], "python benchmarks/encode_speed.py --data FOLDER")


def _rates(name: str, took: list[float], n: int) -> list[dict[str, Any]]:
    rates = [n / seconds for seconds in took]
    return [
        {"row": name, "metric": "texts_per_s", "value": statistics.median(rates), "low": min(rates),
         "high": max(rates), "n": n, "seconds": statistics.median(took)}
    ]  # fmt: skip


if __name__ == "__main__":
    main()
