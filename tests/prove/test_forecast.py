"""Forecasts, checked by hiding the larger sizes of real curves: the truth lies where it is said to lie."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.prove.figures import Cost, Row, row_of
from retailor.prove.forecast import (
    CAUTIONS,
    FARTHER,
    FARTHEST,
    UNCHECKED,
    Curve,
    _error,
    caution,
    curve_of,
    forecasts,
    foretold,
)
from retailor.prove.ledger import Ledger, prove
from retailor.prove.settings import ProveSettings
from retailor.report.labels import NAMES
from retailor.shop.demo import demo_shop
from retailor.testing.models import tiny_encoder

KEPT = Path(__file__).with_name("curves.jsonl")
"""Accuracy by number of labels, three draws each, of two cheap readers of reviews (see docs/prove.md)."""
TUNED_ON = 2
"""Every second curve chose WOBBLE and FARTHER; the others are the check."""


def hidden(curve: dict) -> list[tuple[list[int], list[float], list[float], int, float]]:
    """The first sizes of a curve, and a later one that they do not know: twice to eight times as much."""
    n = [size for size, _ in curve["points"]]
    means = [float(np.mean(draws)) for _, draws in curve["points"]]
    errors = [max(float(np.std(draws, ddof=1)) / np.sqrt(len(draws)), 1e-4) for _, draws in curve["points"]]
    return [
        (n[:k], means[:k], errors[:k], n[j], means[j])
        for k in range(3, len(n))
        for j in range(k, min(k + 3, len(n)))
    ]


def test_the_truth_lies_in_the_interval_of_80_per_cent_in_at_least_70_of_100_forecasts() -> None:
    curves = [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]
    held = [one for i, curve in enumerate(curves) if i % TUNED_ON for one in hidden(curve)]
    inside, ours, naive = [], [], []
    for n, means, errors, later, truth in held:
        middle, low, high = Curve.of(n, means, errors).score(later)
        inside.append(low <= truth <= high)
        ours.append(abs(middle - truth))
        naive.append(abs(means[-1] - truth))
    assert len(held) >= 60
    assert 0.7 <= np.mean(inside) <= 0.95  # an interval that always holds says nothing
    assert np.mean(ours) < 0.7 * np.mean(naive)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 0.9), st.floats(0.05, 0.5), st.floats(0.1, 1.0))
def test_a_curve_without_noise_is_carried_on(top: float, slope: float, power: float) -> None:
    n = [32, 64, 128, 256, 512, 1024]
    scores = [top - slope * (size / 32) ** -power for size in n]
    curve = Curve.of(n[:5], scores[:5], [1e-4] * 5)
    middle, low, high = curve.score(1024)
    assert low <= scores[5] <= high and abs(middle - scores[5]) < 0.25 * (scores[4] - scores[0]) + 1e-3
    drawn = curve.at([512, 1024, 2048])
    assert (np.diff(drawn, axis=1) >= -1e-9).all()


def test_a_flat_curve_promises_nothing_and_a_steep_one_a_number() -> None:
    flat = Curve.of([100, 200, 400, 800], [0.8, 0.8, 0.8, 0.8], [0.001] * 4)
    assert flat.needed(0.02)[0] is None
    steep = Curve.of([100, 200, 400, 800], [0.5, 0.6, 0.68, 0.74], [0.003] * 4)
    middle, low, high = steep.needed(0.02)
    assert middle is not None and low is not None and 1 < low <= middle < 2
    assert high is None or middle <= high <= FARTHEST


@pytest.mark.parametrize("n_sizes", [2, 4])
def test_a_ledger_foretells_from_three_sizes_on(n_sizes: int) -> None:
    cost = Cost(1.0, 1, 1)
    rng = np.random.default_rng(0)
    sizes = [100 * 3**i for i in range(n_sizes)]
    rows = [
        row_of("words", n, (rng.random((2, 500)) < 0.5 + 0.08 * i).astype(float), cost, None)
        for i, n in enumerate(sizes)
    ]
    found = forecasts(rows)
    assert len(found) == (n_sizes > 2)
    for one in found:
        assert one.low < one.score < one.high and one.n == sizes[-1]
        told = foretold(one, "labels")
        assert told.startswith(f"words: with {2 * sizes[-1]:,} labels about") and "+2.0 points" in told


def test_a_ledger_says_that_forecasts_by_events_are_too_sure(tmp_path: Path) -> None:
    steps = ("popularity", "with words")
    told = {}
    for shares in ((0.25, 0.5, 1.0), (1.0,)):
        given = ProveSettings(steps=steps, shares=shares, seeds=(0,), max_test=60)
        told[shares] = prove("recommend", demo_shop(40), tiny_encoder(), given, work=tmp_path)
    some, none = told.values()
    assert some.forecasts and CAUTIONS["events"] in some.notes and CAUTIONS["events"] in str(some)
    assert ".556" in CAUTIONS["events"] and CAUTIONS["events"] in Ledger.from_dict(some.to_dict()).notes
    assert not none.forecasts and CAUTIONS["events"] not in none.notes
    assert caution(some.forecasts, "labels") == () and caution(some.forecasts, "questions") == (UNCHECKED,)
    assert {CAUTIONS["events"], UNCHECKED} <= NAMES.keys()


def test_more_is_asked_for_a_larger_gain() -> None:
    curve = Curve.of([100, 200, 400, 800], [0.5, 0.6, 0.68, 0.74], [0.003] * 4)
    asked = [curve.needed(gain)[0] or np.inf for gain in (0.01, 0.02, 0.05, 0.1)]
    assert all(one <= other for one, other in pairwise(asked))


def a_row(n: int, score: float, *, n_seeds: int, spread: float = 0.06) -> Row:
    cost = Cost(1.0, 1, 1)
    return Row(
        "words", n, score, score - 0.03, score + 0.03, spread, None, None, None, None, cost, 400, n_seeds
    )


def test_the_error_of_a_point_is_that_of_its_mean_over_seeds() -> None:
    assert _error(a_row(10, 0.5, n_seeds=4)) == pytest.approx(0.03)
    assert _error(a_row(10, 0.5, n_seeds=1)) == pytest.approx(0.01), "a third of half the interval"


def test_farther_is_less_sure_also_where_nothing_is_gained() -> None:
    flat = Curve.of([100, 200, 400, 800], [0.8, 0.8, 0.8, 0.8], [0.01] * 4)
    bare = replace(flat, tops=np.full(600, 0.8), slopes=np.zeros(600))
    near, far = (high - low for _, low, high in (bare.score(800 * times) for times in (1, 8)))
    assert far / near == pytest.approx(1 + 3 * FARTHER, rel=0.01)
    assert (flat.slopes >= 0).all() and (flat.slopes == 0).any(), "more data do not make it worse"


@pytest.mark.parametrize(
    ("scores", "gain"), [((0.5, 0.6, 0.68, 0.74), 0.02), ((0.1, 0.13, 0.15, 0.17), 0.0085)]
)
def test_what_is_asked_for_and_how_much_more_it_takes(scores: tuple[float, ...], gain: float) -> None:
    rows = [a_row(100 * 2**i, score, n_seeds=3, spread=0.005) for i, score in enumerate(scores)]
    (found,) = forecasts(rows)
    assert found.gain == pytest.approx(gain) and found.more is not None
    times = curve_of(rows).needed(gain)[0]
    assert times is not None and found.more == round((times - 1) * 800) > 0
