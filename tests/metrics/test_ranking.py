"""Ranking metrics against answers known by hand, every order of a tie, a slow plain reference, and ranx."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.metrics import ranking
from retailor.metrics.ranking import NOT_FOUND, Ranked

KS = (1, 2, 3, 5, 10, 40)
Metric = Callable[[Ranked], np.ndarray]
METRICS: dict[str, Metric] = {
    "mrr": ranking.reciprocal_rank,
    "map": ranking.average_precision_at,
    **{f"recall@{k}": lambda ranked, k=k: ranking.recall_at(ranked, k) for k in KS},
    **{f"hit@{k}": lambda ranked, k=k: ranking.hit_at(ranked, k) for k in KS},
    **{f"mrr@{k}": lambda ranked, k=k: ranking.reciprocal_rank(ranked, k) for k in KS},
    **{f"map@{k}": lambda ranked, k=k: ranking.average_precision_at(ranked, k) for k in KS},
    **{f"ndcg@{k}": lambda ranked, k=k: ranking.ndcg_at(ranked, k) for k in KS},
    **{f"burges@{k}": lambda ranked, k=k: ranking.ndcg_at(ranked, k, exponential=True) for k in KS},
}
cases = st.lists(
    st.tuples(st.integers(-2, 2).map(float), st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0, 3.0])),
    min_size=1,
    max_size=7,
)


def values(ranked: Ranked) -> dict[str, float]:
    return {name: float(metric(ranked)[0]) for name, metric in METRICS.items()}


def plain(order: Sequence[float], n_relevant: int, k: int | None) -> dict[str, float]:
    """recall, hit, mrr, map, ndcg and burges of grades in their order: the textbook loops."""
    cut = len(order) if k is None else k
    gains = order[:cut]
    hits = [i for i, gain in enumerate(gains) if gain > 0]
    most = min(n_relevant, cut) or 1

    def dcg(grades: Sequence[float]) -> float:
        return sum(grade / math.log2(i + 2) for i, grade in enumerate(grades))

    def ndcg(grades: Sequence[float]) -> float:
        return dcg(grades[:cut]) / (dcg(sorted(grades, reverse=True)[:cut]) or 1.0)

    return {
        "recall": len(hits) / most,
        "hit": float(bool(hits)),
        "mrr": 1 / (hits[0] + 1) if hits else 0.0,
        "map": sum((n + 1) / (i + 1) for n, i in enumerate(hits)) / most,
        "ndcg": ndcg(order),
        "burges": ndcg([2**grade - 1 for grade in order]),
    }


def over_all_orders(scores: Sequence[float], grades: Sequence[float]) -> dict[str, float]:
    """The mean of every metric over all orders that the scores allow, by going through them."""
    levels = [
        [grade for score, grade in zip(scores, grades, strict=True) if score == level]
        for level in sorted(set(scores), reverse=True)
    ]
    found: dict[str, list[float]] = {}
    n = sum(grade > 0 for grade in grades)
    for ways in itertools.product(*(itertools.permutations(level) for level in levels)):
        order = [grade for way in ways for grade in way]
        for k in (None, *KS):
            for name, value in plain(order, n, k).items():
                if k is not None or name in ("mrr", "map"):
                    found.setdefault(name if k is None else f"{name}@{k}", []).append(value)
    return {name: float(np.mean(some)) for name, some in found.items()}


# ties ---------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=80)
@given(cases)
def test_a_tie_is_worth_the_mean_of_all_its_orders(case: list[tuple[float, float]]) -> None:
    scores, grades = (list(part) for part in zip(*case, strict=True))
    assert values(Ranked.cases([ranking.graded_ranks(scores, grades)])) == pytest.approx(
        over_all_orders(scores, grades), abs=1e-9
    )


@settings(deadline=None, max_examples=80)
@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_changes_not_a_digit(
    case: list[tuple[float, float]], random: Random
) -> None:
    shuffled = random.sample(case, len(case))
    found, again = (
        values(Ranked.cases([ranking.graded_ranks(*zip(*some, strict=True))])) for some in (case, shuffled)
    )
    assert found == again


@settings(deadline=None, max_examples=15)
@given(cases)
def test_a_scorer_that_says_nothing_reads_what_a_random_order_reads(case: list[tuple[float, float]]) -> None:
    grades = [grade for _, grade in case]
    rng = np.random.default_rng(len(case))
    draws = [ranking.graded_ranks(rng.permutation(len(grades)).astype(float), grades) for _ in range(400)]
    constant = Ranked.cases([ranking.graded_ranks(np.zeros(len(grades)), grades)])
    for name, metric in METRICS.items():
        drawn = metric(Ranked.cases(draws))
        assert abs(float(metric(constant)[0]) - drawn.mean()) <= 5 * drawn.std() / 20 + 1e-9, name


@settings(deadline=None, max_examples=80)
@given(st.lists(st.sampled_from([0.0, 0.25, 1.0, 2.0]), min_size=1, max_size=60).filter(any))
def test_a_perfect_order_reads_one_at_every_k(grades: list[float]) -> None:
    found = values(Ranked.cases([ranking.graded_ranks(grades, grades)]))
    for name, value in found.items():
        assert value == pytest.approx(1.0), name


def test_a_large_tie_is_worked_out_exactly_and_fast() -> None:
    n, r = 50_000, 7
    grades = np.zeros(n)
    grades[:r] = 1
    ranked = Ranked.cases([ranking.graded_ranks(np.zeros(n), grades)] * 50)
    assert ranking.recall_at(ranked, 10) == pytest.approx(10 / n)
    assert ranking.hit_at(ranked, 10) == pytest.approx(
        1 - math.prod((n - 10 - i) / (n - i) for i in range(r))
    )
    first = sum(r / (n - i) * math.prod(1 - r / (n - j) for j in range(i)) / (i + 1) for i in range(200))
    assert ranking.reciprocal_rank(ranked, 200) == pytest.approx(first)
    assert ranking.average_precision_at(Ranked.single([[1, n]])) == pytest.approx(
        sum(1 / i for i in range(1, n + 1)) / n
    )


def test_best_and_worst_ranks_of_a_tied_target() -> None:
    scores = np.array([[1.0, 1, 1, 0], [0, 5, 1, 2], [3, 2, 1, -np.inf], [3, 2, np.nan, 0]])
    missing = [NOT_FOUND, NOT_FOUND]
    assert ranking.tied_ranks(scores, [0, 1, 3, 2]).tolist() == [[1, 3], [1, 1], missing, missing]
    assert ranking.target_ranks(scores, [0, 1, 3, 2]).tolist() == [3, 1, 4, 4]
    for row, target in zip(scores, [0, 1, 3, 2], strict=True):
        alone = ranking.graded_ranks(row, np.eye(4)[target])[0]
        assert alone.tolist() == ranking.tied_ranks(row[None], [target]).tolist()


def test_what_is_hidden_or_nan_is_never_found_even_in_a_small_catalogue() -> None:
    ranked = Ranked.cases([ranking.graded_ranks([1.0, -np.inf, np.nan], [0, 1, 1])])
    assert set(values(ranked).values()) == {0.0}
    single = Ranked.single(ranking.tied_ranks(np.array([[1.0, -np.inf]]), [1]))
    assert set(values(single).values()) == {0.0}


def test_graded_ranks_come_by_rank_and_item_ranks_as_they_were_asked() -> None:
    ranks, grades = ranking.graded_ranks([2.0, 2, 2, 9], [3, 0, 1, 2])
    assert ranks.tolist() == [[1, 1], [2, 4], [2, 4]]
    assert grades.tolist() == [2, 1, 3]
    assert ranking.item_ranks([2.0, 2, 2, 9], [2, 3]).tolist() == [[2, 4], [1, 1]]


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=12))
def test_renumbering_the_items_changes_no_rank(scores: list[int]) -> None:
    order = np.random.default_rng(len(scores)).permutation(len(scores))
    table = np.array([scores], dtype=float)
    for target in range(len(scores)):
        moved = int(np.flatnonzero(order == target)[0])
        for ranks in (ranking.target_ranks, ranking.tied_ranks):
            assert (ranks(table, [target]) == ranks(table[:, order], [moved])).all()


# against others -----------------------------------------------------------------------------------


def _random_cases(n: int = 60) -> tuple[list[list[int]], list[dict[int, float]]]:
    """Lists of up to 30 of 40 things, with 1 to 25 relevant ones: often more than are looked at."""
    rng = np.random.default_rng(1)
    answers = [rng.permutation(40)[: rng.integers(0, 30)].tolist() for _ in range(n)]
    judged = [
        {int(i): float(rng.integers(1, 4)) for i in rng.permutation(40)[: rng.integers(1, 26)]}
        for _ in range(n)
    ]
    return answers, judged


def _ranked() -> tuple[list[list[int]], list[dict[int, float]], Ranked]:
    answers, judged = _random_cases()
    lists = [[str(i) for i in ids] for ids in answers]
    return answers, judged, Ranked.lists(lists, [{str(i): g for i, g in one.items()} for one in judged])


@pytest.mark.parametrize("k", KS)
def test_metrics_equal_the_plain_reference(k: int) -> None:
    answers, judged, ranked = _ranked()
    for i, (ids, grades) in enumerate(zip(answers, judged, strict=True)):
        missing = [grade for one, grade in grades.items() if one not in ids]
        # What no list has comes after all that could be looked at.
        order = [grades.get(one, 0.0) for one in ids] + [0.0] * 50 + missing
        for name, value in plain(order, len(grades), k).items():
            assert METRICS[f"{name}@{k}"](ranked)[i] == pytest.approx(value), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("k", KS)
def test_metrics_equal_ranx(k: int) -> None:
    """ranx divides recall and average precision by all that is relevant; ours by what k places can hold."""
    import ranx

    answers, judged, ranked = _ranked()
    names = [f"q{i:03}" for i in range(len(answers))]
    qrels = ranx.Qrels(
        {q: {str(i): int(g) for i, g in grades.items()} for q, grades in zip(names, judged, strict=True)}
    )
    run = ranx.Run(
        {
            q: {str(i): float(-place) for place, i in enumerate(ids)} or {"nothing": 0.0}
            for q, ids in zip(names, answers, strict=True)
        }
    )
    n = ranked.n_relevant()
    assert (n > k).any() or k > 25
    cut = np.minimum(n, k) / n
    pairs = {
        f"recall@{k}": ranking.recall_at(ranked, k) * cut,
        f"hit_rate@{k}": ranking.hit_at(ranked, k),
        f"ndcg@{k}": ranking.ndcg_at(ranked, k),
        f"ndcg_burges@{k}": ranking.ndcg_at(ranked, k, exponential=True),
        f"map@{k}": ranking.average_precision_at(ranked, k) * cut,
        f"mrr@{k}": ranking.reciprocal_rank(ranked, k),
        "map": ranking.average_precision_at(ranked),
        "mrr": ranking.reciprocal_rank(ranked),
    }
    for metric, found in pairs.items():
        ranx.evaluate(qrels, run, metric)
        np.testing.assert_allclose(found, [run.scores[metric][q] for q in names], err_msg=metric, atol=1e-12)


def test_a_case_without_anything_relevant_or_without_a_list_is_zero_in_all() -> None:
    ranked = Ranked.lists([["a"], ["b"], []], [{}, {"b": 1.0}, {"b": 1.0}])
    for name, metric in METRICS.items():
        assert metric(ranked).tolist() == pytest.approx([0, 1, 0]), name
        assert metric(Ranked.lists([], [])).tolist() == []
        assert metric(Ranked.cases([ranking.graded_ranks([], [])])).tolist() == [0]


def test_what_is_not_found_has_no_reciprocal_rank() -> None:
    assert ranking.reciprocal_rank(Ranked.lists([["a"]], [{"z": 1.0}])).tolist() == [0]


# beyond accuracy ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("grade", [1.0, 0.5, 1e-3])
def test_a_perfect_order_reads_1_whatever_the_unit_of_the_grades(grade: float) -> None:
    scores, grades = np.array([3.0, 2.0, 1.0]), np.array([grade, grade / 2, 0.0])
    ranked = Ranked.cases([ranking.graded_ranks(scores, grades)])
    assert ranking.ndcg_at(ranked, 2) == pytest.approx([1.0])


@given(seed=st.integers(0, 10**6), k=st.integers(0, 900), share=st.sampled_from([0.0, 0.5, 0.999]))
@settings(max_examples=25)
def test_top_items_of_many_are_those_of_a_whole_sort(seed: int, k: int, share: float) -> None:
    """Also where most are equal or hidden: these are looked for block by block."""
    draw = np.random.default_rng(seed)
    scores = draw.normal(size=(1, 20_011)).astype(np.float32)
    scores[draw.random(scores.shape) < share] = draw.choice([0.0, -np.inf, 3.0])
    tie = draw.permutation(scores.shape[1])
    order = np.lexsort((tie, -scores[0]))
    order = order[scores[0][order] > -np.inf][:k]
    found = ranking.top_items(scores, k, tie)[0]
    assert found.tolist() == [*order.tolist(), *[-1] * (len(found) - len(order))]
