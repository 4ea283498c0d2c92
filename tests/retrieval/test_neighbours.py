"""Neighbours counted in blocks are those counted at once; what is looked up is what slicing gives."""

from __future__ import annotations

import numpy as np
import pytest

from retailor.retrieval import neighbours
from retailor.retrieval.histories import Histories
from retailor.retrieval.item_to_item import ItemToItem, between


def _histories(n_users: int = 200, n_items: int = 60, seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    own = [rng.integers(n_items, size=rng.integers(0, 25)).tolist() for _ in range(n_users)]
    return Histories.of(own, [rng.choice([0.3, 0.6, 1.0], size=len(one)).tolist() for one in own])


def _fits(histories: Histories) -> dict[str, ItemToItem]:
    return {
        "item-knn": neighbours.fit_item_knn(histories.matrix(60), n_links=9),
        "sequential-knn": neighbours.fit_sequential_knn(histories, 60, n_links=60),
    }


@pytest.mark.parametrize("pairs", [1, 700])
def test_blocks_change_no_links(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _fits(_histories())
    monkeypatch.setattr(neighbours, "PAIRS", pairs)
    parted = _fits(_histories())
    np.testing.assert_array_equal(whole["item-knn"].links.toarray(), parted["item-knn"].links.toarray())
    np.testing.assert_allclose(
        whole["sequential-knn"].links.toarray(), parted["sequential-knn"].links.toarray(), rtol=1e-5
    )


def test_blocks_follow_each_other_and_hold_no_more_pairs_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbours, "PAIRS", 10)
    found = neighbours.blocks_of(np.array([4, 6, 1, 25, 0, 3, 8]))
    assert [(one.start, one.stop) for one in found] == [(0, 2), (2, 3), (3, 4), (4, 6), (6, 7)]


def test_a_shop_without_pairs_has_no_links() -> None:
    for part in _fits(Histories.of([[3], [], [5]])).values():
        assert part.links.shape == (60, 60) and not part.links.nnz


def test_entries_between_some_rows_and_columns() -> None:
    matrix = _histories().matrix(60)
    rows, columns = np.array([7, 3, 199]), np.random.default_rng(1).permutation(60)[:20]
    np.testing.assert_array_equal(between(matrix, rows, columns), matrix[rows][:, columns].toarray())
    assert between(matrix, rows, columns[:1]).shape == (3, 1)


def test_a_pair_counts_by_its_gap_and_half_in_the_order_that_did_not_happen() -> None:
    plain = neighbours.Following(popularity=0.0)
    links = neighbours.fit_sequential_knn(Histories.of([[0, 1, 2]]), 3, dials=plain).links.toarray()
    far = 1 / np.sqrt(2)
    np.testing.assert_allclose(links, [[0, 1, far], [0.5, 0, 1], [far / 2, 0.5, 0]], rtol=1e-6)
