"""How fast the default encoder is beside sentence-transformers' `encode`, on the same texts.

    python benchmarks/encode_speed.py

The same 2,000 real texts (reviews and product titles), the same weights, the same cores, in turns. The
default encoder computes in bf16 where the processor has it: there it is measured beside sentence-transformers
in bf16 and beside its float32, which is how it comes; elsewhere float32 is beside float32. A figure is the
median of the rounds, with their least and most as the interval; the cosines are with their float32.
"""

from __future__ import annotations

import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench import begin, parser_of
from numpy.typing import NDArray

from retailor.models.hardware import native_bf16
from retailor.models.local import LocalEncoder
from retailor.models.weights import load_model
from retailor.seeds import stream

Encode = Callable[[list[str]], Any]


def real_texts(data: Path, n: int, seed: int) -> list[str]:
    """Half reviews, half product titles, shuffled."""
    with gzip.open(data / "amazon-polarity-10k" / "test.dat.gz", "rt", encoding="utf-8") as file:
        reviews = [line.rsplit("$LABEL$", 1)[0].strip() for line in file]
    with (data / "amazon2014-beauty" / "items.jsonl").open(encoding="utf-8") as file:
        titles = [title for line in file if (title := json.loads(line).get("title"))]
    draw = stream(seed, "texts")
    picked = [*draw.choice(reviews, n // 2, replace=False), *draw.choice(titles, n - n // 2, replace=False)]
    return [str(picked[i]) for i in draw.permutation(n)]


def systems(model: str) -> dict[str, Encode]:
    """Ours as it comes first, then sentence-transformers over the same weights; each names its precision."""
    import torch
    from sentence_transformers import SentenceTransformer

    ours = load_model(model, kind="encoder")
    assert isinstance(ours, LocalEncoder)
    names = {torch.float32: "float32"} | ({torch.bfloat16: "bf16"} if native_bf16() else {})
    found: dict[str, Encode] = {f"retailor, {list(names.values())[-1]}": ours.encode}
    with tempfile.TemporaryDirectory() as folder:
        ours.save(Path(folder) / "encoder")
        for dtype, name in names.items():
            place, options = str(Path(folder) / "encoder"), {"torch_dtype": dtype}
            theirs = SentenceTransformer(place, device="cpu", model_kwargs=options)
            found[f"sentence-transformers, {name}"] = partial(_theirs, theirs)
    return found


def _theirs(encoder: Any, texts: list[str]) -> Any:
    return encoder.encode(texts, convert_to_tensor=True).float().numpy()


def timed(encode: Encode, texts: list[str]) -> tuple[NDArray[np.float32], float]:
    started = time.perf_counter()
    rows = np.asarray(encode(texts), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), time.perf_counter() - started


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="minilm")
    bench = begin(parser, canary={"texts": 32, "rounds": 1})
    given = bench.given
    texts = real_texts(given.data, given.texts, given.seed)
    encoders = systems(given.model)
    for encode in encoders.values():
        encode(texts[:64])
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    vectors: dict[str, NDArray[np.float32]] = {}
    for _ in range(given.rounds):
        for name, encode in encoders.items():
            vectors[name], took = timed(encode, texts)
            seconds[name].append(took)
    rows = [row for name, took in seconds.items() for row in _rates(name, took, len(texts))]
    ours, reference, *others = encoders
    for name in (reference, *others):
        ratios = [a / b for a, b in zip(seconds[name], seconds[ours], strict=True)]
        rows.append(
            {"row": f"{ours} against {name}", "metric": "times_faster", "value": statistics.median(ratios),
             "low": min(ratios), "high": max(ratios), "n": len(texts)}
        )  # fmt: skip
    for name in (ours, *others):
        cosines = (vectors[reference] * vectors[name]).sum(1)
        for metric, value in (("least_cosine", cosines.min()), ("mean_cosine", cosines.mean())):
            rows.append({"row": name, "metric": metric, "value": float(value), "n": len(texts)})
    for row in rows:
        print(f"{row['row']:48}{row['metric']:14}{row['value']:.5g}")
    bench.write(rows, [given.seed])


def _rates(name: str, took: list[float], n: int) -> list[dict[str, Any]]:
    rates = [n / seconds for seconds in took]
    return [
        {"row": name, "metric": "texts_per_s", "value": statistics.median(rates), "low": min(rates),
         "high": max(rates), "n": n, "seconds": statistics.median(took)}
    ]  # fmt: skip


if __name__ == "__main__":
    main()
