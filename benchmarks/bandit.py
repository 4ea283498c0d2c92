"""A bandit on the simulated shop, whose customers' tastes are known: choices missed, and how new items rise.

    python benchmarks/bandit.py

A recommender (without networks of its own) is fitted on the demo shop's events. Of its 30 best for a
customer each policy shows four; the customer chooses by known tastes. Over ten seasons a third of the items
arrives, last in the pools, since nobody has chosen them. `missed`: choices fewer an answer than of the best
four of the same pool; over all answers, and over the last fifth (`missed_late`). All but `recommender
alone` learn the same beliefs in the same way and differ in what they show; none holds answers back.
`answers_to_rank`: answers until one more new item, among the fifth that customers like best, stands on
average within three places of where they would have it; with its text and with none; as a geometric mean.
Figures are means over simulated shops on which no dial was chosen (seeds 100 on; dials were chosen on seeds
0 to 3), intervals 95 % bootstrap over shops, or over items.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from bench import begin, parser_of
from clicking import ClickModel, Order, base, mean, rises, seasons, simulate_seasons, thompson

from retailor.live.settings import BanditSettings
from retailor.metrics.interval import interval
from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.seeds import stream
from retailor.shop.demo import demo_shop
from retailor.shop.demo.clicks import demo_clicks
from retailor.tasks.recommend import Recommender
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.tasks.recommend.shapes import RecommendQuery

SETTINGS = RecommendSettings(two_tower={"enabled": False}, sasrec={"enabled": False})  # type: ignore[arg-type]
POOL, PLACES, SEASONS = 30, 4, 10
FIRST_SEED = 100


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--shops", type=int, default=3)
    parser.add_argument("--newcomers", type=int, default=4, help="new items a shop")
    parser.add_argument("--encoder", default="e5")
    bench = begin(parser, canary={"items": 60, "answers": 500, "shops": 1, "newcomers": 1})
    seeds = list(range(FIRST_SEED, FIRST_SEED + bench.given.shops))
    print(bench.write(measure(bench.given, seeds), seeds))


def policies() -> dict[str, Order]:
    """Row of the results to how it orders."""
    return {
        "recommender alone": base,
        "learned, never explored": mean(),
        "epsilon-greedy, 5 %": mean(chance=0.05),
        "epsilon-greedy, 10 %": mean(chance=0.1),
        "retailor": thompson(BanditSettings().floor),
        "retailor with floor = 0": thompson(),
    }


def measure(options: argparse.Namespace, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Tidy rows."""
    encoder = load_model(options.encoder)
    found: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:
        model = click_model_of(options.items, seed, encoder)
        for row, metric, value in of_shop(model, options, seed):
            found.setdefault((row, metric), []).append(value)
            print(f"{seed} {row:40s} {metric:16s} {value:.4f}", flush=True)
    return [_row(row, metric, np.array(values)) for (row, metric), values in found.items()]


def _row(row: str, metric: str, values: Any) -> dict[str, Any]:
    if metric == "answers_to_rank":
        low, high = np.exp(interval(np.log(values)))
        return _told(row, metric, np.exp(np.log(values).mean()), low, high, len(values))
    return _told(row, metric, values.mean(), *interval(values), len(values))


def _told(row: str, metric: str, value: float, low: float, high: float, n: int) -> dict[str, Any]:
    return {
        "row": row,
        "metric": metric,
        "value": float(value),
        "low": float(low),
        "high": float(high),
        "n": n,
    }


def click_model_of(size: int, seed: int, encoder: Encoder) -> ClickModel:
    """The demo shop of a seed with a recommender fitted on its events."""
    shop, clicks = demo_shop(size, seed), demo_clicks(size, seed)
    task = Recommender(encoder, SETTINGS).fit(shop)
    answers = task.predict([RecommendQuery(user_id, k=POOL) for user_id in clicks.user_ids])
    pools = np.array([[clicks.ix[each.item_id] for each in answer.items] for answer in answers])
    traits = task.traits(clicks.item_ids)
    seen = [task.seen(RecommendQuery(user_id)) or () for user_id in clicks.user_ids]
    customers = [task.traits(ids).mean(axis=0) if ids else np.zeros(traits.shape[1]) for ids in seen]
    return ClickModel(clicks, pools, traits, np.array(customers), PLACES)


def of_shop(model: ClickModel, options: argparse.Namespace, seed: int) -> Iterator[tuple[str, str, float]]:
    n, boldness = options.answers, BanditSettings().boldness
    models = seasons(model, SEASONS, seed)
    for row, order in policies().items():
        missed = simulate_seasons(models, order, n, seed, boldness=boldness)
        yield row, "missed", float(missed.mean())
        yield row, "missed_late", float(missed[-n // 5 :].mean())
    order = np.argsort(-model.shop.attraction.mean(axis=0))[: len(model.ids) // 5]
    for number, item in enumerate(stream(seed, "newcomers").permutation(order)[: options.newcomers]):
        for row, has_text in (
            ("retailor with floor = 0", True),
            ("the same, the item without a text", False),
        ):
            waited = rises(model, int(item), has_text, n // 4, seed * 100 + number, boldness=boldness)
            yield row, "answers_to_rank", waited


if __name__ == "__main__":
    main()
