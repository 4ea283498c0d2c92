"""Pseudo-labels: sure ones only, classes alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retailor.errors import ConfigError, DataError
from retailor.train.pseudo_labels import pseudo_labels


def test_the_surest_of_each_class() -> None:
    table = np.array([[0.9, 0.1], [0.2, 0.8], [0.95, 0.05], [0.55, 0.45], [0.1, 0.9], [0.99, 0.01]])
    rows, labels = pseudo_labels(table, floor=0.8)
    assert rows.tolist() == [1, 2, 4, 5] and labels.tolist() == [1, 0, 1, 0]
    assert pseudo_labels(table, floor=0.8, per_class=1)[0].tolist() == [4, 5]
    assert len(pseudo_labels(table[[0, 2]], floor=0.5)[0]) == 0
    assert len(pseudo_labels(np.zeros((0, 2)), floor=0.5)[0]) == 0


@given(
    raw=arrays(np.float64, st.tuples(st.integers(0, 30), st.integers(2, 4)), elements=st.floats(0.01, 1)),
    floor=st.floats(0, 1), per_class=st.none() | st.integers(1, 10),
)  # fmt: skip
def test_laws(raw: np.ndarray, floor: float, per_class: int | None) -> None:
    table = raw / raw.sum(axis=1, keepdims=True)
    rows, labels = pseudo_labels(table, floor=floor, per_class=per_class)
    assert (np.diff(rows) > 0).all() and (table.argmax(1)[rows] == labels).all()
    assert (table.max(1, initial=0)[rows] >= floor).all()
    counts = np.bincount(labels, minlength=table.shape[1])
    assert len(set(counts[counts > 0])) <= 1 and counts.max(initial=0) <= (per_class or 30)


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="floor"):
        pseudo_labels(np.ones((2, 2)) / 2, floor=1.4)
    with pytest.raises(ConfigError, match="per_class"):
        pseudo_labels(np.ones((2, 2)) / 2, floor=0.5, per_class=0)
    for bad in (np.ones(3), np.ones((2, 1)), np.full((2, 2), np.nan), np.array([[3.0, -2.0]])):
        with pytest.raises(DataError):
            pseudo_labels(bad, floor=0.5)
