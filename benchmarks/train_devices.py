"""What a step of training costs through Lightning Fabric: beside a bare loop, in one process and in two.

    python benchmarks/train_devices.py

Two networks on made-up rows: the smallest there is, where all of a step is the loop itself, and one of a few
million weights, where arithmetic is most of it. Every way learns the same batches from the same start; `loss`
is that over all rows afterwards, and must be the same. `over_ms` is what a step takes more than one of the
bare loop, `ratio` how many times as long, both in the same round; a figure is the median over the rounds, low
and high the least and the greatest. One thread a process. Starting the processes is told apart (`start_s`).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from bench import begin, parser_of
from torch import nn

from retailor.train.loop import TrainSettings, train
from retailor.train.schedule import epoch_batches, rate_factor

RATE = 1e-3
WAYS = {
    "retailor, one device": {},
    "retailor, Fabric, one process": {"strategy": "ddp"},
    "retailor, Fabric, two processes": {"devices": 2},
}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=1024, help="of the larger network")
    parser.add_argument("--seed", type=int, default=0)
    bench = begin(parser, canary={"steps": 12, "rounds": 1, "width": 64})
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    print(bench.write(measure(bench.given), [bench.given.seed]))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Tidy rows of every round's figures."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for _ in range(options.rounds):
        for size, network, batch_size in (("smallest", smallest, 8), ("larger", larger, 64)):
            for row, metric, value in one_round(lambda n=network: n(options), batch_size, options):
                found.setdefault((size, row, metric), []).append(value)
                print(f"{size:10s} {row:35s} {metric:10s} {value:.4f}", flush=True)
    return [
        {
            "row": row, "bucket": size, "metric": metric, "value": float(np.median(values)),
            "low": min(values), "high": max(values), "n": options.steps,
        }
        for (size, row, metric), values in found.items()
    ]  # fmt: skip


def smallest(options: argparse.Namespace) -> nn.Module:
    return _seeded(options, lambda: nn.Linear(16, 16))


def larger(options: argparse.Namespace) -> nn.Module:
    width = options.width
    return _seeded(
        options,
        lambda: nn.Sequential(
            nn.Linear(16, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width),
            nn.GELU(), nn.Linear(width, 16),
        ),
    )  # fmt: skip


def _seeded(options: argparse.Namespace, made: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(options.seed)
    return made()


def one_round(
    start: Callable[[], nn.Module], batch_size: int, options: argparse.Namespace
) -> Iterator[tuple[str, str, float]]:
    """(row, metric, value) of each way, the bare loop first."""
    noise = torch.Generator().manual_seed(options.seed)
    x = torch.randn(options.steps * batch_size // 2, 16, generator=noise)
    settings = TrainSettings(
        epochs=2, max_steps=options.steps, batch_size=batch_size, learning_rate=RATE, precision="32",
        seed=options.seed,
    )  # fmt: skip
    network = start()
    bare_s = bare(network, x, settings) / options.steps
    yield "bare loop", "step_ms", 1000 * bare_s
    yield "bare loop", "loss", _loss_over(network, x)
    for row, given in WAYS.items():
        network = start()
        began = time.perf_counter()
        dials = replace(settings, **given)
        log = train(network, range(len(x)), lambda rows: {"x": x[list(rows)]}, loss_of, dials)
        took = time.perf_counter() - began
        step_s = log.seconds / options.steps
        yield row, "step_ms", 1000 * step_s
        yield row, "over_ms", 1000 * (step_s - bare_s)
        yield row, "ratio", step_s / bare_s
        yield row, "loss", _loss_over(network, x)
        if given:
            yield row, "start_s", took - log.seconds


def loss_of(network: nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return (network(batch["x"]) - batch["x"].flip(1)).square().mean()


def _loss_over(network: nn.Module, x: torch.Tensor) -> float:
    with torch.no_grad():
        return loss_of(network, {"x": x}).item()


def bare(network: nn.Module, x: torch.Tensor, settings: TrainSettings) -> float:
    """Seconds of the loop that anyone would write, over the same batches at the same rates."""
    decayed = [p for p in network.parameters() if p.ndim >= 2]
    plain = [p for p in network.parameters() if p.ndim < 2]
    groups = [{"params": plain, "weight_decay": 0.0}, {"params": decayed}]
    optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=settings.weight_decay, fused=True)
    batches = _batches(len(x), settings)
    network.train()
    began = time.perf_counter()
    for step, rows in enumerate(batches, start=1):
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate_factor(settings, step, len(batches))
        loss = loss_of(network, {"x": x[rows]})
        loss.backward()  # type: ignore[no-untyped-call]
        loss.item()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip).item()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return time.perf_counter() - began


def _batches(n: int, settings: TrainSettings) -> Sequence[list[int]]:
    both = [epoch_batches(n, settings.batch_size, settings.seed or 0, epoch) for epoch in range(2)]
    return [batch for batches in both for batch in batches][: settings.max_steps]


if __name__ == "__main__":
    main()
