"""Tokens per second of a decoder: transformers in float32, Retailor by torch, and through OpenVINO.

    python benchmarks/generate_speed.py

One prompt and eight at once, on one core and on two, the systems in turn within each round: the ratios count,
not the seconds of a machine that does other work. So are eight prompts with a beginning in common (the same
instruction and examples before each, known from the call before) and eight calls of one prompt each from
threads of their own. A figure is the median of the rounds, low and high are the
least and the greatest. `same_text`: the share of 50 prompts whose greedy text is, to the letter, that of
transformers in float32; `perplexity`: of a system's greedy texts, a token, under the float32 model.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
EACH_TIME = "retailor, runtime = 'openvino', beginnings read each time"
"""The last of the systems, with what it does without."""
ASKED = (
    "Draft a customer review of this product: {}. Stars: {} of 5.",
    "Describe this product in two sentences: {}.",
    "Which questions would a customer ask about this product: {}?",
    "Write a short advertisement for: {}.",
    "To whom would you give this as a present: {}?",
)
HEAD = """You write for a shop. Say only what is known of the product, name no price and promise nothing.
Product: a steel kettle of 1.7 litres, 2200 watts, with a filter. Stars: 5 of 5.
Review: It boils a litre in about three minutes and pours without dripping. The filter keeps the lime back.
Product: a tent for two of 2.1 kilograms, a water column of 3000 millimetres. Stars: 3 of 5.
Review: Light and quick to put up, and it stayed dry in a night of rain. For two grown-ups it is narrow.
Product: headphones with a cable of 1.2 metres, closed, 32 ohms. Stars: 2 of 5.
Review: They sound well, but the cable is short and the left side went silent after some weeks.
"""


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


def each_time(made: Mapping[str, LocalGenerator]) -> LocalGenerator:
    """The last system, reading every prompt from its first token."""
    last = list(made.values())[-1]
    found = last.with_network(last.network)
    found._graphs.least = 1_000_000
    return found


def rate(generator: LocalGenerator, prompts: Sequence[str], max_tokens: int, *, calls: bool = False) -> float:
    """Tokens per second of all prompts together, greedy, reading the prompts included.

    With `calls` each is a call of its own, all of them at once.
    """
    started = time.perf_counter()
    if calls:
        with ThreadPoolExecutor(len(prompts)) as threads:
            made = threads.map(lambda one: generator.generate([one], max_tokens=max_tokens), prompts)
            said = [text for texts in made for text in texts]
    else:
        said = generator.generate(prompts, max_tokens=max_tokens)
    seconds = time.perf_counter() - started
    return sum(len(row) for row in generator.tokenizer(said)["input_ids"]) / seconds


def speeds(given: Any, prompts: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for n_threads in given.threads:
        torch.set_num_threads(n_threads)
        made = generators(given.model)  # a graph is compiled for so many threads
        on = f"{n_threads} core{'s' * (n_threads > 1)}"
        n_head = len(made[REFERENCE].tokenizer(HEAD)["input_ids"])
        for n, told, head, calls in (
            (1, "1 at once", "", False),
            (8, "8 at once", "", False),
            (8, f"8 at once, {n_head} tokens in common", HEAD, False),
            (8, "8 calls at once", "", True),
        ):
            systems = dict(made)
            if head:
                systems[EACH_TIME] = each_time(made)
            rates: dict[str, list[float]] = {name: [] for name in systems}
            for generator in systems.values():
                generator.generate([head + prompt for prompt in prompts[:n]], max_tokens=4)
            for turn in range(given.rounds):
                some = [head + prompts[(turn * n + i) % len(prompts)] for i in range(n)]
                for name, generator in systems.items():
                    rates[name].append(rate(generator, some, given.max_tokens, calls=calls))
            bucket = f"{told}, {on}"
            for name, found in rates.items():
                ratios = [a / b for a, b in zip(found, rates[REFERENCE], strict=True)]
                for metric, values in (("tokens_per_s", found), ("times_faster", ratios)):
                    rows.append(_row(name, bucket, metric, values, n))
                print(f"{bucket:44} {name:60} {rows[-2]['value']:8.1f} {rows[-1]['value']:6.2f}", flush=True)
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
