"""The bandit among customers whose tastes are known: it misses less than chance does, and new items rise."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from retailor.live.settings import BanditSettings
from retailor.seeds import stream
from retailor.shop.demo.clicks import demo_clicks
from retailor.shop.demo.shop import demo_truth

BOLDNESS = BanditSettings().boldness


@pytest.fixture
def clicking(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent.parent / "benchmarks"))
    import clicking

    return clicking


def click_model(clicking: ModuleType, seed: int) -> Any:
    """A shop whose texts tell the theme, and a recommender that knows tastes roughly."""
    shop, rng = demo_clicks(120, seed), stream(seed, "street")
    themes = demo_truth(120, seed).themes
    meant = {theme: rng.normal(size=8) for theme in sorted(set(themes.values()))}
    traits = np.array([meant[themes[each]] + 0.5 * rng.normal(size=8) for each in shop.item_ids])
    liked = shop.attraction
    order = np.argsort(-(np.log(liked + 0.005) + rng.normal(0, 1.5, liked.shape)), axis=1)
    seen = np.array([traits[rng.choice(len(row), 5, p=row / row.sum())].mean(axis=0) for row in liked])
    return clicking.ClickModel(shop, order[:, :30], traits, seen, 4)


@pytest.mark.parametrize(
    ("seeds", "n"), [((0,), 2_000), pytest.param((0, 1, 2, 3), 8_000, marks=pytest.mark.slow)]
)
def test_it_misses_less_than_epsilon_greedy_and_than_the_recommender(
    clicking: ModuleType, seeds: tuple[int, ...], n: int
) -> None:
    missed: dict[str, list[float]] = {}
    for seed in seeds:
        models = clicking.seasons(click_model(clicking, seed), 10, seed)
        orders = {"base": clicking.base, "epsilon": clicking.mean(chance=0.1), "ours": clicking.thompson()}
        for name, order in orders.items():
            found = clicking.simulate_seasons(models, order, n, seed, boldness=BOLDNESS)
            missed.setdefault(name, []).append(float(found[n // 2 :].mean()))
    means = {name: np.mean(values) for name, values in missed.items()}
    assert means["ours"] < 0.9 * means["epsilon"], means
    assert means["ours"] < 0.6 * means["base"], means


@pytest.mark.slow
def test_a_new_item_with_a_text_rises_twice_as_fast_as_without(clicking: ModuleType) -> None:
    times: dict[bool, list[float]] = {True: [], False: []}
    for seed in (0, 1):
        made = click_model(clicking, seed)
        best = np.argsort(-made.shop.attraction.mean(axis=0))[:24]
        for item in stream(seed, "new").permutation(best)[:4]:
            for has_text, found in times.items():
                found.append(clicking.rises(made, int(item), has_text, 2_500, seed, boldness=BOLDNESS))
    ratio = np.exp(np.mean(np.log(times[False])) - np.mean(np.log(times[True])))
    assert ratio >= 2, times
