"""Collaborative filters against slow textbook formulas and against what must hold for any numbering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.errors import DataError, ModelError
from retailor.retrieval import ease, neighbours
from retailor.retrieval import histories as histories_room
from retailor.retrieval.ease import fit_ease
from retailor.retrieval.histories import Histories
from retailor.retrieval.ials import Factors, fit_ials
from retailor.retrieval.item_to_item import ItemToItem, stacked, strongest
from retailor.retrieval.popularity import Popularity, fit_popularity


def _histories(n_users: int = 40, n_items: int = 15, seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    return Histories.of([rng.permutation(n_items)[: rng.integers(0, 7)].tolist() for _ in range(n_users)])


def test_histories_know_owners_ages_and_selection() -> None:
    some = Histories.of([[3, 1], [], [2, 0, 1]], [[1, 2], [], [1, 1, 4]])
    assert some.owners().tolist() == [0, 0, 2, 2, 2]
    assert some.ages().tolist() == [2, 1, 3, 2, 1]
    assert len(some) == 3
    chosen = some.at(np.array([2, 0]))
    assert chosen.items.tolist() == [2, 0, 1, 3, 1]
    assert chosen.weights.tolist() == [1, 1, 4, 1, 2]
    assert some.at(slice(1, 2)).lengths().tolist() == [0]


def test_a_repeated_item_counts_once_at_its_largest() -> None:
    matrix = Histories.of([[1, 0, 1]]).matrix(3, decay=1.0).toarray()
    np.testing.assert_allclose(matrix, [[0.5, 1.0, 0.0]])


def test_popularity_counts_customers_not_events() -> None:
    matrix = Histories.of([[0, 0, 1], [0]]).matrix(3)
    assert fit_popularity(matrix).scores(Histories.of([[], [1]])).tolist() == [
        [2, 1, 0],
        [2, 1, 0],
    ]


def test_item_knn_is_the_cosine_of_columns() -> None:
    histories = _histories()
    dense = histories.matrix(15).toarray()
    norms = np.linalg.norm(dense, axis=0)
    cosine = dense.T @ dense / np.maximum(np.outer(norms, norms), 1e-12)
    np.fill_diagonal(cosine, 0)
    found = neighbours.fit_item_knn(histories.matrix(15))
    np.testing.assert_allclose(found.links.toarray(), cosine, atol=1e-6)
    np.testing.assert_allclose(found.scores(histories), dense @ cosine, atol=1e-5)


def _slow_ease(dense: NDArray[Any], regularisation: float, extra: NDArray[Any]) -> NDArray[Any]:
    """Steck 2019, equations 8 and 9: B = I − P · diagMat(1 ⊘ diag(P)), one column's ridge at a time."""
    n = dense.shape[1]
    gram = dense.T @ dense + extra
    weights = np.zeros((n, n))
    for item in range(n):
        rest = [other for other in range(n) if other != item]
        left = gram[np.ix_(rest, rest)] + regularisation * np.eye(n - 1)
        weights[rest, item] = np.linalg.solve(left, gram[rest, item])
    return weights


@pytest.mark.parametrize("block", [4, 1024])
@pytest.mark.parametrize("with_kernel", [False, True])
def test_ease_is_a_ridge_regression_of_each_item(
    block: int, with_kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ease, "BLOCK", block)
    matrix = _histories().matrix(15)
    features = np.random.default_rng(3).standard_normal((15, 4)).astype(np.float32)
    kernels = [(2.0, features), (0.5, sp.csr_matrix(features > 0, dtype=np.float32))] if with_kernel else []
    extra = sum((w * np.asarray((f @ f.T).todense() if sp.issparse(f) else f @ f.T) for w, f in kernels), 0.0)
    expected = _slow_ease(matrix.toarray().astype(float), 5.0, np.asarray(extra) * np.ones((15, 15)))
    found = fit_ease(matrix, regularisation=5.0, kernels=kernels).links.toarray()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_ease_with_a_kernel_links_an_item_without_events_to_what_it_resembles() -> None:
    histories = Histories.of([[0, 1]] * 10 + [[2, 3]] * 10)
    features = np.eye(5, dtype=np.float32)
    features[4] = features[1]
    links = fit_ease(histories.matrix(5), regularisation=1.0, kernels=[(5.0, features)])
    scores = links.scores(Histories.of([[1]]))[0]
    assert scores[4] > max(scores[2], scores[3])
    assert fit_ease(histories.matrix(5)).scores(Histories.of([[1]]))[0, 4] == 0


def test_ease_says_what_is_wrong() -> None:
    with pytest.raises(DataError, match="features of 3 items, not of 15"):
        fit_ease(_histories().matrix(15), kernels=[(1.0, np.ones((3, 2), np.float32))])
    with pytest.raises(ModelError, match="raise the regularisation"):
        fit_ease(Histories.of([[0, 1]]).matrix(3), regularisation=0.0)


def test_sequential_knn_is_the_plain_double_loop() -> None:
    histories = _histories()
    expected = np.zeros((15, 15))
    for start, end in zip(histories.offsets[:-1], histories.offsets[1:], strict=True):
        own = histories.items[start:end].tolist()
        for i, earlier in enumerate(own):
            for j in range(i + 1, min(len(own), i + 4)):
                expected[earlier, own[j]] += 1 / (j - i) ** 0.7
                expected[own[j], earlier] += 0.4 / (j - i) ** 0.7
    counts = np.bincount(histories.items, minlength=15).clip(1)
    expected /= np.outer(counts, counts) ** 0.3
    found = neighbours.fit_sequential_knn(histories, 15, dials=neighbours.Following(3, 0.7, 0.4, 0.3))
    np.testing.assert_allclose(found.links.toarray(), expected, atol=1e-5)


def test_a_shorter_list_of_links_keeps_the_strongest_and_all_ties() -> None:
    links = sp.csr_matrix(np.array([[0, 3, -5, 1], [2, 0, 2, 2], [0, 0, 0, 0], [1, 0, 0, 0]], np.float32))
    kept = strongest(links, 2).toarray()
    np.testing.assert_array_equal(kept, [[0, 3, -5, 0], [2, 0, 2, 2], [0, 0, 0, 0], [1, 0, 0, 0]])


def _fits(histories: Histories, n: int) -> dict[str, Any]:
    matrix = histories.matrix(n)
    return {
        "popularity": fit_popularity(matrix),
        "item-knn": neighbours.fit_item_knn(matrix, n_links=4),
        "sequential-knn": neighbours.fit_sequential_knn(histories, n, n_links=4),
        "ease": fit_ease(matrix, regularisation=3.0, n_links=6),
    }


def test_an_item_s_row_number_means_nothing() -> None:
    histories, n = _histories(), 15
    order = np.random.default_rng(9).permutation(n)
    place = np.argsort(order).astype(np.int32)
    moved = Histories(histories.offsets, place[histories.items], histories.weights)
    for name, fitted in _fits(histories, n).items():
        again = _fits(moved, n)[name]
        np.testing.assert_allclose(
            fitted.scores(histories)[:, order], again.scores(moved), atol=1e-4, err_msg=name
        )


@pytest.mark.filterwarnings("ignore")
def test_ials_finds_who_belongs_together_and_folds_a_new_customer_in() -> None:
    even, odd = [0, 2, 4, 6], [1, 3, 5, 7]
    rng = np.random.default_rng(0)
    histories = Histories.of([rng.permutation(side)[:3].tolist() for side in (even, odd) for _ in range(30)])
    factors = fit_ials(histories.matrix(8), n_factors=2, regularisation=0.1)
    scores = factors.scores(Histories.of([[0, 2], [1], []]))
    assert scores[0, [4, 6]].min() > scores[0, odd].max()
    assert scores[1, [3, 5, 7]].min() > scores[1, even].max()
    assert not scores[2].any()


def test_factors_solve_the_textbook_normal_equations() -> None:
    items = np.random.default_rng(2).standard_normal((6, 3)).astype(np.float32)
    confidence = np.zeros(6)
    confidence[[1, 4]] = 7.0
    left = items.T @ np.diag(1 + confidence) @ items + 0.3 * np.eye(3)
    user = np.linalg.solve(left, items.T @ ((1 + confidence) * (confidence > 0)))
    found = Factors(items, alpha=7.0, regularisation=0.3).scores(Histories.of([[1, 4]]))[0]
    np.testing.assert_allclose(found, items @ user, atol=1e-4)


@dataclass(frozen=True)
class _Again:
    kind: Any
    fitted: Any


def test_tensors_give_the_same_scorer_back() -> None:
    histories = _histories()
    fits = _fits(histories, 15)
    kinds = [_Again(Popularity, fits["popularity"]), _Again(ItemToItem, fits["ease"])]
    kinds.append(_Again(Factors, Factors(np.ones((15, 2), np.float32), 1.0, 0.5)))
    for one in kinds:
        again = one.kind.of(one.fitted.tensors())
        np.testing.assert_array_equal(again.scores(histories), one.fitted.scores(histories))


@pytest.mark.parametrize("kernel", [False, True])
def test_few_customers_are_solved_by_their_number_and_not_by_that_of_the_items(
    kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    matrix = _histories(n_users=8, n_items=40).matrix(40)
    kernels = [(3.0, sp.csr_matrix(rng.random((40, 4)).astype(np.float32)))] if kernel else []
    few = fit_ease(matrix, regularisation=2.0, kernels=kernels)
    monkeypatch.setattr(ease, "_inverse_of_few", None)  # not to be called: customers are many
    idle = sp.vstack([matrix, sp.csr_matrix((40, 40), dtype=np.float32)], format="csr")
    many = fit_ease(idle, regularisation=2.0, kernels=kernels)
    np.testing.assert_allclose(few.links.toarray(), many.links.toarray(), atol=1e-5)
    assert few.inverse_diagonal is not None and many.inverse_diagonal is not None
    np.testing.assert_allclose(few.inverse_diagonal, many.inverse_diagonal, rtol=1e-4)


def test_stacked_blocks_are_those_of_scipy_and_are_taken_out_of_the_list() -> None:
    rng = np.random.default_rng(0)
    blocks = [sp.random(n, 7, 0.4, "csr", np.float32, rng) for n in (3, 0, 1, 5)]
    whole = sp.vstack(blocks, format="csr")
    made = stacked(blocks)
    assert blocks == [] and made.dtype == np.float32 and made.shape == (9, 7)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(made, name), getattr(whole, name))


@pytest.mark.parametrize("at_once", [1, 4, 1 << 22])
@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_the_table_of_histories_is_the_same_made_in_steps(
    at_once: int, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories_room, "EVENTS_AT_ONCE", at_once)
    told = Histories.of([[], [3, 1, 3], [0], [], [2, 2, 2, 1, 4], []])
    made = told.matrix(6, decay=decay)
    owners, items, values = told.weighed(decay)
    np.testing.assert_array_equal(
        made.toarray(), sp.csr_matrix((values, (owners, items)), shape=(6, 6)).toarray()
    )
    assert made.has_canonical_format and made.indices.dtype == np.int32
    assert Histories.of([]).matrix(3).shape == (0, 3) and Histories.of([[], []]).matrix(3).nnz == 0
