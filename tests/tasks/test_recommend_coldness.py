"""Weights by how cold customer and item are."""

from __future__ import annotations

import numpy as np

from retailor.retrieval.blend import Blend
from retailor.retrieval.histories import Histories
from retailor.tasks.recommend.blend.coldness import ColdBlend, customer_groups, item_groups, joined
from retailor.tasks.recommend.blend.tuning import choose_by_coldness
from retailor.tasks.recommend.cases import Cases

BLEND = Blend(("tfidf_kernel", "sequential_knn"), (1.0, 0.5))


def test_groups_by_events_and_by_customers() -> None:
    assert item_groups(np.array([0, 1, 5, 6, 100])).tolist() == [0, 1, 1, 2, 2]
    assert customer_groups(Histories.of([[], [1, 2, 3], [1, 2, 3, 4]])).tolist() == [0, 0, 1]


def test_a_part_that_knows_no_new_item_has_no_say_about_it_and_the_other_makes_up_for_it() -> None:
    cold = ColdBlend.of(BLEND)
    z = {"tfidf_kernel": np.ones((1, 3), np.float32), "sequential_knn": np.ones((1, 3), np.float32)}
    scores = joined(cold, z, Histories.of([[0]]), item_groups(np.array([0, 2, 9])))
    np.testing.assert_allclose(scores, [[1.5, 1.5, 1.5]])
    assert cold.of_items("sequential_knn", 0, np.array([0, 1, 2])).tolist() == [0.0, 0.5, 0.5]
    assert ColdBlend.of(Blend(("ease",), (1.0,))).used() == ("ease",)  # nobody else could speak


def test_it_comes_back_from_a_dictionary() -> None:
    cold = ColdBlend.of(BLEND)
    again = ColdBlend.of_dict(cold.to_dict())
    assert again.names == cold.names
    np.testing.assert_array_equal(again.weights, cold.weights)


def test_a_part_that_is_right_about_seldom_seen_items_only_weighs_more_there() -> None:
    """Of 300 customers half want a seldom seen item that words know, half one that links know."""
    rng = np.random.default_rng(0)
    n, n_items = 300, 40
    seen = np.where(np.arange(n_items) < 20, 2, 50)
    targets = rng.integers(0, n_items, n)
    noise = {name: rng.normal(size=(n, n_items)).astype(np.float32) for name in BLEND.names}
    rare = targets < 20
    noise["tfidf_kernel"][np.flatnonzero(rare), targets[rare]] += 3
    noise["tfidf_kernel"][:, 20:] *= 2
    noise["sequential_knn"][np.flatnonzero(~rare), targets[~rare]] += 3
    asked = Histories.of([[]] * n)
    cases = Cases(np.arange(n), targets)
    found, log = choose_by_coldness(ColdBlend.of(BLEND), noise, asked, cases, item_groups(seen))
    seldom, often = (found.weights[0, group] / found.weights[0, group].sum() for group in (1, 2))
    assert seldom[0] > often[0]
    assert log and all(step["after"] > step["before"] for step in log)
    np.testing.assert_array_equal(found.weights[1], ColdBlend.of(BLEND).weights[1])  # no such customers
