"""The exact index against a sort, the approximate one against the exact, and both after a save."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retailor.errors import DataError
from retailor.retrieval import vectors
from retailor.retrieval.vectors import Method, VectorIndex

METHODS: tuple[Method, ...] = ("exact", "approximate")


def _unit(n: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    table = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


@pytest.mark.parametrize("block_bytes", [1, 64 << 20])
def test_exact_search_is_a_sort(block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "BLOCK_BYTES", block_bytes)
    table, queries = _unit(300), _unit(7, seed=1)
    rows, products = VectorIndex.build(table).search(queries, 5)
    scores = queries @ table.T
    np.testing.assert_array_equal(rows, np.argsort(-scores, axis=1)[:, :5])
    np.testing.assert_allclose(products, -np.sort(-scores, axis=1)[:, :5], rtol=1e-5)


def test_approximate_search_finds_nearly_all_and_says_how_many() -> None:
    table, queries = _unit(3000), _unit(50, seed=1)
    index = VectorIndex.build(table, method="approximate")
    found = vectors.recall(index, queries, 10)
    assert found.shape == (50,)
    assert found.mean() > 0.95
    assert vectors.recall(VectorIndex.build(table), queries, 10).mean() == 1.0
    poor = VectorIndex.build(table, method="approximate", links=2, effort=2, search_effort=1)
    assert vectors.recall(poor, queries, 10).mean() < found.mean()


def _of_many_lengths(n: int, dim: int, seed: int) -> np.ndarray:
    return _unit(n, dim, seed) * np.random.default_rng(seed).lognormal(0, 1, (n, 1)).astype(np.float32)


@pytest.mark.parametrize("block_bytes", [1, 64 << 20])
def test_a_graph_finds_what_has_the_greatest_inner_product(
    block_bytes: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(vectors, "BLOCK_BYTES", block_bytes)
    table, asked = _of_many_lengths(3000, 16, 3), _unit(50, seed=1)
    index = VectorIndex.build(table, method="approximate")
    rows, products = index.search(asked, 10)
    assert vectors.recall(index, asked, 10).mean() > 0.97
    assert str(index.graph.dtype).lower().endswith("f16") and index.graph.ndim == 16
    np.testing.assert_allclose(products, np.take_along_axis(asked @ table.T, rows, axis=1), rtol=1e-5)
    index.save_graph(tmp_path / "graph")
    again = VectorIndex.with_graph(table, tmp_path / "graph")
    np.testing.assert_array_equal(again.search(asked, 10)[0], rows)
    with pytest.raises(DataError, match="does not fit"):
        VectorIndex.with_graph(table[:, :2], tmp_path / "graph")


def test_a_graph_of_before_is_read(tmp_path: Path) -> None:
    table, asked = _unit(500, 5, 3)[:, :4], _unit(20, 4, seed=1)
    with_rest = np.concatenate([table, np.sqrt(1 - (table**2).sum(axis=1, keepdims=True))], axis=1)
    VectorIndex.build(with_rest, method="approximate").save_graph(tmp_path / "graph")
    before = VectorIndex.with_graph(table, tmp_path / "graph")
    assert vectors.recall(before, asked, 5).mean() > 0.97


@pytest.mark.parametrize(("of_items", "of_queries"), [(1e-7, 1.0), (1e7, 1.0), (1.0, 1e-7), (1.0, 1e7)])
def test_no_length_is_too_great_or_too_small_for_16_bits(of_items: float, of_queries: float) -> None:
    table, queries = _unit(500) * np.float32(of_items), _unit(20, seed=1) * np.float32(of_queries)
    index = VectorIndex.build(table, method="approximate")
    assert vectors.recall(index, queries, 5).mean() > 0.97
    assert len(VectorIndex.build(np.zeros((3, 4), np.float32), method="approximate")) == 3


@pytest.mark.parametrize("method", METHODS)
def test_an_index_answers_the_same_after_a_save(method: Method, tmp_path: Path) -> None:
    index, queries = VectorIndex.build(_unit(200), method=method), _unit(5, seed=2)
    index.save(tmp_path / "index")
    again = VectorIndex.load(tmp_path / "index")
    assert again.method == method
    np.testing.assert_array_equal(index.search(queries, 8)[0], again.search(queries, 8)[0])


@pytest.mark.parametrize("method", METHODS)
def test_small_indexes_and_no_queries(method: Method) -> None:
    index = VectorIndex.build(_unit(3), method=method)
    rows, products = index.search(_unit(2, seed=3), 10)
    assert rows.shape == products.shape == (2, 3)
    assert index.search(np.zeros((0, 16), np.float32), 4)[0].shape == (0, 3)
    assert len(index) == 3 and index.dim == 16


def test_wrong_vectors_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="finite"):
        VectorIndex.build(np.full((2, 2), np.nan, np.float32))
    index = VectorIndex.build(_unit(30), method="approximate")
    with pytest.raises(DataError, match="3 numbers, the index 16"):
        index.search(np.zeros((1, 3), np.float32), 2)
    index.save(tmp_path)
    (tmp_path / "graph.usearch").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"graph\.usearch"):
        VectorIndex.load(tmp_path)
    (tmp_path / "vectors.safetensors").unlink()
    with pytest.raises(DataError, match=r"vectors\.safetensors"):
        VectorIndex.load(tmp_path)
