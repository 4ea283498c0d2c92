"""A bandit on the simulated shop, whose customers' tastes are known: choices missed, and how fast new items rise.

    python benchmarks/bandit.py

A recommender (its language model not tuned, no networks) is fitted on the demo shop's events; its 30 best of each
customer are ordered by each policy, ten are shown, and the customer chooses by known tastes. `missed`: choices fewer
than of the best order of the same 30, an answer; over all answers, and over the last fifth (`missed_late`). All but
`recommender alone` learn the same beliefs in the same way; they differ in what they show. `growth`: log2 of the
regret of all answers to that of the first half: 1 where nothing is learned, less where it flattens.
`answers_to_rank`: answers until an item that nobody knew stands, on average over customers, within three places of
where its true worth would have it, with its text and with none. A figure is the mean over simulated shops that
no dial was chosen on (seeds 100 on; dials on seeds 0 to 2), with the 95 % bootstrap interval over them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench import begin, parser_of
from clicking import Order, Street, base, epsilon, greedy, scores_of, thompson, walk
from numpy.typing import NDArray

from retailor.live.beliefs import Panel
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
POOL, PLACES = 30, 10
FIRST_SEED = 100
NEAR = 3.0


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--shops", type=int, default=8)
    parser.add_argument("--newcomers", type=int, default=6, help="new items a shop")
    parser.add_argument("--encoder", default="e5")
    bench = begin(parser, canary={"items": 60, "answers": 1_000, "shops": 1, "newcomers": 1})
    seeds = list(range(FIRST_SEED, FIRST_SEED + bench.given.shops))
    print(bench.write(measure(bench.given, seeds), seeds))


def policies() -> dict[str, Order]:
    """Row of the results to how it orders."""
    floor = BanditSettings().floor
    return {
        "recommender alone": base,
        "no exploration": greedy,
        "epsilon-greedy, 5 %": epsilon(0.05),
        "epsilon-greedy, 10 %": epsilon(0.1),
        "retailor": thompson(floor, 0.2),
        "retailor with explore = 1, floor = 0": thompson(0.0, 1.0),
    }


def measure(options: argparse.Namespace, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Tidy rows."""
    encoder = load_model(options.encoder)
    found: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:
        street = street_of(options.items, seed, encoder)
        for row, metric, value in of_shop(street, options, seed):
            found.setdefault((row, metric), []).append(value)
            print(f"{seed} {row:40s} {metric:16s} {value:.4f}", flush=True)
    return [
        {
            "row": row, "metric": metric, "value": float(np.mean(values)),
            **dict(zip(("low", "high"), interval(values), strict=True)), "n": len(values),
        }
        for (row, metric), values in found.items()
    ]  # fmt: skip


def street_of(size: int, seed: int, encoder: Encoder) -> Street:
    """The demo shop of a seed with a recommender fitted on its events."""
    shop, clicks = demo_shop(size, seed), demo_clicks(size, seed)
    task = Recommender(encoder, SETTINGS).fit(shop)
    answers = task.predict([RecommendQuery(user_id, k=POOL) for user_id in clicks.user_ids])
    pools = np.array([[clicks.ix[each.item_id] for each in answer.items] for answer in answers])
    traits = task.traits(clicks.item_ids)
    seen = [task.seen(RecommendQuery(user_id)) or () for user_id in clicks.user_ids]
    customers = np.array(
        [task.traits(ids).mean(axis=0) if ids else np.zeros(traits.shape[1]) for ids in seen]
    )
    return Street(clicks, pools, traits, customers, PLACES)


def of_shop(street: Street, options: argparse.Namespace, seed: int) -> Iterator[tuple[str, str, float]]:
    n = options.answers
    for row, order in policies().items():
        missed = walk(street, order, n, seed).regret
        yield row, "missed", float(missed.mean())
        yield row, "missed_late", float(missed[-n // 5 :].mean())
        yield row, "growth", float(np.log2(missed.sum() / missed[: n // 2].sum()))
    for number, item in enumerate(newcomers(street, options.newcomers, seed)):
        for row, has_text in (("retailor", True), ("retailor, without the item's text", False)):
            yield row, "answers_to_rank", rises(street, item, has_text, n // 4, seed * 100 + number)


def newcomers(street: Street, n: int, seed: int) -> NDArray[np.int64]:
    """Items among the best fifth by what customers think of them."""
    order = np.argsort(-street.shop.attraction.mean(axis=0))
    return stream(seed, "newcomers").permutation(order[: max(n, len(order) // 5)])[:n]


def rises(street: Street, item: int, has_text: bool, n: int, seed: int) -> float:
    """Answers until a new item stands where it belongs; n where it did not within n."""
    order = policies()["retailor"]
    rest = np.array([[each for each in pool if each != item][: POOL - 1] for pool in street.pools])
    before = Street(street.shop, rest, street.traits, street.customers, PLACES)
    beliefs = walk(before, order, n, seed).beliefs
    traits = street.traits.copy()
    traits[item] *= has_text
    newcomer = np.full((len(rest), 1), item)
    after = Street(street.shop, np.concatenate([rest, newcomer], axis=1), traits, street.customers, PLACES)
    liked = street.shop.attraction[np.arange(len(rest))[:, None], after.pools]
    true = float((liked[:, :-1] > liked[:, -1:]).sum(axis=1).mean())
    asked = stream(seed, "asked").permutation(len(rest))[:100]

    def place(panel: Panel) -> float:
        scores = np.array([scores_of(panel, after, int(user))[0] for user in asked])
        return float((scores[:, :-1] > scores[:, -1:]).sum(axis=1).mean())

    seen = np.array(walk(after, order, n, seed + 1, beliefs=beliefs, look_at=place).seen)
    there = np.flatnonzero(np.abs(seen - true) <= NEAR)
    return float(50 * (there[0] if len(there) else len(seen)))
