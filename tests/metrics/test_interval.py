"""Intervals: how wide, how often right, and what can be paired."""

from __future__ import annotations

import numpy as np
import pytest

from retailor.metrics import classify
from retailor.metrics.interval import (
    bootstrap_means,
    bounds,
    difference,
    differences,
    interval,
    paired_interval,
    score_mean,
)
from retailor.metrics.scores import Score, Scores

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=400)
NINETY_FIVE = 1.959964
"""Half the width of the 95 % interval of a normal mean, in standard errors."""


def half(low: float, high: float) -> float:
    return (high - low) / 2


def test_every_interval_is_of_95_percent() -> None:
    """An interval of 80 % would be a third narrower, one of 99 % a third wider."""
    error = VALUES.std() / 20
    wide = pytest.approx(NINETY_FIVE * error, rel=0.1)
    assert half(*interval(VALUES)) == wide
    score = score_mean("mine", "ndcg@10", VALUES)
    assert half(score.low, score.high) == wide and score.value == VALUES.mean()
    assert half(*paired_interval(VALUES, np.zeros(400))[1:]) == wide
    less = difference(score, score_mean("other", "ndcg@10", np.zeros(400)))
    assert less is not None and half(less.low, less.high) == wide
    hits = VALUES > 0
    f1 = classify.score_macro_f1("mine", np.ones(400, int), hits.astype(int), 2)
    # One class is true, and its F1 is 2p / (1 + p).
    p = hits.mean()
    by_hand = 2 / (1 + p) ** 2 * np.sqrt(p * (1 - p) / 400)
    assert half(f1.low, f1.high) == pytest.approx(NINETY_FIVE * by_hand, rel=0.15)
    assert bounds(np.linspace(0, 1, 1001)) == pytest.approx((0.025, 0.975))


def test_bounds_leave_nan_out_and_hold_what_they_are_around() -> None:
    assert bounds([np.nan, 1.0, np.nan, 3.0], around=4.0) == pytest.approx((1.05, 4.0))
    assert bounds([1.0, 3.0], around=0.0) == pytest.approx((0.0, 2.95))
    assert bounds([1.0, 3.0], around=2.0) == pytest.approx((1.05, 2.95))
    assert np.isnan(bounds([])).all() and np.isnan(bounds([np.nan])).all()
    assert bounds([], around=0.5) == (0.5, 0.5)


def test_a_bootstrap_has_the_spread_of_the_mean_and_follows_its_seed() -> None:
    means = bootstrap_means(VALUES)
    assert means.shape == (1000,) and bootstrap_means(VALUES, n_resamples=7).shape == (7,)
    assert means.mean() == pytest.approx(VALUES.mean(), abs=0.01)
    assert means.std() == pytest.approx(VALUES.std() / 20, rel=0.1)
    assert np.array_equal(means, bootstrap_means(VALUES))
    assert not np.array_equal(means, bootstrap_means(VALUES, seed=1))
    # Where chance draws nobody at all, the mean is that of all.
    assert set(bootstrap_means([0.25], n_resamples=50)) == {0.25}


def test_seeds_and_numbers_of_resamples_reach_the_bootstrap() -> None:
    assert interval(VALUES, seed=1) == bounds(bootstrap_means(VALUES, seed=1)) != interval(VALUES)
    assert interval(VALUES, n_resamples=10) == bounds(bootstrap_means(VALUES, n_resamples=10))
    assert paired_interval(VALUES, -VALUES, seed=3)[1:] == bounds(bootstrap_means(2 * VALUES, seed=3))
    assert paired_interval(VALUES, -VALUES)[1:] == bounds(bootstrap_means(2 * VALUES))
    score = score_mean("mine", "mrr", VALUES, bucket="b", seconds=2.0, seed=5)
    assert (score.low, score.high) == bounds(bootstrap_means(VALUES, seed=5))
    assert (score.row, score.metric, score.n, score.seconds, score.bucket) == ("mine", "mrr", 400, 2.0, "b")
    plain = score_mean("mine", "mrr", VALUES)
    assert (plain.seconds, plain.bucket) == (0.0, "all")
    assert (plain.low, plain.high) == bounds(bootstrap_means(VALUES))


def test_no_cases_are_nan() -> None:
    assert np.isnan(interval([])).all() and np.isnan(paired_interval([], [])).all()
    score = score_mean("mine", "mrr", [], bucket="b", seconds=1.0)
    assert score.n == 0 and np.isnan([score.value, score.low, score.high]).all()
    assert (score.bucket, score.seconds, score.draws) == ("b", 1.0, None)


def test_a_difference_is_paired_and_named() -> None:
    a, b = (
        score_mean("ours", "mrr", VALUES + 0.1, bucket="x"),
        score_mean("theirs", "mrr", VALUES, bucket="x"),
    )
    found = difference(a, b)
    assert found is not None
    assert (found.row, found.metric, found.bucket, found.n, found.seconds) == (
        "ours less theirs", "mrr", "x", 400, 0.0
    )  # fmt: skip
    # The same cases are drawn for both: what they share cancels out.
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_what_cannot_be_paired_is_none() -> None:
    a = score_mean("ours", "mrr", VALUES)
    others = [
        score_mean("b", "map", VALUES),
        score_mean("b", "mrr", VALUES, bucket="x"),
        score_mean("b", "mrr", VALUES[1:]),
        Score("b", "mrr", 0.1, 0.0, 0.2, 400),
        Score("b", "mrr", 0.1, 0.0, 0.2, 400, draws=np.zeros(3)),
        Score("b", "mrr", 0.1, 0.0, 0.2, 400, draws=np.full(1000, np.nan)),
    ]
    for other in others:
        assert difference(a, other) is None and difference(other, a) is None
    some = np.where(np.arange(1000) < 5, np.nan, 0.0)
    assert difference(a, Score("b", "mrr", 0.0, 0.0, 0.0, 400, draws=some)) is not None


def test_differences_are_ours_less_every_other_row() -> None:
    rows = [
        score_mean("bm25", "mrr", VALUES),
        score_mean("retailor", "mrr", VALUES + 1),
        score_mean("encoder", "mrr", VALUES - 1),
        score_mean("encoder", "map", VALUES),
        score_mean("retailor", "mrr", VALUES, bucket="x"),
    ]
    found = differences(Scores(tuple(rows)))
    assert [score.row for score in found] == ["retailor less bm25", "retailor less encoder"]
    assert [score.value for score in found] == pytest.approx([1, 2])
    assert [score.row for score in differences(Scores(tuple(rows)), "bm25")] == [
        "bm25 less retailor", "bm25 less encoder"
    ]  # fmt: skip
