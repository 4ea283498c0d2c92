"""What is left of three tasks' scores when vectors have fewer numbers, or fewer bits, and nothing else.

    python benchmarks/low_rank.py

MiniLM, 384 numbers, as the only encoder of the three tasks of `compress_frontier` (sentiment of Amazon
Polarity, search on Icecat by meaning alone, recommendation on Beauty with the titles' vectors as a kernel).
'pca N' has the N principal components of the shop's own texts, as unit vectors; the baselines are the first N
numbers as they come, which is what a model taught that way (Matryoshka) would be asked for, and N random
directions. 'int8' rounds each number to eight bits, 'binary' keeps the signs after a random turn. No second
look at whole vectors: `packed_vectors` has that. `kept` is the share of the score by all numbers, with its
paired interval; components are learned from texts without queries and test reviews.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from bench import begin, parser_of
from compress_frontier import TASKS, Shops, cases_of, told
from encoders import encoder_of
from numpy.typing import NDArray
from remembering import Remembering

from retailor.metrics.scores import Score
from retailor.seeds import stream

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Changed:
    """An encoder whose vectors are changed, and made unit vectors again."""

    encoder: Any
    change: Callable[[F32], F32]

    def encode(self, texts: list[str], role: str = "passage") -> F32:
        rows = self.change(self.encoder.encode(texts, role=role))
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def changes(vectors: F32, numbers: list[int], seed: int) -> Mapping[str, Callable[[F32], F32]]:
    """By name what is done to vectors [n, d], learned from those of the shop's texts."""
    dim, mean = vectors.shape[1], vectors.mean(axis=0)
    axes = np.linalg.eigh((vectors - mean).T @ (vectors - mean))[1][:, ::-1].astype(np.float32)
    turn = np.linalg.qr(stream(seed, "low rank").normal(size=(dim, dim)))[0].astype(np.float32)
    most = float(np.abs(vectors).max())
    made: dict[str, Callable[[F32], F32]] = {
        "int8": lambda rows: np.rint(rows * 127 / most).clip(-127, 127),
        "binary": lambda rows: np.sign((rows - mean) @ turn),
    }
    for n in numbers:
        # the mean stays in: cosines to a query are those of whole vectors less what is cut off
        made[f"pca {n}"] = lambda rows, n=n: rows @ axes[:, :n]  # type: ignore[misc]
        made[f"pca {n}, centred"] = lambda rows, n=n: (rows - mean) @ axes[:, :n]  # type: ignore[misc]
        made[f"first {n}"] = lambda rows, n=n: rows[:, :n]  # type: ignore[misc]
        made[f"random {n}"] = lambda rows, n=n: rows @ turn[:, :n]  # type: ignore[misc]
    return made


def main() -> None:
    """Writes results/low_rank.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--numbers", type=int, nargs="+", default=[192, 96, 48, 24])
    parser.add_argument("--train", type=int, default=1500, help="reviews to learn from")
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=116)
    parser.add_argument("--items", type=int, default=4000, help="of Icecat")
    parser.add_argument("--customers", type=int, default=1500, help="of Beauty")
    parser.add_argument("--seed", type=int, default=0)
    canary = {
        "model": "tiny", "numbers": [8], "train": 60, "test": 40, "queries": 12, "items": 150,
        "customers": 60,
    }  # fmt: skip
    bench = begin(parser, canary=canary)
    given = bench.given
    shops = Shops.of(given)
    encoder = Remembering(encoder_of(given.model, shops.texts()))
    vectors = encoder.encode(shops.texts())

    def scored(name: str, change: Callable[[F32], F32] | None) -> Mapping[str, NDArray[np.float64]]:
        asked = encoder if change is None else Changed(encoder, change)
        made = bench.store.tensors(f"score of {name}", lambda work: cases_of(asked.encode, shops))
        return {task: made[task] for task in TASKS}

    exact = scored("float32", None)
    rows: list[Score | dict[str, Any]] = told("float32", exact, exact)
    for name, change in changes(vectors, given.numbers, given.seed).items():
        rows += told(name, scored(name, change), exact)
        sys.stderr.write(f"{name:20}{rows[-1]['value']:.4f}\n")  # type: ignore[index]
    bench.write(rows, [given.seed])


if __name__ == "__main__":
    main()
