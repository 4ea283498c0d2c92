"""TIFU-kNN and UP-CF against a slow plain reading of their papers' formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.retrieval.histories import Histories
from retailor.retrieval.next_basket import TifuKnn, UpCf

N = 7
Baskets = list[list[int]]


def histories(customers: list[Baskets]) -> Histories:
    made = Histories.of([[item for basket in one for item in basket] for one in customers])
    numbers = [3 * k for one in customers for k, basket in enumerate(one) for _ in basket]
    return Histories(made.offsets, made.items, made.weights, None, np.array(numbers, np.int32))


def tifu_vector(baskets: Baskets, dials: dict[str, Any]) -> np.ndarray:
    m, n = min(dials["n_groups"], len(baskets)), len(baskets)
    groups: list[list[list[int]]] = [[] for _ in range(m)]
    for k, basket in enumerate(baskets):
        groups[k * m // n].append(basket)
    whole = np.zeros(N)
    for g, group in enumerate(groups):
        vector = np.zeros(N)
        for j, basket in enumerate(group):
            for item in set(basket):
                vector[item] += dials["basket_decay"] ** (len(group) - 1 - j) / len(group)
        whole += dials["group_decay"] ** (m - 1 - g) * vector / m
    return whole


def up_cf(customers: list[Baskets], recency: int, locality: float, alpha: float) -> np.ndarray:
    popular = np.zeros((len(customers), N))
    for u, baskets in enumerate(customers):
        last = baskets[-recency:]
        for basket in last:
            for item in set(basket):
                popular[u, item] += 1 / min(recency, len(baskets))
    sets = [{item for basket in one for item in basket} for one in customers]
    scores = np.zeros((len(customers), N))
    for u in range(len(customers)):
        for v in range(len(customers)):
            weight = len(sets[u] & sets[v]) / (len(sets[u]) ** alpha * len(sets[v]) ** (1 - alpha))
            scores[u] += weight**locality * popular[v]
    return scores


SHOPS = st.lists(
    st.lists(st.lists(st.integers(0, N - 1), min_size=1, max_size=4), min_size=1, max_size=9),
    min_size=2,
    max_size=6,
)
DIALS = {"basket_decay": 0.9, "group_decay": 0.7, "n_groups": 3}


@settings(max_examples=60, deadline=None)
@given(SHOPS)
def test_vectors_and_popularity_are_those_of_the_papers(customers: list[Baskets]) -> None:
    given_ = histories(customers)
    vectors = TifuKnn.fit(given_, N, **DIALS).customers.toarray()
    np.testing.assert_allclose(vectors, [tifu_vector(one, DIALS) for one in customers], rtol=1e-5)
    for dials in ((1, 1.0, 0.0), (2, 3.0, 0.5), (50, 10.0, 1.0)):
        found = UpCf.fit(given_, N, recency=dials[0], locality=dials[1], alpha=dials[2]).scores(given_)
        np.testing.assert_allclose(found, up_cf(customers, *dials), rtol=1e-4, atol=1e-6)


def test_the_neighbours_are_the_nearest_others() -> None:
    customers = [[[0, 1], [0]], [[0, 1], [0, 2]], [[5], [6], [5]], [[0], [0, 3]]]
    given_ = histories(customers)
    model = TifuKnn.fit(given_, N, n_neighbours=2, own=0.4, **DIALS)
    own = np.array([tifu_vector(one, DIALS) for one in customers])
    far = np.linalg.norm(own[:, None] - own[None], axis=2) + np.diag([np.inf] * 4)
    mean = np.array([own[np.argsort(row)[:2]].mean(axis=0) for row in far])
    np.testing.assert_allclose(model.scores(given_), 0.4 * own + 0.6 * mean, rtol=1e-5, atol=1e-7)


def test_nobody_and_nothing_score_nothing() -> None:
    given_ = histories([[[0, 1]], [[2]]])
    empty = Histories.of([[], [0]])
    for model in (TifuKnn.fit(given_, N), UpCf.fit(given_, N)):
        scores = model.scores(empty)
        assert not scores[0].any() and scores[1].any() and np.isfinite(scores).all()
        again = type(model).of(model.tensors())
        np.testing.assert_array_equal(again.scores(given_), model.scores(given_))


def test_baskets_are_counted_from_the_last_and_survive_a_cut() -> None:
    whole = histories([[[0, 1], [2], [3, 4]], [[5]]])
    assert whole.basket_ages().tolist() == [3, 3, 2, 1, 1, 1]
    assert whole.latest(2).basket_ages().tolist() == [1, 1, 1]
    assert whole.at(np.array([1, 0])).basket_ages().tolist() == [1, 3, 3, 2, 1, 1]
    assert Histories.of([[4, 4]]).basket_ages().tolist() == [2, 1]


@pytest.mark.parametrize("model", [TifuKnn, UpCf])
def test_permuted_items_have_permuted_scores(model: Any) -> None:
    customers = [[[0, 1], [0]], [[0, 1], [2]], [[5], [6, 1]]]
    order = np.array([3, 0, 4, 6, 1, 2, 5])
    moved = [[[int(order[item]) for item in basket] for basket in one] for one in customers]
    before, after = (model.fit(h, N).scores(h) for h in (histories(customers), histories(moved)))
    np.testing.assert_allclose(after[:, order], before, rtol=1e-5)
