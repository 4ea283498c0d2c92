"""Tokens per second of a decoder: transformers in float32, Retailor by torch, and through OpenVINO.

    python benchmarks/generate_speed.py

One prompt and eight at once, on one core and on two, the systems in turn within each round: the ratios count,
not the seconds of a machine that does other work. A figure is the median of the rounds, low and high are the
least and the greatest. `same_text`: the share of 50 prompts whose greedy text is, to the letter, that of
transformers in float32; `perplexity`: of a system's greedy texts, a token, under the float32 model.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from bench import begin, parser_of

from retailor.metrics.interval import score_mean
from retailor.models.hardware import Precision
from retailor.models.local import LocalGenerator
from retailor.models.runtimes.runtime import Runtime
from retailor.models.weights import load_model
from retailor.shop.demo import demo_shop
from retailor.testing.models import tiny_decoder

REFERENCE = "transformers, float32"
SYSTEMS: dict[str, tuple[Runtime, Precision]] = {
    REFERENCE: ("torch", "32"),
    "retailor, as it comes": ("torch", "auto"),
    "retailor, runtime = 'openvino', float32": ("openvino", "32"),
    "retailor, runtime = 'openvino'": ("openvino", "auto"),
}
ASKED = (
    "Draft a customer review of this product: {}. Stars: {} of 5.",
    "Describe this product in two sentences: {}.",
    "Which questions would a customer ask about this product: {}?",
    "Write a short advertisement for: {}.",
    "To whom would you give this as a present: {}?",
)


def prompts_of(n: int, seed: int) -> list[str]:
    """Prompts about products of the simulated shop."""
    shop = demo_shop(4 * n + 40, seed)
    titles = [
        title for title, language in shop.items.select("title", "language").iter_rows() if language == "en"
    ]
    return [ASKED[i % len(ASKED)].format(titles[i], 1 + i % 5) for i in range(n)]


def generators(model: str) -> dict[str, LocalGenerator]:
    """The systems over the same weights."""
    base = tiny_decoder() if model == "tiny" else load_model(model, kind="generator")
    assert isinstance(base, LocalGenerator)
    found = {}
    for name, (runtime, precision) in SYSTEMS.items():
        found[name] = base.with_network(base.network)
        found[name].runtime, found[name].precision = runtime, precision
    return found


def rate(generator: LocalGenerator, prompts: Sequence[str], max_tokens: int) -> float:
    """Tokens per second of all prompts together, greedy, reading the prompts included."""
    started = time.perf_counter()
    said = generator.generate(prompts, max_tokens=max_tokens)
    seconds = time.perf_counter() - started
    return sum(len(row) for row in generator.tokenizer(said)["input_ids"]) / seconds


def speeds(given: Any, prompts: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for n_threads in given.threads:
        torch.set_num_threads(n_threads)
        made = generators(given.model)  # a graph is compiled for so many threads
        for n in (1, 8):
            rates: dict[str, list[float]] = {name: [] for name in made}
            for generator in made.values():
                generator.generate(prompts[:n], max_tokens=4)
            for turn in range(given.rounds):
                some = [prompts[(turn * n + i) % len(prompts)] for i in range(n)]
                for name, generator in made.items():
                    rates[name].append(rate(generator, some, given.max_tokens))
            bucket = f"{n} at once, {n_threads} core{'s' * (n_threads > 1)}"
            for name, found in rates.items():
                ratios = [a / b for a, b in zip(found, rates[REFERENCE], strict=True)]
                for metric, values in (("tokens_per_s", found), ("times_faster", ratios)):
                    rows.append(_row(name, bucket, metric, values, n))
                print(f"{bucket:24} {name:44} {rows[-2]['value']:8.1f} {rows[-1]['value']:6.2f}", flush=True)
    return rows


def _row(name: str, bucket: str, metric: str, values: list[float], n: int) -> dict[str, Any]:
    return {
        "row": name, "bucket": bucket, "metric": metric, "value": statistics.median(values),
        "low": min(values), "high": max(values), "n": n * len(values),
    }  # fmt: skip


def texts(given: Any, prompts: Sequence[str]) -> list[Any]:
    """How near the texts of each system are to those of the reference."""
    made, rows = generators(given.model), []
    right = made[REFERENCE].generate(prompts, max_tokens=given.max_tokens)
    for name, generator in made.items():
        said = right if name == REFERENCE else generator.generate(prompts, max_tokens=given.max_tokens)
        same = [float(one == other) for one, other in zip(said, right, strict=True)]
        loss = made[REFERENCE].mean_loss(said)
        rows += [
            score_mean(name, "same_text", same, seed=given.seed),
            {"row": name, "metric": "perplexity", "value": float(np.exp(loss)), "n": len(said)},
        ]
        print(f"{name:44} same text {np.mean(same):.2f}  perplexity {np.exp(loss):.3f}", flush=True)
    return rows


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="smollm2", help="a model name, or 'tiny' for that of the tests")
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--seed", type=int, default=0)
    small = {"model": "tiny", "prompts": 6, "max_tokens": 8, "rounds": 1, "threads": [1]}
    bench = begin(parser, canary=small)
    prompts = prompts_of(bench.given.prompts, bench.given.seed)
    rows = [*texts(bench.given, prompts), *speeds(bench.given, prompts)]
    bench.write(rows, [bench.given.seed])


if __name__ == "__main__":
    main()
