"""The exact scan against every order counted by hand, and what it promises: no more alarms than it says."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from retailor.insight.scan import LEAST_SIDE, more_and_fewer, rejected


def _least_tail(hits: tuple[bool, ...], ends: tuple[bool, ...]) -> float:
    n, k, before = len(hits), sum(hits), np.cumsum(hits)
    inner = range(LEAST_SIDE - 1, n - LEAST_SIDE)
    return min((float(hypergeom.cdf(before[i], n, k, i + 1)) for i in inner if ends[i]), default=2.0)


def _by_hand(hits: tuple[bool, ...], ends: tuple[bool, ...]) -> float:
    """The share of all orders of the hits whose scan is at least as extreme."""
    n, k = len(hits), sum(hits)
    seen = _least_tail(hits, ends) * (1 + 1e-9)
    orders = [tuple(i in chosen for i in range(n)) for chosen in combinations(range(n), k)]
    return sum(_least_tail(order, ends) <= seen for order in orders) / len(orders)


cases = st.integers(6, 9).flatmap(
    lambda n: st.tuples(
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n - 1, max_size=n - 1),
    )
)


@given(cases)
@settings(max_examples=25, deadline=None)
def test_the_chance_is_the_share_of_orders_at_least_as_extreme(case: tuple[list[bool], list[bool]]) -> None:
    hits, may_end = tuple(case[0]), (*case[1], False)
    more, fewer = more_and_fewer(np.array(hits), np.array(may_end))
    backwards = (*case[1][::-1], False)
    tested = 0 < sum(hits) < len(hits)
    some = any(may_end[LEAST_SIDE - 1 : len(hits) - LEAST_SIDE])
    assert more.p == pytest.approx(_by_hand(hits, may_end) if tested and some else 1.0)
    back = any(backwards[LEAST_SIDE - 1 : len(hits) - LEAST_SIDE])
    assert fewer.p == pytest.approx(_by_hand(hits[::-1], backwards) if tested and back else 1.0)


def test_a_plain_change_is_found_where_it_is() -> None:
    hits = np.array([False] * 40 + [True] * 10)
    more, fewer = more_and_fewer(hits)
    assert more.at == 40
    assert more.p < 1e-9
    assert fewer.p == pytest.approx(1.0)
    assert more_and_fewer(hits[::-1])[1].at == 10


def test_cases_of_one_instant_are_not_parted() -> None:
    hits = np.array([False] * 20 + [True] * 5)
    day = np.arange(25) // 10
    may_end = np.append(day[1:] != day[:-1], False)
    assert more_and_fewer(hits, may_end)[0].at == 20
    assert more_and_fewer(hits, np.zeros(25, dtype=bool))[0].p == 1


def test_what_is_too_likely_is_not_counted_out() -> None:
    hits = np.array([False, True] * 20)
    exact, spared = more_and_fewer(hits)[0], more_and_fewer(hits, worth=0.05)[0]
    assert exact.p > 0.05
    assert spared.p == 1
    assert spared.at == exact.at


@pytest.mark.parametrize("hits", [[], [True], [False] * 5, [True] * 30])
def test_nothing_to_test_raises_no_alarm(hits: list[bool]) -> None:
    assert [scan.p for scan in more_and_fewer(np.array(hits, dtype=bool))] == [1, 1]


def test_alarms_where_nothing_changed_are_no_more_than_stated() -> None:
    rng = np.random.default_rng(0)
    n_shops, alarms = 300, 0
    for _ in range(n_shops):
        chances = []
        for _ in range(12):
            hits = rng.random(int(rng.integers(10, 40))) < rng.uniform(0.05, 0.5)
            chances += [scan.p for scan in more_and_fewer(hits, worth=0.05)]
        alarms += bool(rejected(np.array(chances), 0.05).any())
    # Three standard errors above the stated rate: a test of the test would find a twice as loose one.
    assert alarms / n_shops <= 0.05 + 3 * (0.05 * 0.95 / n_shops) ** 0.5


def test_discoveries_by_hand() -> None:
    chances = np.array([0.04, 0.001, 0.013, 0.5, 0.9])
    assert rejected(chances, 0.05).tolist() == [False, True, True, False, False]
    assert not rejected(np.array([]), 0.05).any()
