"""Off-policy evaluation: intervals hold the value, which is known; what is not known is not said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.live.bandits.offpolicy import Evaluation, Logged, evaluate
from retailor.seeds import stream
from retailor.shop.demo.clicks import LOOKS, demo_clicks

F64 = NDArray[np.float64]
ESTIMATES = ("ips", "snips", "dr")


@dataclass(frozen=True)
class World:
    """The demo shop's customers, lists that a logger draws from, and the list of another policy."""

    lists: NDArray[np.int64]
    """Of each customer, each equally probable [U, L, k]."""
    target: NDArray[np.int64]
    """[U, k]"""
    worth: F64
    """How probable each item is chosen at the first place [U, I]."""
    model: F64
    """What a model thinks of that, which is wrong [U, I]."""

    @property
    def value(self) -> float:
        places = np.arange(self.target.shape[1])
        rows = np.arange(len(self.target))[:, None]
        return float((self.worth[rows, self.target] * LOOKS**places).sum(axis=1).mean())

    def logged(self, n: int, rng: np.random.Generator, *, each: int = 1) -> Logged:
        """n answers, so many each of customers drawn from all."""
        customers = np.arange(n) // each
        users = rng.integers(len(self.lists), size=n // each + 1)[customers]
        chosen_list = rng.integers(self.lists.shape[1], size=n)
        shown = self.lists[users, chosen_list]
        k = shown.shape[1]
        look, guess = LOOKS ** np.arange(k), 1 / np.log2(2 + np.arange(k))
        clicks = rng.random(shown.shape) < self.worth[users[:, None], shown] * look
        return Logged(
            customers=customers,
            is_there=np.ones(shown.shape, bool),
            propensities=(self.lists[users] == shown[:, None]).mean(axis=1),
            chosen=clicks.astype(float),
            policy=(self.target[users] == shown).astype(float),
            predicted=self.model[users[:, None], shown] * guess,
            expected=self.model[users[:, None], self.target[users]] * guess,
        )


def world(seed: int, *, k: int = 5, pool: int = 10, n_lists: int = 200, noise: float = 0.8) -> World:
    shop, rng = demo_clicks(60, seed), stream(seed, "lists")
    worth = shop.attraction
    n = len(worth)
    tasks = np.log(worth + 0.01) + rng.normal(0, 1.0, worth.shape)
    pools = np.argsort(-tasks, axis=1)[:, :pool]
    scores = np.take_along_axis(tasks, pools, axis=1)
    drawn = scores[:, None] + rng.gumbel(0, noise, (n, n_lists, pool))
    lists = np.take_along_axis(pools[:, None], np.argsort(-drawn, axis=2)[:, :, :k], axis=2)
    better = scores + rng.normal(0, 0.5, scores.shape)
    target = np.take_along_axis(pools, np.argsort(-better, axis=1)[:, :k], axis=1)
    # Where no list has the target's item at a place, a list of the logger is the target's own.
    lists[:, 0] = target
    model = np.broadcast_to(worth.mean(axis=0), worth.shape)
    return World(lists, target, worth, model)


def held(found: Evaluation, value: float) -> list[bool]:
    return [getattr(found, name).low <= value <= getattr(found, name).high for name in ESTIMATES]


@pytest.mark.parametrize(
    ("n_worlds", "n_each"), [(2, 20), pytest.param(5, 100, marks=pytest.mark.slow)], ids=["few", "500"]
)
@pytest.mark.parametrize("each", [1, 5])
def test_the_intervals_hold_the_true_value(n_worlds: int, n_each: int, each: int) -> None:
    held_by, n_refused = [], 0
    for number in range(n_worlds):
        made = world(number)
        for draw in range(n_each):
            one = made.logged(1_600, stream(draw, "draws", str(number), str(each)), each=each)
            try:
                held_by.append(held(evaluate(one), made.value))
            except DataError:
                n_refused += 1
    assert n_refused <= 0.02 * n_worlds * n_each
    share = np.mean(held_by, axis=0)
    least = 0.93 if n_each == 100 else 0.85  # of 40, 34 or more in 99.8 %
    assert (share >= least).all(), dict(zip(ESTIMATES, share, strict=True))


def test_what_is_expected_over_all_that_could_have_been_shown_is_the_value() -> None:
    """Unbiased, by enumeration: three lists with known probabilities, all outcomes of two places."""
    lists = np.array([[0, 1], [1, 0], [2, 1]])
    weights = np.array([0.5, 0.3, 0.2])
    worth, look, model = np.array([0.6, 0.3, 0.1]), np.array([1.0, 0.5]), np.array([0.2, 0.9, 0.4])
    target = np.array([1, 0])
    ips = dr = 0.0
    for shown, weight in zip(lists, weights, strict=True):
        told = weights @ (lists == shown)
        w = (target == shown) / told
        expected = float((model[target] * look).sum())
        for outcome in product([0.0, 1.0], repeat=2):
            r = np.array(outcome)
            p = worth[shown] * look
            probability = weight * float(np.prod(np.where(r == 1, p, 1 - p)))
            ips += probability * float((w * r).sum())
            dr += probability * (expected + float((w * (r - model[shown] * look)).sum()))
    value = float((worth[target] * look).sum())
    assert ips == pytest.approx(value) and dr == pytest.approx(value)


def logged(n: int = 400) -> Logged:
    return world(0).logged(n, stream(0, "refusals"))


def test_what_was_shown_itself_is_worth_what_was_chosen() -> None:
    one = logged()
    same = replace(one, policy=one.propensities, expected=one.predicted)
    found = evaluate(same)
    for name in ESTIMATES:
        assert getattr(found, name).value == pytest.approx(found.shown.value)
    assert found.gain.value == pytest.approx(0) and found.gain.high - found.gain.low < 1e-9
    assert found.effective == pytest.approx(400) and found.cover == pytest.approx(1)


@pytest.mark.parametrize("bad", [np.nan, 0.0, -0.1, 1.5, np.inf])
def test_without_propensities_it_says_why_not(bad: float) -> None:
    one = logged()
    told = one.propensities.copy()
    told[7, 2] = bad
    with pytest.raises(DataError, match=r"1 of 2,000 items were shown with no known propensity"):
        evaluate(replace(one, propensities=told))


def test_what_was_never_shown_cannot_be_valued() -> None:
    one = logged(1_600)
    other = one.policy.copy()
    other[one.customers % 3 == 0, 3] = 0.0
    with pytest.raises(DataError, match=r"at place 4 the log can have shown only [2-7]\d% of what"):
        evaluate(replace(one, policy=other))


def test_too_few_answers_of_the_policys_own() -> None:
    with pytest.raises(DataError, match=r"the \d+ answers are worth \d+ of this policy's own"):
        evaluate(logged(150))
    with pytest.raises(DataError, match="no answers"):
        evaluate(logged(0))


def test_shorter_answers_count_where_they_are() -> None:
    one = logged(1_600)
    there = one.is_there.copy()
    there[::3, 3:] = False
    cut = evaluate(replace(one, is_there=there, propensities=np.where(there, one.propensities, np.nan)))
    assert cut.shown.value < evaluate(one).shown.value
    whole = replace(one, policy=one.propensities, is_there=there)
    assert evaluate(whole).snips.value == pytest.approx(evaluate(whole).shown.value)
