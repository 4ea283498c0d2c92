"""Ranking metrics against answers known by hand, a slow plain reference, and ranx."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from retailor.metrics import ranking
from retailor.metrics.ranking import Ranked


def test_a_tied_target_ranks_behind_all_it_is_tied_with() -> None:
    scores = np.array([[1.0, 1, 1, 0], [0, 5, 1, 2], [3, 2, 1, -np.inf]])
    assert ranking.target_ranks(scores, [0, 1, 3]).tolist() == [3, 1, 4]


def test_a_model_that_scores_all_alike_gets_nothing() -> None:
    ranked = Ranked.single(ranking.target_ranks(np.zeros((5, 20)), np.arange(5)))
    assert ranking.recall_at(ranked, 10).sum() == 0


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=12), st.randoms())
def test_renumbering_the_items_changes_no_rank(scores: list[int], random: object) -> None:
    order = np.random.default_rng(len(scores)).permutation(len(scores))
    table = np.array([scores], dtype=float)
    for target in range(len(scores)):
        moved = int(np.flatnonzero(order == target)[0])
        assert ranking.target_ranks(table, [target]) == ranking.target_ranks(table[:, order], [moved])


def test_graded_ranks_put_the_worse_of_two_tied_first() -> None:
    ranks, grades = ranking.graded_ranks([2.0, 2, 2, 9], [3, 0, 1, 2])
    assert ranks.tolist() == [1, 3, 4]
    assert grades.tolist() == [2, 1, 3]


def _plain(ids: list[int], grades: dict[int, float], k: int) -> tuple[float, float, float, float]:
    """recall, ndcg, average precision, reciprocal rank: the textbook loops."""
    gains = [grades.get(one, 0.0) for one in ids[:k]]
    ideal = sorted(grades.values(), reverse=True)[:k]
    dcg = sum(gain / math.log2(i + 2) for i, gain in enumerate(gains))
    best = sum(gain / math.log2(i + 2) for i, gain in enumerate(ideal))
    hits = [i for i, gain in enumerate(gains) if gain > 0]
    precision = sum((n + 1) / (i + 1) for n, i in enumerate(hits))
    n = len(grades)
    return len(hits) / n, dcg / best, precision / n, 1 / (hits[0] + 1) if hits else 0.0


def _random_cases(n: int = 60) -> tuple[list[list[int]], list[dict[int, float]]]:
    rng = np.random.default_rng(1)
    answers = [rng.permutation(30)[: rng.integers(5, 30)].tolist() for _ in range(n)]
    judged = [
        {int(i): float(rng.integers(1, 4)) for i in rng.permutation(30)[: rng.integers(1, 6)]}
        for _ in range(n)
    ]
    return answers, judged


def _ranked() -> tuple[list[list[int]], list[dict[int, float]], Ranked]:
    answers, judged = _random_cases()
    lists = [[str(i) for i in ids] for ids in answers]
    return answers, judged, Ranked.lists(lists, [{str(i): g for i, g in one.items()} for one in judged])


def test_metrics_equal_the_plain_reference() -> None:
    answers, judged, ranked = _ranked()
    expected = np.array([_plain(ids, grades, 10) for ids, grades in zip(answers, judged, strict=True)])
    found = np.stack(
        [
            ranking.recall_at(ranked, 10),
            ranking.ndcg_at(ranked, 10),
            ranking.average_precision_at(ranked, 10),
            ranking.reciprocal_rank(ranked, 10),
        ],
        axis=1,
    )
    np.testing.assert_allclose(found, expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_metrics_equal_ranx() -> None:
    import ranx

    answers, judged, ranked = _ranked()
    names = [f"q{i:03}" for i in range(len(answers))]
    qrels = ranx.Qrels(
        {q: {str(i): int(g) for i, g in grades.items()} for q, grades in zip(names, judged, strict=True)}
    )
    run = ranx.Run(
        {
            q: {str(i): float(-place) for place, i in enumerate(ids)}
            for q, ids in zip(names, answers, strict=True)
        }
    )
    pairs = {
        "recall@10": ranking.recall_at(ranked, 10),
        "hit_rate@10": ranking.hit_at(ranked, 10),
        "ndcg@10": ranking.ndcg_at(ranked, 10),
        "ndcg_burges@10": ranking.ndcg_at(ranked, 10, exponential=True),
        "map@10": ranking.average_precision_at(ranked, 10),
        "mrr@10": ranking.reciprocal_rank(ranked, 10),
    }
    for metric, values in pairs.items():
        ranx.evaluate(qrels, run, metric)
        np.testing.assert_allclose(values, [run.scores[metric][q] for q in names], err_msg=metric)


def test_a_case_without_anything_relevant_scores_zero() -> None:
    ranked = Ranked.lists([["a"], ["b"]], [{}, {"b": 1.0}])
    for metric in (ranking.recall_at, ranking.ndcg_at, ranking.average_precision_at, ranking.hit_at):
        assert metric(ranked, 10).tolist() == [0, 1]
    assert ranking.reciprocal_rank(ranked).tolist() == [0, 1]


def test_what_is_not_found_has_no_reciprocal_rank() -> None:
    assert ranking.reciprocal_rank(Ranked.lists([["a"]], [{"z": 1.0}])).tolist() == [0]


def test_top_items_break_ties_by_the_key_and_never_show_hidden_ones() -> None:
    scores = np.array([[1.0, 1, 1, -np.inf, 2]])
    assert ranking.top_items(scores, 3, np.array([9, 1, 5, 0, 7])).tolist() == [[4, 1, 2]]
    assert ranking.top_items(scores, 5, np.array([9, 1, 5, 0, 7])).tolist() == [[4, 1, 2, 0, -1]]
    assert ranking.top_items(scores, 0).shape == (1, 0)


def test_coverage_novelty_and_popularity_by_hand() -> None:
    shown = np.array([[0, 1], [0, -1]])
    assert ranking.coverage(shown, 4) == 0.5
    np.testing.assert_allclose(ranking.novelty(shown, [3, 0, 0, 0], 3), [1.0, 0.0])
    np.testing.assert_allclose(ranking.popularity_percentile(shown, [3, 1, 1, 0]), [0.6875, 0.875])
    assert ranking.gini(np.array([[0, 1, 2, 3]]), 4) == pytest.approx(0)
    assert ranking.gini(np.array([[0], [0]]), 4) == pytest.approx(0.75)


def test_miscalibration_by_hand() -> None:
    categories = sp.csr_matrix(np.array([[1.0, 0], [0, 1], [0.5, 0.5], [0, 0]]))
    history = sp.csr_matrix(np.array([[3.0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]))
    shown = np.array([[0, 1], [2, -1], [1, 1], [0, 1]])
    found = ranking.miscalibration(shown, history, categories)
    uneven = 0.75 * np.log(0.75 / (0.99 * 0.5 + 0.01 * 0.75)) + 0.25 * np.log(
        0.25 / (0.99 * 0.5 + 0.01 * 0.25)
    )
    np.testing.assert_allclose(found, [uneven, 0.0, np.log(100), np.nan], atol=1e-12)
